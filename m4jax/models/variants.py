"""The table of models: sizes as published, each with its source, and the testbed's small ones."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a two-tower model is made of; every field can be overridden in `models.create`.

    Attributes:
      image_size: height and width of the pictures, in pixels.
      patch_size: height and width of a patch, in pixels.
      width: of the image tower.
      depth: number of layers of the image tower.
      heads: number of attention heads of the image tower.
      pooling: the image tower's: a class token, or the mean over patches.
      text_width: width of the text tower.
      text_depth: number of layers of the text tower.
      text_heads: number of attention heads of the text tower.
      text_pooling: the text tower's: the last token that is not padding (the end-of-text token),
        or the mean over the tokens that are not padding.
      causal: whether a token attends to itself and its predecessors only.
      context: the largest number of tokens of a text.
      vocab_size: number of token ids; id 0 is padding.
      embed: size of the embeddings that the towers share.
      activation: of the MLPs, a key of `layers.ACTIVATIONS`.
      logit_scale: the initial factor of the cosine similarities (its logarithm is learnt).
      logit_bias: the initial bias of the logits, or None for a model without one.
    """

    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    text_width: int
    text_depth: int
    text_heads: int
    embed: int
    pooling: Literal["class", "mean"] = "class"
    text_pooling: Literal["last", "mean"] = "last"
    causal: bool = True
    context: int = 77
    vocab_size: int = 49408
    activation: str = "quick_gelu"
    logit_scale: float = 1 / 0.07  # Radford et al. 2021, section 2.5
    logit_bias: float | None = None


def _clip(patch_size: int, vision: tuple, text: tuple, embed: int) -> Variant:
    """Returns an OpenAI-CLIP model for 224 px from the (width, depth, heads) of its towers."""
    return Variant(224, patch_size, *vision, *text, embed)


def _emoji(patch_size: int, width: int, depth: int, heads: int) -> Variant:
    """Returns a model for the testbed: short captions, mean pooling, cheap on one CPU core."""
    return Variant(
        *(32, patch_size, width, depth, heads),
        *(width, 1, heads, width),
        pooling="mean",
        text_pooling="mean",
        causal=False,
        context=16,
        vocab_size=512,
    )


_TINY = (192, 12, 3)  # ViT-Ti, S, B, L: Steiner et al. 2021, "How to train your ViT?", table 2
_SMALL = (384, 12, 6)
_BASE = (768, 12, 12)
_LARGE = (1024, 24, 16)
_TEXT_BASE = (512, 12, 8)  # text towers of B and L: Radford et al. 2021, table 20
_TEXT_LARGE = (768, 12, 12)

VARIANTS: dict[str, Variant] = {
    # Ti and S: the image tower's sizes for both towers, as open_clip's ViT-S-32.json has it.
    "ViT-Ti/32": _clip(32, _TINY, _TINY, 192),
    "ViT-Ti/16": _clip(16, _TINY, _TINY, 192),
    "ViT-S/32": _clip(32, _SMALL, _SMALL, 384),
    "ViT-S/16": _clip(16, _SMALL, _SMALL, 384),
    # Radford et al. 2021, table 20 (L/16: the same towers with smaller sequences).
    "ViT-B/32": _clip(32, _BASE, _TEXT_BASE, 512),
    "ViT-B/16": _clip(16, _BASE, _TEXT_BASE, 512),
    "ViT-L/16": _clip(16, _LARGE, _TEXT_LARGE, 768),
    "ViT-L/14": _clip(14, _LARGE, _TEXT_LARGE, 768),
    # The testbed's own.
    "emoji-S/8": _emoji(8, width=64, depth=3, heads=2),
    "emoji-S/4": _emoji(4, width=64, depth=3, heads=2),
    "emoji-B/8": _emoji(8, width=128, depth=4, heads=4),
}

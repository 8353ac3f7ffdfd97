"""The table of models: sizes as published, each with its source, and the testbed's small ones."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax

from m4jax.errors import InputError, nearest


def quick_gelu(x: jax.Array) -> jax.Array:
    """Returns x·σ(1.702 x), OpenAI-CLIP's approximation of GELU."""
    return x * jax.nn.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "quick_gelu": quick_gelu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": functools.partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}

# What a layer keeps for its gradient; the rest is computed again.
REMAT: dict[str, Callable | None] = {
    "none": None,  # everything is kept
    "dots": jax.checkpoint_policies.checkpoint_dots_with_no_batch_dims,  # products with parameters
    "full": jax.checkpoint_policies.nothing_saveable,  # only the layer's input
}


_COUNTS = ("depth", "text_depth", "embed", "context", "vocab_size")


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a two-tower model is made of; every field can be overridden in `models.create`.

    Raises:
        InputError: if sizes don't fit together, or a choice is not among those there are.
    """

    image_size: int  # height and width of the pictures, in pixels
    # Height and width of a patch, in pixels; rows and columns of a picture beyond the last whole
    # patch are not seen.
    patch_size: int
    width: int  # of the image tower
    depth: int  # number of layers of the image tower
    heads: int  # number of attention heads of the image tower
    text_width: int
    text_depth: int
    text_heads: int
    embed: int  # size of the embeddings that the towers share
    # The image tower's: a class token (and a norm before the layers), the mean over patches, or
    # attention ("map").
    pooling: Literal["class", "mean", "map"] = "class"
    # The text tower's: the last token that is not padding (the end-of-text token), the mean over
    # the tokens that are not padding, or the last position, padding or not ("end").
    text_pooling: Literal["last", "mean", "end"] = "last"
    # What a token attends to: itself and its predecessors, all but padding, or all.
    text_mask: Literal["causal", "padding", "none"] = "causal"
    context: int = 77  # the largest number of tokens of a text; without a mask the only one
    vocab_size: int = 49408  # number of token ids; id 0 is padding, but not without a mask
    # Width of the hidden layer of the MLPs, of attention pooling as well; None: four times that of
    # the tower.
    mlp_width: int | None = None
    text_mlp_width: int | None = None
    biases: bool = False  # whether the patch embedding and the projections have biases
    activation: str = "quick_gelu"  # of the MLPs, a key of `ACTIVATIONS`
    text_activation: str | None = None  # of the text tower's; None: the same
    norm_epsilon: float = 1e-5  # added to the variance in layer normalisation
    # The initial factor of the cosine similarities (its logarithm is learnt).
    logit_scale: float = 1 / 0.07  # Radford et al. 2021, section 2.5
    logit_bias: float | None = None  # the initial bias of the logits; None: a model without one
    pixel_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)  # of the channels, from 0 to 1
    pixel_std: tuple[float, float, float] = (0.5, 0.5, 0.5)  # pictures are normalised by both
    # Of the computation; parameters, norms' moments, softmax and embeddings stay float32.
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: str = "none"  # what a layer keeps for its gradient, a key of `REMAT`

    def __post_init__(self):
        if not 1 <= self.patch_size <= self.image_size:
            raise InputError(
                f"image_size must be at least patch_size, and that at least 1, got "
                f"{self.image_size} and {self.patch_size}"
            )
        for part, whole in (("heads", "width"), ("text_heads", "text_width")):
            a, b = getattr(self, part), getattr(self, whole)
            if a < 1 or b < 1 or b % a:
                raise InputError(f"{whole} must be a multiple of {part}, got {b} and {a}")
        for field in (*_COUNTS, "mlp_width", "text_mlp_width"):
            value = getattr(self, field)
            if value is not None and value < 1:
                raise InputError(f"{field} must be at least 1, got {value}")
        if not all(len(x) == 3 for x in (self.pixel_mean, self.pixel_std)):
            raise InputError("pixel_mean and pixel_std must have a number for each of 3 channels")
        if not all(0 < x < math.inf for x in (*self.pixel_std, self.norm_epsilon)):
            raise InputError(
                f"pixel_std and norm_epsilon must be positive, got {self.pixel_std} and "
                f"{self.norm_epsilon}"
            )
        literals = ("pooling", "text_pooling", "text_mask", "dtype")
        choices = {name: get_args(self.__annotations__[name]) for name in literals}
        choices |= dict.fromkeys(("activation", "text_activation"), ACTIVATIONS)
        for field, names in {**choices, "remat": REMAT}.items():
            value = getattr(self, field)
            if value not in names and (field, value) != ("text_activation", None):
                raise InputError(f"unknown {field} {value!r}; {nearest(value, names)}")

    @property
    def hidden(self) -> int:
        """Width of the hidden layer of the image tower's MLPs."""
        return 4 * self.width if self.mlp_width is None else self.mlp_width

    @property
    def text_hidden(self) -> int:
        """Width of the hidden layer of the text tower's MLPs."""
        return 4 * self.text_width if self.text_mlp_width is None else self.text_mlp_width

    @property
    def grid(self) -> int:
        """Number of patches along a side of a picture."""
        return self.image_size // self.patch_size

    @property
    def image_projection(self) -> bool:
        """Whether the image tower ends in a projection: with "map" pooling only if it has to."""
        return self.pooling != "map" or self.embed != self.width


def _clip(patch_size: int, vision: tuple, text: tuple, embed: int, **more: Any) -> Variant:
    """Returns an OpenAI-CLIP model for 224 px from the (width, depth, heads) of its towers."""
    return Variant(
        *(224, patch_size, *vision, *text, embed),
        **more,
        pixel_mean=(0.48145466, 0.4578275, 0.40821073),  # openai/CLIP, clip.py
        pixel_std=(0.26862954, 0.26130258, 0.27577711),
    )


def _siglip(
    patch_size: int, tower: tuple, mlp_width: int | None = None, *, image_size: int = 224
) -> Variant:
    """Returns a SigLIP model, both towers of one (width, depth, heads) and width of the MLPs."""
    return Variant(
        *(image_size, patch_size, *tower, *tower, tower[0]),
        mlp_width=mlp_width,
        text_mlp_width=mlp_width,
        pooling="map",
        text_pooling="end",
        text_mask="none",
        context=64,
        vocab_size=32_000,
        biases=True,
        activation="gelu_tanh",
        norm_epsilon=1e-6,
        logit_scale=10.0,
        logit_bias=-10.0,
    )


def _siglip2(
    patch_size: int, tower: tuple, mlp_width: int | None = None, *, image_size: int = 256
) -> Variant:
    """Returns a SigLIP 2 model: SigLIP's architecture with Gemma's vocabulary."""
    model = _siglip(patch_size, tower, mlp_width, image_size=image_size)
    return dataclasses.replace(model, vocab_size=256_000)


def _emoji(patch_size: int, width: int, depth: int, heads: int) -> Variant:
    """Returns a model for the testbed: short captions, mean pooling, cheap on one CPU core."""
    return Variant(
        *(32, patch_size, width, depth, heads),
        *(width, 1, heads, width),
        pooling="mean",
        text_pooling="mean",
        text_mask="padding",
        context=16,
        vocab_size=512,
    )


_TINY = (192, 12, 3)  # ViT-Ti, S, B, L: Steiner et al. 2021, "How to train your ViT?", table 2
_SMALL = (384, 12, 6)
_BASE = (768, 12, 12)
_LARGE = (1024, 24, 16)
_TEXT_BASE = (512, 12, 8)  # text towers of B and L: Radford et al. 2021, table 20
_TEXT_LARGE = (768, 12, 12)
_TEXT_HUGE = (1024, 24, 16)
# "Shape-optimised": Alabdulmohsin et al. 2023, "Getting ViT in Shape"; g: Tschannen et al. 2025.
_SO400M, _SO400M_MLP = (1152, 27, 16), 4304
_GIANT = (1536, 40, 16)

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
    # LAION's, Cherti et al. 2023, "Reproducible scaling laws for contrastive language-image
    # learning"; sizes as in open_clip's ViT-H-14.json, ViT-g-14.json and ViT-bigG-14.json.
    "ViT-H/14": _clip(14, (1280, 32, 16), _TEXT_HUGE, 1024, activation="gelu"),
    "ViT-g/14": _clip(14, (1408, 40, 16), _TEXT_HUGE, 1024, activation="gelu", mlp_width=6144),
    "ViT-bigG/14": _clip(
        14, (1664, 48, 16), (1280, 32, 20), 1280, activation="gelu", mlp_width=8192
    ),
    # Zhai et al. 2023; B/16 and L/16 are those that big_vision publishes, the others are its towers
    # (Steiner et al. 2021) put together alike.
    "SigLIP-Ti/16": _siglip(16, _TINY),
    "SigLIP-S/32": _siglip(32, _SMALL),
    "SigLIP-S/16": _siglip(16, _SMALL),
    "SigLIP-B/32": _siglip(32, _BASE),
    "SigLIP-B/16": _siglip(16, _BASE),
    "SigLIP-L/16": _siglip(16, _LARGE),
    "SigLIP-L/14": _siglip(14, _LARGE),
    # big_vision's model of 384 px; that of 224 px takes texts of 16 tokens. The patches leave a
    # rest of 6 px, which is not seen.
    "SigLIP-So400m/14": _siglip(14, _SO400M, _SO400M_MLP, image_size=384),
    # Tschannen et al. 2025, "SigLIP 2", section 2 and table 1, each at its smallest size.
    "SigLIP2-B/32": _siglip2(32, _BASE),
    "SigLIP2-B/16": _siglip2(16, _BASE, image_size=224),
    "SigLIP2-L/16": _siglip2(16, _LARGE),
    "SigLIP2-So400m/14": _siglip2(14, _SO400M, _SO400M_MLP, image_size=224),
    "SigLIP2-So400m/16": _siglip2(16, _SO400M, _SO400M_MLP),
    "SigLIP2-g/16": dataclasses.replace(
        _siglip2(16, _SO400M, _SO400M_MLP),
        **dict(zip(("width", "depth", "heads"), _GIANT, strict=True)),
        embed=1536,
        mlp_width=None,
    ),
    # The testbed's own.
    "emoji-XS/16": _emoji(16, width=32, depth=2, heads=1),
    "emoji-S/16": _emoji(16, width=64, depth=3, heads=2),
    "emoji-S/8": _emoji(8, width=64, depth=3, heads=2),
    "emoji-S/4": _emoji(4, width=64, depth=3, heads=2),
    "emoji-M/16": _emoji(16, width=96, depth=5, heads=3),  # eleven times XS/16
    "emoji-B/16": _emoji(16, width=128, depth=4, heads=4),
    "emoji-B/8": _emoji(8, width=128, depth=4, heads=4),
    "emoji-B/4": _emoji(4, width=128, depth=4, heads=4),
    "emoji-SigLIP-S/16": dataclasses.replace(_emoji(16, width=64, depth=3, heads=2), pooling="map"),
    "emoji-SigLIP-S/8": dataclasses.replace(_emoji(8, width=64, depth=3, heads=2), pooling="map"),
    # Of OpenAI-CLIP's own form, which files of transformers and open_clip can hold.
    "emoji-CLIP-S/8": dataclasses.replace(
        _emoji(8, width=64, depth=3, heads=2),
        pooling="class",
        text_pooling="last",
        text_mask="causal",
    ),
}

"""A folder that transformers itself loads: configuration, weights, tokenizer, preprocessing."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn

from m4jax import files
from m4jax.errors import InputError
from m4jax.models.convert import MODEL, api
from m4jax.models.scaling import Scaling
from m4jax.models.variants import Variant

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
TOKENIZER_CONFIG, PREPROCESSOR = "tokenizer_config.json", "preprocessor_config.json"
_ACTIVATIONS = {"gelu_tanh": "gelu_pytorch_tanh"}  # ours -> transformers', where they differ
_RESAMPLING = {"lanczos": 1, "bilinear": 2, "bicubic": 3}  # of Pillow
LEGACY_END = 2  # an `eos_token_id` by which transformers reads a text off its largest id


class Words(NamedTuple):
    """The tokenizer of a folder.

    Attributes:
        content: of its `tokenizer.json`.
        pad: the piece that pads.
        end: the piece that a text ends with.
        length: tokens of a text, the end included.
    """

    content: str
    pad: str
    end: str
    length: int


def write_hugging_face(
    folder: str | os.PathLike,
    module: nn.Module,
    params: Any,
    *,
    words: Words | None = None,
    scaling: Scaling | None = None,
) -> None:
    """Writes a model as `CLIPModel` or `SiglipModel` of transformers, which then computes the same.

    config.json, model.safetensors and preprocessor_config.json; with `words` also tokenizer.json
    and tokenizer_config.json. `config.json` comes last: a folder without one is none.

    Args:
        folder: is made.
        module: the model.
        params: its parameters.
        words: its tokenizer, see `Words`; its ids must be the model's. None: none is written, and a
            CLIPModel reads a text off its largest id, as that of CLIP's own end is.
        scaling: of pictures; None: the shorter side to the model's size, and the middle cut out.

    Raises:
        InputError: if transformers has no model of this form, or the tokenizer is not the model's.
    """
    folder, variant = Path(folder), module.variant
    _check(variant)
    ids = _ids(words, variant) if words else _ids_unknown(variant)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    api.save(params, folder / MODEL, module, format="transformers")
    scaling = scaling or Scaling(variant.image_size)
    files.write_json(folder / PREPROCESSOR, _preprocessor(variant, scaling))
    if words:
        files.write_text(folder / TOKENIZER, words.content)
        files.write_json(folder / TOKENIZER_CONFIG, _tokenizer(words))
    files.write_json(folder / CONFIG, configuration(variant, ids))


def configuration(variant: Variant, ids: Mapping[str, int]) -> dict[str, Any]:
    """Returns the content of config.json.

    Args:
        variant: of the model.
        ids: `pad_token_id`, `bos_token_id` and `eos_token_id`.
    """
    siglip = variant.pooling == "map"
    activation = _ACTIVATIONS.get(variant.activation, variant.activation)
    both = {"hidden_act": activation, "layer_norm_eps": variant.norm_epsilon}
    both["attention_dropout"] = 0.0
    vision = _sizes(variant.width, variant.depth, variant.heads, variant.hidden)
    vision |= {"image_size": variant.image_size, "patch_size": variant.patch_size}
    text = _sizes(variant.text_width, variant.text_depth, variant.text_heads, variant.text_hidden)
    text |= {"max_position_embeddings": variant.context, "vocab_size": variant.vocab_size, **ids}
    text["projection_size" if siglip else "projection_dim"] = variant.embed
    if not siglip:
        vision["projection_dim"] = variant.embed
    kind, name = ("siglip", "Siglip") if siglip else ("clip", "CLIP")
    parts = {
        "text_config": {"model_type": f"{kind}_text_model", **text, **both},
        "vision_config": {"model_type": f"{kind}_vision_model", **vision, **both},
    }
    whole: dict[str, Any] = {"architectures": [f"{name}Model"], "model_type": kind}
    if not siglip:
        whole |= {"projection_dim": variant.embed, "logit_scale_init_value": 2.6592}
    return whole | parts | {"dtype": "float32"}


def _sizes(width: int, depth: int, heads: int, mlp: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "intermediate_size": mlp,
    }


def _check(variant: Variant) -> None:
    """Raises `InputError` if transformers has no model of this form."""
    siglip = variant.pooling == "map"
    wanted = ("end", "none") if siglip else ("last", "causal")
    if (variant.text_pooling, variant.text_mask) != wanted:
        raise InputError(
            f"a text tower of pooling {variant.text_pooling!r} and mask {variant.text_mask!r} is "
            f"neither CLIPModel nor SiglipModel of transformers, which have {wanted[0]!r} and "
            f"{wanted[1]!r}; the testbed's variant of this form is emoji-CLIP-S/8, and the format "
            "m4jax holds every model"
        )
    if siglip != (variant.logit_bias is not None):
        raise InputError(
            f"logit_bias={variant.logit_bias}: transformers' CLIPModel has no bias of the logits, "
            "and its SiglipModel always one; train CLIP models with the loss softmax"
        )
    api.FORMATS["transformers"].rules(variant)  # raises for the rest


def _ids(words: Words, variant: Variant) -> dict[str, int]:
    """Returns the ids of padding and end; raises unless transformers would find the end."""
    content = json.loads(words.content)
    known = {piece["content"]: piece["id"] for piece in content.get("added_tokens") or []}
    missing = [piece for piece in (words.pad, words.end) if piece not in known]
    if missing:
        raise InputError(f"tokenizer: {missing[0]!r} is none of its special pieces {list(known)}")
    pad, end = known[words.pad], known[words.end]
    if max(pad, end) >= variant.vocab_size or words.length > variant.context:
        raise InputError(
            f"tokenizer: ids up to {max(pad, end)} and {words.length} tokens don't fit a model of "
            f"{variant.vocab_size} ids and {variant.context} tokens"
        )
    if variant.text_pooling == "last" and end == LEGACY_END:
        raise InputError(
            f"tokenizer: with an end of id {LEGACY_END} transformers reads a text off its largest "
            "id; give the end the largest one"
        )
    return {"pad_token_id": pad, "bos_token_id": end, "eos_token_id": end}


def _ids_unknown(variant: Variant) -> dict[str, int]:
    """Returns the ids of a model of which the tokenizer is not known."""
    if variant.text_pooling == "last":  # transformers' default, CLIP's own 49,407, may be no id
        return {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": LEGACY_END}
    return dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 1)


def _tokenizer(words: Words) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": words.length,
        "pad_token": words.pad,
        "eos_token": words.end,
        "clean_up_tokenization_spaces": False,
    }


def _preprocessor(variant: Variant, scaling: Scaling) -> dict[str, Any]:
    """Returns the content of preprocessor_config.json."""
    squash, edge = scaling.resize == "squash", scaling.edge or scaling.size
    if scaling.size != variant.image_size or (squash and edge != scaling.size):
        raise InputError(
            f"pictures scaled to {edge} and cut to {scaling.size} pixels ({scaling.resize}) are "
            f"not what transformers gives a model of {variant.image_size}"
        )
    square = {"height": scaling.size, "width": scaling.size}
    cut: dict[str, Any] = {"do_center_crop": not squash}
    if not squash:
        cut["crop_size"] = square
    return {
        "image_processor_type": f"{'Siglip' if squash else 'CLIP'}ImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": square if squash else {"shortest_edge": edge},
        "resample": _RESAMPLING[scaling.interpolation],
        **cut,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(variant.pixel_mean),
        "image_std": list(variant.pixel_std),
    }

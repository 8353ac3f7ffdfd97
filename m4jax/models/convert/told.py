"""What shapes don't show, as a peer's file or the configuration beside it tells it."""

import dataclasses
import hashlib
import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.files.sealed import parse
from m4jax.models.convert.incoming import OPENAI
from m4jax.models.convert.rules import Tensors
from m4jax.models.variants import Variant

METADATA = "m4jax.variant"  # key of the variant in safetensors files of ours
SUM = "m4jax.sha256"  # key of the checksum of all else there
ARGUMENT = "the argument `activation`"
HEAD_WIDTH = 64  # of all models that open_clip and OpenAI published up to ViT-L

# Not of what a model computes from its parameters. The size of pictures is told by the positions,
# which are interpolated where it differs.
_FREE = ("dtype", "remat", "logit_scale", "logit_bias", "image_size")
_NAMES = {"gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"}  # transformers', ours

# Fields of open_clip's configurations that the models here have in this one form; what else it
# says is of the computation and must be left out, or of training, texts or shapes.
_OPEN_CLIP = {
    "vision_cfg": {"pool_type": "tok", "final_ln_after_pool": False},
    "text_cfg": {"pool_type": "argmax", "final_ln_after_pool": False, "no_causal_mask": False},
}
_ABSENT = ("act_kwargs", "norm_kwargs", "timm_model_name", "hf_model_name", "attentional_pool")
# Defaults of transformers' CLIPConfig and SiglipConfig, which its files leave out.
_TRANSFORMERS = {
    "clip": {
        "vision": (768, 12, 12, 32, "quick_gelu", 1e-5),
        "text": (512, 12, 8, 77, 49408, "quick_gelu", 1e-5),
    },
    "siglip": {
        "vision": (768, 12, 12, 16, "gelu_pytorch_tanh", 1e-6),
        "text": (768, 12, 12, 64, 32000, "gelu_pytorch_tanh", 1e-6),
    },
}
_SHARED = ("hidden_size", "num_hidden_layers", "num_attention_heads")
_VISION_KEYS = (*_SHARED, "patch_size", "hidden_act", "layer_norm_eps")
_TEXT_KEYS = (*_SHARED, "max_position_embeddings", "vocab_size", "hidden_act", "layer_norm_eps")
_VISION = ("width", "depth", "heads", "patch_size", "activation", "norm_epsilon")
_TEXT = ("text_width", "text_depth", "text_heads", "context", "vocab_size")
_TEXT = (*_TEXT, "activation", "norm_epsilon")


class Told(NamedTuple):
    """What one source says: fields of `Variant` (name, value), a field perhaps twice."""

    source: str
    fields: list[tuple[str, Any]]


def check(
    path: Path, names: Iterable[str], metadata: Mapping[str, str], variant: Variant,
    activation: str | None,
) -> None:  # fmt: skip
    """Compares a model with all that is told about a file of open_clip or transformers.

    Warns where nothing tells the activation, or heads of an uncommon width.

    Args:
        path: of the file.
        names: of its tensors.
        metadata: of the file.
        variant: of the model.
        activation: that the caller says the file's model has; None: not said.

    Raises:
        InputError: if they differ, with what to change.
    """
    found = list(_sources(path, names, metadata))
    if activation is not None:
        found.append(Told(ARGUMENT, [("activation", activation)]))
    for source, fields in found:
        compare(source, fields, variant)
    known = {name for told in found for name, _ in told.fields}
    open_ = [] if "activation" in known else [f"activation ({variant.activation!r})"]
    for heads, width in (("heads", variant.width), ("text_heads", variant.text_width)):
        number = getattr(variant, heads)
        if heads not in known and number * HEAD_WIDTH != width:
            open_.append(f"{heads} ({number})")
    if open_:
        warnings.warn(
            f"{path}: nothing tells that its {' and '.join(open_)} are the model's; if they are "
            "not, all embeddings are wrong. Put the peer's open_clip_config.json or config.json "
            'beside it, or say activation="quick_gelu" (OpenAI\'s weights and names with '
            '"quickgelu") or "gelu" (most others)',
            stacklevel=4,
        )


def compare(source: str, fields: Iterable[tuple[str, Any]], variant: Variant) -> None:
    """Raises unless a variant has the fields that a source tells."""
    different = {
        name: value
        for name, value in fields
        if name not in _FREE and not _same(getattr(variant, name), value)
    }
    if different:
        says = ", ".join(f"{name} is {value!r}" for name, value in different.items())
        has = ", ".join(f"{name}={getattr(variant, name)!r}" for name in different)
        mend = ", ".join(f"{name}={value!r}" for name, value in different.items())
        raise InputError(
            f"{source} says that {says}, but the model has {has}; make it with "
            f"models.create(..., {mend})"
        )


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-3)
    if isinstance(ours, tuple) and isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        return all(_same(a, b) for a, b in zip(ours, theirs, strict=True))
    return ours == theirs


def _sources(path: Path, names: Iterable[str], metadata: Mapping[str, str]) -> Iterable[Told]:
    """Yields what is told: by the file itself, beside it, and by its name."""
    if METADATA in metadata:
        yield Told(str(path), of_json(metadata[METADATA], path))
    for name, read in (("open_clip_config.json", _open_clip), ("config.json", _transformers)):
        beside = path.parent / name
        if beside.is_file():
            content = files.read_json(beside)
            try:
                yield Told(str(beside), read(content))
            except (TypeError, KeyError, ValueError, AttributeError, ZeroDivisionError) as error:
                reason = error if isinstance(error, InputError) else f"no such model: {error!r}"
                raise InputError(
                    f"{beside}: {reason}; move it away if it is of another file"
                ) from None
            break
    if set(OPENAI) <= set(names):
        yield Told(f"{path} (OpenAI's, by its tensors)", [("activation", "quick_gelu")])
    elif re.search("quick_?gelu|openai", path.name.lower()):
        yield Told(f"the name {path.name}", [("activation", "quick_gelu")])
    elif re.search("laion2b|datacomp", path.name.lower()):
        yield Told(f"the name {path.name}", [("activation", "gelu")])


def metadata(variant: Variant, tensors: Tensors) -> dict[str, str]:
    """Returns what a safetensors file of ours tells beside its tensors: its variant, a checksum."""
    text = json.dumps(dataclasses.asdict(variant))
    return {"format": "pt", METADATA: text, SUM: _sum(text, tensors)}


def check_sum(path: Path, found: Mapping[str, str], tensors: Tensors) -> None:
    """Raises `DamagedError` unless a file is what was saved; files of others have no checksum."""
    if SUM in found and found[SUM] != _sum(found.get(METADATA, ""), tensors):
        raise DamagedError(f"{path}: damaged, or changed since it was saved (its SHA-256 differs)")


def _sum(text: str, tensors: Tensors) -> str:
    sum_ = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        sum_.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        sum_.update(array.view(np.uint8) if array.ndim else array.tobytes())
    return sum_.hexdigest()


def of_json(text: str, path: Path) -> list[tuple[str, Any]]:
    """Returns the fields of a variant from the metadata of a file; see `metadata`."""
    try:
        fields = parse(text.encode())
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not set(fields) <= set(Variant.__annotations__):
        raise InputError(f"{path}: its metadata {METADATA!r} are not readable; save it again")
    return list(fields.items())


def _open_clip(content: Any) -> list[tuple[str, Any]]:
    """Returns the fields that an open_clip_config.json tells, with open_clip's own defaults."""
    model = content.get("model_cfg", content)
    vision, text = model["vision_cfg"], model["text_cfg"]
    for name, part in (("vision_cfg", vision), ("text_cfg", text)):
        wrong = [k for k, value in _OPEN_CLIP[name].items() if part.get(k, value) != value]
        wrong += [key for key in _ABSENT if part.get(key)]
        if wrong:
            raise InputError(
                f"{name}.{wrong[0]} is {part[wrong[0]]!r}, which no model here computes"
            )
    width = vision.get("width", 768)
    preprocess = content.get("preprocess_cfg", {})
    pixels = {"pixel_mean": preprocess.get("mean"), "pixel_std": preprocess.get("std")}
    return [
        ("width", width),
        ("depth", vision.get("layers", 12)),
        ("heads", width // vision.get("head_width", 64)),
        ("patch_size", vision.get("patch_size", 16)),
        ("text_width", text.get("width", 512)),
        ("text_depth", text.get("layers", 12)),
        ("text_heads", text.get("heads", 8)),
        ("context", text.get("context_length", 77)),
        ("vocab_size", text.get("vocab_size", 49408)),
        ("embed", model["embed_dim"]),
        ("activation", "quick_gelu" if model.get("quick_gelu", False) else "gelu"),
        *((name, value) for name, value in pixels.items() if value is not None),
    ]


def _transformers(content: Any) -> list[tuple[str, Any]]:
    """Returns the fields that a config.json of CLIPModel or SiglipModel tells."""
    kind = content.get("model_type")
    if kind not in _TRANSFORMERS:
        raise InputError(f"a model of type {kind!r}; expected clip or siglip")
    fields = []
    for part, ours, keys in (("vision", _VISION, _VISION_KEYS), ("text", _TEXT, _TEXT_KEYS)):
        config, defaults = content.get(f"{part}_config") or {}, _TRANSFORMERS[kind][part]
        for name, key, default in zip(ours, keys, defaults, strict=True):
            value = config.get(key, default)
            fields.append((name, _NAMES.get(value, value) if name == "activation" else value))
    if kind == "clip":
        fields.append(("embed", content.get("projection_dim", 512)))
    return fields

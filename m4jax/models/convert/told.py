"""What shapes don't show, as a peer's file or the configuration beside it tells it."""

import dataclasses
import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.files.sealed import parse
from m4jax.models.convert import configurations
from m4jax.models.convert.configurations import same
from m4jax.models.convert.incoming import OPENAI
from m4jax.models.convert.open_clip_config import open_clip
from m4jax.models.convert.rules import Tensors
from m4jax.models.variants import Variant

METADATA = "m4jax.variant"  # key of the variant in safetensors files of ours
SUM = "m4jax.sha256"  # key of the checksum of all else there
ARGUMENT = "the argument `activation`"
HEAD_WIDTH = 64  # of all models that open_clip and OpenAI published up to ViT-L

# Not of what a model computes from its parameters. The size of pictures is told by the positions,
# which are interpolated where it differs.
_FREE = ("dtype", "remat", "logit_scale", "logit_bias", "image_size")
# Configurations beside a file, the first of which counts, and what reads them.
READERS = {
    "open_clip_config.json": open_clip,
    "config.json": configurations.transformers,
}


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
        if name not in _FREE and not same(getattr(variant, name), value)
    }
    if different:
        says = ", ".join(f"{name} is {value!r}" for name, value in different.items())
        has = ", ".join(f"{name}={getattr(variant, name)!r}" for name in different)
        mend = ", ".join(f"{name}={value!r}" for name, value in different.items())
        raise InputError(
            f"{source} says that {says}, but the model has {has}; make it with "
            f"models.create(..., {mend})"
        )


def _sources(path: Path, names: Iterable[str], metadata: Mapping[str, str]) -> Iterable[Told]:
    """Yields what is told: by the file itself, beside it, and by its name."""
    if METADATA in metadata:
        yield Told(str(path), of_json(metadata[METADATA], path))
    for name, reader in READERS.items():
        beside = path.parent / name
        if beside.is_file():
            content = files.read_json(beside)
            try:
                yield Told(str(beside), configurations.read(content, reader, str(beside)))
            except InputError as error:
                raise InputError(f"{error}; move it away if it is of another file") from None
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

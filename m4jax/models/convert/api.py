"""Loading and saving parameters in the formats of others, and in our own."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

from m4jax import files, settings
from m4jax.errors import DamagedError, InputError, nearest
from m4jax.models.convert import archives, positions, told, torch_names
from m4jax.models.convert.big_vision import big_vision, unstack
from m4jax.models.convert.incoming import floats, unwrapped
from m4jax.models.convert.rules import Rule, Tensors, decode, encode, same
from m4jax.models.two_towers import TwoTowers
from m4jax.models.variants import Variant

MODEL, VARIANT = "model.safetensors", "model.json"  # files of an exported model
VERSION = 2
POSITIONS = "image/positions"  # our path of what is interpolated for another size of pictures
SLACK = 64 << 20  # bytes that a file may have beyond float64 parameters


class Format(NamedTuple):
    """Where a peer keeps its parameters.

    Attributes:
        rules: maps a variant to the table of names.
        suffix: of its files.
        interpolation: of positions, as the peer does it; None: such files are refused.
    """

    rules: Callable[[Variant], list[Rule]]
    suffix: str
    interpolation: positions.Interpolation | None = None


def _ours(variant: Variant) -> list[Rule]:
    """Returns the rules of our own format: paths as names."""
    return [Rule(path, (path,), same) for path in _shapes(TwoTowers(variant))]


FORMATS = {
    "m4jax": Format(_ours, ".safetensors"),
    "open_clip": Format(
        torch_names.open_clip,
        ".safetensors",
        functools.partial(positions.bicubic, antialias=True),
    ),
    "transformers": Format(
        torch_names.transformers,
        ".safetensors",
        functools.partial(positions.bicubic, antialias=False),
    ),
    "big_vision": Format(big_vision, ".npz", positions.linear),
}


def load(
    path: str | os.PathLike, model: nn.Module, *, format: str, activation: str | None = None
) -> Any:
    """Returns parameters for `model` from a peer's file.

    What shapes don't show (activation, heads, normalisation) is compared with what the file, its
    name, or an `open_clip_config.json` or `config.json` beside it tell. Positions of pictures of
    another size are interpolated as the peer does. Names may have the prefixes of wrapping modules.

    Args:
        path: a file; with format "m4jax" also a folder that `export` has written.
        model: of `models.create`; its variant must be that of the file.
        format: "open_clip" (also OpenAI's own) or "transformers": safetensors; "big_vision": npz;
            "m4jax": our own.
        activation: that the peer's model has, where nothing beside the file tells it.

    Raises:
        InputError: on an unknown format, an unreadable file, a model of another kind than the file
            tells, or a tensor that is missing, left over, of another shape, or not of finite
            floats.
    """
    path, _ = Path(path), _format(format)
    if format == "m4jax" and path.is_dir():
        told.compare(
            str(path / VARIANT), dataclasses.asdict(_exported(path)).items(), model.variant
        )
        path = path / MODEL
    params, archive = read_params(path, model, format=format)
    if format in ("open_clip", "transformers"):
        told.check(path, archive.tensors, archive.metadata, model.variant, activation)
    elif activation is not None:
        told.compare(told.ARGUMENT, [("activation", activation)], model.variant)
    return params


def read_params(path: Path, model: nn.Module, *, format: str) -> tuple[Any, archives.Archive]:
    """Returns parameters for `model` from a file that is of this model, and what the file holds.

    Args, Raises: see `load`. What lies beside the file is not looked at.
    """
    most = 2 * sum(4 * math.prod(leaf.shape) for leaf in _shapes(model).values()) + SLACK
    archive = archives.read(path, most)
    told.check_sum(path, archive.metadata, archive.tensors)
    params = from_peer(archive.tensors, model, format=format)
    if told.METADATA in archive.metadata:
        fields = told.of_json(archive.metadata[told.METADATA], path)
        told.compare(str(path), fields, model.variant)
    return params, archive


def save(params: Any, path: str | os.PathLike, model: nn.Module, *, format: str) -> None:
    """Writes the parameters of `model` as a peer's file, atomically; the inverse of `load`.

    Raises:
        InputError: on an unknown format, another suffix than the format's, or an architecture that
            the peer does not have.
    """
    path, suffix = Path(path), _format(format).suffix
    if path.suffix != suffix:
        raise InputError(f"{path}: files of format {format!r} end in {suffix}")
    tensors = to_peer(params, model, format=format)
    with files.atomic(path) as temporary:
        if suffix == ".npz":
            with open(temporary, "wb") as file:
                np.savez(file, **tensors)
        else:
            metadata = told.metadata(model.variant, tensors)
            safetensors.numpy.save_file(tensors, temporary, metadata=metadata)


def from_peer(tensors: Mapping[str, Any], model: nn.Module, *, format: str) -> Any:
    """Returns parameters for `model` (or gradients, all maps being linear) from named arrays.

    Raises:
        InputError: see `load`.
    """
    rules, shapes = _format(format).rules(model.variant), _shapes(model)
    arrays = floats(unwrapped(tensors))
    arrays = unstack(arrays) if format == "big_vision" else arrays
    arrays = torch_names.plain_text(arrays) if format == "open_clip" else arrays
    arrays = torch_names.convolved(arrays) if format == "transformers" else arrays
    arrays = _with_positions(arrays, rules, shapes, model.variant, _format(format).interpolation)
    params = decode(rules, arrays, shapes)
    # One after another, so that no second copy of all of them is held.
    return unflatten_dict({path: jnp.asarray(params.pop(path)) for path in [*params]}, sep="/")


def _with_positions(
    arrays: Tensors,
    rules: list[Rule],
    shapes: Mapping[str, Any],
    variant: Variant,
    interpolation: positions.Interpolation | None,
) -> Tensors:
    """Returns the arrays with positions for as many patches as the model has."""
    rule = next(rule for rule in rules if rule.ours == POSITIONS)
    name, expected = rule.theirs[0], rule.codec.shapes(shapes[POSITIONS].shape)[0]
    array = arrays.get(name)
    if interpolation is None or array is None or array.ndim != len(expected):
        return arrays
    if array.shape[-2] == expected[-2] or array.shape[-1] != expected[-1]:
        return arrays  # right, or of another model, as `decode` will tell
    before = int(variant.pooling == "class")
    options = {"before": before, "interpolation": interpolation}
    return arrays | {name: positions.resized(array, expected[-2], **options)}


def to_peer(params: Any, model: nn.Module, *, format: str) -> Tensors:
    """Returns a peer's tensors, name ↦ array, from the parameters of `model`."""
    flat = {path: np.asarray(x) for path, x in flatten_dict(params, sep="/").items()}
    return encode(_format(format).rules(model.variant), flat)


def export(params: Any, folder: str | os.PathLike, model: nn.Module) -> None:
    """Writes `model.safetensors` and `model.json`: all that is needed to use the model elsewhere.

    See `read_model` for the way back.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save(params, folder / MODEL, model, format="m4jax")
    sum_ = files.sha256(folder / MODEL)
    variant = dataclasses.asdict(model.variant)
    files.write_sealed(
        folder / VARIANT, {"version": VERSION, "variant": variant, "model_sha256": sum_}
    )


def read_model(folder: str | os.PathLike) -> tuple[nn.Module, Any]:
    """Returns the model and the parameters that `export` has written.

    Raises:
        InputError: if a file is missing or damaged.
    """
    folder = Path(folder)
    model = TwoTowers(_exported(folder))
    return model, load(folder, model, format="m4jax")


def _exported(folder: Path) -> Variant:
    """Returns the variant of an exported model, whose two files are what they were."""
    content = files.read_sealed(folder / VARIANT)
    if content.get("version") != VERSION or not isinstance(content.get("variant"), dict):
        raise InputError(f"{folder / VARIANT}: expected version {VERSION}; export the model again")
    sum_ = files.sha256(folder / MODEL)
    if not sum_:
        raise InputError(f"{folder / MODEL}: no such file; export the model again")
    if sum_ != content.get("model_sha256"):
        raise DamagedError(f"{folder / MODEL}: its checksum is not that of {VARIANT}; export again")
    return settings.record(Variant, content["variant"], str(folder / VARIANT), "a newer export")


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}; {nearest(name, FORMATS)}")
    return FORMATS[name]


@functools.lru_cache(16)
def _shapes(model: nn.Module) -> dict[str, jax.ShapeDtypeStruct]:
    v = model.variant
    image = jax.ShapeDtypeStruct((1, v.image_size, v.image_size, 3), jnp.float32)
    tokens = jax.ShapeDtypeStruct((1, v.context), jnp.int32)
    init = functools.partial(model.init, jax.random.key(0))
    return flatten_dict(jax.eval_shape(init, image, tokens)["params"], sep="/")

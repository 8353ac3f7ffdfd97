"""Loading and saving parameters in the formats of others, and in our own."""

import dataclasses
import functools
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
from safetensors import SafetensorError, safe_open

from m4jax import files
from m4jax.errors import InputError, nearest
from m4jax.models.convert import torch_names
from m4jax.models.convert.big_vision import big_vision, unstack
from m4jax.models.convert.rules import Rule, Tensors, decode, encode, same
from m4jax.models.two_towers import TwoTowers
from m4jax.models.variants import Variant

MODEL, VARIANT = "model.safetensors", "model.json"  # files of an exported model
VERSION = 1

# No parameters: numbers that OpenAI's files carry along, and positions 0, 1, 2, ... that older
# files of transformers do.
_NO_PARAMETERS = (
    *("input_resolution", "context_length", "vocab_size"),
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
)


class Format(NamedTuple):
    """Where a peer keeps its parameters.

    Attributes:
        rules: maps a variant to the table of names.
        suffix: of its files.
    """

    rules: Callable[[Variant], list[Rule]]
    suffix: str


def _ours(variant: Variant) -> list[Rule]:
    """Returns the rules of our own format: paths as names."""
    return [Rule(path, (path,), same) for path in _shapes(TwoTowers(variant))]


FORMATS = {
    "m4jax": Format(_ours, ".safetensors"),
    "open_clip": Format(torch_names.open_clip, ".safetensors"),
    "transformers": Format(torch_names.transformers, ".safetensors"),
    "big_vision": Format(big_vision, ".npz"),
}


def load(path: str | os.PathLike, model: nn.Module, *, format: str) -> Any:
    """Returns parameters for `model` from a peer's file.

    Args:
        path: a file; with format "m4jax" also a folder that `export` has written.
        model: of `models.create`; its variant must be that of the file.
        format: "open_clip" (also OpenAI's own) or "transformers": safetensors; "big_vision": npz;
            "m4jax": our own.

    Raises:
        InputError: on an unknown format, an unreadable file, or a tensor that is missing, left over
            or of another shape.
    """
    path, _ = Path(path), _format(format)
    if format == "m4jax" and path.is_dir():
        path = path / MODEL
    return from_peer(_read(path), model, format=format)


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
            safetensors.numpy.save_file(tensors, temporary, metadata={"format": "pt"})


def from_peer(tensors: Mapping[str, Any], model: nn.Module, *, format: str) -> Any:
    """Returns parameters for `model` (or gradients, all maps being linear) from named arrays.

    Raises:
        InputError: see `load`.
    """
    rules = _format(format).rules(model.variant)
    arrays = {name: np.asarray(array, np.float32) for name, array in tensors.items()}
    arrays = unstack(arrays) if format == "big_vision" else arrays
    arrays = {name: array for name, array in arrays.items() if name not in _NO_PARAMETERS}
    params = decode(rules, arrays, _shapes(model))
    return unflatten_dict({path: jnp.asarray(x) for path, x in params.items()}, sep="/")


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
    files.write_json(
        folder / VARIANT, {"version": VERSION, "variant": variant, "model_sha256": sum_}
    )


def read_model(folder: str | os.PathLike) -> tuple[nn.Module, Any]:
    """Returns the model and the parameters that `export` has written.

    Raises:
        InputError: if a file is missing or damaged.
    """
    folder = Path(folder)
    content = files.read_json(folder / VARIANT)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise InputError(f"{folder / VARIANT}: expected version {VERSION} of an exported model")
    if files.sha256(folder / MODEL) != content["model_sha256"]:
        raise InputError(f"{folder / MODEL}: its checksum is not that of {VARIANT}; export again")
    names = {field.name for field in dataclasses.fields(Variant)}
    if set(content["variant"]) != names:
        raise InputError(f"{folder / VARIANT}: expected the fields {sorted(names)}")
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in content["variant"].items()}
    model = TwoTowers(Variant(**fields))
    return model, load(folder, model, format="m4jax")


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}; {nearest(name, FORMATS)}")
    return FORMATS[name]


def _shapes(model: nn.Module) -> dict[str, jax.ShapeDtypeStruct]:
    v = model.variant
    image = jax.ShapeDtypeStruct((1, v.image_size, v.image_size, 3), jnp.float32)
    tokens = jax.ShapeDtypeStruct((1, v.context), jnp.int32)
    init = functools.partial(model.init, jax.random.key(0))
    return flatten_dict(jax.eval_shape(init, image, tokens)["params"], sep="/")


def _read(path: Path) -> Tensors:
    """Returns the tensors of a file; nothing in it is executed."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        with safe_open(path, framework="flax") as file:  # it knows bfloat16, NumPy does not
            return {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (SafetensorError, ValueError, OSError, EOFError) as error:
        raise InputError(
            f"{path}: not a readable safetensors or npz file ({error}); a PyTorch checkpoint must "
            "be saved as safetensors first, as reading it would execute what it contains"
        ) from None

"""What a peer's tensors must be before rules are applied: named plainly, finite floats."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from m4jax.errors import InputError
from m4jax.models.convert.rules import Tensors

FLOATS = ("float16", "bfloat16", "float32", "float64")

# No parameters: numbers that OpenAI's files carry along, and positions 0, 1, 2, ... that older
# files of transformers do.
OPENAI = ("input_resolution", "context_length", "vocab_size")
NO_PARAMETERS = (
    *OPENAI,
    "text_model.embeddings.position_ids",
    "vision_model.embeddings.position_ids",
)
_WRAPPED = ("state_dict", "model")  # keys below which training scripts save the tensors
# What DistributedDataParallel, torch.compile and wrapping modules put before every name.
_PREFIXES = ("module.", "_orig_mod.", "model.", "state_dict.")


def unwrapped(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the tensors under their plain names: without what wraps all of them alike."""
    inner: Any = tensors
    while inner is not None:
        tensors = inner
        inner = next((tensors[k] for k in _WRAPPED if isinstance(tensors.get(k), Mapping)), None)
    while prefix := _prefix(tensors):
        tensors = {name.removeprefix(prefix): array for name, array in tensors.items()}
    return dict(tensors)


def _prefix(names: Collection[str]) -> str:
    """Returns the prefix of wrapping modules that all names have, or ""."""
    return next((p for p in _PREFIXES if names and all(n.startswith(p) for n in names)), "")


def floats(tensors: Mapping[str, Any]) -> Tensors:
    """Returns the parameters among the tensors, in float32.

    Raises:
        InputError: naming a tensor that is not of floats, or not finite in float32.
    """
    arrays = {}
    for name, tensor in tensors.items():
        if name in NO_PARAMETERS:
            continue
        array = np.asarray(tensor)
        if array.dtype.name not in FLOATS:
            raise InputError(
                f"tensor {name!r} is of type {array.dtype}; expected floats of 16, 32 or 64 "
                "bits: a quantised model must be brought back to floats first"
            )
        with np.errstate(over="ignore"):  # told below
            arrays[name] = array.astype(np.float32, copy=False)
        bad = arrays[name].size - np.count_nonzero(np.isfinite(arrays[name]))
        if bad:
            raise InputError(
                f"tensor {name!r}: {bad:,} of its {array.size:,} numbers are NaN or infinite; the "
                "file is damaged, or of a training that diverged"
            )
    return arrays

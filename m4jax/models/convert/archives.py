"""Reading archives of arrays that others made: nothing in them is executed, nothing is believed."""

import ast
import contextlib
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open

from m4jax import files
from m4jax.errors import InputError

INDEX = ".safetensors.index.json"
HEADER = 10_000  # bytes of a .npy file's header: NumPy's own bound
_DTYPES = {  # safetensors' names of the types that NumPy knows
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "BOOL": np.bool_,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, SafetensorError),
    *(OSError, EOFError, ValueError, KeyError, TypeError, SyntaxError, OverflowError),
    *(RuntimeError, NotImplementedError),  # an encrypted archive, an unknown compression
)


class Archive(NamedTuple):
    """What a file holds: arrays by name, and text by name (empty in npz files)."""

    tensors: dict[str, np.ndarray]
    metadata: dict[str, str]


def read(path: Path, most: int) -> Archive:
    """Returns what a safetensors or npz file holds, or several that an index lists.

    Args:
        path: ends in .npz or in `INDEX`, else it is read as safetensors.
        most: bytes that its arrays may take in memory; what they claim is added up first.

    Raises:
        InputError: if there is no such file, or it is broken, encrypted, larger than `most`, or has
            arrays of types that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with _told(path):
        if path.name.endswith(INDEX):
            return _sharded(path, most)
        return _npz(path, most) if path.suffix == ".npz" else _safetensors(path, most)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what the libraries raise at a broken file into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except _BROKEN as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: not a readable safetensors or npz file ({reason}); a PyTorch checkpoint must "
            "be saved as safetensors first, as reading it would execute what it contains"
        ) from None


def _sharded(path: Path, most: int) -> Archive:
    """Reads the safetensors files of an index, {"weight_map": {tensor: file}}, as one archive."""
    content = files.read_json(path)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places:
        raise InputError(f"{path}: expected an object with a weight_map of tensors to files")
    tensors: dict[str, np.ndarray] = {}
    for name in sorted(set(map(str, places.values()))):
        if not name.endswith(".safetensors") or Path(name).name != name or "\0" in name:
            raise InputError(f"{path}: {name!r:.80} is no safetensors file of the same folder")
        shard = read(path.parent / name, most)
        expected = {tensor for tensor, file in places.items() if file == name}
        if expected != set(shard.tensors):
            odd = sorted(expected ^ set(shard.tensors))[0]
            where = "lacks" if odd in expected else "has"
            raise InputError(
                f"{path}: {name} {where} the tensor {odd!r}, and the index says otherwise; fetch "
                "both again"
            )
        tensors |= shard.tensors
        most -= sum(array.nbytes for array in shard.tensors.values())
    return Archive(tensors, {})


def _check_size(path: Path, claimed: int, most: int) -> None:
    if claimed > most:
        raise InputError(
            f"{path}: its arrays take {claimed:,} bytes, and those of this model at most {most:,}; "
            "the file is of another model, or carries more than the parameters"
        )


def _safetensors(path: Path, most: int) -> Archive:
    """Reads a safetensors file; that its arrays fill it without a gap, the library checks."""
    with safe_open(path, framework="np") as file:
        _check_size(path, path.stat().st_size, most)
        names = list(file.keys())
        for name in names:
            kind = file.get_slice(name).get_dtype()
            if kind not in _DTYPES:
                raise InputError(
                    f"{path}: tensor {name!r} is of type {kind}; expected floats of 16, 32 or 64 "
                    "bits: a quantised model must be brought back to floats first"
                )
        tensors = {name: file.get_tensor(name) for name in names}
        return Archive(tensors, dict(file.metadata() or {}))


def npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the arrays of an npz file, by name, reading none of the numbers.

    Raises:
        InputError: see `read`.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        shapes = {}
        for name, member in _members(path, archive).items():
            with archive.open(member) as file:
                shapes[name] = _header(file.read(HEADER + 12))[1]
        return shapes


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    named = {member.filename.removesuffix(".npy"): member for member in members}
    if len(named) != len(members):
        raise ValueError("a name stands twice")
    return named


def _npz(path: Path, most: int) -> Archive:
    with open(path, "rb") as file:
        if file.read(6) == b"\x93NUMPY":
            raise InputError(f"{path}: a single array (.npy), not an archive of arrays (.npz)")
    with zipfile.ZipFile(path) as archive:
        members = _members(path, archive)
        _check_size(path, sum(member.file_size for member in members.values()), most)
        arrays = {name: _npy(archive.read(member)) for name, member in members.items()}
        return Archive(arrays, {})


def _npy(content: bytes) -> np.ndarray:
    """Returns the array of a .npy file, whose numbers must fill it exactly."""
    dtype, shape, order, end = _header(content)
    if math.prod(shape) * dtype.itemsize != len(content) - end:
        raise ValueError(f"an entry of shape {shape!r:.40} has {len(content) - end:,} bytes")
    return np.frombuffer(content, dtype, offset=end).reshape(shape, order=order)


def _header(content: bytes) -> tuple[np.dtype, tuple[int, ...], str, int]:
    """Returns type, shape and order of a .npy file, and where its numbers begin."""
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError("an entry is no .npy file")
    layout = "<H" if content[6] == 1 else "<I"
    start = 8 + struct.calcsize(layout)
    end = start + struct.unpack_from(layout, content, 8)[0]
    if end > min(len(content), start + HEADER):
        raise ValueError("an entry's header is too long")
    header = ast.literal_eval(content[start:end].decode("latin1").strip())
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError("an entry's header lacks a field")
    descr, shape = header["descr"], header["shape"]
    if not isinstance(descr, str) or not re.fullmatch(r"[<>|=][biufcV]\d{1,2}", descr):
        raise ValueError(f"an entry of type {descr!r:.40}: not numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an entry of shape {shape!r:.40}")
    # NumPy writes bfloat16 as two bytes of nothing; big_vision reads them so as well.
    dtype = np.dtype(jnp.bfloat16 if descr[1:] == "V2" else descr)
    return dtype, shape, "F" if header["fortran_order"] else "C", end

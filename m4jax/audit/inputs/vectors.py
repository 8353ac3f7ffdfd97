"""Stored embeddings, as frameworks leave them: npz, parquet, npy with a list beside."""

import dataclasses
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax.audit.inputs import listed
from m4jax.errors import InputError
from m4jax.files import parquet

PICTURES, TEXTS = SIDES = ("pictures", "texts")
# How arrays and columns of either side are called, as parts of their names.
_OF_SIDE = {PICTURES: ("image", "img", "pict", "photo", "vis"), TEXTS: ("text", "txt", "capt")}
_NAMES = {PICTURES: listed.UIDS, TEXTS: listed.TEXTS}
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin")
UNUSABLE = "its embedding is zero, NaN or infinite"
SAME = 5e-3  # coordinates of unit vectors that differ by less are one embedding, in float16 too
Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Vectors:
    """Embeddings and what each is of.

    Attributes:
        values: float32 [n, d], as they are stored; of any length.
        names: [n] uids or texts; None: the file does not tell, and a table has them in its order.
        path: of the file.
    """

    values: np.ndarray
    names: tuple[str, ...] | None
    path: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def named(self, names: Sequence[str]) -> "Vectors":
        """Returns them with names; raises `InputError` unless there is one for each."""
        if len(names) != len(self):
            raise InputError(
                f"{self.path}: {len(self):,} embeddings and {len(names):,} rows that tell what "
                "they are of: give them their uids (numpy.savez(path, embedding=…, uid=…))"
            )
        return dataclasses.replace(self, names=tuple(names))

    def usable(self) -> tuple["Vectors", dict[str, str]]:
        """Returns those that are finite, not zero, and the first of their name; and what is not.

        Raises:
            InputError: if none is, or two of one name differ.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(self.values, axis=1)
        bad = ~np.isfinite(lengths) | (lengths == 0)
        if bad.all():
            raise InputError(f"{self.path}: no embedding is of use: all are zero, NaN or infinite")
        left_out = {self.names[i]: UNUSABLE for i in np.flatnonzero(bad)}
        first: dict[str, int] = {}
        for i in np.flatnonzero(~bad).tolist():
            j = first.setdefault(self.names[i], i)
            apart = np.abs(self.values[i] / lengths[i] - self.values[j] / lengths[j]).max()
            if j != i and apart > SAME:
                raise InputError(
                    f"{self.path}: two embeddings of {self.names[i]!r}, in rows {j:,} and "
                    f"{i:,}, differ; leave one of them out, or give each its own "
                    "name"
                )
        kept = list(first.values())
        return Vectors(self.values[kept], tuple(first), self.path), left_out


def read(path: str | Path, side: str, name: str = "") -> Vectors:
    """Reads a file of embeddings.

    Args:
        path: `.npz` (an array [n, d] of numbers and one [n] of uids or texts), `.parquet` (a
            column of lists of numbers and one of uids or texts), or `.npy` ([n, d], with a table
            called as it is beside it: uids or texts in its order).
        side: "pictures" or "texts": which of them, where a file has both.
        name: of the array or column of uids or texts; "": found by itself.

    Raises:
        InputError: if the file is not there or damaged, or it is not clear what of it is meant.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind in _PICKLES:
        raise InputError(
            f"{path}: a pickle, which can run anything when it is opened; save the arrays with "
            "numpy.savez(path, embedding=…, uid=…)"
        )
    if kind not in (".npz", ".npy", ".parquet"):
        raise InputError(f"{path}: expected embeddings in .npz, .npy or .parquet")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {found}; expected a file of embeddings, .npz, .npy or .parquet")
    if kind == ".parquet":
        values, names = _of_parquet(path, side, name)
    else:
        arrays = _arrays(path)
        values = _matrix(path, arrays, side)
        names = _names(path, arrays, side, name, len(values))
        beside = listed.beside(path) if kind == ".npy" and names is None else None
        if beside is not None:
            names = _beside(beside, side, name, len(values))
    if not values.size:
        raise InputError(f"{path}: has no embeddings")
    return Vectors(np.asarray(values, np.float32), names, str(path))


def _arrays(path: Path) -> Arrays:
    """Returns the arrays of a file of numpy's, none of which is a pickle."""
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            return {key: found[key] for key in found.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, TypeError) as error:
        reason = str(error)
        if "allow_pickle" in reason or "Object arrays" in reason:
            reason = "an array of Python's objects; save names as numpy.array(names, dtype=str)"
        raise InputError(f"{path}: can't be read ({reason})") from None


def _matrix(path: Path, arrays: Arrays, side: str) -> np.ndarray:
    """Returns the array [n, d] of numbers that is meant."""
    found = [key for key, x in arrays.items() if x.ndim == 2 and x.dtype.kind == "f"]
    key = _one(found, side)
    if key is None:
        shapes = ", ".join(f"{key} {x.dtype} {list(x.shape)}" for key, x in arrays.items())
        raise InputError(
            f"{path}: expected one array of embeddings [n, d] of {side}, got {shapes[:300]}"
        )
    return arrays[key]


def _one(keys: Sequence[str], side: str) -> str | None:
    """Returns the one key that can be meant; None: there is none, or several."""
    if len(keys) == 1:
        return keys[0]
    own = [key for key in keys if any(part in key.lower() for part in _OF_SIDE[side])]
    return own[0] if len(own) == 1 else None


def _names(
    path: Path, arrays: Arrays, side: str, name: str, n: int
) -> tuple[str, ...] | None:  # fmt: skip
    """Returns the uids or texts among the arrays; None: there are none."""
    if name and name in arrays:
        key = name
    else:
        fit = {x.lower(): x for x, y in arrays.items() if y.ndim == 1 and y.dtype.kind in "USiu"}
        fit = {x: y for x, y in fit.items() if len(arrays[y]) == n}
        usual = [fit[x] for x in _NAMES[side] if x in fit]
        key = usual[0] if usual else _one(list(fit.values()), side)
        if key is None:
            return None
    values = arrays[key]
    if values.ndim != 1 or len(values) != n:
        raise InputError(f"{path}: {key}: expected {n:,} names, got the shape {values.shape}")
    return tuple(_text(x, path) for x in values.tolist())


def _text(value: object, path: Path) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InputError(f"{path}: a name that is not UTF-8, {value[:40]!r}") from None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{path}: a name is missing")
    return str(value)


def _beside(path: Path, side: str, name: str, n: int) -> tuple[str, ...]:
    """Returns the names from a table that lies beside the embeddings."""
    table = listed.read(path)
    found = table[listed.column(table, name if name in table else "", _NAMES[side], path)]
    if len(found) != n:
        raise InputError(f"{path}: {len(found):,} rows, and there are {n:,} embeddings beside it")
    return tuple(_text(x, path) for x in found)


def _of_parquet(path: Path, side: str, name: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    schema, n = parquet.schema(path)
    lists = [x.name for x in schema if _is_list(x.type)]
    key = _one(lists, side)
    if key is None:
        raise InputError(
            f"{path}: expected one column of lists of numbers, the embeddings of {side}; "
            f"got {lists or schema.names[:20]}"
        )
    others = {x: [] for x in schema.names if x not in lists}
    usual = {x.lower(): x for x in reversed(schema.names)}
    named = name if name in others else next((usual[x] for x in _NAMES[side] if x in usual), None)
    parts, names = [], []
    wanted = [key, *([named] if named else [])]
    for batch in parquet.batches(path, 1 << 14, wanted):
        column = batch.column(0)
        if column.null_count or column.flatten().null_count:
            raise InputError(f"{path}: {key}: an embedding, or a number of one, is missing")
        parts.append(np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32))
        names += batch.column(1).to_pylist() if named else []
    flat = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    width = len(flat) // n if n else 0
    if not n or flat.size != n * width or not _even(path, key, width):
        raise InputError(f"{path}: {key}: expected lists of one length, as many numbers each")
    return flat.reshape(n, width), tuple(_text(x, path) for x in names) if named else None


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return (lists or pa.types.is_fixed_size_list(kind)) and pa.types.is_floating(kind.value_type)


def _even(path: Path, key: str, width: int) -> bool:
    """Tells whether all lists of a column have so many numbers."""
    for batch in parquet.batches(path, 1 << 14, [key]):
        column = batch.column(0)
        if pa.types.is_fixed_size_list(column.type):
            return column.type.list_size == width
        lengths = np.diff(column.offsets.to_numpy())
        if (lengths != width).any():
            return False
    return True

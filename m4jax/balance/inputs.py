"""What users hold, as arrays with names: data frames, series and columns of any library.

No such library is imported: a frame has `columns`, a series a `name`, and NumPy makes arrays of
the rest.
"""

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.errors import InputError

MISSING = ("NAType", "NaTType")  # the types of pandas' own missing values

Names = tuple[str, ...] | None


class ProblemError(InputError):
    """The problem is not well posed; the message says what is wrong, where, and what to do."""


def numbers(name: str, values: Any) -> np.ndarray:
    """Returns `values` as an array of booleans, integers or floats, not copied if it is one.

    What a masked array hides, and what is missing elsewhere (None, pandas' NA), is NaN: unknown, or
    no number at all.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        values = np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values))
    try:
        array = _plain(values)
    except ValueError as error:
        raise ProblemError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"{name} has type {array.dtype}; expected numbers")
    return array


def table(name: str, values: Any, *, text: bool = False) -> tuple[Any, Names]:
    """Returns a matrix of numbers `[n, k]`, and the names of its columns if it comes with names.

    Of a frame or series the index is ignored: rows belong together by their order. A series is one
    column, and so is any vector of attributes; a vector of labels is refused, since it may well
    hold the numbers of classes. Sparse matrices are returned as they are.

    Args:
        name: what messages call the matrix, "attributes" or "labels".
        values: a frame, a series, or anything that NumPy makes an array of.
        text: whether a column of text or of categories becomes one column for each value that
            occurs, "race=White" say: 1 where it is that value, NaN for all where it is missing.
    """
    if sparse.issparse(values):
        return values, None
    if not isinstance(values, np.ndarray):
        if hasattr(values, "columns"):
            return _frame(name, values, text)
        if hasattr(values, "to_numpy") and hasattr(values, "name"):
            called = values.name
            found, names = _column(
                name, f"{name[:-1]} 0" if called is None else called, values, text
            )
            return found, None if called is None and len(names) == 1 else names
    array = numbers(name, values)
    return (array[:, None] if array.ndim == 1 and name == "attributes" else array), None


def ordered(name: str, values: Any, names: Sequence[str]) -> Any:
    """Returns a matrix of numbers with its columns in the order of `names`, if it has names.

    Where it has others altogether, the order is taken for right. A value of a text column that does
    not occur becomes a column of zeros.

    Raises:
        ProblemError: if the matrix has some of the names but not all.
    """
    matrix, given = table(name, values, text=True)
    if given is None or given == tuple(names) or not set(given) & set(names):
        return matrix
    place = {called: k for k, called in enumerate(given)}
    columns = []
    for called in names:
        absent = [k for k, x in enumerate(given) if "=" in called and _stem(x) == _stem(called)]
        if called not in place and not absent:
            raise ProblemError(f"{name} lacks the column {called!r}; expected one for each name")
        column = matrix[:, place[called] if called in place else absent[0]]
        columns.append(column if called in place else np.where(np.isnan(column), np.nan, 0.0))
    return np.stack(columns, axis=1)


def first(*choices: Any) -> Any:
    """Returns the first that is not None."""
    return next((x for x in choices if x is not None), None)


def items(columns: Any) -> list[tuple[str, Any]]:
    """Returns names and columns of a mapping, of a frame, or of None."""
    if columns is None:
        return []
    return list(_columns(columns) if hasattr(columns, "columns") else columns.items())


def _stem(name: str) -> str | None:
    return name.split("=")[0] if "=" in name else None


def _plain(values: Any) -> np.ndarray:
    """Returns an array; one of objects that are numbers or missing becomes one of numbers."""
    array = np.asarray(values)
    if array.dtype.kind != "O":
        return array
    flat = array.ravel()
    missing = _missing(flat)
    if not all(isinstance(x, Real | np.bool_) for x in flat[~missing]):
        return array
    return np.where(missing, np.nan, flat).astype(float).reshape(array.shape)


def _missing(values: np.ndarray) -> np.ndarray:
    """Returns whether each object `[n]` stands for a missing value: None, NaN, NA."""
    return np.fromiter(
        (
            x is None or type(x).__name__ in MISSING or (isinstance(x, float) and x != x)
            for x in values
        ),
        bool,
        len(values),
    )


def _frame(name: str, frame: Any, text: bool) -> tuple[np.ndarray, Names]:
    """Returns what `table` does for a frame."""
    columns = list(_columns(frame))
    unnamed = [called for called, _ in columns] == list(range(len(columns)))
    if not columns:
        return np.zeros((len(frame), 0)), ()
    kinds = {getattr(column, "dtype", None) for _, column in columns}
    if len(kinds) == 1 and isinstance(kind := kinds.pop(), np.dtype) and kind.kind in "biuf":
        found, names = frame.to_numpy(), tuple(str(called) for called, _ in columns)
    else:
        pieces = [
            _column(name, f"{name[:-1]} {called}" if unnamed else called, column, text)
            for called, column in columns
        ]
        found = np.concatenate([piece for piece, _ in pieces], axis=1)
        names = tuple(called for _, some in pieces for called in some)
        unnamed = unnamed and len(names) == len(columns)
    return found, None if unnamed else names


def _columns(frame: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the columns of pandas', pyarrow's and polars' frames, with their names."""
    if hasattr(frame, "iloc"):
        for k, called in enumerate(frame.columns):
            yield called, frame.iloc[:, k]
    elif hasattr(frame, "column_names"):
        yield from zip(frame.column_names, frame.columns, strict=True)
    else:
        for called in frame.columns:
            yield called, frame[called]


def _column(name: str, called: Any, column: Any, text: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns a column as a matrix `[n, k]` and k names: one, or one for each value of a text."""
    where = f"{name} column {called!r}"
    array, categorical = _plain(column), getattr(getattr(column, "dtype", None), "name", None)
    if array.dtype.kind in "biuf" and categorical != "category":
        return array[:, None], (str(called),)
    values = np.asarray(column).astype(object)
    missing = _missing(values)
    present = values[~missing]
    categories = getattr(getattr(column, "cat", None), "categories", None)
    if not text or (categories is None and not all(isinstance(x, str) for x in present)):
        expected = "expected numbers" + (" or text" if text else "; make a column for each value")
        kind = "text" if any(isinstance(x, str) for x in present) else f"type {array.dtype}"
        raise ProblemError(f"{where} has {kind}; {expected}")
    values = np.where(missing, None, values)  # what is NA doesn't compare
    seen = set(present.tolist())
    order = sorted(seen) if categories is None else [x for x in categories if x in seen]
    found = np.stack([values == x for x in order], axis=1) if order else np.zeros((len(values), 0))
    if missing.any():
        found = np.where(missing[:, None], np.nan, found.astype(float))
    return found.astype(float if missing.any() else np.uint8), tuple(f"{called}={x}" for x in order)

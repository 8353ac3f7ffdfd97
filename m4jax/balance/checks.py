"""Checks of what users pass: each returns a clean copy, or says what is wrong, where, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.balance import memory
from m4jax.balance.inputs import ProblemError, numbers
from m4jax.errors import nearest

Axes = Sequence[Sequence[str] | None]
PRECISIONS = ("float64", "float32")
PREVALENCE = "a prevalence in [0, 1]"
LARGEST = 1e100  # utility: the square of it stays finite in sums
MOST = 1e150  # sum of counts: likewise


class ConformanceError(ValueError):
    """What one adds breaks a property that the solvers rely on; the message says which, where."""


def number(name: str, value: Any, expected: str, accept: Callable[[float], bool]) -> float:
    """Returns `value` as a float that `accept` accepts."""
    array = numbers(name, value)
    if array.ndim or array.dtype.kind == "b" or not accept(float(array)):
        raise ProblemError(f"{name} is {value}; expected a number {expected}")
    return float(array)


def matrix(name: str, values: Any) -> np.ndarray:
    """Returns `values` as a matrix, not copied if it is one; its values are not checked."""
    array = numbers(name, values)
    if array.ndim != 2:
        raise ProblemError(
            f"{name} has shape {array.shape}; expected a matrix [n, number of {name}]"
        )
    return array


def examples(attributes: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as matrices with one row each per example; their values are not checked."""
    attributes, labels = matrix("attributes", attributes), matrix("labels", labels)
    n, m = attributes.shape
    if n == 0 or m == 0:
        raise ProblemError(f"attributes is {n} × {m}; expected at least one row and one column")
    if len(labels) != n:
        raise ProblemError(
            f"attributes has {n} rows and labels has {len(labels)}; expected one row each per "
            "example, in the same order"
        )
    return attributes, labels


def unit_interval(
    name: str, array: np.ndarray, *, names: Sequence[str] | None = None, unknown: bool = False
) -> np.ndarray:
    """Returns a copy of a matrix in [0, 1]; NaN passes if `unknown`.

    Args:
        name: what the messages call the matrix.
        array: `[n, k]` of any type.
        names: `[k]` what the messages call its columns.
        unknown: whether NaN is allowed.

    Returns:
        `[n, k]` uint8 if every value is 0 or 1, float64 otherwise.
    """
    if array.dtype.kind == "b":
        return np.array(array, dtype=np.uint8, order="C")
    # Masks as large as the matrix are made only if the two extremes show that they are needed.
    if array.min(initial=0) >= 0 and array.max(initial=0) <= 1:
        bits = array.astype(np.uint8, order="C")
        whole = array.dtype.kind != "f" or np.array_equal(bits, array)
        return bits if whole else _as_floats(name, array)
    wrong = ~((array >= 0) & (array <= 1))
    if unknown:
        wrong &= ~np.isnan(array)
    expected = "a value in [0, 1]" + (", or NaN for unknown" if unknown else "")
    refuse(name, array, wrong, expected, (None, names))
    return _as_floats(name, array)


def _as_floats(name: str, array: np.ndarray) -> np.ndarray:
    what = f"{' × '.join(f'{x:,}' for x in array.shape)} {name} that are not all 0 or 1"
    memory.check(8.0 * array.size, what, "leave out some, or balance a sample")
    return np.array(array, dtype=float, order="C")


def unit_matrix(name: str, values: Any, *, unknown: bool = False) -> np.ndarray:
    """Returns a copy of `values` as a matrix in [0, 1]; see `unit_interval`."""
    return unit_interval(name, matrix(name, values), unknown=unknown)


def nonnegative_vector(name: str, values: Any, n: int) -> np.ndarray:
    """Returns `values` (ones if None) as a new `[n]` vector, checked: ≥ 0, not all 0.

    Its sum may be `MOST` at most, and what is above 0 must be a normal number (from 2e-308): those
    below have lost digits.
    """
    array = _vector(name, values, n)
    least = np.finfo(float).tiny
    wrong = ~((array == 0) | (array >= least) & (array <= MOST))
    refuse(name, array, wrong, f"a finite number, at least 0 (0, or {least:.2g} to {MOST:g})")
    if not array.any():
        raise ProblemError(f"{name} is 0 for every example; expected at least one above 0")
    if not array.sum() <= MOST:
        raise ProblemError(f"{name} add up to more than {MOST:g}; divide them by a common factor")
    return array


def positive_vector(name: str, values: Any, n: int) -> np.ndarray:
    """Returns `values` (ones if None) as a new `[n]` vector, checked: > 0 and at most `LARGEST`."""
    array = _vector(name, values, n)
    if not (array.min(initial=1) > 0 and array.max(initial=1) <= LARGEST):
        wrong = ~((array > 0) & (array <= LARGEST))
        refuse(name, array, wrong, f"a finite number above 0, at most {LARGEST:g}")
    return array


def _vector(name: str, values: Any, n: int) -> np.ndarray:
    array = np.ones(n) if values is None else numbers(name, values)
    if array.shape != (n,):
        raise ProblemError(f"{name} has shape {array.shape}; expected ({n},), one per example")
    return array if values is None else np.array(array, dtype=float)


def refuse(name: str, array: np.ndarray, wrong: np.ndarray, expected: str, axes: Axes = ()) -> None:
    """Raises if any element is wrong, and names the first one by its place and its `axes`."""
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        called = ", ".join(repr(names[i]) for i, names in zip(where, axes, strict=False) if names)
        place = f"[{', '.join(map(str, where))}]" if where else ""
        place += f" ({called})" if called else ""
        raise ProblemError(
            f"{name}{place} is {array[where]}; expected {expected} "
            f"({int(wrong.sum())} of {wrong.size} values are wrong)"
        )


def names(kind: str, values: int | Iterable[str], columns: int | None = None) -> tuple[str, ...]:
    """Returns distinct names, non-empty strings; a number n stands for "kind 0" … "kind n−1".

    Raises:
        ProblemError: if they are not that, or not one for each of the `columns` if these are given.
    """
    if isinstance(values, int | np.integer) and values >= 0:
        values = [f"{kind} {k}" for k in range(values)]
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ProblemError(
            f"{kind} names are {values!r}; expected a sequence of names, or a number"
        )
    values, place = tuple(values), {}
    for k, name in enumerate(values):
        if not isinstance(name, str) or not name:
            raise ProblemError(f"{kind}_names[{k}] is {name!r}; expected a non-empty string")
        if place.setdefault(name, k) != k:
            raise ProblemError(
                f"{kind}_names[{k}] is {name!r}, as is {kind}_names[{place[name]}]; "
                "expected distinct names"
            )
    if columns not in (None, len(values)):
        raise ProblemError(
            f"{kind}_names has {len(values)} names for {columns} columns; expected one per column"
        )
    return tuple(map(str, values))


def attribute(what: str, name: Any, names: Sequence[str]) -> None:
    """Raises unless `name` is one of the attributes' names; the message tells the nearest one."""
    if name not in names:
        hint = nearest(str(name), names)
        raise ProblemError(f"{what} has {name!r}, which is no attribute; {hint}")


def target(
    values: Any, names: Sequence[str], labels: Sequence[str], parts: list[list[int]]
) -> np.ndarray:
    """Returns π `[m+i, c+1]`, column 0 for representation.

    Args:
        values: in any form that `Spec` takes.
        names: `[m+i]` of the attributes, those of the i intersections last.
        labels: `[c]` names.
        parts: for each intersection its attributes; without a target of its own it gets the
            product of theirs.
    """
    if values is None:
        raise ProblemError("target is missing; expected the prevalence of each attribute, 0.5 say")
    m, width = len(names) - len(parts), len(labels) + 1
    if isinstance(values, Mapping):
        result = _named_target(values, names, m, width)
    else:
        array = numbers("target", values).astype(float)
        allowed = {shape for k in (m, len(names)) for shape in ((k,), (k, width))}
        if array.shape not in {()} | allowed:
            also = f"; with intersections {len(names)} for {m}" if parts else ""
            raise ProblemError(
                f"target has shape {array.shape}; expected a number, ({m},) with one per "
                f"attribute, or ({m}, {width}) with the overall prevalence first, then one per "
                f"label{also}; or a mapping from attribute names"
            )
        wrong = ~((array >= 0) & (array <= 1))
        refuse("target", array, wrong, PREVALENCE, (names, ("overall", *labels)))
        result = np.empty((len(array) if array.ndim else m, width))
        result[:] = array[:, None] if array.ndim == 1 else array
    missing = np.full((len(names) - len(result), width), np.nan)
    result = np.concatenate([result, missing])
    for row, columns in zip(result[m:], parts, strict=True):
        row[:] = np.where(np.isnan(row), result[columns].prod(axis=0), row)
    return result


def _named_target(values: Mapping, names: Sequence[str], m: int, width: int) -> np.ndarray:
    """Returns π `[m+i, c+1]` from numbers or rows by name, NaN for intersections without."""
    for name in values:
        attribute("target", name, names)
    result = np.full((len(names), width), np.nan)
    for k, name in enumerate(names):
        if name in values:
            what = f"target[{name!r}]"
            row = numbers(what, values[name]).astype(float)
            if row.shape not in ((), (width,)):
                raise ProblemError(
                    f"{what} has shape {row.shape}; expected a number, or ({width},) with the "
                    "overall prevalence first, then one per label"
                )
            row = np.broadcast_to(row, (width,))
            refuse(what, row, ~((row >= 0) & (row <= 1)), PREVALENCE)
            result[k] = row
        elif k < m:
            raise ProblemError(f"target has nothing for {name!r}; expected one per attribute")
    return result


def column(name: str, values: Any, n: int) -> np.ndarray:
    """Returns a new `[n]` vector of finite numbers, bytes if all are 0 or 1."""
    array = numbers(f"columns[{name!r}]", values)
    if array.shape != (n,):
        raise ProblemError(
            f"columns[{name!r}] has shape {array.shape}; expected ({n},), one per example"
        )
    array = np.array(array, dtype=float)
    wrong = ~(np.abs(array) <= LARGEST)
    refuse(f"columns[{name!r}]", array, wrong, f"a finite number, at most {LARGEST:g} in size")
    return array.astype(np.uint8) if np.isin(array, (0, 1)).all() else array


def bound(name: str, values: Any, axes: tuple[Sequence[str], ...]) -> np.ndarray:
    """Returns ε ≥ 0 as an array with one number for each place of `axes`."""
    array, shape = numbers(name, values).astype(float), tuple(map(len, axes))
    if array.shape not in ((), shape):
        raise ProblemError(f"{name} has shape {array.shape}; expected a number or shape {shape}")
    refuse(name, array, ~(array >= 0), "a bound of at least 0", axes)
    return np.array(np.broadcast_to(array, shape))


def groups(attributes: np.ndarray, present: np.ndarray | None, names: Sequence[str]) -> None:
    """Raises if an attribute has no known example or lacks one of its two groups."""
    for k, name in enumerate(names):
        column = attributes[:, k] if present is None else attributes[present, k]
        if attributes.dtype.kind == "f":
            column = column[~np.isnan(column)]
        if not column.size:
            what = "no known example (all are NaN)"
        elif not column.max() > 0:
            what = "no example with s > 0"
        elif not column.min() < 1:
            what = "no example with s < 1"
        else:
            continue
        raise ProblemError(
            f"attributes column {k} ({name!r}) has {what} among the rows with counts > 0; "
            "no weights can balance it: drop the column or add examples"
        )


def settings(tolerance: float, max_steps: int, precision: str) -> None:
    """Raises unless the settings of a solver are ones it knows."""
    if not tolerance >= 0 or max_steps < 0:
        raise ValueError(
            f"tolerance is {tolerance} and max_steps {max_steps}; expected both at least 0"
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")

"""Checks of what users pass: each returns a clean copy, or says what is wrong, where, and why."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Axes = Sequence[Sequence[str] | None]


class ProblemError(ValueError):
    """The problem is not well posed; the message says what is wrong, where, and what to do."""


def numbers(name: str, values: Any) -> np.ndarray:
    """Returns `values` as an array of booleans, integers or floats, not copied if it is one."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ProblemError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"{name} has type {array.dtype}; expected numbers")
    return array


def number(name: str, value: Any, expected: str, accept: Callable[[float], bool]) -> float:
    """Returns `value` as a float that `accept` accepts."""
    array = numbers(name, value)
    if array.ndim or not accept(float(array)):
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
        return bits if whole else np.array(array, dtype=float, order="C")
    wrong = ~((array >= 0) & (array <= 1))
    if unknown:
        wrong &= ~np.isnan(array)
    expected = "a value in [0, 1]" + (", or NaN for unknown" if unknown else "")
    refuse(name, array, wrong, expected, (None, names))
    return np.array(array, dtype=float, order="C")


def unit_matrix(name: str, values: Any, *, unknown: bool = False) -> np.ndarray:
    """Returns a copy of `values` as a matrix in [0, 1]; see `unit_interval`."""
    return unit_interval(name, matrix(name, values), unknown=unknown)


def nonnegative_vector(name: str, values: Any, n: int) -> np.ndarray:
    """Returns `values` (ones if None) as a new `[n]` vector, checked: ≥ 0, finite, not all 0."""
    array = _vector(name, values, n)
    if not (array.min(initial=0) >= 0 and array.max(initial=0) < np.inf):
        wrong = ~((array >= 0) & np.isfinite(array))
        refuse(name, array, wrong, "a finite number, at least 0")
    if not array.any():
        raise ProblemError(f"{name} is 0 for every example; expected at least one above 0")
    return array


def positive_vector(name: str, values: Any, n: int) -> np.ndarray:
    """Returns `values` (ones if None) as a new `[n]` vector, checked: > 0 and finite."""
    array = _vector(name, values, n)
    if not (array.min(initial=1) > 0 and array.max(initial=1) < np.inf):
        refuse(name, array, ~((array > 0) & np.isfinite(array)), "a finite number above 0")
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


def names(kind: str, given: int | Iterable[str]) -> tuple[str, ...]:
    """Returns distinct names, non-empty strings; a number n stands for "kind 0" … "kind n−1"."""
    if isinstance(given, int | np.integer) and given >= 0:
        return tuple(f"{kind} {k}" for k in range(given))
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ProblemError(f"{kind} names are {given!r}; expected a sequence of names, or a number")
    given = tuple(given)
    for k, name in enumerate(given):
        if not isinstance(name, str) or not name:
            raise ProblemError(f"{kind}_names[{k}] is {name!r}; expected a non-empty string")
        if name in given[:k]:
            raise ProblemError(
                f"{kind}_names[{k}] is {name!r}, as is {kind}_names[{given.index(name)}]; "
                "expected distinct names"
            )
    return tuple(map(str, given))


def known(what: str, name: Any, among: Sequence[str]) -> None:
    """Raises unless `name` is one of the names `among`; the message tells the nearest one."""
    if name not in among:
        close = difflib.get_close_matches(str(name), among, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(among)}"
        raise ProblemError(f"{what} has {name!r}, which is no attribute; {hint}")

"""What is to be balanced: examples, targets, bounds; validated, immutable."""

import dataclasses
from typing import Any

import numpy as np


class ProblemError(ValueError):
    """The problem is not well posed; the message says what is wrong, where, and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """Which examples to keep, so that attributes meet their targets and labels ignore them.

    Find keep-probabilities q in [0, 1] with E[q] = η:

        minimise ½ E[(q − ηu)²] + V Σ_k [|E[q (s_k − π_k)]| − ε_k]₊
                                + V Σ_kr [|E[q (s_k − π_kr) y_r]| − ε_kr]₊

    E is the mean over the examples, weighted by `counts`. The fields of the finished problem are
    read-only copies with the shapes given below; labels that are all 0 or 1 are kept as bytes.
    Source: "CLIP the Bias", M4; the quadratic term is derived.

    Args:
        attributes: `[n, m]` s, 0 or 1, or soft in [0, 1]. NaN: unknown or not applicable; the
            example then takes no part in the constraints of that attribute.
        labels: `[n, c]` y, 0 or 1, or soft in [0, 1].
        target: π in [0, 1], a number or `[m]`, or `[m, c+1]` with the overall prevalence in
            column 0 and one column per label. Kept as `[m, c+1]`.
        utility: `[n]` u > 0, used as given; ones by default.
        counts: `[n]` multiplicity of each row, at least 0; ones by default.
        keep_rate: η in (0, 1], the share of the data that is kept.
        eps_representation: bound on |E[q (s_k − π_k)]|, a number or `[m]`.
        eps_association: bound on |E[q (s_k − π_kr) y_r]|, a number or `[m, c]`.
        penalty: V > 0, the level of enforcement; infinity makes the constraints hard.

    Raises:
        ProblemError: if a shape or a value is not as above, or if an attribute has no known
            example, none with s > 0, or none with s < 1.
    """

    attributes: Any
    labels: Any
    _: dataclasses.KW_ONLY
    target: Any
    utility: Any = None
    counts: Any = None
    keep_rate: float = 0.9
    eps_representation: Any = 1e-3
    eps_association: Any = 1e-3
    penalty: float = 10.0

    def __post_init__(self):
        attributes = unit_matrix("attributes", self.attributes, unknown=True)
        labels = unit_matrix("labels", self.labels)
        n, m, c = *attributes.shape, labels.shape[1]
        if n == 0 or m == 0:
            raise ProblemError(f"attributes is {n} × {m}; expected at least one row and one column")
        if len(labels) != n:
            raise ProblemError(
                f"attributes has {n} rows and labels has {len(labels)}; expected one row each per "
                "example, in the same order"
            )
        checked = {
            "attributes": attributes,
            "labels": _as_bytes(labels),
            "target": _target(self.target, m, c),
            "utility": _utility(self.utility, n),
            "counts": nonnegative_vector("counts", self.counts, n),
            "keep_rate": _number("keep_rate", self.keep_rate, "in (0, 1]", lambda x: 0 < x <= 1),
            "eps_representation": _bound("eps_representation", self.eps_representation, (m,)),
            "eps_association": _bound("eps_association", self.eps_association, (m, c)),
            "penalty": _number("penalty", self.penalty, "> 0, or infinity", lambda x: x > 0),
        }
        _check_groups(attributes, checked["counts"])
        for name, value in checked.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)


def unit_matrix(name: str, values: Any, *, unknown: bool = False) -> np.ndarray:
    """Returns `values` as a new matrix, checked to lie in [0, 1]; NaN passes if `unknown`."""
    matrix = _array(name, values)
    if matrix.ndim != 2:
        raise ProblemError(
            f"{name} has shape {matrix.shape}; expected a matrix [n, number of {name}]"
        )
    wrong = ~((matrix >= 0) & (matrix <= 1))
    if unknown:
        wrong &= ~np.isnan(matrix)
    expected = "a value in [0, 1]" + (", or NaN for unknown" if unknown else "")
    _refuse(name, matrix, wrong, expected)
    return np.array(matrix, dtype=float if matrix.dtype.kind == "f" or unknown else np.uint8)


def nonnegative_vector(name: str, values: Any, n: int) -> np.ndarray:
    """Returns `values` (ones if None) as a new `[n]` vector, checked: ≥ 0, finite, not all 0."""
    vector = _vector(name, values, n)
    _refuse(name, vector, ~((vector >= 0) & np.isfinite(vector)), "a finite number, at least 0")
    if not vector.any():
        raise ProblemError(f"{name} is 0 for every example; expected at least one above 0")
    return vector


def _array(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ProblemError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"{name} has type {array.dtype}; expected numbers")
    return array


def _vector(name: str, values: Any, n: int) -> np.ndarray:
    vector = np.ones(n) if values is None else _array(name, values)
    if vector.shape != (n,):
        raise ProblemError(f"{name} has shape {vector.shape}; expected ({n},), one per example")
    return np.array(vector, dtype=float)


def _refuse(name: str, array: np.ndarray, wrong: np.ndarray, expected: str) -> None:
    """Raises if any element is wrong, and names the first one by its row and column."""
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ProblemError(
            f"{name}[{', '.join(map(str, where))}] is {array[where]}; expected {expected} "
            f"({int(wrong.sum())} of {wrong.size} values are wrong)"
        )


def _as_bytes(labels: np.ndarray) -> np.ndarray:
    bits = labels.astype(np.uint8)
    return bits if np.array_equal(bits, labels) else labels


def _target(values: Any, m: int, c: int) -> np.ndarray:
    target = _array("target", values).astype(float)
    if target.shape not in ((), (m,), (m, c + 1)):
        raise ProblemError(
            f"target has shape {target.shape}; expected a number, ({m},) with one per attribute, "
            f"or ({m}, {c + 1}) with the overall prevalence first, then one per label"
        )
    _refuse("target", target, ~((target >= 0) & (target <= 1)), "a prevalence in [0, 1]")
    column = target[:, None] if target.ndim == 1 else target
    return np.array(np.broadcast_to(column, (m, c + 1)))


def _utility(values: Any, n: int) -> np.ndarray:
    utility = _vector("utility", values, n)
    _refuse("utility", utility, ~((utility > 0) & np.isfinite(utility)), "a finite number above 0")
    return utility


def _bound(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    bound = _array(name, values).astype(float)
    if bound.shape not in ((), shape):
        raise ProblemError(f"{name} has shape {bound.shape}; expected a number or shape {shape}")
    _refuse(name, bound, ~(bound >= 0), "a bound of at least 0")
    return np.array(np.broadcast_to(bound, shape))


def _number(name: str, value: Any, expected: str, accept: Any) -> float:
    array = _array(name, value)
    if array.ndim or not accept(float(array)):
        raise ProblemError(f"{name} is {value}; expected a number {expected}")
    return float(array)


def _check_groups(attributes: np.ndarray, counts: np.ndarray) -> None:
    """Raises if an attribute has no known example or lacks one of its two groups."""
    present = attributes[counts > 0]
    for found, what in (
        (~np.isnan(present), "no known example (all are NaN)"),
        (present > 0, "no example with s > 0"),
        (present < 1, "no example with s < 1"),
    ):
        missing = np.flatnonzero(~found.any(axis=0))
        if missing.size:
            raise ProblemError(
                f"attributes column {missing[0]} has {what} among the rows with counts > 0; "
                "no weights can balance it: drop the column or add examples"
            )

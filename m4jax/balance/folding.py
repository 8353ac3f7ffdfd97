"""From examples to rows: those of equal attributes, labels and utility fold into one with a count.

A number of rows that the solver has compiled already is reached by padding with rows of no share.
"""

from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.objectives import namespace
from m4jax.balance.problem import Problem

LEAST = 2048  # examples of which it is asked whether they fold, and the size of a sample of them
MOSTLY = 0.9  # the share of different utilities in the sample above which they don't
LONGEST_WORD = 48  # bytes up to which sorting by counting beats comparing whole keys


def fold(problem: Problem) -> tuple[Problem, np.ndarray]:
    """Returns the problem of the distinct examples, which has the same solution.

    Where labels are sparse, hardly two examples are alike: nothing is folded.

    Returns:
        The problem, with the number of equal examples as the count of each row, and for each
        example the index `[n]` of its row.
    """
    if sparse.issparse(problem.labels):
        return problem, np.arange(problem.labels.shape[0])
    first, inverse = _distinct(_keys(problem))
    counts = np.bincount(inverse, weights=problem.counts, minlength=len(first))
    return _chosen(problem, first, counts), inverse


def hardly_folds(problem: Problem) -> bool:
    """Tells whether utilities are so many that folding is not worth its time, by a sample."""
    utility = problem.utility
    if len(utility) < LEAST or utility.min() == utility.max():
        return False
    sample = utility[:: len(utility) // LEAST]
    return len(np.unique(sample)) > MOSTLY * len(sample)


def _chosen(problem: Problem, rows: np.ndarray, counts: np.ndarray) -> Problem:
    """Returns the problem of some examples with other counts; what they are was checked before."""
    fields = {
        "attributes": problem.attributes[rows],
        "labels": problem.labels[rows],
        "utility": problem.utility[rows],
        "counts": counts,
        "columns": {name: column[rows] for name, column in problem.columns.items()},
        "spec": problem.spec,
    }
    found = object.__new__(Problem)
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(found, name, value)
    return found


def _keys(problem: Problem) -> np.ndarray:
    """Returns `[n, bytes]`: rows are equal if and only if the examples are."""
    bits, rest = [], []
    attributes = problem.attributes
    if attributes.dtype.kind == "f":
        known = ~np.isnan(attributes)
        if not known.all():
            bits.append(known)
            attributes = np.where(known, attributes, 0.0)
    columns = [column[:, None] for column in problem.columns.values()]
    for matrix in (attributes, problem.labels, *columns):
        if matrix.dtype == np.uint8 or np.array_equal(matrix != 0, matrix):
            bits.append(matrix)
        else:
            rest.append(matrix)
    if problem.utility.min() < problem.utility.max():
        rest.append(problem.utility[:, None])
    # Bits eight to a byte; + 0.0: no −0.0.
    bits = [np.concatenate([x.astype(bool) for x in bits], axis=1)] if bits else []
    packed = [np.packbits(x, axis=1) for x in bits]
    whole = [np.ascontiguousarray(x + 0.0).view(np.uint8) for x in rest]
    return np.concatenate(packed + whole, axis=1)


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first row of each distinct key, and for each row the index of its key."""
    n, width = keys.shape
    if width > LONGEST_WORD:
        rows = keys.view(np.dtype((np.void, width))).ravel()
        return np.unique(rows, return_index=True, return_inverse=True)[1:]
    words = np.zeros((n, width + width % 2), np.uint8)
    words[:, :width] = keys
    words = np.ascontiguousarray(words.view("<u2").T)
    # Word by word, the last one first, as NumPy sorts 16 bits by counting.
    order = np.lexsort(words)
    new = np.ones(n, bool)
    new[1:] = (words[:, order[1:]] != words[:, order[:-1]]).any(axis=0)
    inverse = np.empty(n, np.int64)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


def pad(values: Any, size: int, value: float = 0) -> Any:
    """Returns `[size, ...]`, the values `[n, ...]` with more rows of one value."""
    xp = namespace(values)
    widths = [(0, size - len(values))] + [(0, 0)] * (values.ndim - 1)
    return xp.pad(values, widths, constant_values=value)

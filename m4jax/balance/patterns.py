"""Folding: examples with equal attributes, labels and utility share one weight."""

from typing import NamedTuple

import numpy as np

from m4jax.balance.problem import Problem

SMALLEST_CLASS = 128  # fewer patterns than this are padded up to one shared shape


class Patterns(NamedTuple):
    """The distinct rows of a problem, padded with rows of count 0 to a power of two.

    attributes: `[p, m]` with 0 where unknown.
    known: `[p, m]` 1 where the attribute is known.
    labels: `[p, c]`.
    utility: `[p]`.
    share: `[p]` counts divided by their sum, so that E[·] is a dot product with it.
    """

    attributes: np.ndarray
    known: np.ndarray
    labels: np.ndarray
    utility: np.ndarray
    share: np.ndarray


def fold(problem: Problem) -> tuple[Patterns, np.ndarray]:
    """Returns the patterns of `problem`, and for each example the index `[n]` of its pattern."""
    first, inverse = _distinct(_keys(problem))
    counts = np.bincount(inverse, weights=problem.counts, minlength=len(first))
    chosen = problem.attributes[first]
    known = ~np.isnan(chosen)
    patterns = Patterns(
        attributes=np.where(known, chosen, 0.0),
        known=known.astype(float),
        labels=problem.labels[first],
        utility=problem.utility[first],
        share=counts / counts.sum(),
    )
    return _pad(patterns), inverse


def _keys(problem: Problem) -> np.ndarray:
    """Returns `[n, bytes]`: rows are equal if and only if the examples are."""
    n = len(problem.attributes)
    known = ~np.isnan(problem.attributes)
    columns = [np.packbits(known, axis=1), _bytes(np.where(known, problem.attributes, 0.0))]
    columns.append(_bytes(problem.labels))
    if np.ptp(problem.utility) > 0:
        columns.append(_bytes(problem.utility[:, None]))
    return np.ascontiguousarray(np.concatenate(columns, axis=1)).reshape(n, -1)


def _bytes(matrix: np.ndarray) -> np.ndarray:
    """Returns the rows as bytes: packed bits if all values are 0 or 1, whole numbers otherwise."""
    bits = matrix != 0
    if np.array_equal(bits, matrix):
        return np.packbits(bits, axis=1)
    return np.ascontiguousarray(matrix + 0.0).view(np.uint8)  # + 0.0 makes −0.0 equal to 0.0


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = keys.view(np.dtype((np.void, keys.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return first, inverse


def _pad(patterns: Patterns) -> Patterns:
    size = len(patterns.share)
    missing = max(SMALLEST_CLASS, 1 << (size - 1).bit_length()) - size

    def pad(rows: np.ndarray, value: float = 0.0) -> np.ndarray:
        widths = [(0, missing)] + [(0, 0)] * (rows.ndim - 1)
        return np.pad(rows, widths, constant_values=value)

    padded = Patterns(*(pad(rows) for rows in patterns))
    return padded._replace(utility=pad(patterns.utility, 1.0))  # a utility is never 0

"""Folding: examples with equal attributes, labels and utility share one weight."""

import dataclasses
from typing import NamedTuple

import numpy as np

from m4jax.balance.problem import Problem

SMALLEST_CLASS = 128  # fewer patterns than this are padded up to one shared shape
LONGEST_WORD = 48  # bytes up to which sorting by counting beats comparing whole keys


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


def fold(problem: Problem, *, parts: int = 1) -> tuple[Patterns, np.ndarray]:
    """Returns the patterns of `problem`, and for each example the index `[n]` of its pattern.

    Args:
        problem: what to fold.
        parts: the padded number of patterns is this many times a power of two.
    """
    first, inverse = _distinct(_keys(problem))
    counts = np.bincount(inverse, weights=problem.counts, minlength=len(first))
    chosen = problem.attributes[first].astype(float)
    known = ~np.isnan(chosen)
    patterns = Patterns(
        attributes=np.where(known, chosen, 0.0),
        known=known.astype(float),
        labels=problem.labels[first],
        utility=problem.utility[first],
        share=counts / counts.sum(),
    )
    return _pad(patterns, parts), inverse


def distinct(problem: Problem) -> tuple[Problem, np.ndarray]:
    """Returns the problem with equal examples as one row and their number as its count.

    It has the same solution; `[n]` row numbers tell which row each example went to.
    """
    first, inverse = _distinct(_keys(problem))
    counts = np.bincount(inverse, weights=problem.counts, minlength=len(first))
    folded = dataclasses.replace(
        problem,
        attributes=problem.attributes[first],
        labels=problem.labels[first],
        utility=problem.utility[first],
        counts=counts,
    )
    return folded, inverse


def _keys(problem: Problem) -> np.ndarray:
    """Returns `[n, bytes]`: rows are equal if and only if the examples are."""
    bits, rest = [], []
    attributes = problem.attributes
    if attributes.dtype.kind == "f":
        known = ~np.isnan(attributes)
        if not known.all():
            bits.append(known)
            attributes = np.where(known, attributes, 0.0)
    for matrix in (attributes, problem.labels):
        if matrix.dtype == np.uint8 or np.array_equal(matrix != 0, matrix):
            bits.append(matrix)
        else:
            rest.append(matrix)
    if problem.utility.min() < problem.utility.max():
        rest.append(problem.utility[:, None])
    packed = [_packed(bits)] if bits else []
    whole = [np.ascontiguousarray(x + 0.0).view(np.uint8) for x in rest]  # + 0.0: no −0.0
    return np.concatenate(packed + whole, axis=1)


def _packed(matrices: list[np.ndarray]) -> np.ndarray:
    """Returns the columns of all matrices `[n, ·]`, each 0 or 1, as bits of `[n, bytes]`."""
    n, width = len(matrices[0]), sum(x.shape[1] for x in matrices)
    # Whole bytes in every row, so that all rows are packed in one go.
    rows, begin = np.zeros((n, -(-width // 8) * 8), np.uint8), 0
    for matrix in matrices:
        rows[:, begin : begin + matrix.shape[1]] = matrix
        begin += matrix.shape[1]
    return np.packbits(rows).reshape(n, -1)


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first row of each distinct key, and for each row the index of its key."""
    n, width = keys.shape
    if width > LONGEST_WORD:
        rows = keys.view(np.dtype((np.void, width))).ravel()
        return np.unique(rows, return_index=True, return_inverse=True)[1:]
    words = np.zeros((n, width + width % 2), np.uint8)
    words[:, :width] = keys
    words = np.ascontiguousarray(words.view("<u2").T)
    # Word by word, as NumPy sorts 16 bits by counting; a stable sort keeps equal keys in order.
    order = np.argsort(words[0], kind="stable")
    for word in words[1:]:
        order = order[np.argsort(word[order], kind="stable")]
    new = np.zeros(n, bool)
    new[:1] = True
    for word in words:
        ordered = word[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    inverse = np.empty(n, np.int64)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


def _pad(patterns: Patterns, parts: int) -> Patterns:
    size = len(patterns.share)
    each = -(-size // parts)
    missing = parts * max(-(-SMALLEST_CLASS // parts), 1 << (each - 1).bit_length()) - size

    def pad(rows: np.ndarray, value: float = 0.0) -> np.ndarray:
        widths = [(0, missing)] + [(0, 0)] * (rows.ndim - 1)
        return np.pad(rows, widths, constant_values=value)

    padded = Patterns(*(pad(rows) for rows in patterns))
    return padded._replace(utility=pad(patterns.utility, 1.0))  # a utility is never 0

"""Folding: examples with equal attributes, labels and utility share one weight."""

import dataclasses
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
        as_bits = matrix.view(bool) if matrix.dtype == np.uint8 else matrix != 0
        if matrix.dtype == np.uint8 or np.array_equal(as_bits, matrix):
            bits.append(as_bits)
        else:
            rest.append(matrix)
    if problem.utility.min() < problem.utility.max():
        rest.append(problem.utility[:, None])
    packed = [np.packbits(np.concatenate(bits, axis=1), axis=1)] if bits else []
    whole = [np.ascontiguousarray(x + 0.0).view(np.uint8) for x in rest]  # + 0.0: no −0.0
    return np.ascontiguousarray(np.concatenate(packed + whole, axis=1))


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first row of each distinct key, and for each row the index of its key."""
    n, width = keys.shape
    if width > 8:
        rows = keys.view(np.dtype((np.void, width))).ravel()
        return np.unique(rows, return_index=True, return_inverse=True)[1:]
    number = np.zeros((n, 8), np.uint8)
    number[:, :width] = keys
    number = number.view("<u8").ravel()
    place = max(1, int(n - 1).bit_length())
    if 8 * width + place > 64:
        return np.unique(number, return_index=True, return_inverse=True)[1:]
    # Key and row number fit into one word: sorting it is several times faster than sorting rows.
    ordered = np.sort((number << np.uint64(place)) | np.arange(n, dtype=np.uint64))
    rows = (ordered & np.uint64((1 << place) - 1)).astype(np.int64)
    ordered >>= np.uint64(place)
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    inverse = np.empty(n, np.int64)
    inverse[rows] = np.cumsum(new) - 1
    return rows[new], inverse


def _pad(patterns: Patterns, parts: int) -> Patterns:
    size = len(patterns.share)
    each = -(-size // parts)
    missing = parts * max(-(-SMALLEST_CLASS // parts), 1 << (each - 1).bit_length()) - size

    def pad(rows: np.ndarray, value: float = 0.0) -> np.ndarray:
        widths = [(0, missing)] + [(0, 0)] * (rows.ndim - 1)
        return np.pad(rows, widths, constant_values=value)

    padded = Patterns(*(pad(rows) for rows in patterns))
    return padded._replace(utility=pad(patterns.utility, 1.0))  # a utility is never 0

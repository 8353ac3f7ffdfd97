"""The constraints' rows a = L φ where there are many: products with sparse matrices, in threads.

Labels are kept as CSR, and as CSR of the transposed, so that either product writes each of its
numbers once. Sides that are the same for every example (κ, where everything is known) are merged.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.constraints.moments import System
from m4jax.balance.host.rows import Rows

PIECE = 400_000  # entries of a sparse matrix that one thread takes at a time
FULL = 0.7  # a share of the labels' entries above which all labels are as good


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count())


if hasattr(os, "register_at_fork"):  # threads don't outlive a fork
    os.register_at_fork(after_in_child=_threads.cache_clear)


def _each(work: Callable[[Any], None], pieces: Iterable[Any]) -> None:
    """Does the work for every piece; scipy's products let other threads run."""
    pieces = list(pieces)
    if len(pieces) < 2:
        for piece in pieces:
            work(piece)
    else:
        list(_threads().map(work, pieces))


class Tall:
    """A sparse matrix in pieces of rows, for products with dense ones."""

    def __init__(self, matrix: sparse.csr_array):
        self.matrix, self.shape = matrix, matrix.shape
        count = max(1, -(-matrix.nnz // PIECE))
        marks = np.searchsorted(matrix.indptr, np.arange(1, count) * (matrix.nnz / count))
        edges = np.unique(np.concatenate([[0], marks, [matrix.shape[0]]]))
        self.pieces = []
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            low, high = matrix.indptr[a], matrix.indptr[b]
            part = (matrix.data[low:high], matrix.indices[low:high], matrix.indptr[a : b + 1] - low)
            piece = sparse.csr_array(part, shape=(b - a, matrix.shape[1]), copy=False)
            self.pieces.append((slice(a, b), piece))

    def times(self, dense: np.ndarray) -> np.ndarray:
        """Returns the product with `[columns]` or `[columns, k]`."""
        result = np.empty((self.shape[0], *dense.shape[1:]))

        def work(piece: tuple[slice, sparse.csr_array]) -> None:
            result[piece[0]] = piece[1] @ dense

        _each(work, self.pieces)
        return result

    def weighed(self, dense: np.ndarray, sides: np.ndarray) -> np.ndarray:
        """Returns Σ_g sides_ig (matrix @ dense)_ig `[rows]`."""
        result = np.empty(self.shape[0])

        def work(piece: tuple[slice, sparse.csr_array]) -> None:
            result[piece[0]] = np.einsum("pg,pg->p", piece[1] @ dense, sides[piece[0]])

        _each(work, self.pieces)
        return result


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """Labels and what else is a part, but for 1."""

    down: Tall  # [p, R]
    across: Tall  # [R, p]

    @property
    def matrix(self) -> sparse.csr_array:
        """`[p, R]`."""
        return self.down.matrix


def make_parts(matrix: Any) -> Parts:
    """Returns the parts of a sparse or dense matrix `[p, R]`."""
    matrix = sparse.csr_array(matrix)
    if matrix.nnz < 2**31:
        kind = np.int32
        matrix = sparse.csr_array(
            (matrix.data.astype(float), matrix.indices.astype(kind), matrix.indptr.astype(kind)),
            shape=matrix.shape,
        )
    return Parts(Tall(matrix), Tall(sparse.csr_array(matrix.T)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Group:
    """Sides that go with the same parts: L as far as it is about them."""

    sides: np.ndarray  # [g] which
    values: np.ndarray | None  # [p, g] S; None: 1 alone
    parts: Parts
    rows: sparse.csr_array  # [J, g R]
    back: sparse.csr_array  # [g R, J]

    def scores(self, w: np.ndarray) -> np.ndarray:
        weights = self.back @ w
        if self.values is None:
            return self.parts.down.times(weights)
        weights = np.ascontiguousarray(weights.reshape(len(self.sides), -1).T)
        return self.parts.down.weighed(weights, self.values)

    def moments(self, mass: np.ndarray) -> np.ndarray:
        if self.values is None:
            return self.rows @ self.parts.across.times(mass)
        return self.rows @ self.parts.across.times(self.values * mass[:, None]).T.ravel()


class Operator:
    """The rows a `[p, J]`, never formed: products with them from either side."""

    def __init__(self, sides: np.ndarray, parts: Parts, rows: sparse.csr_array):
        """Takes S `[p, G]`, whose first column is 1, Y `[p, R]`, and L `[J, G (1+R)]`."""
        self.sides, self.parts, self.rows = sides, parts, sparse.csr_array(rows)
        self.width = 1 + parts.matrix.shape[1]
        columns = sparse.csc_array(self.rows)
        used = np.flatnonzero(np.diff(columns.indptr))
        self.side, self.part = np.divmod(used, self.width)
        alone = self.part == 0
        self._alone = columns[:, used[alone]]
        self._alone_sides = np.ascontiguousarray(sides[:, self.side[alone]])
        first = ~alone & (self.side == 0)
        chosen = (first, ~alone & ~first)
        self.groups = [self._group(columns, used, x) for x in chosen if x.any()]

    def _group(self, columns: sparse.csc_array, used: np.ndarray, chosen: np.ndarray) -> _Group:
        sides, g = np.unique(self.side[chosen], return_inverse=True)
        some, r = np.unique(self.part[chosen] - 1, return_inverse=True)
        parts, width = self.parts, self.width - 1
        if len(some) < width and _entries(parts, some) < FULL * parts.matrix.nnz:
            across = parts.across.matrix[some]
            parts, width = Parts(Tall(sparse.csr_array(across.T)), Tall(across)), len(some)
        else:
            r = self.part[chosen] - 1
        inside = columns[:, used[chosen]].tocoo()
        place = (g * width + r)[inside.col]
        shape = (self.rows.shape[0], len(sides) * width)
        rows = sparse.csr_array((inside.data, (inside.row, place)), shape=shape)
        values = None if sides[-1] == 0 else np.ascontiguousarray(self.sides[:, sides])
        return _Group(sides, values, parts, rows, sparse.csr_array(rows.T))

    def scores(self, w: np.ndarray) -> np.ndarray:
        """Returns a·w `[p]`."""
        total = np.einsum("pk,k->p", self._alone_sides, self._alone.T @ w)
        for group in self.groups:
            total += group.scores(w)
        return total

    def moments(self, mass: np.ndarray) -> np.ndarray:
        """Returns Σ mass a `[J]`."""
        total = self._alone @ np.einsum("pk,p->k", self._alone_sides, mass)
        for group in self.groups:
            total += group.moments(mass)
        return total

    def squares(self, mass: np.ndarray) -> np.ndarray:
        """Returns Σ mass a² `[J]`; products of two different labels are left out."""
        return self._squared.moments(mass)

    @functools.cached_property
    def _squared(self) -> "Operator":
        """The operator of a², which is linear in products of two sides with Y or Y²."""
        one, two = _pairs(self.rows)
        row, coefficient = _row_of(self.rows)[one], self.rows.data[one] * self.rows.data[two]
        (g, r), (h, t) = (np.divmod(self.rows.indices[x], self.width) for x in (one, two))
        matrix, both = self.parts.matrix, (r == t) & (r > 0)
        part, parts, width = np.maximum(r, t), self.parts, self.width
        if not np.isin(matrix.data, (0.0, 1.0)).all():
            parts = make_parts(sparse.hstack([matrix, matrix.power(2)], format="csr"))
            part, width = np.where(both, part + width - 1, part), 2 * width - 1
        pair, index = np.unique(
            np.minimum(g, h) * self.sides.shape[1] + np.maximum(g, h), return_inverse=True
        )
        first, second = np.divmod(pair, self.sides.shape[1])
        sides, merged = distinct(self.sides[:, first] * self.sides[:, second])
        kept = both | (r == 0) | (t == 0)
        place = merged[index] * width + part
        shape = (self.rows.shape[0], sides.shape[1] * width)
        rows = sparse.csr_array((coefficient[kept], (row[kept], place[kept])), shape=shape)
        return Operator(sides, parts, rows)


def _entries(parts: Parts, chosen: np.ndarray) -> int:
    return int(np.diff(parts.across.matrix.indptr)[chosen].sum())


def _row_of(matrix: sparse.csr_array) -> np.ndarray:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _pairs(matrix: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Returns all pairs of entries that are in the same row, as their places."""
    size = np.diff(matrix.indptr).astype(np.int64)
    one, two = [], []
    for k in np.unique(size[size > 0]).tolist():
        start = matrix.indptr[:-1][size == k]
        for i in range(k):
            for j in range(k):
                one.append(start + i)
                two.append(start + j)
    none = [np.zeros(0, np.int64)]
    return np.concatenate(one or none), np.concatenate(two or none)


def distinct(sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct columns, a column of ones first, and where each column is among them."""
    place: dict[bytes, int] = {np.ones(len(sides)).tobytes(): 0}
    first, where = [], []
    for column in sides.T:
        key = np.ascontiguousarray(column).tobytes()
        if key not in place:
            place[key] = len(place)
            first.append(column)
        where.append(place[key])
    return np.stack([np.ones(len(sides)), *first], axis=1), np.array(where, np.int64)


class WideRows:
    """What `rows.Rows` does, but for Gram matrices, with many constraints."""

    def __init__(self, sides: np.ndarray, parts: Any, system: System, share: np.ndarray):
        """Takes S `[p, G]`, Y `[p, R]` with 1 first, L, and factors that sum to 1."""
        self.system, self.share = system, share
        merged, where = distinct(sides)
        entries, width = system.rows.tocoo(), parts.shape[1]
        side, part = np.divmod(entries.col.astype(np.int64), width)
        shape = (len(system), merged.shape[1] * width)
        rows = sparse.csr_array(
            (entries.data, (entries.row, where[side] * width + part)), shape=shape
        )
        rows.sum_duplicates()
        rows.eliminate_zeros()
        self.operator = Operator(merged, make_parts(parts[:, 1:]), rows)

    def __len__(self) -> int:
        return len(self.share)

    def mean(self, values: np.ndarray) -> float:
        """Returns E[values]."""
        return float((self.share * values).sum())

    def scores(self, multipliers: np.ndarray) -> np.ndarray:
        """Returns a·w `[p]` for w `[J]`."""
        return self.operator.scores(multipliers)

    def moments(self, values: np.ndarray) -> np.ndarray:
        """Returns E[values a] `[J]`."""
        return self.operator.moments(self.share * values)

    def second_moments(self) -> np.ndarray:
        """Returns E[a²] `[J]`, near enough to scale by."""
        return np.maximum(self.operator.squares(self.share), 0.0)


def widen(rows: Rows) -> WideRows:
    """Returns the rows for many constraints."""
    return WideRows(rows.sides, rows.parts, rows.system, rows.share)

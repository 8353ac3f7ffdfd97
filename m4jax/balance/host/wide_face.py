"""The constraints and examples that one Newton step is about, as an explicit sparse matrix.

Few constraints are at work at once, and only examples whose weights can move count: of these a
matrix is small enough to be written out, though that of all rows is not.
"""

import dataclasses
import functools
import itertools

import numpy as np
from scipy import sparse

from m4jax.balance.host.wide_rows import Operator, Tall

BLOCK = 4_000_000  # entries that are made at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """Rows a = x + z of some examples and constraints, scaled: x sparse, z of sides alone.

    Attributes:
        across: `[J, p]` x, transposed.
        down: `[p, J]` x.
        sides: `[p, k]` of z.
        alone: `[J, k]` coefficients: z = sides @ aloneᵀ.
        weight: `[p]` curvature of each example.
    """

    across: Tall
    down: Tall
    sides: np.ndarray
    alone: sparse.csr_array
    weight: np.ndarray

    @property
    def entries(self) -> np.ndarray:
        """Returns how many entries x has in each row `[p]`."""
        return np.diff(self.down.matrix.indptr)

    def scores(self, d: np.ndarray) -> np.ndarray:
        """Returns a·d `[p]`."""
        return self.down.times(d) + np.einsum("pk,k->p", self.sides, self.alone.T @ d)

    def moments(self, mass: np.ndarray) -> np.ndarray:
        """Returns Σ mass a `[J]`."""
        return self.across.times(mass) + self.alone @ np.einsum("pk,p->k", self.sides, mass)

    def squares(self) -> np.ndarray:
        """Returns Σ weight a² `[J]`."""
        x = self.across.matrix
        squared = sparse.csr_array((x.data**2, x.indices, x.indptr), shape=x.shape)
        total = squared @ self.weight
        total += np.asarray(self.alone.multiply(self.alone @ self._within).sum(axis=1)).ravel()
        both = np.flatnonzero((np.diff(x.indptr) > 0) & (np.diff(self.alone.indptr) > 0))
        if len(both):
            crossed = x[both] @ (self.sides * self.weight[:, None])
            total[both] += 2 * np.asarray(self.alone[both].multiply(crossed).sum(axis=1)).ravel()
        return total

    def gram(self) -> np.ndarray:
        """Returns Σ weight a aᵀ `[J, J]`."""
        x = self.across.matrix
        weighed = sparse.csr_array((x.data * self.weight[x.indices], x.indices, x.indptr), x.shape)
        total = (weighed @ self.down.matrix).toarray()
        crossed = self.across.times(self.sides * self.weight[:, None])
        mixed = (self.alone @ crossed.T).T
        return total + mixed + mixed.T + self.alone @ (self.alone @ self._within).T

    @functools.cached_property
    def _within(self) -> np.ndarray:
        return self.sides.T @ (self.sides * self.weight[:, None])


def make_face(
    operator: Operator, weight: np.ndarray, constraints: np.ndarray, scale: np.ndarray
) -> Face:
    """Returns the rows of some constraints, times `scale`, and of the examples of weight above 0.

    Args:
        operator: all rows.
        weight: `[p]` ≥ 0.
        constraints: `[J]` which.
        scale: `[J]`.
    """
    examples = np.flatnonzero(weight)
    entries = sparse.coo_array(sparse.diags_array(scale) @ operator.rows[constraints])
    row, value = entries.row, entries.data
    side, part = np.divmod(entries.col.astype(np.int64), operator.width)
    alone = part == 0
    used, column = np.unique(side[alone], return_inverse=True)
    shape = (len(constraints), len(used))
    coefficients = sparse.csr_array((value[alone], (row[alone], column)), shape=shape)
    inside = np.flatnonzero(~alone)
    inside = inside[np.lexsort([side[inside], part[inside], row[inside]])]
    some, place = np.unique(part[inside], return_inverse=True)
    labels = _columns(operator.parts.across.matrix[some - 1], examples)
    sides = operator.sides if len(examples) == len(weight) else operator.sides[examples]
    across = _expand(labels, sides, (row[inside], place, side[inside], value[inside]), shape[0])
    own = np.ascontiguousarray(sides[:, used])
    down = Tall(sparse.csr_array(across.T))
    return Face(Tall(across), down, own, coefficients, weight[examples])


def _columns(matrix: sparse.csr_array, chosen: np.ndarray) -> sparse.csr_array:
    """Returns some of the columns, in order."""
    if len(chosen) == matrix.shape[1]:
        return matrix
    number = np.full(matrix.shape[1], -1, matrix.indices.dtype)
    number[chosen] = np.arange(len(chosen))
    new = number[matrix.indices]
    kept = new >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    indptr = before[matrix.indptr].astype(matrix.indptr.dtype)
    shape = (matrix.shape[0], len(chosen))
    return sparse.csr_array((matrix.data[kept], new[kept], indptr), shape=shape)


def _expand(
    labels: sparse.csr_array,
    sides: np.ndarray,
    terms: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    height: int,
) -> sparse.csr_array:
    """Returns Σ value · side · label of each row: `[height, p]`.

    Args:
        labels: `[R, p]`.
        sides: `[p, G]`, the first one 1.
        terms: the row, label, side and value of each term, sorted by row, label and side.
        height: number of rows.
    """
    row, label, side, value = terms
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (label[1:] != label[:-1])
    first = np.flatnonzero(new)
    count = np.diff(np.append(first, len(row)))  # terms of each pair of row and label
    rows, pair = row[first], label[first]
    length = np.diff(labels.indptr).astype(np.int64)[pair]
    ends = np.cumsum(length)
    indices = np.empty(int(ends[-1]) if len(ends) else 0, np.int32)
    data = np.empty(len(indices))
    edges = np.searchsorted(ends, np.arange(0, len(indices) + BLOCK, BLOCK), side="left")
    for low, high in itertools.pairwise(np.unique(np.append(edges, len(pair)))):
        size, start = length[low:high], int(ends[low] - length[low])
        shift = labels.indptr[pair[low:high]] - (np.cumsum(size) - size)
        source = np.repeat(shift, size) + np.arange(int(size.sum()))
        example = labels.indices[source]
        factor = np.zeros(len(source))
        for k in range(int(count[low:high].max(initial=0))):
            term = first[low:high] + np.minimum(k, count[low:high] - 1)
            factors = np.repeat(np.where(k < count[low:high], value[term], 0.0), size)
            if side[term].any():
                factors *= sides[example, np.repeat(side[term], size)]
            factor += factors
        place = slice(start, start + len(source))
        indices[place], data[place] = example, factor * labels.data[source]
    result = sparse.csr_array((data, indices, _starts(rows, length, height)), (height, len(sides)))
    if len(np.unique(rows)) < len(rows):
        result.sum_duplicates()
    return result


def _starts(rows: np.ndarray, length: np.ndarray, height: int) -> np.ndarray:
    """Returns where each row begins, given the length of each of its pieces."""
    indptr = np.zeros(height + 1, np.int64)
    np.add.at(indptr, rows + 1, length)
    indptr = np.cumsum(indptr)
    return indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr

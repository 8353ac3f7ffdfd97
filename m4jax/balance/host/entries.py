"""Rows a of which most numbers are 0, entry by entry: what linear programs over them are quick on.

Labels are rare: of hundreds of constraints an example's row has a handful of numbers. The Gram
matrix is then a product of one sparse matrix, made once, and the factors of the examples. It is
that of the features: the rows of a ratio's two bounds are made of the same two.
"""

import dataclasses
import functools

import numpy as np
from scipy import sparse

from m4jax.balance import memory
from m4jax.balance.constraints.moments import System
from m4jax.balance.host.rows import CHUNK, Rows

Array = np.ndarray

PAIRS = 20_000_000  # of features in one row, 12 bytes each; beyond, they are formed at each step
ENTRY = 12.0  # bytes of an entry and its place
FEW = 0.1  # share of all pairs up to which sparse products are quicker than dense ones


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
    """Rows as `rows.Rows`, of explicit entries.

    Attributes:
        matrix: `[p, J]` a = φ Cᵀ.
        system: L and its bounds; of L nothing is used.
        share: `[p]` sums to 1, or to less where examples were taken out.
        features: `[p, F]` φ, those that are used.
        coefficients: `[J, F]` C.
    """

    matrix: sparse.csr_array
    system: System
    share: Array
    features: sparse.csr_array
    coefficients: sparse.csr_array

    def part(self, examples: Array | slice, constraints: Array | slice = slice(None)) -> "Entries":
        """Returns the rows of some examples and constraints alone."""
        coefficients = sparse.csr_array(self.coefficients[constraints])
        used = np.unique(coefficients.indices)
        return Entries(
            matrix=sparse.csr_array(self.matrix[examples][:, constraints]),
            system=self.system.chosen(constraints),
            share=self.share[examples],
            features=sparse.csr_array(self.features[examples][:, used]),
            coefficients=sparse.csr_array(coefficients[:, used]),
        )

    def __len__(self) -> int:
        return len(self.share)

    def mean(self, values: Array) -> float:
        """Returns E[values]."""
        return float((self.share * values).sum())

    def scores(self, multipliers: Array) -> Array:
        """Returns a·w `[p]` for w `[J]`."""
        return self.matrix @ multipliers

    def moments(self, values: Array) -> Array:
        """Returns E[values a] `[J]`."""
        return self._transposed @ (self.share * values)

    def second_moments(self) -> Array:
        """Returns E[a²] `[J]`."""
        return self._transposed.power(2) @ self.share

    def magnitudes(self) -> Array:
        """Returns E[|a|] `[J]`."""
        return abs(self._transposed) @ self.share

    def gram(self, change: Array) -> Array:
        """Returns Σ change [1, a][1, a]ᵀ `[J+1, J+1]`."""
        width = len(self.system)
        total = np.empty((width + 1, width + 1))
        total[0, 0] = change.sum()
        total[0, 1:] = total[1:, 0] = self._transposed @ change
        total[1:, 1:] = self.coefficients @ (self.coefficients @ self._of_features(change)).T
        return total

    def _of_features(self, change: Array) -> Array:
        """Returns Σ change φ φᵀ `[F, F]`."""
        width = self.features.shape[1]
        if self.pairs <= PAIRS:
            place, products = self._products
            upper = np.zeros(width * width)
            upper[place] = products @ change
            upper = upper.reshape(width, width)
            return upper + np.triu(upper, 1).T
        total = np.zeros((width, width))
        few = 2.0 * self.pairs < FEW * len(self) * width**2
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            some = self.features[rows] if few else self.features[rows].toarray()
            factors = sparse.diags_array(change[rows]).tocsr() if few else change[rows, None]
            product = some.T @ (factors @ some if few else factors * some)
            total += product.toarray() if few else product
        return total

    @functools.cached_property
    def pairs(self) -> int:
        """How many pairs of features of one row there are."""
        count = np.diff(self.features.indptr).astype(np.int64)
        return int((count * (count + 1)).sum()) // 2

    @functools.cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix.T)

    @functools.cached_property
    def _products(self) -> tuple[Array, sparse.csc_array]:
        """Returns the places in the features' `[F F]`, and for each of them φ_f φ_g `[·, p]`."""
        matrix, width = self.features, self.features.shape[1]
        matrix.sort_indices()  # products of sparse matrices leave them in any order
        count = np.diff(matrix.indptr)
        end = np.repeat(matrix.indptr[1:], count)
        rest = end - np.arange(len(end))  # entries from here to the end of the row
        first = np.repeat(np.arange(len(rest)), rest)
        second = np.arange(len(first)) - np.repeat(np.cumsum(rest) - rest, rest) + first
        flat = matrix.indices[first].astype(np.int64) * width + matrix.indices[second]
        place = np.flatnonzero(np.bincount(flat, minlength=width * width))
        index = np.zeros(width * width, np.int32)
        index[place] = np.arange(len(place))
        values = matrix.data[first] * matrix.data[second]
        ends = np.concatenate([[0], np.cumsum(count.astype(np.int64) * (count + 1) // 2)])
        shape = (len(place), len(self))
        return place, sparse.csc_array((values, index[flat], ends), shape=shape)


AnyRows = Rows | Entries


def scaled(rows: AnyRows) -> tuple[AnyRows, Array]:
    """Returns the rows with columns of unit second moment, and what they were divided by `[J]`.

    Multipliers of the result are to be divided by it too.
    """
    size = np.sqrt(rows.second_moments())
    size = np.where(size > 0, size, 1.0)
    old = rows.system
    system = dataclasses.replace(
        old,
        rows=sparse.csr_array(sparse.diags_array(1 / size) @ old.rows),
        lower=old.lower / size,
        upper=old.upper / size,
        penalty=old.penalty * size,
    )
    if isinstance(rows, Rows):
        return dataclasses.replace(rows, system=system), size
    matrix = sparse.csr_array(rows.matrix @ sparse.diags_array(1 / size))
    coefficients = sparse.csr_array(sparse.diags_array(1 / size) @ rows.coefficients)
    return Entries(matrix, system, rows.share, rows.features, coefficients), size


def make_entries(rows: Rows) -> Entries:
    """Returns the rows with their entries; `[p, J]` is never dense.

    Raises:
        ProblemError: if the entries are more than fits in memory.
    """
    recipe, coefficients = rows.system.recipe, rows.system.rows.tocoo()
    # κ of an attribute that is always known is the side 1.
    sides = np.where((rows.sides == 1).all(axis=0), 0, np.arange(recipe.sides))
    side, part = np.divmod(coefficients.col, recipe.parts)
    used, column = np.unique(sides[side] * recipe.parts + part, return_inverse=True)
    shape = (len(rows.system), len(used))
    _check_size(rows, used % recipe.parts, column)
    of_rows = sparse.csr_array((coefficients.data, (coefficients.row, column)), shape=shape)
    parts = sparse.csc_array(rows.parts, dtype=float)
    blocks = [sparse.csr_array((len(rows), 0))]
    for g in np.unique(used // recipe.parts):
        values = parts[:, used[used // recipe.parts == g] % recipe.parts]
        blocks.append(sparse.diags_array(rows.sides[:, g]).tocsr() @ values.tocsr())
    features = sparse.csr_array(sparse.hstack(blocks, format="csr"))
    features.eliminate_zeros()
    matrix = sparse.csr_array(features @ of_rows.T)
    matrix.eliminate_zeros()
    return Entries(matrix, rows.system, rows.share, features, of_rows)


def _check_size(rows: Rows, parts: Array, column: Array) -> None:
    """Raises `ProblemError` if features or rows have more entries than fit in memory.

    Args:
        rows: see `make_entries`.
        parts: `[F]` the part of each feature.
        column: the feature of each coefficient.
    """
    values = rows.parts
    if sparse.issparse(values):
        count = np.bincount(values.indices, minlength=values.shape[1])
    else:
        count = np.count_nonzero(values, axis=0)
    entries = count[parts].astype(float)  # of each feature, at most
    memory.check(
        ENTRY * (entries.sum() + entries[column].sum()),
        f"{len(rows):,} distinct examples in {len(rows.system):,} rows of constraints",
        "leave out labels or constraints, or ask a sample of the examples",
    )


def merged(rows: Entries) -> tuple[Entries, Array]:
    """Returns the rows that differ, and of each row which one it is: equal ones are one.

    Rows are told apart by two random combinations of their numbers.
    """
    mix = np.random.default_rng(0).random((rows.matrix.shape[1], 2))
    key = (rows.matrix @ mix).view(np.complex128).ravel()
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    share = np.bincount(inverse, weights=rows.share, minlength=len(first))
    return dataclasses.replace(rows.part(first), share=share), inverse


def violation(rows: Entries, weights: Array) -> float:
    """Returns by how much a bound is violated at most, relative to E[|a|]."""
    moment, system = rows.moments(weights), rows.system
    beyond = np.maximum(np.maximum(moment - system.upper, system.lower - moment), 0.0)
    return float((beyond / np.maximum(rows.magnitudes(), 1e-300)).max(initial=0.0))

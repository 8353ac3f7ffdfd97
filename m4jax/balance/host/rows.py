"""The constraints' rows a = L φ of examples on the host: scores, moments, Gram matrices.

NumPy and scipy alone: nothing is compiled, labels may be sparse, and neither the features nor the
matrix `[p, J]` of all rows is formed. Sums are over fixed pieces in a fixed order: the same bytes
every time.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.constraints.moments import System
from m4jax.balance.host.codes import Codes, by_pattern, chunks, encode
from m4jax.balance.problem import Problem

CHUNK = 4096  # rows at a time in dense Gram matrices
PIECE = 8192  # numbers at a time in sums: with more, BLAS would divide them among threads


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """What rows are made of; E[·] is a sum with the factors `share`.

    Attributes:
        given: `[p, G]` the sides S, or None if there are codes.
        parts: `[p, R]` Y, dense or CSR.
        system: L and its bounds.
        share: `[p]` sums to 1.
        codes: of sides and parts, if attributes take few patterns.
    """

    given: np.ndarray | None
    parts: Any
    system: System
    share: np.ndarray
    codes: Codes | None = None

    def __len__(self) -> int:
        return len(self.share)

    @functools.cached_property
    def sides(self) -> np.ndarray:
        """S `[p, G]`."""
        return self.codes.sides if self.given is None else self.given

    def chosen(self, rows: np.ndarray) -> "Rows":
        """Returns the rows of some examples, as if these were all."""
        share = self.share[rows]
        return dataclasses.replace(
            self,
            given=None if self.given is None else self.given[rows],
            parts=self.parts[rows],
            share=share / share.sum(),
            codes=None if self.codes is None else self.codes.chosen(rows),
        )

    def mean(self, values: np.ndarray) -> float:
        """Returns E[values]."""
        return total(self.share, values)

    def scores(self, multipliers: np.ndarray) -> np.ndarray:
        """Returns a·w `[p]` for w `[J]`."""
        recipe = self.system.recipe
        weights = (self._transposed @ multipliers).reshape(recipe.sides, recipe.parts)
        if self.codes is not None:
            return self.codes.scores(weights)
        if sparse.issparse(self.parts):
            return np.einsum("pg,pg->p", self.parts @ weights.T, self.sides)
        result = np.empty(len(self))
        for rows in chunks(len(self)):
            parts = self.parts[rows].astype(float, copy=False)
            np.einsum("pg,pg->p", parts @ weights.T, self.sides[rows], out=result[rows])
        return result

    def features(self, values: np.ndarray) -> np.ndarray:
        """Returns E[values φ] `[F]`: what all ratios and moments are made of."""
        mass = self.share * values
        if self.codes is not None:
            return (self.codes.patterns.T @ self.codes.sums(mass)).ravel()
        if sparse.issparse(self.parts):
            return np.asarray((self.parts.T @ (self.sides * mass[:, None])).T).ravel()
        result = np.zeros((self.sides.shape[1], self.parts.shape[1]))
        for rows in chunks(len(self)):
            parts = self.parts[rows].astype(float, copy=False)
            result += (self.sides[rows] * mass[rows, None]).T @ parts
        return result.ravel()

    def moments(self, values: np.ndarray) -> np.ndarray:
        """Returns E[values a] `[J]`."""
        return self.system.rows @ self.features(values)

    def dense(self, chosen: slice | np.ndarray) -> np.ndarray:
        """Returns the rows a `[b, J]` of some examples."""
        parts = self.parts[chosen]
        parts = parts.toarray() if sparse.issparse(parts) else parts
        features = (self.sides[chosen][:, :, None] * parts[:, None, :]).reshape(len(parts), -1)
        return features @ self._transposed

    def second_moments(self) -> np.ndarray:
        """Returns E[a²] `[J]`."""
        if self.codes is None:
            return self._sizes(np.square)
        if self._single and not len(self.codes.rest):  # a = l y, and y² = y
            sums = self.codes.sums(self.share)
            return sum(rows.power(2) @ y for rows, y in zip(self._by_pattern, sums, strict=True))
        return np.diagonal(self.gram(self.share))[1:].clip(0.0)

    def magnitudes(self) -> np.ndarray:
        """Returns E[|a|] `[J]`."""
        return self._sizes(np.abs)

    def gram(self, change: np.ndarray) -> np.ndarray:
        """Returns Σ change [1, a][1, a]ᵀ `[J+1, J+1]`; rows of change 0 cost nothing."""
        result = np.zeros((len(self.system) + 1,) * 2)
        if self.codes is not None:
            for p, products in self.codes.products(change):
                rows = self._by_pattern[p]
                result[0, 0] += products[0, 0]
                result[0, 1:] += rows @ products[0]
                result[1:, 1:] += (rows @ (rows @ products).T).T
            result[1:, 0] = result[0, 1:]
            return result
        chosen = np.flatnonzero(change)
        for start in range(0, len(chosen), CHUNK):
            rows = chosen[start : start + CHUNK]
            a = np.insert(self.dense(rows), 0, 1.0, axis=1)
            result += a.T @ (change[rows, None] * a)
        return result

    def _sizes(self, size: np.ufunc) -> np.ndarray:
        """Returns E[size(a)] `[J]`."""
        result = np.zeros(len(self.system))
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            result += self.share[rows] @ size(self.dense(rows))
        return result

    @functools.cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.system.rows.T)

    @functools.cached_property
    def _by_pattern(self) -> tuple[sparse.csr_array, ...]:
        return by_pattern(self.codes, self.system.rows)

    @functools.cached_property
    def _single(self) -> bool:
        """Whether no row has more than one part."""
        rows = self.system.rows
        parts = rows.indices % self.system.recipe.parts
        row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        same = np.ones(len(parts), bool)
        same[1:] = (parts[1:] == parts[:-1]) | (row[1:] != row[:-1])
        return bool(same.all())


def total(first: np.ndarray, second: np.ndarray) -> float:
    """Returns first·second, summed piece by piece."""
    if len(first) <= PIECE:
        return float(first @ second)
    whole = len(first) // PIECE * PIECE
    pieces = np.vecdot(first[:whole].reshape(-1, PIECE), second[:whole].reshape(-1, PIECE))
    return float(pieces.sum()) + float(first[whole:] @ second[whole:])


def make_rows(problem: Problem) -> Rows:
    """Returns the rows of a problem's examples."""
    system, counts, attributes = problem.spec.system, problem.counts, problem.attributes
    recipe = system.recipe
    parts = recipe.part_values(attributes, problem.labels, problem.columns)
    codes = None if sparse.issparse(parts) else encode(recipe, attributes, parts)
    sides = recipe.side_values(attributes) if codes is None else None
    return Rows(sides, parts, system, counts / counts.sum(), codes)

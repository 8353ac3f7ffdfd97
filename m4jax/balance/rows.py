"""The constraints' rows a = L φ of examples on the host: scores, moments, Gram matrices.

NumPy and scipy alone: nothing is compiled, labels may be sparse, and neither the features nor the
matrix `[p, J]` of all rows is formed.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.moments import System
from m4jax.balance.problem import Problem

CHUNK = 4096  # rows at a time in dense Gram matrices


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """What rows are made of; E[·] is a sum with the factors `share`.

    Attributes:
        sides: `[p, G]` S.
        parts: `[p, R]` Y, dense or CSR.
        system: L and its bounds.
        share: `[p]` sums to 1.
    """

    sides: np.ndarray
    parts: Any
    system: System
    share: np.ndarray

    def __len__(self) -> int:
        return len(self.share)

    def mean(self, values: np.ndarray) -> float:
        """Returns E[values]."""
        return float(self.share @ values)

    def scores(self, multipliers: np.ndarray) -> np.ndarray:
        """Returns a·w `[p]` for w `[J]`."""
        recipe = self.system.recipe
        weights = (self._transposed @ multipliers).reshape(recipe.sides, recipe.parts)
        return np.einsum("pg,pg->p", self.parts @ weights.T, self.sides)

    def features(self, values: np.ndarray) -> np.ndarray:
        """Returns E[values φ] `[F]`: what all ratios and moments are made of."""
        mass = self.sides * (self.share * values)[:, None]
        return np.asarray((self.parts.T @ mass).T).ravel()

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
        total = np.zeros(len(self.system))
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            total += self.share[rows] @ self.dense(rows) ** 2
        return total

    def magnitudes(self) -> np.ndarray:
        """Returns E[|a|] `[J]`."""
        total = np.zeros(len(self.system))
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            total += self.share[rows] @ abs(self.dense(rows))
        return total

    def gram(self, change: np.ndarray) -> np.ndarray:
        """Returns Σ change [1, a][1, a]ᵀ `[J+1, J+1]`; rows of change 0 cost nothing."""
        chosen = np.flatnonzero(change)
        total = np.zeros((len(self.system) + 1,) * 2)
        for start in range(0, len(chosen), CHUNK):
            rows = chosen[start : start + CHUNK]
            a = np.insert(self.dense(rows), 0, 1.0, axis=1)
            total += a.T @ (change[rows, None] * a)
        return total

    @functools.cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.system.rows.T)


def make_rows(problem: Problem) -> Rows:
    """Returns the rows of a problem's examples."""
    system, counts = problem.spec.system, problem.counts
    parts = system.recipe.part_values(problem.attributes, problem.labels, problem.columns)
    return Rows(
        sides=system.recipe.side_values(problem.attributes),
        parts=parts,
        system=system,
        share=counts / counts.sum(),
    )

"""What words may ask of the examples before there are weights."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.constraints.features import Expression, Names, evaluate

CHUNK = 1 << 20  # numbers at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Means:
    """What words may ask of the examples: means without weights, numbers of examples.

    Attributes:
        names: of the columns.
        attributes: `[n, m]`, NaN where unknown.
        labels: `[n, c]`, may be sparse.
        columns: `[n]` by name.
        counts: `[n]` how often each row counts.
    """

    names: Names
    attributes: np.ndarray
    labels: Any
    columns: Mapping[str, np.ndarray]
    counts: np.ndarray

    def __call__(self, expression: Expression) -> float:
        """Returns E[expression]."""
        values = evaluate(expression, self.names, self.attributes, self.labels, self.columns)
        return float(self.counts @ values / self.counts.sum())

    @property
    def examples(self) -> float:
        """The number of examples, Σ counts."""
        return float(self.counts.sum())

    def range(self, name: str) -> tuple[float, float]:
        """Returns the least and the largest value of a column of numbers."""
        column = self.columns[name]
        return float(column.min()), float(column.max())

    def group_numbers(self) -> np.ndarray:
        """Returns the numbers of examples `[2, m, c+1]` of either group, alone and with each label.

        First those with s < 1, then those with s > 0; a soft s counts in both.
        """
        bits = self.attributes.dtype == np.uint8  # all known: whoever is not inside is outside
        known = np.ones((len(self.counts), 1), bool) if bits else ~np.isnan(self.attributes)
        groups = [known if bits else (self.attributes < 1) & known, self.attributes > 0]
        sides = np.concatenate(groups, axis=1) * self.counts[:, None]
        change = None if self.labels.dtype == np.uint8 else np.sign
        alone, with_label = sides.sum(0)[:, None], cross(sides, self.labels, change)
        outside, inside = np.split(
            np.concatenate([alone, with_label], axis=1), [groups[0].shape[1]], axis=0
        )
        return np.stack([outside - inside if bits else outside, inside])


def cross(sides: np.ndarray, parts: Any, change: Callable[[Any], Any] | None = None) -> np.ndarray:
    """Returns the sums sidesᵀ parts `[G, R]` over the examples.

    Args:
        sides: `[n, G]`.
        parts: `[n, R]`, dense of any type, or CSR.
        change: what is done to each part first, 0 staying 0.
    """
    if sparse.issparse(parts):
        parts = parts if change is None else changed(parts, change)
        return np.asarray((parts.T @ sides).T)
    total = np.zeros((sides.shape[1], parts.shape[1]))
    step = max(256, CHUNK // max(1, parts.shape[1]))  # numbers of float64 at a time, in cache
    for start in range(0, len(sides), step):
        some = parts[start : start + step].astype(float)
        total += sides[start : start + step].T @ (some if change is None else change(some))
    return total


def changed(values: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a matrix with each element changed, 0 staying 0; CSR if it is sparse."""
    if not sparse.issparse(values):
        return change(values)
    rows = sparse.csr_array(values)
    return sparse.csr_array((change(rows.data), rows.indices, rows.indptr), shape=rows.shape)

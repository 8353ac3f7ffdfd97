"""Shares of weighted examples, from sums that can be added up block by block."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from m4jax.balance.bias import divide
from m4jax.balance.constraints.features import Recipe
from m4jax.balance.constraints.means import cross
from m4jax.balance.constraints.moments import Moments

NOTHING = 1e-6  # of an example: what is left of a label is rounding


def sums(
    recipe: Recipe,
    attributes: np.ndarray,
    labels: Any,
    columns: Mapping[str, np.ndarray],
    mass: np.ndarray,
) -> np.ndarray:
    """Returns Σ mass φ `[G, R]` over examples: what all moments are made of.

    Args:
        recipe: of the features φ.
        attributes: `[n, m]`, NaN where unknown.
        labels: `[n, c]`, may be sparse.
        columns: `[n]` by name.
        mass: `[n]`.
    """
    sides = recipe.side_values(attributes) * mass[:, None]
    return cross(sides, recipe.part_values(attributes, labels, columns))


def values(moments: Moments, total: np.ndarray, examples: float) -> np.ndarray:
    """Returns the ratios, or means in their unit, `[K]` that constraints bound; NaN of nothing.

    Args:
        moments: the constraints.
        total: of `sums`, with the mass counts · q.
        examples: Σ counts.
    """
    part, whole = moments.part @ total.ravel(), moments.whole @ total.ravel()
    mean = moments.scale * part / examples
    return np.where(moments.relative, divide(part, np.where(whole > NOTHING, whole, 0.0)), mean)


def within(total: np.ndarray, attributes: int, labels: int) -> np.ndarray:
    """Returns the share of each attribute among all and within each label, `[m, c+1]`."""
    inside, known = (total[x : x + attributes, : labels + 1] for x in (1, 1 + attributes))
    return divide(inside, np.where(known > NOTHING, known, 0.0))

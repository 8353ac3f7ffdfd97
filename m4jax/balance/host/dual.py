"""The dual problem on the host, with a lower and an upper bound and a price for each per row."""

import dataclasses
from typing import NamedTuple

import numpy as np

from m4jax.balance.constraints.moments import System
from m4jax.balance.host.rows import Rows
from m4jax.balance.objectives import Objective


class Values(NamedTuple):
    """What `Dual.values` returns."""

    primal: float  # at q
    dual: float  # at (w, μ)
    gap: float  # primal − dual, at most


@dataclasses.dataclass(frozen=True, eq=False)
class Bounds:
    """lower ≤ r ≤ upper, each at a price, for r `[J]`; their multipliers w lie in a box.

    Where there is no bound, the box is closed on that side.

    Attributes:
        lower: `[J]`, −infinity where there is none.
        upper: `[J]`, infinity where there is none.
        below: `[J]` V of the lower bound, infinite where hard: w ≥ −V.
        above: `[J]` V of the upper bound: w ≤ V.
    """

    lower: np.ndarray
    upper: np.ndarray
    below: np.ndarray
    above: np.ndarray

    def clip(self, w: np.ndarray) -> np.ndarray:
        """Returns the nearest point of the box."""
        return np.clip(w, -self.below, self.above)

    def sides(self, w: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        """Returns the bounds that w pulls at: upper where w > 0, lower where w < 0.

        Args:
            w: `[..., J]`.
            otherwise: `[..., J]` what stands in for w where it is 0; where that is 0 too, 0.
        """
        sign = np.where(w == 0, otherwise, w)
        # Products of 0 and infinity would be no numbers: there w is never on that side.
        side = np.where(sign > 0, self.upper, np.where(sign < 0, self.lower, 0.0))
        return np.where(np.isfinite(side), side, 0.0)

    def support(self, w: np.ndarray) -> np.ndarray:
        """Returns σ(w) = upper w⁺ − lower w⁻, elementwise."""
        return self.sides(w, w) * w

    def shrink(self, x: np.ndarray, length: float) -> np.ndarray:
        """Returns argmin_y ½ (y − x)² + length σ(y) over the box, elementwise."""
        high, low = x - length * self.upper, x - length * self.lower
        return self.clip(np.where(high > 0, high, np.where(low < 0, low, 0.0)))

    def beyond(self, moments: np.ndarray) -> np.ndarray:
        """Returns `[2, J]` [lower − r]₊ and [r − upper]₊."""
        return np.maximum(np.stack([self.lower - moments, moments - self.upper]), 0.0)

    def prices(self, moments: np.ndarray) -> np.ndarray:
        """Returns V_lower [lower − r]₊ + V_upper [r − upper]₊, elementwise; hard ones cost 0."""
        price = np.stack([self.below, self.above])
        return (np.where(np.isinf(price), 0.0, price) * self.beyond(moments)).sum(axis=0)

    def most(self) -> float:
        """Returns what soft bounds cost at most: as rows have unit size, |r| is never above 1."""
        price, bound = np.stack([self.below, self.above]), np.stack([self.lower, self.upper])
        soft = np.isfinite(price) & np.isfinite(bound)
        return float((price[soft] * (1 + np.abs(bound[soft]))).sum())

    @property
    def hard(self) -> np.ndarray:
        """`[2, J]` which of the lower and upper bounds are hard."""
        return np.isinf(np.stack([self.below, self.above]))


@dataclasses.dataclass(frozen=True, eq=False)
class Dual:
    """The dual problem: maximise g(w, μ), see `values`, over the box; its rows have unit size.

    Attributes:
        rows: a, in the scale they were given in.
        scale: `[J]` their root mean squares, by which `scores`, `moments` and `gram` divide.
        bounds: in the scale of unit size.
        objective: ψ.
        base: `[p]` b = ηu.
        keep_rate: η.
        tolerance: of the gap.
    """

    rows: Rows
    scale: np.ndarray
    bounds: Bounds
    objective: Objective
    base: np.ndarray
    keep_rate: float
    tolerance: float

    def mean(self, values: np.ndarray) -> float:
        """Returns E[values]."""
        return self.rows.mean(values)

    def scores(self, w: np.ndarray) -> np.ndarray:
        """Returns a·w `[p]`."""
        return self.rows.scores(w / self.scale)

    def moments(self, values: np.ndarray) -> np.ndarray:
        """Returns E[values a] `[J]`."""
        return self.rows.moments(values) / self.scale

    def gram(self, change: np.ndarray) -> np.ndarray:
        """Returns Σ change [1, a][1, a]ᵀ `[J+1, J+1]`."""
        scale = np.insert(self.scale, 0, 1.0)
        return self.rows.gram(change) / scale / scale[:, None]

    def values(
        self, w: np.ndarray, moments: np.ndarray, cost: float, rates: tuple[float, float]
    ) -> Values:
        """Returns the values at w and μ, and at the weights q that minimise ψ(q; b) + q (a·w + μ).

        With r = E[q a] the dual value is g(w, μ) = E[ψ(q)] + w·r − σ(w) + μ (E[q] − η). The gap
        is the sum of prices − w r + σ(w) over the rows: each term is at least 0, so that even a
        tiny gap is computed without cancellation. See `dual.values`.

        Args:
            w: `[J]`.
            moments: `[J]` r.
            cost: E[ψ(q)].
            rates: μ (E[q] − η) and (μ − μ⁰)(E[q] − η), where μ⁰ is the best μ at w = 0.
        """
        price, support = self.bounds.prices(moments), self.bounds.support(w)
        return Values(
            primal=cost + float(price.sum()),
            dual=cost + float(w @ moments - support.sum()) + rates[0],
            gap=float(np.abs(price - w * moments + support).sum()) + abs(rates[1]),
        )


def make_bounds(system: System, scale: np.ndarray) -> Bounds:
    """Returns the bounds of a system's rows in units of `scale` `[J]`."""
    return Bounds(
        lower=system.lower / scale,
        upper=system.upper / scale,
        below=system.penalty[0] * scale,
        above=system.penalty[1] * scale,
    )


def make_dual(
    rows: Rows, objective: Objective, base: np.ndarray, keep_rate: float, tolerance: float
) -> Dual:
    """Returns the dual problem of rows."""
    size = rows.second_moments()
    scale = np.where(size > 0, np.sqrt(size), 1.0)
    bounds = make_bounds(rows.system, scale)
    return Dual(rows, scale, bounds, objective, base, keep_rate, tolerance)

"""What the interior point method minimises, and how far a point is from the least of it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from m4jax.balance.constraints.moments import System
from m4jax.balance.host.entries import AnyRows

Array = np.ndarray
Slopes = Callable[[Array, Array], tuple[Array, Array]]  # (q, b) -> ψ', ψ''

CERTAIN = 1e-9  # a proven violation above this is no rounding


class Sides(NamedTuple):
    """The bounds of a system one by one, each with a multiplier of its own, a pull v ≥ 0.

    Hard equations have no such bounds but a multiplier of either sign.
    """

    row: Array  # [B] which row j is bounded
    sign: Array  # [B] 1 for upper bounds, −1 for lower ones: sign · E[q a_j] ≤ bound + ρ
    bound: Array  # [B]
    penalty: Array  # [B] V
    free: Array  # [Q] rows that are hard equations
    size: int  # J

    def summed(self, values: Array) -> Array:
        """Returns the sums `[J]` of numbers of the bounds `[B]`."""
        return np.bincount(self.row, values, minlength=self.size).astype(float)


def make_sides(system: System) -> Sides:
    """Returns the bounds that pull at all."""
    there = np.isfinite([system.lower, system.upper]) & (system.penalty > 0)
    equal = there.all(axis=0) & (system.lower == system.upper) & np.isinf(system.penalty).all(0)
    low, high = (np.flatnonzero(x & ~equal) for x in there)
    return Sides(
        row=np.concatenate([low, high]),
        sign=np.repeat([-1.0, 1.0], [len(low), len(high)]),
        bound=np.concatenate([-system.lower[low], system.upper[high]]),
        penalty=np.concatenate([system.penalty[0, low], system.penalty[1, high]]),
        free=np.flatnonzero(equal),
        size=len(system),
    )


def support(system: System, multipliers: Array) -> float:
    """Returns σ(w) = upper·w⁺ − lower·w⁻, for w `[J]` that is 0 on sides without a bound."""
    high, low = np.maximum(multipliers, 0.0), np.maximum(-multipliers, 0.0)
    upper, lower = (np.where(np.isfinite(x), x, 0.0) for x in (system.upper, system.lower))
    return float(upper @ high - lower @ low)


class Point(NamedTuple):
    """An iterate, strictly inside of all bounds; or a change of one."""

    weights: Array  # [p] q
    below: Array  # [p] the multipliers of q ≥ 0
    above: Array  # [p] the multipliers of q ≤ 1
    pull: Array  # [B] v, the multipliers of sign · r ≤ bound + ρ, r = E[q a]
    slack: Array  # [B] bound + ρ − sign · r, when it is feasible
    excess: Array  # [B] ρ ≥ 0, 0 where the constraint is hard
    free: Array  # [Q] the multipliers of hard equations
    offset: float  # μ


PRIMAL = ("weights", "slack", "excess")  # the fields of `Point` that aren't multipliers


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """What is minimised: E[ψ(q; b)] + Σ V [sign · E[q a] − bound]₊ over q in [0, 1].

    Attributes:
        rows: a, best with columns of unit second moment.
        base: `[p]` b.
        keep_rate: η, if E[q] = η is asked for; None: μ is 0.
        slopes: (q, b) -> ψ', ψ''; ψ convex, may be linear or 0.
        linear: whether ψ'' is 0: primal and dual steps may then differ in length.
    """

    rows: AnyRows
    base: Array
    keep_rate: float | None
    slopes: Slopes
    linear: bool = False

    @functools.cached_property
    def sides(self) -> Sides:
        """The bounds."""
        return make_sides(self.rows.system)

    @functools.cached_property
    def soft(self) -> Array:
        """`[B]` whether V is finite."""
        return np.isfinite(self.sides.penalty)

    @functools.cached_property
    def reach(self) -> Array:
        """`[B]` E[|a|]: how far r can go; small where few examples matter."""
        return self.rows.magnitudes()[self.sides.row]

    @functools.cached_property
    def mass(self) -> Array:
        """`[p]` what the pairs of a row count next to its share, 1 on average.

        Were it 1, a row of one example would be pushed away from its bounds so gently, next to one
        of thousands, that it stops most steps; the root halves the steps of linear programs.
        """
        root = np.sqrt(self.rows.share)
        return np.where(root > 0, 1 / np.where(root > 0, root, 1.0), 1.0) / max(root.sum(), 1e-300)

    @functools.cached_property
    def weight(self) -> Array:
        """`[B]` what a bound's pair counts; they sum to 1, as examples' pairs do.

        A bound on few examples counts as much as they do: with unit second moments, E[|a|]² is
        about their share.
        """
        return self.reach**2 / max((self.reach**2).sum(), 1e-300)

    def start(self) -> Point:
        """Returns a point inside of all bounds."""
        rate = 0.5 if self.keep_rate is None else self.keep_rate
        weights = np.full(len(self.rows), np.clip(rate, 0.1, 0.9))
        size = np.maximum(1.0, np.abs(self.slopes(weights, self.base)[0]))
        reach = np.where(self.reach > 0, self.reach, 1.0)
        return Point(
            weights=weights,
            below=size * self.mass,
            above=size * self.mass,
            pull=np.minimum(reach, 0.5 * self.sides.penalty),
            slack=reach + np.maximum(self.sides.bound, 0.0),
            excess=np.where(self.soft, reach, 0.0),
            free=np.zeros(len(self.sides.free)),
            offset=0.0,
        )

    def multipliers(self, point: Point) -> Array:
        """Returns w `[J]`."""
        sides = self.sides
        w = sides.summed(sides.sign * point.pull)
        w[sides.free] = point.free
        return w

    def room(self, point: Point) -> Array:
        """Returns V − v `[B]`; 1 where V is infinite."""
        return np.where(self.soft, np.where(self.soft, self.sides.penalty, 0.0) - point.pull, 1.0)

    def violation(self, weights: Array) -> float:
        """Returns Σ V [sign · r − bound]₊, and how far E[q] is from η."""
        moment, sides = self.rows.moments(weights), self.sides
        beyond = np.maximum(sides.sign * moment[sides.row] - sides.bound, 0.0)
        missed = (sides.penalty[self.soft] * beyond[self.soft]).sum()
        return float(missed + abs(self.rows.mean(weights) - self.keep_rate))

    def residuals(self, point: Point) -> tuple[Array, Array, Array, float]:
        """Returns ψ' + a·w + μ `[p]`, slack − ρ + sign · r − bound, r − c, and E[q] − η."""
        rows, sides, q = self.rows, self.sides, point.weights
        slope, _ = self.slopes(q, self.base)
        pressure = slope + rows.scores(self.multipliers(point)) + point.offset
        moment = rows.moments(q)
        miss = point.slack - point.excess + sides.sign * moment[sides.row] - sides.bound
        unequal = (moment - rows.system.upper)[sides.free]
        rate = 0.0 if self.keep_rate is None else rows.mean(q) - self.keep_rate
        return pressure, miss, unequal, rate

    def residual(self, point: Point) -> float:
        """Returns how far the point is from optimal, relative to the sizes there."""
        pressure, miss, unequal, rate = self.residuals(point)
        drift = self.rows.mean(np.abs(pressure - point.below + point.above))
        size = 1.0 + self.rows.mean(np.abs(self.slopes(point.weights, self.base)[0]))
        off = np.abs(miss).max(initial=0.0) + np.abs(unequal).max(initial=0.0) + abs(rate)
        return drift / size + off

    def drift(self, point: Point) -> float:
        """Returns how far ψ' + a·w + μ is from what the bounds of q hold, on average."""
        pressure = self.residuals(point)[0]
        return self.rows.mean(np.abs(pressure - point.below + point.above))

    def center(self, point: Point) -> float:
        """Returns the average product of a bound and its multiplier, 0 at a solution."""
        q = point.weights
        examples = self.rows.mean(point.below * q + point.above * (1 - q))
        constraints = point.pull @ point.slack + self.room(point) @ point.excess
        return (examples + constraints) / (2 + (self.soft.size > 0) + self.soft.any())

    def moved(self, point: Point, move: Point, share: float) -> Point:
        """Returns the point after a share of the way to the first bound, after all of it at most.

        Args:
            point: from where.
            move: the change.
            share: of the way to where a bound is met.
        """
        primal, dual = self.lengths(point, move, share)
        lengths = [primal if name in PRIMAL else dual for name in Point._fields]
        return Point(*(x + by * y for x, y, by in zip(point, move, lengths, strict=True)))

    def lengths(self, point: Point, move: Point, share: float) -> tuple[float, float]:
        """Returns the steps of the primal and of the dual that `moved` takes."""
        primal, dual = self._longest(point, move)
        return min(1.0, share * primal), min(1.0, share * dual)

    def _longest(self, point: Point, move: Point) -> tuple[float, float]:
        """Returns the steps at which the first bound of the primal and of the dual is met."""
        primal = (
            (point.weights, move.weights),
            (1 - point.weights, -move.weights),
            (point.slack, move.slack),
            (point.excess, move.excess),
        )
        dual = (
            (point.below, move.below),
            (point.above, move.above),
            (point.pull, move.pull),
            (self.room(point), np.where(self.soft, -move.pull, 0.0)),
        )
        lengths = [min(_until(*pair) for pair in pairs) for pairs in (primal, dual)]
        return tuple(lengths) if self.linear else (min(lengths), min(lengths))


def _until(here: Array, by: Array) -> float:
    """Returns the step at which the first of the numbers is 0."""
    falling = by < 0
    return float((here[falling] / -by[falling]).min(initial=np.inf))

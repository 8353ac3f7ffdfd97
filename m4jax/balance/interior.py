"""The rescue: a primal-dual interior point method, slower per step than Newton's, never at a loss.

It goes where the dual has hardly any curvature: linear programs (how much can be kept, whether
the constraints can hold) and problems close to one. Its cost is one full Gram matrix a step. On
the host, in NumPy: nothing is compiled.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import linalg

from m4jax.balance import entries, programs, slopes
from m4jax.balance.objectives import Objective
from m4jax.balance.programs import CERTAIN, Point, Program, Slopes

Array = np.ndarray

STEPS = 200
PATIENCE = 25  # steps without progress after which rounding allows no more
ENOUGH = 1e-13  # of the complementarity: about what float64 resolves
FEASIBLE = 1e-11  # of the residuals
BACK = 0.995  # share of the way to the nearest border that is gone at most
TINY = 1e-15  # added to a Gram matrix of unit diagonal, so that it can be factored
REFINEMENTS = 5  # at most, of each solution of Newton's equations


class State(NamedTuple):
    """An iterate and how far it is from a solution."""

    point: Point
    multipliers: Array  # [J] w: that of the upper bound less that of the lower one
    center: float  # the average product of a bound and its multiplier, 0 at a solution
    residual: float  # how far the point is from optimal, relative to the sizes there
    steps: int  # steps taken


class Rescue(NamedTuple):
    """Where the dual is nearly maximal."""

    multipliers: Array  # [J] w
    offset: float  # μ
    steps: int  # steps taken


def minimise(
    rows: entries.AnyRows,
    base: Array,
    keep_rate: float | None,
    *,
    slopes: Slopes,
    linear: bool = False,
    decide: bool = False,
) -> State:
    """Minimises E[ψ(q; b)] + Σ V_upper [r − upper]₊ + Σ V_lower [lower − r]₊, with r = E[q a].

    Mehrotra's predictor and corrector; each step eliminates all but w and μ. Source: Wright,
    "Primal-Dual Interior-Point Methods" (1997), for this problem derived.

    Args:
        rows: a with their bounds, best with columns of unit second moment; see `entries.scaled`.
        base: `[p]` b.
        keep_rate: η, if E[q] = η is asked for; otherwise None, and μ is 0.
        slopes: (q, b) -> ψ', ψ'', elementwise; ψ is convex, may be linear or 0.
        linear: whether ψ'' is 0.
        decide: for cost 0: whether to stop as soon as it is known if the value is above `CERTAIN`.

    Returns:
        The best state.
    """
    # Rounding has the last word: a step that is not finite is not taken.
    with np.errstate(all="ignore"):
        return _minimise(Program(rows, base, keep_rate, slopes, linear), decide)


def _minimise(program: Program, decide: bool) -> State:
    state = best = _measured(program, program.start(), 0)
    waited = 0
    while state.center > ENOUGH or state.residual > FEASIBLE:
        if state.steps >= STEPS or waited >= PATIENCE or (decide and _decided(program, state)):
            break
        new = _step(program, state)
        if new is None or not np.isfinite(new.center + new.residual):
            break
        state = new
        better = _distance(new) < 0.9 * _distance(best)
        best, waited = (new, 0) if better else (best, waited + 1)
    return state if decide or _distance(state) <= _distance(best) else best


def bound_without_cost(rows: entries.AnyRows, keep_rate: float, multipliers: Array) -> float:
    """Returns a proven lower bound of the violations' sum over all q in [0, 1] with E[q] = η.

    It is the dual value max over μ of E[min(0, a·w + μ)] − μη, less upper·w⁺ − lower·w⁻, of the
    problem of cost 0: the least E[q (a·w)] is found by keeping the lowest scores.

    Args:
        rows: a with bounds and penalties.
        keep_rate: η.
        multipliers: `[J]` w.
    """
    w = np.clip(multipliers, -rows.system.penalty[0], rows.system.penalty[1])
    score = rows.scores(w)
    order = np.argsort(score)
    share = rows.share[order]
    kept = np.clip(keep_rate - (np.cumsum(share) - share), 0.0, share)
    return float((kept * score[order]).sum()) - programs.support(rows.system, w)


def none_exist(rows: entries.AnyRows, keep_rate: float) -> bool:
    """Tells whether it is proven that no weights meet all constraints at E[q] = η."""
    unit = elastic(rows)
    state = least_violation(unit, keep_rate)
    return bound_without_cost(unit, keep_rate, state.multipliers) > CERTAIN


def elastic(rows: entries.AnyRows) -> entries.AnyRows:
    """Returns the rows scaled, each with penalty 1: the sum of the violations is what they cost."""
    unit, _ = entries.scaled(rows)
    there = np.isfinite([unit.system.lower, unit.system.upper]) & (unit.system.penalty > 0)
    return dataclasses.replace(
        unit, system=dataclasses.replace(unit.system, penalty=there.astype(float))
    )


def least_violation(rows: entries.AnyRows, keep_rate: float) -> State:
    """Minimises the violations' sum of elastic rows until it is decided whether it is 0."""
    one = np.ones(len(rows))
    return minimise(rows, one, keep_rate, slopes=_no_cost, linear=True, decide=True)


def rescue(
    rows: entries.AnyRows, base: Array, keep_rate: float, objective: Objective
) -> Rescue | None:
    """Returns from where Newton's method on the dual goes on; None if no weights can exist.

    It is then proven that none meet the hard constraints.

    Args:
        rows: a with bounds and penalties, in any scale.
        base: `[p]` b.
        keep_rate: η.
        objective: ψ.
    """
    if np.isinf(rows.system.penalty).any() and none_exist(_hard_ones(rows), keep_rate):
        return None
    unit, size = entries.scaled(rows)
    state = minimise(unit, base, keep_rate, slopes=slopes.slopes(objective))
    return Rescue(state.multipliers / size, state.point.offset, state.steps)


def _hard_ones(rows: entries.AnyRows) -> entries.AnyRows:
    """Returns the rows with their hard bounds alone."""
    hard = np.where(np.isinf(rows.system.penalty), rows.system.penalty, 0.0)
    return dataclasses.replace(rows, system=dataclasses.replace(rows.system, penalty=hard))


def _no_cost(weight: Array, base: Array) -> tuple[Array, Array]:
    zero = np.zeros_like(weight)
    return zero, zero


def _distance(state: State) -> float:
    return max(state.center / ENOUGH, state.residual / FEASIBLE)


def _decided(program: Program, state: State) -> bool:
    """Tells whether the value at cost 0 is proven to be above `CERTAIN`, or seen to be below."""
    if program.violation(state.point.weights) < 0.1 * CERTAIN:
        return True
    return bound_without_cost(program.rows, program.keep_rate, state.multipliers) > CERTAIN


def _measured(program: Program, point: Point, steps: int) -> State:
    multipliers = program.multipliers(point)
    center, residual = program.center(point), program.residual(point)
    return State(point, multipliers, center, residual, steps)


def _step(program: Program, state: State) -> State | None:
    """Returns the next state; None if Newton's equations can't be solved."""
    point = state.point
    equations = _equations(program, point)
    if equations is None:
        return None
    straight = equations.direction(0.0, None)
    ahead = program.moved(point, straight, 1.0)
    target = state.center * np.clip(program.center(ahead) / state.center, 0.0, 1.0) ** 3
    move = equations.direction(target, straight)
    return _measured(program, program.moved(point, move, BACK), state.steps + 1)


@dataclasses.dataclass(frozen=True, eq=False)
class _Equations:
    """Newton's equations at a point, factored once and solved for several right-hand sides."""

    program: Program
    point: Point
    diagonal: Array  # [p] ψ'' and what the bounds of q add
    give: Array  # [B] by how much r moves per unit of pull
    stiff: Array  # [J] the sum of 1/give, infinite for equations
    gram: Array  # [J+1, J+1] of unit diagonal
    size: Array  # [J+1] what it was multiplied by from both sides
    factor: tuple  # of the Gram matrix

    def direction(self, center: float, before: Point | None) -> Point:
        """Returns the change that would make every pair's product equal to `center`.

        Args:
            center: what is aimed at.
            before: a first direction: what the products are short of, to second order, is that of
                its changes.
        """
        program, point, sides = self.program, self.point, self.program.sides
        pressure, miss, unequal, rate = program.residuals(point)
        q, rows, room = point.weights, program.rows, program.room(point)
        inner = center * program.weight
        lower = upper = given = taken = 0.0
        if before is not None:
            lower, upper = before.below * before.weights, -before.above * before.weights
            given, taken = before.pull * before.slack, -before.pull * before.excess
        goal = center * program.mass
        below, above = (goal - lower) / q, (goal - upper) / (1 - q)
        push = below - above - pressure
        slack = (inner - given) / point.pull
        excess = np.where(program.soft, (inner - taken) / room, 0.0)
        want = miss + slack - point.slack - excess + point.excess
        pulled = sides.summed(sides.sign * want / self.give)
        moved = pulled / self.stiff
        moved[sides.free] = unequal
        first = 0.0 if program.keep_rate is None else rows.mean(push / self.diagonal) + rate
        right = np.concatenate([[first], rows.moments(push / self.diagonal) + moved])
        change = self.size * self._solved(self.size * right)
        offset, w = change[0], change[1:]
        weights = (push - rows.scores(w) - offset) / self.diagonal
        response = (w - pulled) / self.stiff
        pull = (sides.sign * response[sides.row] + want) / self.give
        return Point(
            weights=weights,
            below=below - point.below - point.below / q * weights,
            above=above - point.above + point.above / (1 - q) * weights,
            pull=pull,
            slack=slack - point.slack - point.slack / point.pull * pull,
            excess=excess - point.excess + point.excess / room * pull,
            free=w[sides.free],
            offset=float(offset),
        )

    def _solved(self, right: Array) -> Array:
        """Returns the solution, refined until rounding allows no more."""
        found = linalg.cho_solve(self.factor, right, check_finite=False)
        error = right - self.gram @ found
        for _ in range(REFINEMENTS):
            better = found + linalg.cho_solve(self.factor, error, check_finite=False)
            left = right - self.gram @ better
            if not np.linalg.norm(left) < 0.5 * np.linalg.norm(error):
                break
            found, error = better, left
        return found


def _equations(program: Program, point: Point) -> _Equations | None:
    """Returns Newton's equations at a point; None if rounding left none to solve."""
    rows, sides, q = program.rows, program.sides, point.weights
    _, bend = program.slopes(q, program.base)
    diagonal = bend + point.below / q + point.above / (1 - q)
    give = point.slack / point.pull + point.excess / program.room(point)
    stiff = sides.summed(1 / give)
    stiff[sides.free] = np.inf
    gram = rows.gram(rows.share / diagonal)
    place = np.arange(1, len(gram))
    gram[place, place] += 1 / stiff
    if program.keep_rate is None:
        gram[0], gram[:, 0], gram[0, 0] = 0.0, 0.0, 1.0
    entry = np.diagonal(gram)
    size = 1 / np.sqrt(np.where(entry > 0, entry, 1.0))
    gram *= size[:, None]
    gram *= size
    factor = _factored(gram) if np.isfinite(gram).all() else None
    return factor and _Equations(program, point, diagonal, give, stiff, gram, size, factor)


def _factored(gram: Array) -> tuple | None:
    """Returns the Cholesky factor of a matrix of unit diagonal, a little added to it if need be."""
    added = TINY
    while added < 1e-6:
        try:
            return linalg.cho_factor(
                gram + added * np.eye(len(gram)), lower=True, overwrite_a=True, check_finite=False
            )
        except linalg.LinAlgError:
            added *= 30
    return None

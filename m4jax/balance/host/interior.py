"""The rescue: a primal-dual interior point method, slower per step than Newton's, never at a loss.

It goes where the dual has hardly any curvature: linear programs (how much can be kept, whether
the constraints can hold) and problems close to one. Its cost is one full Gram matrix a step. On
the host, in NumPy: nothing is compiled.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from m4jax.balance.host import entries, equations, programs, slopes
from m4jax.balance.host.programs import CERTAIN, Point, Program, Slopes
from m4jax.balance.objectives import Objective

Array = np.ndarray

STEPS = 200
PATIENCE = 40  # steps without progress after which rounding allows no more
ENOUGH = 1e-13  # of the complementarity: about what float64 resolves
FEASIBLE = 1e-11  # of the residuals
CUT = 0.5  # share of the predictor's step that the corrector must allow in full
BACK = 0.995  # share of the way to the nearest border that is gone at most
HALVINGS = 8  # of steps of costs that aren't linear, until they lead nearer


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
    point, newton = state.point, equations.at(program, state.point)
    if newton is None:
        return None
    straight = newton.direction(0.0, None)
    ahead, lengths = program.moved(point, straight, 1.0), program.lengths(point, straight, 1.0)
    target = state.center * np.clip(program.center(ahead) / state.center, 0.0, 1.0) ** 3
    move = newton.direction(target, straight)
    # Of a step that is short, the second order is small.
    if sum(program.lengths(point, move, 1.0)) < CUT * sum(lengths):
        move = newton.direction(target, straight, lengths[0] * lengths[1])
    new = _measured(program, program.moved(point, move, BACK), state.steps + 1)
    if program.linear:
        return new
    # Where the slope of the cost has corners, a whole step can lead away.
    drift = program.drift(point)
    for _ in range(HALVINGS):
        if program.drift(new.point) <= max(drift, state.center):
            break
        middle = Point(*(0.5 * (a + b) for a, b in zip(point, new.point, strict=True)))
        new = _measured(program, middle, state.steps + 1)
    return new

"""The exact solver on the host: NumPy and scipy, nothing compiled, the same bytes every time."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from m4jax.balance import checks, host_newton, objectives
from m4jax.balance.checks import ProblemError
from m4jax.balance.diagnostics import effective_sample_size
from m4jax.balance.folding import fold
from m4jax.balance.host_dual import Dual, make_dual
from m4jax.balance.host_newton import NOTHING, PATIENCE, State
from m4jax.balance.moments import System
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.rows import make_rows
from m4jax.balance.solution import Certificate, Solution, Status

PROMISING = 50  # Newton steps after which another method has better prospects

Progress = Callable[[int, float], None]


class Begin(NamedTuple):
    """Where to begin: w `[J]` in the rows' own scale, μ, and the steps so far."""

    multipliers: np.ndarray
    offset: float
    steps: int = 0


def solve(
    problem: Problem,
    *,
    objective: Objective,
    tolerance: float,
    max_steps: int,
    start: Solution | None,
    progress: Progress | None,
) -> Solution:
    """Returns what `solver.solve` does."""
    begin = _begin(problem, start)
    # Overflow and what follows from it are told by the status.
    with np.errstate(all="ignore"):
        folded, inverse = fold(problem)
        base = problem.keep_rate * folded.utility
        on_host = objectives.on_host(objective)
        dual = make_dual(make_rows(folded), on_host, base, problem.keep_rate, tolerance)
        state = _newton(dual, begin, min(max_steps, PROMISING), progress)
        if _promising(dual, state, max_steps):
            state = _rescue(dual, folded, objective, state, max_steps, progress)
        return _solution(problem, folded, inverse, dual, state)


def _begin(problem: Problem, start: Solution | None) -> Begin:
    """Returns w and μ of a solution of a similar problem; zeros if there is none."""
    system = problem.spec.system
    by_target, offset = checks.start(start, problem.target.shape)
    w = np.where(system.target >= 0, by_target[system.target], 0.0)
    if start is not None and len(problem.moments):
        given = start.moment_multipliers
        if given.shape != (2, len(problem.moments)):
            raise ProblemError(
                f"start has moment_multipliers {given.shape}; expected (2, {len(problem.moments)})"
                ", those of a problem with as many constraints in words"
            )
        pulls = np.where(system.penalty > 0, given[:, system.moment], 0.0)
        w = np.where(system.moment >= 0, pulls[1] - pulls[0], w)
    return Begin(w, float(offset))


def _newton(dual: Dual, begin: Begin, limit: int, progress: Progress | None) -> State:
    """Takes Newton steps while they help and until `limit` of them are taken."""
    state = host_newton.init(dual, *begin)
    while state.status is None and state.steps < limit and state.waited < 2 * PATIENCE:
        state = host_newton.terminate(dual, host_newton.step(dual, state))
        if progress is not None:
            progress(state.steps, state.values.gap)
    return state


def _promising(dual: Dual, state: State, max_steps: int) -> bool:
    """Tells whether another method might do better than this state of Newton's."""
    loose = state.values.gap > max(NOTHING, dual.tolerance * state.change)
    unfinished = state.status is None or (state.status is Status.CONVERGED and loose)
    return unfinished and state.steps < max_steps


def _rescue(
    dual: Dual,
    folded: Problem,
    objective: Objective,
    state: State,
    max_steps: int,
    progress: Progress | None,
) -> State:
    """Goes on from where the interior point method ends; returns the better state."""
    if len(folded.moments):
        return _newton(dual, _where(dual, state), max_steps, progress)
    from m4jax.balance import device_solver

    w, offset, steps = device_solver.interior_end(folded, objective, dual.tolerance)
    if w is None:
        return dataclasses.replace(state, status=Status.INFEASIBLE)
    begin = Begin(w[folded.spec.system.target], offset, state.steps + steps)
    again = _newton(dual, begin, max_steps, progress)
    return again if again.values.gap <= state.values.gap else state


def _where(dual: Dual, state: State) -> Begin:
    return Begin(state.multipliers / dual.scale, state.offset, state.steps)


def _solution(
    problem: Problem, folded: Problem, inverse: np.ndarray, dual: Dual, state: State
) -> Solution:
    """Returns the record for all examples, from the state of the folded ones."""
    w, moments = state.multipliers / dual.scale, state.moments * dual.scale
    system = problem.spec.system
    below = np.maximum(system.lower - moments, 0.0)
    above = np.maximum(moments - system.upper, 0.0)
    by_moment = np.zeros((2, len(problem.moments)))
    for side, pull in enumerate((np.maximum(-w, 0.0), np.maximum(w, 0.0))):
        np.add.at(by_moment[side], *_of_moments(system, pull))
    moment_violation = np.zeros(len(problem.moments))
    np.maximum.at(moment_violation, *_of_moments(system, below + above))
    certificate = Certificate(
        status=Status.MAX_STEPS if state.status is None else state.status,
        objective=state.values.primal,
        duality_gap=state.values.gap,
        violation=_of_targets(system, below + above, problem.target.shape),
        effective_sample_size=effective_sample_size(state.weights, folded.counts),
        steps=state.steps,
        multipliers=_of_targets(system, w, problem.target.shape),
        offset=state.offset,
        moment_violation=moment_violation,
        moment_multipliers=by_moment,
    )
    return Solution(state.weights[inverse], certificate)


def _of_moments(system: System, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places among the moments, and the values `[J]` there."""
    chosen = system.moment >= 0
    return system.moment[chosen], values[chosen]


def _of_targets(system: System, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns the values `[J]` at their places `[m, c+1]`, 0 where nothing is asked."""
    result = np.zeros(shape)
    chosen = system.target >= 0
    result.flat[system.target[chosen]] = values[chosen]
    return result

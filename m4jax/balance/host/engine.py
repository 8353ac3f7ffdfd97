"""The exact solver on the host: NumPy and scipy, nothing compiled, the same bytes every time."""

import dataclasses
from collections.abc import Callable

import numpy as np

from m4jax.balance import objectives
from m4jax.balance.constraints import places
from m4jax.balance.diagnostics import effective_sample_size
from m4jax.balance.folding import fold, hardly_folds
from m4jax.balance.host import interior, wide
from m4jax.balance.host import newton as host_newton
from m4jax.balance.host import start as host_start
from m4jax.balance.host.dual import Dual, make_dual
from m4jax.balance.host.newton import NOTHING, PATIENCE, State
from m4jax.balance.host.rows import make_rows
from m4jax.balance.host.wide_rows import widen
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Certificate, Solution, Status, unfolded

PROMISING = 50  # Newton steps after which another method has better prospects

Progress = Callable[[int, float], None]


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
    w, offset = places.start(problem.spec, start)
    # Overflow and what follows from it are told by the status.
    with np.errstate(all="ignore"):
        many = wide.is_wide(problem)
        folded, inverse = _folded(problem if many else wide.dense(problem))
        base = problem.keep_rate * folded.utility
        on_host = objectives.on_host(objective)
        rows = widen(make_rows(folded)) if many else make_rows(folded)
        dual = make_dual(rows, on_host, base, problem.keep_rate, tolerance)
        if many:
            state = _in_stages(dual, (w, offset), max_steps, progress)
            return _solution(problem, folded, inverse, dual, state)
        new = start is None
        first = host_start.begin(dual) if new else host_newton.init(dual, w, offset)
        state = _newton(dual, first, min(max_steps, PROMISING), progress)
        if _promising(dual, state, max_steps):
            state = _rescue(dual, objective, state, max_steps, progress)
        return _solution(problem, folded, inverse, dual, state)


def _folded(problem: Problem) -> tuple[Problem, np.ndarray | slice]:
    """Returns what `fold` does, or the problem itself where that would hardly be smaller."""
    return (problem, slice(None)) if hardly_folds(problem) else fold(problem)


def _in_stages(
    dual: Dual, start: tuple[np.ndarray, float], limit: int, progress: Progress | None
) -> State:
    """Takes wide Newton steps, with lower penalties first where w is 0."""
    (w, offset), steps = start, 0
    for stage in [dual] if w.any() else wide.stages(dual):
        first = host_newton.init(stage, w, offset, steps)
        state = _newton(stage, first, limit, progress, wide.step)
        w, offset, steps = state.multipliers / dual.scale, state.offset, state.steps
    return state


def _newton(
    dual: Dual,
    state: State,
    limit: int,
    progress: Progress | None,
    step: Callable[[Dual, State], State] = host_newton.step,
) -> State:
    """Takes Newton steps while they help and until `limit` of them are taken."""
    while state.status is None and state.steps < limit and state.waited < 2 * PATIENCE:
        state = host_newton.terminate(dual, step(dual, state))
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
    objective: Objective,
    state: State,
    max_steps: int,
    progress: Progress | None,
) -> State:
    """Goes on from where the interior point method ends; returns the better state."""
    end = interior.rescue(dual.rows, dual.base, dual.keep_rate, objective)
    if end is None:
        return dataclasses.replace(state, status=Status.INFEASIBLE)
    begin = host_newton.init(dual, end.multipliers, end.offset, state.steps + end.steps)
    again = _newton(dual, begin, max_steps, progress)
    return again if again.values.gap <= state.values.gap else state


def _solution(
    problem: Problem, folded: Problem, inverse: np.ndarray | slice, dual: Dual, state: State
) -> Solution:
    """Returns the record for all examples, from the state of the folded ones."""
    multipliers, own = places.from_rows(problem.spec, state.multipliers / dual.scale)
    violation, beyond = places.violations(problem.spec, state.moments * dual.scale)
    certificate = Certificate(
        status=Status.MAX_STEPS if state.status is None else state.status,
        objective=state.values.primal,
        duality_gap=state.values.gap,
        violation=violation,
        effective_sample_size=effective_sample_size(state.weights, folded.counts),
        steps=state.steps,
        multipliers=multipliers,
        offset=state.offset,
        moment_violation=beyond,
        moment_multipliers=own,
    )
    return unfolded(problem, folded, inverse, state.weights, certificate)

"""One proximal semismooth Newton method for the dual: init, step, terminate."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from m4jax.balance import inner, operator, search
from m4jax.balance.objectives import Objective
from m4jax.balance.operator import Operator
from m4jax.balance.solution import Status

Array = jax.Array

DAMPING = 1e-6  # first and least Levenberg term, relative to columns of unit second moment
LEAST_DAMPING = 1e-12
# Steps without a smaller gap after which rounding is what is left.
PATIENCE = {jnp.dtype("float64"): 25, jnp.dtype("float32"): 3}
LEAST_WINDOW = 1e-6
LONGEST = 1e6  # times the model's step: on a ray w must not outgrow the precision of the scores
ROUNDING = 1e-12  # of a mean over the patterns
ACCURACY = {jnp.dtype("float64"): 1e-14, jnp.dtype("float32"): 1e-7}  # of E[q] = η: that rounding
RATE_ACCURACY = 1e-6  # of E[q] = η, which is promised
RUNNING = -1
CODES = tuple(Status)


class Dual(NamedTuple):
    """The folded problem on the device.

    rows: the constraints' operator; the constraints below are in its scale.
    base: `[p]` b = ηu.
    keep_rate: η.
    eps: `[K]`.
    bound: `[K]` V.
    tolerance: of the duality gap.
    """

    rows: Operator
    base: Array
    keep_rate: Array
    eps: Array
    bound: Array
    tolerance: Array


class State(NamedTuple):
    """One iterate, with μ always at its optimum for w.

    multipliers: `[K]` w.
    offset: μ.
    score: `[p]` z·w + μ.
    weights: `[p]` q.
    moments: `[K]` E[q z].
    cost: E[ψ(q)].
    objective: the primal value.
    gap: objective minus dual value.
    curvature: `[p]` share × −dq/dt, as it is in `gram`.
    gram: `[K+1, K+1]` Σ curvature [1, z] [1, z]ᵀ.
    damping: the Levenberg term.
    window: the width over which the curvature is averaged.
    best: the smallest gap so far.
    waited: steps since then.
    steps: steps taken.
    status: `RUNNING`, or an index into `CODES`.
    """

    multipliers: Array
    offset: Array
    score: Array
    weights: Array
    moments: Array
    cost: Array
    objective: Array
    gap: Array
    curvature: Array
    gram: Array
    damping: Array
    window: Array
    best: Array
    waited: Array
    steps: Array
    status: Array


def scaled(dual: Dual) -> Dual:
    """Returns the problem with columns of unit second moment."""
    size = operator.second_moments(dual.rows)
    scale = jnp.where(size > 0, jnp.sqrt(size), 1.0)
    flat = scale.reshape(-1)
    rows = dataclasses.replace(dual.rows, scale=scale)
    return dual._replace(rows=rows, eps=dual.eps / flat, bound=dual.bound * flat)


def init(
    dual: Dual, multipliers: Array, offset: Array, steps: Array, *, objective: Objective
) -> State:
    """Returns the state at w `[K]`, in the scale of `dual`; μ is searched from `offset`."""
    multipliers = jnp.clip(multipliers, -dual.bound, dual.bound)
    width, rows = multipliers.size, dual.rows
    score = operator.scores(rows, multipliers) + offset.astype(dual.base.dtype)
    zero, none = jnp.zeros(()), jnp.zeros((), int)
    state = State(
        multipliers=multipliers,
        offset=offset,
        score=score,
        weights=jnp.zeros_like(score),
        moments=jnp.zeros(width),
        cost=zero,
        objective=zero,
        gap=zero,
        curvature=jnp.zeros_like(score),
        gram=jnp.zeros((width + 1, width + 1)),
        damping=jnp.full((), DAMPING),
        window=zero,
        best=jnp.full((), jnp.inf),
        waited=none,
        steps=steps,
        status=jnp.full((), RUNNING),
    )
    return terminate(dual, settle(dual, state, objective), objective)


def advance(dual: Dual, state: State, stop: Array, *, objective: Objective) -> State:
    """Steps until the status says why to stop, `stop` steps are taken, or steps don't help."""

    def unfinished(state: State) -> Array:
        patient = state.waited < 2 * PATIENCE[dual.base.dtype]
        return (state.status == RUNNING) & (state.steps < stop) & patient

    def body(state: State) -> State:
        return terminate(dual, step(dual, state, objective), objective)

    return lax.while_loop(unfinished, body, state)


def step(dual: Dual, state: State, objective: Objective) -> State:
    """Takes one damped Newton step in w, then puts μ at its optimum."""
    curvature = dual.rows.share * _curvature(dual, state, objective)
    gram = operator.add_gram(dual.rows, state.gram, curvature - state.curvature)
    width = len(state.multipliers)
    mean = gram[0, 1:] / jnp.where(gram[0, 0] > 0, gram[0, 0], jnp.inf)
    hessian = gram[1:, 1:] - jnp.outer(mean, gram[0, 1:]) + state.damping * jnp.eye(width)
    goal = inner.minimise(hessian, state.moments, state.multipliers, dual.eps, dual.bound)
    rate, free = operator.scores(dual.rows, goal - state.multipliers, goal)
    length = _length(dual, state, goal, rate, objective)
    moved = state.multipliers + length * (goal - state.multipliers)
    multipliers = jnp.where(length == 1, goal, jnp.clip(moved, -dual.bound, dual.bound))
    damping = state.damping * jnp.where(length >= 1, 0.1, jnp.where(length < 0.3, 10.0, 1.0))
    free = lax.cond(length == 1, lambda: free, lambda: operator.scores(dual.rows, multipliers))
    shifted = free + _like(free, state.offset)
    moved = _rms(dual, shifted - state.score)
    window = jnp.where(
        length >= 1, 0.1 * state.window, jnp.where(length < 0.3, moved, state.window)
    )
    state = state._replace(
        multipliers=multipliers,
        score=shifted,
        window=jnp.where(window < LEAST_WINDOW, 0.0, window),
        curvature=curvature,
        gram=gram,
        damping=jnp.maximum(damping, LEAST_DAMPING),
        steps=state.steps + 1,
    )
    return settle(dual, state, objective)


def _rms(dual: Dual, change: Array) -> Array:
    """Returns how far the scores move against each other: their standard deviation."""
    mean = operator.mean(dual.rows, change)
    return jnp.sqrt(operator.mean(dual.rows, (change - _like(change, mean)) ** 2))


def _like(values: Array, number: Array) -> Array:
    """Returns the number in the precision of the values, which must not be widened by it."""
    return number.astype(values.dtype)


def _curvature(dual: Dual, state: State, objective: Objective) -> Array:
    """Returns −dq/dt, averaged over a window of t if there is one.

    Where the last step was cut short by weights that met their bounds on the way, a window as wide
    as that step tells the model of them.
    """
    half = _like(dual.base, 0.5 * jnp.where(state.window > 0, state.window, 1.0))
    before = objective.weight(state.score - half, dual.base)
    after = objective.weight(state.score + half, dual.base)
    exact = objective.curvature(state.score, dual.base)
    return jnp.where(state.window > 0, (before - after) / (2 * half), exact)


def _length(dual: Dual, state: State, goal: Array, rate: Array, objective: Objective) -> Array:
    """Returns how far to go from w towards `goal` and beyond, μ being at its optimum all along.

    `rate` `[p]` is z·(goal − w).
    """
    move = goal - state.multipliers
    room = (jnp.sign(move) * dual.bound - state.multipliers) / move
    limit = jnp.min(jnp.where(move == 0, jnp.inf, room))

    def slope(length: Array) -> Array:
        free = state.score + _like(rate, length) * rate - _like(rate, state.offset)
        offset = _offset(dual, free, state.offset, objective)
        weight = objective.weight(free + _like(free, offset), dual.base)
        here = jnp.where(length == 1, goal, state.multipliers + length * move)
        sign = jnp.sign(jnp.where(here == 0, -move, here))
        return operator.mean(dual.rows, weight * rate) - jnp.sum(dual.eps * sign * move)

    sign = jnp.sign(jnp.where(state.multipliers == 0, move, state.multipliers))
    first = move @ (state.moments - dual.eps * sign)
    return search.step_length(slope, first, jnp.clip(limit, 1.0, LONGEST))


def _offset(dual: Dual, free: Array, guess: Array, objective: Objective) -> Array:
    """Returns the μ at which the scores free + μ give E[q] = η."""

    def excess(offset: Array) -> tuple[Array, Array]:
        score = free + _like(free, offset)
        kept = operator.mean(dual.rows, objective.weight(score, dual.base))
        rate = operator.mean(dual.rows, objective.curvature(score, dual.base))
        return kept - dual.keep_rate, -rate

    return search.root(excess, guess, accuracy=ACCURACY[jnp.dtype(free.dtype)])


def settle(dual: Dual, state: State, objective: Objective) -> State:
    """Puts μ where E[q] = η, and computes moments, objective and gap there.

    With μ exact the gap is the sum of V[|r| − ε]₊ − w r + ε|w| over the constraints, r = E[q z]:
    each term is at least 0, so even a tiny gap is computed without cancellation.
    """
    free = state.score - _like(state.score, state.offset)
    offset = _offset(dual, free, state.offset, objective)
    score = free + _like(free, offset)
    weight = objective.weight(score, dual.base)
    moments = operator.moments(dual.rows, weight)
    hard = jnp.isinf(dual.bound)
    beyond = jnp.maximum(jnp.abs(moments) - dual.eps, 0.0)
    penalty = jnp.where(hard, 0.0, jnp.where(hard, 0.0, dual.bound) * beyond)
    slack = penalty - state.multipliers * moments + dual.eps * jnp.abs(state.multipliers)
    cost = operator.mean(dual.rows, objective.cost(weight, dual.base))
    off = offset * (operator.mean(dual.rows, weight) - dual.keep_rate)
    return state._replace(
        offset=offset,
        score=score,
        weights=weight,
        moments=moments,
        cost=cost,
        objective=cost + jnp.sum(penalty),
        gap=jnp.sum(jnp.abs(slack)) + jnp.abs(off),
    )


def terminate(dual: Dual, state: State, objective: Objective) -> State:
    """Decides whether to stop, and why."""
    better = state.gap < 0.9 * state.best
    waited = jnp.where(better, 0, state.waited + 1)
    size = jnp.abs(state.objective)
    beyond = jnp.maximum(jnp.abs(state.moments) - dual.eps, 0.0) * dual.rows.scale.reshape(-1)
    held = jnp.all(jnp.where(jnp.isinf(dual.bound), beyond <= 1e-3 * dual.tolerance, True))
    tight = state.gap <= dual.tolerance * size
    late = waited >= PATIENCE[dual.base.dtype]
    settled = (state.gap <= dual.tolerance * jnp.maximum(1.0, size)) & late
    # Where utilities are so large that float64 can't tell q from 0 or 1, no μ gives E[q] = η.
    missed = jnp.abs(operator.mean(dual.rows, state.weights) - dual.keep_rate) > RATE_ACCURACY
    done = held & (tight | settled)
    reasons = (
        (Status.NON_FINITE, ~jnp.isfinite(state.gap + state.objective) | (done & missed)),
        (Status.INFEASIBLE, _infeasible(dual, state, objective)),
        (Status.CONVERGED, done),
    )
    status = jnp.full((), RUNNING)
    for reason, true in reversed(reasons):
        status = jnp.where(true, CODES.index(reason), status)
    return state._replace(best=jnp.minimum(state.best, state.gap), waited=waited, status=status)


def _infeasible(dual: Dual, state: State, objective: Objective) -> Array:
    """A dual value above what any weights can cost proves that none meet the hard constraints.

    The margin covers the rounding of the products with w, which may be large by then.
    """
    zero = jnp.zeros_like(dual.base)
    worst = jnp.maximum(objective.cost(zero, dual.base), objective.cost(zero + 1, dual.base))
    size = jnp.abs(state.multipliers)
    off = state.offset * (operator.mean(dual.rows, state.weights) - dual.keep_rate)
    value = state.cost + state.multipliers @ state.moments - dual.eps @ size + off
    ceiling = operator.mean(dual.rows, worst)
    margin = 1e-9 * (1 + ceiling) + ROUNDING * (jnp.sum(size) + jnp.abs(state.offset))
    return jnp.any(jnp.isinf(dual.bound)) & (value > ceiling + margin)

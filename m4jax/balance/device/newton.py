"""One proximal semismooth Newton method for the dual: init, step, settle, terminate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from m4jax.balance import bounds as limits
from m4jax.balance.device import subproblems
from m4jax.balance.device.devices import PerRow, Shared
from m4jax.balance.device.dual import Dual, Values, add_gram, mean, moments, scores, values
from m4jax.balance.objectives import Objective, added_cost
from m4jax.balance.solution import Status

Array = jax.Array

DAMPING = 1e-6  # first and least Levenberg term, relative to columns of unit second moment
LEAST_DAMPING = 1e-12
# Steps without a smaller gap after which rounding is what is left.
PATIENCE = {jnp.dtype("float64"): 25, jnp.dtype("float32"): 3}
LEAST_WINDOW = 1e-6
LONGEST = 1e6  # times the model's step: on a ray w must not outgrow the precision of the scores
ROUNDING = 1e-12  # of a mean over the rows
NOTHING = 1e-12  # a gap below this is 0 for every purpose
ACCURACY = {jnp.dtype("float64"): 1e-14, jnp.dtype("float32"): 1e-7}  # of E[q] = η: that rounding
RATE_ACCURACY = 1e-6  # of E[q] = η, which is promised
RUNNING = -1
CODES = tuple(Status)


class State(NamedTuple):
    """One iterate, with μ always at its optimum for w."""

    multipliers: Shared  # [J] w
    offset: Shared  # μ
    score: PerRow  # [p] t = a·w + μ
    weights: PerRow  # [p] q
    moments: Shared  # [J] r = E[q a]
    values: Values  # of primal and dual
    origin: Shared  # the μ at which E[q] = η without any constraint, w = 0
    change: Shared  # what balancing costs: E[ψ(q) − ψ(q⁰)] and penalties; q⁰ is at w = 0, `origin`
    curvature: PerRow  # [p] share × −dq/dt, as it is in `gram`
    gram: Shared  # [J+1, J+1] Σ curvature [1, a] [1, a]ᵀ
    damping: Shared  # the Levenberg term
    window: Shared  # the width over which the curvature is averaged
    best: Shared  # the smallest gap so far
    waited: Shared  # steps since then
    steps: Shared  # steps taken
    status: Shared  # `RUNNING`, or an index into `CODES`


def init(
    dual: Dual, multipliers: Array, offset: Array, steps: Array, *, objective: Objective
) -> State:
    """Returns the state at w `[J]`, given in the columns' own scale; μ is searched from `offset`.

    `steps` were taken before.
    """
    multipliers = limits.box(dual.bounds, multipliers * dual.rows.scale)
    origin = _offset(dual, jnp.zeros_like(dual.base), jnp.zeros(()), objective)
    width = multipliers.size
    score = scores(dual.rows, multipliers) + _like(dual.base, offset)
    zero = jnp.zeros(())
    state = State(
        multipliers=multipliers,
        offset=offset,
        score=score,
        weights=jnp.zeros_like(score),
        moments=jnp.zeros(width),
        values=Values(zero, zero, zero),
        origin=origin,
        change=zero,
        curvature=jnp.zeros_like(score),
        gram=jnp.zeros((width + 1, width + 1)),
        damping=jnp.full((), DAMPING),
        window=zero,
        best=jnp.full((), jnp.inf),
        waited=jnp.zeros((), int),
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
    """Takes one damped Newton step in w, then puts μ at its optimum.

    With H = E[−dq/dt [1, a] [1, a]ᵀ], the step leads to the w that maximises the dual's model
    (w' − w)·r − ½ (w' − w)ᵀ(S + damping)(w' − w) − σ(w') in the box, where r = E[q a] and S is
    what H leaves of the constraints when μ follows w: their Schur complement.
    """
    curvature = dual.rows.share * _curvature(dual, state, objective)
    gram = add_gram(dual.rows, state.gram, curvature - state.curvature)
    width = len(state.multipliers)
    row = gram[0, 1:] / jnp.where(gram[0, 0] > 0, gram[0, 0], jnp.inf)
    hessian = gram[1:, 1:] - jnp.outer(row, gram[0, 1:]) + state.damping * jnp.eye(width)
    goal = subproblems.minimise_model(hessian, state.moments, state.multipliers, dual.bounds)
    rate, free = scores(dual.rows, goal - state.multipliers, goal)
    length = _length(dual, state, goal, rate, objective)
    moved = state.multipliers + length * (goal - state.multipliers)
    multipliers = jnp.where(length == 1, goal, limits.box(dual.bounds, moved))
    free = lax.cond(length == 1, lambda: free, lambda: scores(dual.rows, multipliers))
    score = free + _like(free, state.offset)
    long, short = length >= 1, length < 0.3
    damping = state.damping * jnp.where(long, 0.1, jnp.where(short, 10.0, 1.0))
    change = score - state.score
    average = _like(change, mean(dual.rows, change))
    moved = jnp.sqrt(mean(dual.rows, (change - average) ** 2))  # of the scores against each other
    window = jnp.where(long, 0.1 * state.window, jnp.where(short, moved, state.window))
    state = state._replace(
        multipliers=multipliers,
        score=score,
        window=jnp.where(window < LEAST_WINDOW, 0.0, window),
        curvature=curvature,
        gram=gram,
        damping=jnp.maximum(damping, LEAST_DAMPING),
        steps=state.steps + 1,
    )
    return settle(dual, state, objective)


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

    `rate` `[p]` is a·(goal − w).
    """
    move = goal - state.multipliers
    border = jnp.where(move > 0, dual.bounds.penalty[1], -dual.bounds.penalty[0])
    room = (border - state.multipliers) / move
    limit = jnp.min(jnp.where(move == 0, jnp.inf, room), initial=jnp.inf)

    def slope(length: Array) -> Array:
        free = state.score + _like(rate, length) * rate - _like(rate, state.offset)
        offset = _offset(dual, free, state.offset, objective)
        weight = objective.weight(free + _like(free, offset), dual.base)
        w = jnp.where(length == 1, goal, state.multipliers + length * move)
        side = jnp.where(w == 0, -move, w)
        return mean(dual.rows, weight * rate) - limits.slope(side, dual.bounds) @ move

    side = jnp.where(state.multipliers == 0, move, state.multipliers)
    first = move @ (state.moments - limits.slope(side, dual.bounds))
    return subproblems.step_length(slope, first, jnp.clip(limit, 1.0, LONGEST))


def _offset(dual: Dual, free: Array, guess: Array, objective: Objective) -> Array:
    """Returns the μ at which the scores free + μ give E[q] = η."""

    def excess(offset: Array) -> tuple[Array, Array]:
        score = free + _like(free, offset)
        kept = mean(dual.rows, objective.weight(score, dual.base))
        rate = mean(dual.rows, objective.curvature(score, dual.base))
        return kept - dual.keep_rate, -rate

    return subproblems.root(excess, guess, accuracy=ACCURACY[jnp.dtype(free.dtype)])


def settle(dual: Dual, state: State, objective: Objective) -> State:
    """Puts μ where E[q] = η, and computes weights, moments and values there."""
    free = state.score - _like(state.score, state.offset)
    offset = _offset(dual, free, state.offset, objective)
    score = free + _like(free, offset)
    weight = objective.weight(score, dual.base)
    moment = moments(dual.rows, weight)
    cost = mean(dual.rows, objective.cost(weight, dual.base))
    rate = mean(dual.rows, weight) - dual.keep_rate
    rates = (offset * rate, (offset - state.origin) * rate)
    level = values(state.multipliers, moment, cost, rates, dual.bounds)
    before = objective.weight(jnp.zeros_like(score) + _like(score, state.origin), dual.base)
    moved = mean(dual.rows, added_cost(objective, weight, before, dual.base))
    price = jnp.sum(limits.penalties(moment, dual.bounds))
    return state._replace(
        offset=offset,
        score=score,
        weights=weight,
        moments=moment,
        values=level,
        change=jnp.maximum(moved, 0.0) + price,
    )


def terminate(dual: Dual, state: State, objective: Objective) -> State:
    """Decides whether to stop, and why.

    The gap is compared with what balancing changes, which is at most the objective.
    """
    primal, gap = state.values.primal, state.values.gap
    waited = jnp.where(gap < 0.9 * state.best, 0, state.waited + 1)
    # In the units of the constraints, or of their root mean squares where those are above 1.
    beyond = limits.violation(state.moments, dual.bounds) * jnp.minimum(dual.rows.scale, 1.0)
    hard = jnp.isinf(dual.bounds.penalty)
    held = jnp.all(~hard | (beyond <= 1e-3 * dual.tolerance))
    tight = gap <= jnp.maximum(dual.tolerance * state.change, NOTHING)
    late = waited >= PATIENCE[dual.base.dtype]
    settled = (gap <= dual.tolerance * jnp.maximum(1.0, state.change)) & late
    # Where utilities are so large that float64 can't tell q from 0 or 1, no μ gives E[q] = η.
    missed = jnp.abs(mean(dual.rows, state.weights) - dual.keep_rate) > RATE_ACCURACY
    done = held & (tight | settled)
    reasons = (
        (Status.NON_FINITE, ~jnp.isfinite(gap + primal) | ((done | late) & missed)),
        (Status.INFEASIBLE, _infeasible(dual, state, objective)),
        (Status.CONVERGED, done),
    )
    status = jnp.full((), RUNNING)
    for reason, true in reversed(reasons):
        status = jnp.where(true, CODES.index(reason), status)
    return state._replace(best=jnp.minimum(state.best, gap), waited=waited, status=status)


def _infeasible(dual: Dual, state: State, objective: Objective) -> Array:
    """A dual value above what any weights can cost proves that none meet the hard constraints.

    The margin covers the rounding of the products with w, which may be large by then.
    """
    zero = jnp.zeros_like(dual.base)
    worst = jnp.maximum(objective.cost(zero, dual.base), objective.cost(zero + 1, dual.base))
    ceiling = mean(dual.rows, worst) + limits.most(dual.bounds)
    size = jnp.sum(jnp.abs(state.multipliers)) + jnp.abs(state.offset)
    margin = 1e-9 * (1 + ceiling) + ROUNDING * size
    return jnp.any(jnp.isinf(dual.bounds.penalty)) & (state.values.dual > ceiling + margin)

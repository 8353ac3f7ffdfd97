"""The rescue: a primal-dual interior point method, slower per step than Newton's, never at a loss.

It goes where the dual has hardly any curvature: linear programs (how much can be kept, whether
the constraints can hold) and problems close to one. Its cost is one full Gram matrix a step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh

from m4jax.balance import devices
from m4jax.balance.bounds import box, support, violation
from m4jax.balance.devices import PerRow, Shared
from m4jax.balance.dual import Dual, add_gram, mean, moments, scores

Array = jax.Array

STEPS = 100
ENOUGH = 1e-13  # of the complementarity: about what float64 resolves
FEASIBLE = 1e-11  # of the residuals
CERTAIN = 1e-9  # a proven violation above this is no rounding
BEYOND = 2.0  # |r| is at most 1 where a² has the mean 1
BACK = 0.995  # share of the way to the nearest border that is gone at most


class Point(NamedTuple):
    """An iterate, strictly inside of all bounds."""

    weights: PerRow  # [p] q
    below: PerRow  # [p] the multipliers of q ≥ 0
    above: PerRow  # [p] the multipliers of q ≤ 1
    pull: Shared  # [2, K] v⁺ and v⁻, the multipliers of r ≤ ε + ρ and of −r ≤ ε + ρ, r = E[q z]
    slack: Shared  # [2, K] ε + ρ − (±r), when it is feasible
    excess: Shared  # [2, K] ρ ≥ 0, 0 where the constraint is hard
    offset: Shared  # μ


class State(NamedTuple):
    """An iterate and how far it is from a solution."""

    point: Point
    center: Shared  # the average product of a bound and its multiplier, 0 at a solution
    residual: Shared  # how far the point is from optimal, relative to the sizes there
    steps: Shared  # steps taken


def minimise(
    dual: Dual, *, cost: Callable[[Array, Array], Array], fixed_rate: bool, decide: bool = False
) -> State:
    """Minimises E[cost(q; b)] + Σ V [|E[q z]| − ε]₊ over q in [0, 1], with E[q] = η if fixed.

    Mehrotra's predictor and corrector; each step eliminates all but w and μ. Source: Wright,
    "Primal-Dual Interior-Point Methods" (1997), for this problem derived.

    Args:
        dual: the folded problem, with columns of unit second moment.
        cost: (q, b) -> ψ, convex and twice differentiable in (0, 1); may be linear or 0.
        fixed_rate: whether E[q] = η is asked for; otherwise μ is 0.
        decide: for cost 0: whether to stop as soon as it is known if the value is above `CERTAIN`.

    Returns:
        The last state.
    """

    def unfinished(state: State) -> Array:
        running = (state.center > ENOUGH) | (state.residual > FEASIBLE)
        finite = jnp.isfinite(state.center + state.residual)
        running &= finite & (state.steps < STEPS)
        return running & ~_decided(dual, state.point) if decide else running

    def step(state: State) -> State:
        new = _step(dual, cost, fixed_rate, state)
        # Rounding has the last word: a step that is not finite is not taken.
        good = jnp.isfinite(new.center + new.residual)
        kept = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
        return kept._replace(steps=jnp.where(good, new.steps, STEPS))

    return lax.while_loop(unfinished, step, _start(dual, cost, fixed_rate))


def multipliers(point: Point) -> Array:
    """Returns w = v⁺ − v⁻ `[K]`."""
    return point.pull[0] - point.pull[1]


def _decided(dual: Dual, point: Point) -> Array:
    """Tells whether the value at cost 0 is proven to be above `CERTAIN`, or seen to be below."""
    above = bound_without_cost(dual, point) > CERTAIN
    beyond = violation(moments(dual.rows, point.weights), dual.bounds)
    missed = jnp.sum(dual.bounds.penalty * beyond)
    missed += jnp.abs(mean(dual.rows, point.weights) - dual.keep_rate)
    return above | (missed < 0.1 * CERTAIN)


def bound_without_cost(dual: Dual, point: Point) -> Array:
    """Returns a proven lower bound of Σ V [|E[q z]| − ε]₊ over all q in [0, 1] with E[q] = η.

    It is the dual value g(w, μ) = E[min(0, z·w + μ)] − ε·|w| − μη of the problem of cost 0.
    """
    w = box(dual.bounds, multipliers(point))
    score = scores(dual.rows, w) + point.offset
    least = mean(dual.rows, jnp.minimum(score, 0.0))
    return least - jnp.sum(support(w, dual.bounds)) - point.offset * dual.keep_rate


def none_exist(dual: Dual, mesh: Mesh | None) -> bool:
    """Tells whether it is proven that no weights meet all constraints at E[q] = η."""
    penalty = jnp.where(dual.bounds.penalty > 0, 1.0, 0.0)
    elastic = dual._replace(bounds=dual.bounds._replace(penalty=penalty))
    state = solve(elastic, mesh, cost=no_cost, fixed_rate=True, decide=True)
    bound = devices.run(bound_without_cost, mesh, elastic, state.point)
    return float(bound) > CERTAIN


def solve(dual: Dual, mesh: Mesh | None, **settings: Any) -> State:
    """Runs `minimise` with its `settings` on the devices of the mesh."""
    return devices.run(minimise, mesh, dual, result=State, **settings)


def no_cost(weight: Array, base: Array) -> Array:
    """The cost when only the constraints matter."""
    return 0.0 * weight


def _start(dual: Dual, cost: Callable, fixed_rate: bool) -> State:
    zero = jnp.zeros_like(dual.base)
    weights = zero + jnp.clip(dual.keep_rate, 0.1, 0.9)
    size = jnp.maximum(1.0, jnp.abs(_derivatives(cost, weights, dual.base)[0]))
    limit, penalty = _sides(dual)
    hard = jnp.isinf(penalty)
    pull = jnp.where(hard, 1.0, jnp.minimum(1.0, 0.5 * penalty))
    point = Point(
        weights=weights,
        below=size,
        above=size,
        pull=pull,
        slack=1.0 + jnp.maximum(limit, 0.0),
        excess=jnp.where(hard, 0.0, 1.0),
        offset=jnp.zeros(()),
    )
    return _measured(dual, cost, fixed_rate, point, jnp.zeros((), int))


def _step(dual: Dual, cost: Callable, fixed_rate: bool, state: State) -> State:
    point = state.point
    system = _System(dual, cost, fixed_rate, point)
    straight = system.direction(0.0, (0.0, 0.0, 0.0, 0.0))
    ahead = _moved(point, straight, _longest(dual, point, straight))
    reached = _center(dual, ahead)
    target = state.center * jnp.clip(reached / state.center, 0.0, 1.0) ** 3
    second = (
        straight.below * straight.weights,
        -straight.above * straight.weights,
        straight.pull * straight.slack,
        -straight.pull * straight.excess,
    )
    move = system.direction(target, second)
    length = jnp.minimum(1.0, BACK * _longest(dual, point, move))
    return _measured(dual, cost, fixed_rate, _moved(point, move, length), state.steps + 1)


class _System:
    """Newton's equations at a point, factored once and solved for two right-hand sides."""

    def __init__(self, dual: Dual, cost: Callable, fixed_rate: bool, point: Point):
        self.dual, self.point, self.fixed_rate = dual, point, fixed_rate
        rows, q = dual.rows, point.weights
        _, bend = _derivatives(cost, q, dual.base)
        self.pressure, self.miss, self.rate = _residuals(dual, cost, point)
        self.diagonal = bend + point.below / q + point.above / (1 - q)
        room = _sides(dual)[1] - point.pull
        self.give = point.slack / point.pull + point.excess / room
        self.stiff = jnp.sum(1 / self.give, axis=0)
        gram = jnp.zeros((len(self.stiff) + 1, len(self.stiff) + 1))
        gram = add_gram(rows, gram, rows.share / self.diagonal)
        diagonal = jnp.arange(1, len(gram))
        gram = gram.at[diagonal, diagonal].add(1 / self.stiff)
        if not fixed_rate:
            gram = gram.at[0].set(0.0).at[:, 0].set(0.0).at[0, 0].set(1.0)
        self.size = 1 / jnp.sqrt(jnp.diagonal(gram))
        scaled = gram * self.size[:, None] * self.size
        self.factor = jnp.linalg.cholesky(scaled + 1e-15 * jnp.eye(len(scaled)))

    def direction(self, center: Array, second: tuple[Array, ...]) -> Point:
        """Returns the change that would make every pair's product equal to `center`.

        `second` is what the products are short of, to second order: of q ≥ 0 and q ≤ 1 `[p]`, of
        slack and excess `[2, K]`.
        """
        dual, point = self.dual, self.point
        lower, upper, slack, excess = second
        q, rows = point.weights, dual.rows
        inner = center / point.pull.shape[1]  # a constraint's pair counts as one of K examples
        room = _sides(dual)[1] - point.pull
        below, above = (center - lower) / q, (center - upper) / (1 - q)
        push = below - above - self.pressure
        slack, excess = (inner - slack) / point.pull, (inner - excess) / room
        want = self.miss + slack - point.slack - excess + point.excess
        pulled = want[0] / self.give[0] - want[1] / self.give[1]
        right = moments(rows, push / self.diagonal) + pulled / self.stiff
        first = mean(rows, push / self.diagonal) + self.rate
        first = first if self.fixed_rate else jnp.zeros(())
        right = self.size * jnp.concatenate([first[None], right])
        move = self.size * jax.scipy.linalg.cho_solve((self.factor, True), right)
        offset, w = move[0], move[1:]
        weights = (push - scores(rows, w) - offset) / self.diagonal
        change = (w - pulled) / self.stiff
        pull = (jnp.stack([change, -change]) + want) / self.give
        return Point(
            weights=weights,
            below=below - point.below - point.below / q * weights,
            above=above - point.above + point.above / (1 - q) * weights,
            pull=pull,
            slack=slack - point.slack - point.slack / point.pull * pull,
            excess=excess - point.excess + point.excess / room * pull,
            offset=offset,
        )


def _sides(dual: Dual) -> tuple[Array, Array]:
    """Returns the limits of r and of −r `[2, J]`, and V of each.

    A closed side has a limit that columns of unit second moment never reach.
    """
    lower, upper, penalty = dual.bounds
    penalty = penalty[::-1]
    limit = jnp.where(penalty > 0, jnp.stack([upper, -lower]), BEYOND)
    return limit, jnp.where(penalty > 0, penalty, 1.0)


def _derivatives(cost: Callable, weights: Array, base: Array) -> tuple[Array, Array]:
    """Returns ψ' and ψ'' by q, elementwise."""
    one = jnp.ones_like(weights)

    def slope(q: Array) -> Array:
        return jax.jvp(lambda q: cost(q, base), (q,), (one,))[1]

    return jax.jvp(slope, (weights,), (one,))


def _moved(point: Point, move: Point, length: Array) -> Point:
    return jax.tree.map(lambda here, by: here + length * by, point, move)


def _longest(dual: Dual, point: Point, move: Point) -> Array:
    """Returns the step at which the first bound is met."""
    present = dual.rows.share > 0  # rows of padding don't count
    pairs = (
        (point.weights, move.weights, present),
        (1 - point.weights, -move.weights, present),
        (point.below, move.below, present),
        (point.above, move.above, present),
        (point.pull, move.pull, True),
        (point.slack, move.slack, True),
        (point.excess, move.excess, True),
        (_sides(dual)[1] - point.pull, -move.pull, True),
    )
    limits = [jnp.min(jnp.where((by < 0) & ok, -here / by, jnp.inf)) for here, by, ok in pairs]
    shortest = jnp.minimum(1.0, jnp.min(jnp.stack(limits)))
    return shortest if dual.rows.axis is None else lax.pmin(shortest, dual.rows.axis)


def _center(dual: Dual, point: Point) -> Array:
    """Returns the average product of a bound and its multiplier, 0 at a solution."""
    q = point.weights
    examples = mean(dual.rows, point.below * q + point.above * (1 - q))
    penalty = _sides(dual)[1]
    room = jnp.where(jnp.isinf(penalty), 0.0, penalty - point.pull)
    constraints = jnp.sum(point.pull * point.slack + room * point.excess)
    return (examples + constraints) / (2 + 2 + 2 * jnp.any(jnp.isfinite(penalty)))


def _residuals(dual: Dual, cost: Callable, point: Point) -> tuple[Array, Array, Array]:
    """Returns ψ' + z·w + μ `[p]`, slack − ρ + (±r) − ε `[2, K]` and E[q] − η."""
    rows, q = dual.rows, point.weights
    slope, _ = _derivatives(cost, q, dual.base)
    pressure = slope + scores(rows, multipliers(point)) + point.offset
    moment = moments(rows, q)
    miss = point.slack - point.excess + jnp.stack([moment, -moment]) - _sides(dual)[0]
    return pressure, miss, mean(rows, q) - dual.keep_rate


def _measured(dual: Dual, cost: Callable, fixed: bool, point: Point, steps: Array) -> State:
    """Returns the state at a point."""
    pressure, miss, rate = _residuals(dual, cost, point)
    drift = mean(dual.rows, jnp.abs(pressure - point.below + point.above))
    slope, _ = _derivatives(cost, point.weights, dual.base)
    size = 1.0 + mean(dual.rows, jnp.abs(slope))
    return State(
        point=point,
        center=_center(dual, point),
        residual=drift / size + jnp.max(jnp.abs(miss)) + (jnp.abs(rate) if fixed else 0.0),
        steps=steps,
    )

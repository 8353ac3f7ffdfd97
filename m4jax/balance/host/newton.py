"""The proximal semismooth Newton method of `newton`, on the host: init, step, settle, terminate."""

import dataclasses

import numpy as np

from m4jax.balance.host import model as host_model
from m4jax.balance.host.codes import chunks
from m4jax.balance.host.dual import Dual, Values
from m4jax.balance.host.rows import total
from m4jax.balance.solution import Status

DAMPING = 1e-6  # first and least Levenberg term, relative to columns of unit second moment
LEAST_DAMPING = 1e-12
PATIENCE = 25  # steps without a smaller gap after which rounding is what is left
LEAST_WINDOW = 1e-6
LONGEST = 1e6  # times the model's step: on a ray w must not outgrow the precision of the scores
# Examples for which steps are dear: samples are solved before, lengths of steps interpolated.
MANY = 262_144
ROUNDING = 1e-12  # of a mean over the rows
NOTHING = 1e-12  # a gap below this is 0 for every purpose
ACCURACY = 1e-14  # of E[q] = η: the rounding of float64
RATE_ACCURACY = 1e-6  # of E[q] = η, which is promised


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """One iterate, with μ always at its optimum for w; see `newton.State`."""

    multipliers: np.ndarray  # [J] w
    free: np.ndarray  # [p] a·w
    offset: float  # μ
    weights: np.ndarray  # [p] q
    moments: np.ndarray  # [J] r = E[q a]
    values: Values  # of primal and dual
    plain: "Plain"  # what there would be without constraints
    change: float  # what balancing costs: E[ψ(q) − ψ(q⁰)] and prices; q⁰ is at w = 0
    curvature: np.ndarray  # [p] share × −dq/dt, as it is in `gram`
    gram: np.ndarray  # [J+1, J+1] Σ curvature [1, a] [1, a]ᵀ
    damping: float  # the Levenberg term
    window: float  # the width over which the curvature is averaged
    best: float  # the smallest gap so far
    waited: int  # steps since then
    steps: int  # steps taken
    status: Status | None  # why it is to stop, if so


@dataclasses.dataclass(frozen=True, eq=False)
class Plain:
    """The weights without constraints, at w = 0."""

    offset: float  # the μ at which E[q] = η
    weights: np.ndarray  # [p] q⁰
    cost: np.ndarray  # [p] ψ(q⁰)
    ceiling: float  # what the most expensive weights that there are cost, soft bounds included


class _Offset:
    """Finds the μ at which free + μ give E[q] = η, and keeps the weights there."""

    def __init__(self, dual: Dual, free: np.ndarray):
        self.dual, self.free = dual, free
        self.weights = np.empty_like(free)

    def excess(self, offset: float) -> float:
        """Returns E[q] − η."""
        dual, kept = self.dual, 0.0
        for rows in chunks(len(self.free)):
            here = dual.objective.weight(self.free[rows] + offset, dual.base[rows])
            self.weights[rows] = here
            kept += total(dual.rows.share[rows], here)
        return kept - dual.keep_rate

    def slope(self, offset: float) -> float:
        """Returns how E[q] changes with μ."""
        dual, rate = self.dual, 0.0
        for rows in chunks(len(self.free)):
            here = dual.objective.curvature(self.free[rows] + offset, dual.base[rows])
            rate += total(dual.rows.share[rows], here)
        return -rate

    def find(self, guess: float) -> float:
        """Returns μ; `weights` are those there."""
        return host_model.root(self.excess, self.slope, guess, accuracy=ACCURACY)


def init(dual: Dual, multipliers: np.ndarray, offset: float, steps: int = 0) -> State:
    """Returns the state at w `[J]`, given in the rows' own scale; μ is searched from `offset`.

    `steps` were taken before.
    """
    w = dual.bounds.clip(multipliers * dual.scale)
    size, width, plain = len(dual.base), len(w), _plain(dual)
    zero = np.zeros(size)
    state = State(
        multipliers=w,
        free=dual.scores(w),
        offset=offset if w.any() else plain.offset,
        weights=zero,
        moments=np.zeros(width),
        values=Values(0.0, 0.0, 0.0),
        plain=plain,
        change=0.0,
        curvature=zero,
        gram=np.zeros((1, 1)),
        damping=DAMPING,
        window=0.0,
        best=np.inf,
        waited=0,
        steps=steps,
        status=None,
    )
    return terminate(dual, settle(dual, state))


def _plain(dual: Dual) -> Plain:
    zero = np.zeros_like(dual.base)
    found = _Offset(dual, zero)
    offset, cost = found.find(0.0), dual.objective.cost
    ceiling = np.inf
    if dual.bounds.hard.any():
        worst = np.maximum(cost(zero, dual.base), cost(zero + 1, dual.base))
        ceiling = dual.mean(worst) + dual.bounds.most()
    return Plain(offset, found.weights, cost(found.weights, dual.base), ceiling)


def step(dual: Dual, state: State) -> State:
    """Takes one damped Newton step in w, then puts μ at its optimum.

    With H = E[−dq/dt [1, a] [1, a]ᵀ], the step leads to the w that maximises the dual's model
    (w' − w)·r − ½ (w' − w)ᵀ(S + damping)(w' − w) − σ(w') in the box, where r = E[q a] and S is
    what H leaves of the constraints when μ follows w: their Schur complement.
    """
    change = dual.rows.share * curvature(dual, state)
    gram = state.gram + dual.gram(change - state.curvature)
    width, w = len(state.multipliers), state.multipliers
    row = gram[0, 1:] / (gram[0, 0] if gram[0, 0] > 0 else np.inf)
    hessian = gram[1:, 1:] - np.outer(row, gram[0, 1:]) + state.damping * np.eye(width)
    goal = host_model.minimise_model(hessian, state.moments, w, dual.bounds)
    state = dataclasses.replace(state, curvature=change, gram=gram)
    return advance(dual, state, goal)


def advance(dual: Dual, state: State, goal: np.ndarray) -> State:
    """Goes from w towards the `goal` `[J]` of its model as far as that helps, and settles there."""
    w = state.multipliers
    rate = dual.scores(goal - w)
    length, guess = _length(dual, state, goal, rate)
    moved = goal if length == 1 else dual.bounds.clip(w + length * (goal - w))
    free = dual.scores(moved)
    damping, window = state.damping, state.window
    if length >= 1:
        damping, window = 0.1 * damping, 0.1 * window
    elif length < 0.3:
        change = free - state.free
        spread = change - dual.mean(change)  # of the scores against each other
        damping, window = 10.0 * damping, float(np.sqrt(dual.mean(spread**2)))
    state = dataclasses.replace(
        state,
        multipliers=moved,
        free=free,
        offset=guess,
        window=0.0 if window < LEAST_WINDOW else window,
        damping=max(damping, LEAST_DAMPING),
        steps=state.steps + 1,
    )
    return settle(dual, state)


def curvature(dual: Dual, state: State) -> np.ndarray:
    """Returns −dq/dt, averaged over a window of t if there is one.

    Where the last step was cut short by weights that met their bounds on the way, a window as wide
    as that step tells the model of them.
    """
    score = state.free + state.offset
    if not state.window > 0:
        return dual.objective.curvature(score, dual.base)
    half = 0.5 * state.window
    before = dual.objective.weight(score - half, dual.base)
    return (before - dual.objective.weight(score + half, dual.base)) / state.window


def _length(dual: Dual, state: State, goal: np.ndarray, rate: np.ndarray) -> tuple[float, float]:
    """Returns how far to go from w towards `goal` and beyond, and the best μ there.

    μ is at its optimum all along; `rate` `[p]` is a·(goal − w).
    """
    bounds, w = dual.bounds, state.multipliers
    move = goal - w
    border = np.where(move > 0, bounds.above, -bounds.below)
    ahead = move != 0
    limit = np.min((border[ahead] - w[ahead]) / move[ahead], initial=np.inf)
    offsets = {0.0: state.offset}
    guess = state.offset

    mass = dual.rows.share * rate

    def slope(length: float) -> float:
        nonlocal guess
        found = _Offset(dual, state.free + length * rate)
        offsets[length] = guess = found.find(guess)
        here = goal if length == 1 else w + length * move
        side = bounds.sides(here, -move)
        return total(mass, found.weights) - float(side @ move)

    first = float(move @ (state.moments - bounds.sides(w, move)))
    limit, many = float(np.clip(limit, 1.0, LONGEST)), len(dual.base) >= MANY
    length = host_model.step_length(slope, first, limit, interpolate=many)
    return length, offsets[length]


def settle(dual: Dual, state: State) -> State:
    """Puts μ where E[q] = η, and computes weights, moments and values there."""
    found, plain = _Offset(dual, state.free), state.plain
    offset = found.find(state.offset)
    weights = found.weights
    moments = dual.moments(weights)
    rate = dual.mean(weights) - dual.keep_rate
    rates = (offset * rate, (offset - plain.offset) * rate)
    cost, added = _costs(dual, plain, weights)
    price = float(dual.bounds.prices(moments).sum())
    return dataclasses.replace(
        state,
        offset=offset,
        weights=weights,
        moments=moments,
        values=dual.values(state.multipliers, moments, cost, rates),
        change=max(added, 0.0) + price,
    )


def _costs(dual: Dual, plain: Plain, weights: np.ndarray) -> tuple[float, float]:
    """Returns E[ψ(q)], and E[ψ(q) − ψ(q⁰)] less its rounding; see `objectives.added_cost`."""
    total_cost = total_added = 0.0
    for rows in chunks(len(weights)):
        share, here, before = dual.rows.share[rows], weights[rows], plain.cost[rows]
        cost = dual.objective.cost(here, dual.base[rows])
        added = cost - before - 4 * np.finfo(float).eps * (cost + before)
        added[here == plain.weights[rows]] = 0.0
        total_cost += total(share, cost)
        total_added += total(share, added)
    return total_cost, total_added


def terminate(dual: Dual, state: State) -> State:
    """Decides whether to stop, and why.

    The gap is compared with what balancing changes, which is at most the objective.
    """
    primal, gap = state.values.primal, state.values.gap
    waited = 0 if gap < 0.9 * state.best else state.waited + 1
    beyond = dual.bounds.beyond(state.moments) * dual.scale
    held = bool((beyond[dual.bounds.hard] <= 1e-3 * dual.tolerance).all())
    tight = gap <= max(dual.tolerance * state.change, NOTHING)
    late = waited >= PATIENCE
    settled = gap <= dual.tolerance * max(1.0, state.change) and late
    # Where utilities are so large that float64 can't tell q from 0 or 1, no μ gives E[q] = η.
    missed = abs(dual.mean(state.weights) - dual.keep_rate) > RATE_ACCURACY
    done = held and (tight or settled)
    status = None
    if not np.isfinite(gap + primal) or ((done or late) and missed):
        status = Status.NON_FINITE
    elif _infeasible(dual, state):
        status = Status.INFEASIBLE
    elif done:
        status = Status.CONVERGED
    best = min(state.best, gap)
    return dataclasses.replace(state, best=best, waited=waited, status=status)


def _infeasible(dual: Dual, state: State) -> bool:
    """A dual value above what any weights can cost proves that none meet the hard constraints.

    The margin covers the rounding of the products with w, which may be large by then.
    """
    ceiling = state.plain.ceiling
    size = float(np.abs(state.multipliers).sum()) + abs(state.offset)
    return state.values.dual > ceiling + 1e-9 * (1 + ceiling) + ROUNDING * size

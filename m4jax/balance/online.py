"""The paper's algorithm: stochastic ascent of the dual, one batch of a stream at a time."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance import batch, checks, objectives, search
from m4jax.balance.checks import ProblemError
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.spec import Spec

Array = jax.Array

# On 20,000 and 50,000 examples, with rare labels, batches of 10 to 1,000 and every objective, 1 was
# never far behind the best of 0.1, 0.3, 0.5, 1 and 3.
STEP_SIZE = 1.0
FORGETTING = 3.0  # iterate t has weight t³ in the average; Shamir and Zhang (2013)
CHUNK = 65536  # examples at a time in `values`
ROUNDING = 1e-14  # of a mean over the examples, in float64


class State(NamedTuple):
    """All that the online solver knows: a record of small arrays, to be saved as it is.

    multipliers: `[m, c+1]` w, the paper's v⁺ − v⁻.
    offset: μ.
    mean_multipliers: `[m, c+1]` the average of w over the steps, the later ones weighing more.
    mean_offset: the same of μ.
    second_moments: `[m, c+1]` mean of z² over the batches.
    steps: batches seen.
    target: `[m, c+1]` π.
    eps: `[m, c+1]` ε.
    penalty: V.
    keep_rate: η.
    step_size: τ of the first step.
    scaled: whether the step of each constraint is divided by its second moment.
    """

    multipliers: Array
    offset: Array
    mean_multipliers: Array
    mean_offset: Array
    second_moments: Array
    steps: Array
    target: Array
    eps: Array
    penalty: Array
    keep_rate: Array
    step_size: Array
    scaled: Array


class Values(NamedTuple):
    """What the averaged multipliers are worth on a problem.

    primal: the objective at their weights, without the constraints if these are hard.
    dual: a lower bound of the optimum; `primal - dual` is the duality gap.
    """

    primal: float
    dual: float


def init(problem: Spec | Problem, *, step_size: float = STEP_SIZE, scaled: bool = True) -> State:
    """Returns the state before the first batch, with w = 0 and μ = 0.

    Step t has size τ_t = step_size / √t. With `scaled` it is divided, for each constraint, by the
    mean of z² so far, so that rare labels move as fast as common ones and one default suits all
    (derived). Without it is the paper's rule, and `step_size` must be tuned to the data.

    Args:
        problem: the targets and bounds; of a `Problem`, the examples are not used.
        step_size: τ of the first step, above 0.
        scaled: see above.

    Raises:
        ProblemError: if step_size is not a finite number above 0.
    """
    size = checks.number("step_size", step_size, "> 0 and finite", lambda x: 0 < x < np.inf)
    if isinstance(problem, Problem):
        eps = np.column_stack([problem.eps_representation, problem.eps_association])
    else:
        eps = problem.eps
    zeros, zero = np.zeros(eps.shape), np.zeros(())
    state = State(
        multipliers=zeros,
        offset=zero,
        mean_multipliers=zeros,
        mean_offset=zero,
        second_moments=zeros,
        steps=np.zeros((), np.int32),
        target=problem.target,
        eps=eps,
        penalty=np.asarray(problem.penalty),
        keep_rate=np.asarray(problem.keep_rate),
        step_size=np.asarray(size),
        scaled=np.asarray(bool(scaled)),
    )
    return jax.tree.map(jnp.array, state)  # a copy each, in JAX's own precision


def update(
    state: State,
    attributes: Any,
    labels: Any,
    utility: Any = None,
    *,
    objective: str | Objective = "quadratic",
) -> tuple[State, Array]:
    """Returns the state after one batch, and the batch's weights before it.

    See `step` for what happens; this checks the batch first. Compiles once per batch shape.

    Args:
        state: from `init` or the last `update`.
        attributes: `[b, m]` s in [0, 1], NaN where unknown.
        labels: `[b, c]` y in [0, 1].
        utility: `[b]` u > 0, used as given; ones by default. The paper has mean 1.
        objective: a name in `objectives.OBJECTIVES`, or a record like those; always the same.

    Raises:
        ProblemError: if a shape or a value is not as above.
    """
    checked = _checked(state, attributes, labels, utility)
    return _step(state, *checked, objective=objectives.find(objective))


def weights(
    state: State,
    attributes: Any,
    labels: Any,
    utility: Any = None,
    *,
    objective: str | Objective = "quadratic",
) -> Array:
    """Returns the weights `[b]` of examples by the averaged multipliers.

    Args and Raises: as for `update`.
    """
    checked = _checked(state, attributes, labels, utility)
    return _weights(state, *checked, objective=objectives.find(objective))


def step(
    state: State, attributes: Array, labels: Array, utility: Array, *, objective: Objective
) -> tuple[State, Array]:
    """Returns the state after one batch and the batch's weights q, as a pure function.

    With r = mean(q z) over the batch, a = the mean of z² so far (1 if not `scaled`):

        w ← clip(shrink(w + τ_t r / a, τ_t ε / a), −V, V),   μ ← μ + τ_t (mean(q) − η)

    where shrink(x, y) = sign(x) [|x| − y]₊ stands for the two terms −ε of v⁺ and v⁻. Nothing is
    checked, so it can be used within `jax.jit` and `lax.scan`. Source: "CLIP the Bias", M4,
    Propositions 1 and 2; the proximal step, the scaling and the average are derived.

    Args:
        state: see `State`.
        attributes: `[b, m]` s in [0, 1], NaN where unknown.
        labels: `[b, c]` y in [0, 1].
        utility: `[b]` u > 0.
        objective: the record; static under `jax.jit`.
    """
    t = state.steps + 1
    dtype = state.multipliers.dtype
    score = batch.scores(state.target, state.multipliers, attributes, labels) + state.offset
    q = objective.weight(score, state.keep_rate * utility)
    moments = batch.sums(state.target, q, attributes, labels) / len(q)
    squares = batch.mean_squares(state.target, attributes, labels)
    seen = state.second_moments + (squares - state.second_moments) / t
    rate = state.step_size / jnp.sqrt(t.astype(dtype))
    size = rate / jnp.where(state.scaled & (seen > 0), seen, 1.0)
    w = state.multipliers + size * moments
    w = jnp.sign(w) * jnp.maximum(jnp.abs(w) - size * state.eps, 0.0)
    w = jnp.clip(w, -state.penalty, state.penalty)
    offset = state.offset + rate * (jnp.mean(q) - state.keep_rate)
    share = (1 + FORGETTING) / (t + FORGETTING)
    state = state._replace(
        multipliers=w,
        offset=offset,
        mean_multipliers=state.mean_multipliers + share * (w - state.mean_multipliers),
        mean_offset=state.mean_offset + share * (offset - state.mean_offset),
        second_moments=seen,
        steps=t,
    )
    return state, q


def values(state: State, problem: Problem, *, objective: str | Objective = "quadratic") -> Values:
    """Returns primal and dual value of the averaged w on all examples, μ being put where E[q] = η.

    Two passes in float64: what the online solver has reached, in the exact solver's terms.

    Args:
        state: of a solver for the same constraints.
        problem: the examples, targets and bounds.
        objective: the one that the state was updated with.
    """
    chosen = objectives.find(objective)
    share = problem.counts / problem.counts.sum()
    chunks = [slice(i, i + CHUNK) for i in range(0, len(share), CHUNK)]
    with jax.enable_x64(True):
        target, w = (np.asarray(x, float) for x in (problem.target, state.mean_multipliers))
        rows = [(problem.attributes[i], problem.labels[i]) for i in chunks]
        free = jnp.concatenate([batch.scores(target, w, *row) for row in rows])
        base = jnp.asarray(problem.keep_rate * problem.utility)
        q, cost = _settled(
            free, base, share, problem.keep_rate, float(state.mean_offset), objective=chosen
        )
        mass = [(share * np.asarray(q))[i] for i in chunks]
        moments = sum(batch.sums(target, x, *row) for x, row in zip(mass, rows, strict=True))
    return _values(problem, w, np.asarray(moments), float(cost))


def _values(problem: Problem, w: np.ndarray, moments: np.ndarray, cost: float) -> Values:
    eps = np.column_stack([problem.eps_representation, problem.eps_association])
    penalty = 0.0 if np.isinf(problem.penalty) else problem.penalty
    beyond = np.maximum(np.abs(moments) - eps, 0.0)
    dual = cost + np.sum(w * moments - eps * np.abs(w))
    return Values(primal=float(cost + penalty * beyond.sum()), dual=float(dual))


@functools.partial(jax.jit, static_argnames="objective")
def _settled(
    free: Array, base: Array, share: Array, keep_rate: Array, guess: Array, *, objective: Objective
) -> tuple[Array, Array]:
    """Returns q at the μ for which E[q] = η, and E[ψ(q)]."""

    def excess(offset: Array) -> tuple[Array, Array]:
        kept = share @ objective.weight(free + offset, base)
        return kept - keep_rate, -share @ objective.curvature(free + offset, base)

    offset = search.root(excess, guess, accuracy=ROUNDING)
    q = objective.weight(free + offset, base)
    return q, share @ objective.cost(q, base)


_step = jax.jit(step, static_argnames="objective")


@functools.partial(jax.jit, static_argnames="objective")
def _weights(
    state: State, attributes: Array, labels: Array, utility: Array, *, objective: Objective
) -> Array:
    free = batch.scores(state.target, state.mean_multipliers, attributes, labels)
    return objective.weight(free + state.mean_offset, state.keep_rate * utility)


def _checked(state: State, attributes: Any, labels: Any, utility: Any) -> tuple[np.ndarray, ...]:
    """Returns the batch in the precision of the state."""
    attributes = checks.unit_matrix("attributes", attributes, unknown=True)
    labels = checks.unit_matrix("labels", labels)
    m, width = state.target.shape
    found, expected = (attributes.shape[1], labels.shape[1]), (m, width - 1)
    if found != expected:
        raise ProblemError(
            f"the batch has {found[0]} attributes and {found[1]} labels; expected {expected[0]} "
            f"and {expected[1]}, as in the problem that the state is from"
        )
    if len(attributes) != len(labels) or len(labels) == 0:
        raise ProblemError(
            f"attributes has {len(attributes)} rows and labels has {len(labels)}; expected one row "
            "each per example, and at least one example"
        )
    utility = checks.positive_vector("utility", utility, len(labels))
    return tuple(x.astype(state.multipliers.dtype) for x in (attributes, labels, utility))

"""The paper's algorithm: stochastic ascent of the dual, one batch of a stream at a time."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance import checks, inputs, objectives
from m4jax.balance.bounds import shrink
from m4jax.balance.checks import ProblemError
from m4jax.balance.device import dual, newton, online_state
from m4jax.balance.device.devices import run
from m4jax.balance.device.online_state import State
from m4jax.balance.device.solver import make_dual
from m4jax.balance.folding import fold, pad
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem, Spec

Array = jax.Array

# On 20,000 and 50,000 examples, with rare labels, batches of 10 to 1,000 and every objective, 1 was
# never far behind the best of 0.1, 0.3, 0.5, 1 and 3.
STEP_SIZE = 1.0
FORGETTING = 3.0  # iterate t has weight t³ in the average; Shamir and Zhang (2013)


class Values(NamedTuple):
    """What the averaged multipliers are worth on a problem.

    Attributes:
        primal: the objective at their weights, without the constraints if these are hard.
        dual: a lower bound of the optimum; `primal - dual` is the duality gap.
    """

    primal: float
    dual: float


def init(problem: Spec | Problem, *, step_size: float = STEP_SIZE, scaled: bool = True) -> State:
    """Returns the state before the first batch, with w = 0 and μ = 0.

    Step t has size τ_t = step_size / √t. With `scaled` it is divided, for each constraint, by the
    mean of a² so far, so that rare labels move as fast as common ones and one default suits all
    (derived). Without it is the paper's rule, and `step_size` must be tuned to the data.

    Args:
        problem: the targets and bounds; of a `Problem`, the examples are not used.
        step_size: τ of the first step, above 0.
        scaled: see above.

    Raises:
        ProblemError: if step_size is not a finite number above 0.
    """
    size = checks.number("step_size", step_size, "> 0 and finite", lambda x: 0 < x < np.inf)
    spec = problem.spec if isinstance(problem, Problem) else problem
    zeros, zero = np.zeros(spec.eps.shape), np.zeros(())
    state = State(
        multipliers=zeros,
        offset=zero,
        mean_multipliers=zeros,
        mean_offset=zero,
        second_moments=zeros,
        steps=np.zeros((), np.int32),
        target=spec.target,
        eps=spec.eps,
        penalty=np.asarray(spec.penalty),
        keep_rate=np.asarray(spec.keep_rate),
        step_size=np.asarray(size),
        scaled=np.asarray(bool(scaled)),
        **online_state.of_rows(spec),
    )
    return jax.tree.map(jnp.array, state)  # a copy each, in JAX's own precision


def update(
    state: State,
    attributes: Any,
    labels: Any,
    utility: Any = None,
    columns: Any = None,
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
        columns: `[b, d]` further columns of numbers, in the order in which the problem names them.
        objective: a name in `objectives.OBJECTIVES`, or a record like those; always the same.

    Raises:
        ProblemError: if a shape or a value is not as above.
    """
    checked = _checked(state, attributes, labels, utility, columns)
    return _step(state, *checked, objective=objectives.find(objective))


def weights(
    state: State,
    attributes: Any,
    labels: Any,
    utility: Any = None,
    columns: Any = None,
    *,
    objective: str | Objective = "quadratic",
) -> Array:
    """Returns the weights `[b]` of examples by the averaged multipliers.

    Args and Raises: as for `update`.
    """
    checked = _checked(state, attributes, labels, utility, columns)
    return _weights(state, *checked, objective=objectives.find(objective))


def step(
    state: State,
    attributes: Array,
    labels: Array,
    utility: Array,
    columns: Array | None = None,
    *,
    objective: Objective,
) -> tuple[State, Array]:
    """Returns the state after one batch and the batch's weights q, as a pure function.

    With r = mean(q a) over the batch, A = the mean of a² so far (1 if not `scaled`):

        w ← shrink(w + τ_t r / A, τ_t / A),   μ ← μ + τ_t (mean(q) − η)

    where `bounds.shrink` stands for the bounds and the box: of |r| ≤ ε, for the two terms −ε of v⁺
    and v⁻. Nothing is checked, so it can be used within `jax.jit` and `lax.scan`. Source: "CLIP the
    Bias", M4, Propositions 1 and 2; the proximal step, the scaling and the average are derived.

    Args:
        state: see `State`.
        attributes: `[b, m]` s in [0, 1], NaN where unknown.
        labels: `[b, c]` y in [0, 1].
        utility: `[b]` u > 0.
        columns: `[b, d]`, see `update`.
        objective: the record; static under `jax.jit`.
    """
    t = state.steps + 1
    rows, base = _rows(state, attributes, labels, utility, columns)
    now = online_state.flat(state)
    q = objective.weight(dual.scores(rows, now.multipliers) + state.offset, base)
    seen = now.second_moments + (dual.second_moments(rows) - now.second_moments) / t
    rate = state.step_size / jnp.sqrt(t.astype(seen.dtype))
    size = rate / jnp.where(state.scaled & (seen > 0), seen, 1.0)
    w = shrink(now.multipliers + size * dual.moments(rows, q), online_state.bounds(state), size)
    offset = state.offset + rate * (dual.mean(rows, q) - state.keep_rate)
    share = (1 + FORGETTING) / (t + FORGETTING)
    mean = now.mean_multipliers + share * (w - now.mean_multipliers)
    state = online_state.replaced(state, online_state.Flat(w, mean, seen))._replace(
        offset=offset,
        mean_offset=state.mean_offset + share * (offset - state.mean_offset),
        steps=t,
    )
    return state, q[: len(labels)]


def values(state: State, problem: Problem, *, objective: str | Objective = "quadratic") -> Values:
    """Returns primal and dual value of the averaged w on all examples, μ being put where E[q] = η.

    In float64: what the online solver has reached, in the exact solver's terms.

    Args:
        state: of a solver for the same constraints.
        problem: the examples, targets and bounds.
        objective: the one that the state was updated with.
    """
    with jax.enable_x64(True):
        exact = make_dual(fold(problem)[0], 0.0)
        w = online_state.mean_of_system(state, problem.spec.system)
        start = (exact, w, np.float64(state.mean_offset), np.int64(0))
        chosen = objectives.find(objective)
        primal, bound, _ = run(
            newton.init, None, *start, result=newton.State, objective=chosen
        ).values
        return Values(float(primal), float(bound))


def _rows(
    state: State, attributes: Array, labels: Array, utility: Array, columns: Array | None
) -> tuple[dual.Rows, Array]:
    """Returns the rows of a batch and b = ηu, padded to whole chunks with rows of share 0."""
    size = dual.padded(len(labels))
    rows = online_state.batch(state, attributes, labels, columns, size)
    return rows, state.keep_rate * pad(jnp.asarray(utility), size, 1.0)


_step = jax.jit(step, static_argnames="objective")


@functools.partial(jax.jit, static_argnames="objective")
def _weights(
    state: State,
    attributes: Array,
    labels: Array,
    utility: Array,
    columns: Array,
    *,
    objective: Objective,
) -> Array:
    rows, base = _rows(state, attributes, labels, utility, columns)
    free = dual.scores(rows, online_state.flat(state).mean_multipliers)
    return objective.weight(free + state.mean_offset, base)[: len(labels)]


def _checked(
    state: State, attributes: Any, labels: Any, utility: Any, columns: Any
) -> tuple[np.ndarray, ...]:
    """Returns the batch in the precision of the state."""
    attributes = inputs.table("attributes", attributes)[0]
    attributes = checks.unit_matrix("attributes", attributes, unknown=True)
    labels = checks.unit_matrix("labels", inputs.table("labels", labels)[0])
    m, width = state.target.shape
    if (attributes.shape[1], labels.shape[1]) != (m, width - 1):
        raise ProblemError(
            f"the batch has {attributes.shape[1]} attributes and {labels.shape[1]} labels; "
            f"expected {m} and {width - 1}, as in the problem that the state is from"
        )
    if len(attributes) != len(labels) or len(labels) == 0:
        raise ProblemError(
            f"attributes has {len(attributes)} rows and labels has {len(labels)}; expected one row "
            "each per example, and at least one example"
        )
    utility = checks.positive_vector("utility", utility, len(labels))
    shape = (len(labels), state.products.shape[1] - 2 * m - width)
    columns = np.zeros((len(labels), 0)) if columns is None else inputs.table("columns", columns)[0]
    if columns.shape != shape:
        raise ProblemError(
            f"columns has shape {columns.shape}; expected {shape}, one row per example and one "
            "column for each that the problem names"
        )
    if shape[1]:
        columns = np.stack([checks.column(str(k), x, len(x)) for k, x in enumerate(columns.T)], 1)
    batch = (attributes, labels, utility, columns)
    return tuple(x.astype(state.multipliers.dtype) for x in batch)

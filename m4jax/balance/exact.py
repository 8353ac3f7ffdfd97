"""The exact solver: folds the examples, maximises the dual, unfolds the weights."""

from collections.abc import Callable

import jax
import numpy as np

from m4jax.balance import newton, objectives, patterns
from m4jax.balance.newton import Dual, State
from m4jax.balance.objectives import Objective
from m4jax.balance.operator import Operator
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution, Status


def solve(
    problem: Problem,
    *,
    objective: str | Objective = "quadratic",
    tolerance: float = 1e-6,
    max_steps: int = 200,
    progress: Callable[[int, float], None] | None = None,
) -> Solution:
    """Returns the weights that solve `problem`, with a certificate of how well.

    Maximises the concave dual g(w, μ) = E[min_q ψ(q; ηu) + q (z·w + μ)] − ε·|w| − μη over
    |w| ≤ V ("CLIP the Bias", M4; dual and method derived) and gives q = the minimiser within, at
    the μ for which E[q] = η. It stops when the duality gap is at most tolerance × |objective|, or,
    once rounding allows no more, at most tolerance × max(1, |objective|); hard constraints must
    also hold to tolerance / 1000. Works in float64 whatever the caller's settings.

    Args:
        problem: what to balance.
        objective: a name in `objectives.OBJECTIVES`, or a record like those.
        tolerance: see above.
        max_steps: limit on Newton steps.
        progress: called after every step with the number of steps and the duality gap.

    Returns:
        A `Solution`; failure is told by its status, never by an exception.

    Raises:
        ValueError: if the objective is not known, or tolerance or max_steps is below 0.
    """
    chosen = objectives.find(objective)
    if not tolerance >= 0 or max_steps < 0:
        raise ValueError(
            f"tolerance is {tolerance} and max_steps {max_steps}; expected both at least 0"
        )
    folded, inverse = patterns.fold(problem)
    with jax.enable_x64(True):
        dual, state = newton.init(
            jax.device_put(_dual(problem, folded, tolerance)), objective=chosen
        )
        stops = [max_steps] if progress is None else range(1, max_steps + 1)
        for stop in stops:
            state = newton.advance(dual, state, jax.device_put(np.int64(stop)), objective=chosen)
            if progress is not None:
                progress(int(jax.device_get(state.steps)), float(jax.device_get(state.gap)))
            if int(jax.device_get(state.status)) != newton.RUNNING:
                break
        small = state._replace(score=None, curvature=None, gram=None)
        small, scale = jax.device_get((small, dual.rows.scale))
    return _unfold(problem, small.weights[inverse], small, scale)


def _dual(problem: Problem, folded: patterns.Patterns, tolerance: float) -> Dual:
    eps = np.concatenate([problem.eps_representation[:, None], problem.eps_association], axis=1)
    rows = Operator(
        attributes=folded.attributes,
        known=folded.known,
        labels=folded.labels,
        target=problem.target,
        scale=np.ones_like(problem.target),
    )
    return Dual(
        rows=rows,
        base=problem.keep_rate * folded.utility,
        share=folded.share,
        keep_rate=np.float64(problem.keep_rate),
        eps=eps.ravel(),
        bound=np.full(eps.size, problem.penalty),
        tolerance=np.float64(tolerance),
    )


def _unfold(problem: Problem, weights: np.ndarray, state: State, scale: np.ndarray) -> Solution:
    """Returns the record for all examples, from the state of the patterns."""
    moments = state.moments.reshape(scale.shape) * scale
    beyond = np.maximum(np.abs(moments[:, 0]) - problem.eps_representation, 0.0)
    status = newton.CODES[state.status] if state.status != newton.RUNNING else Status.MAX_STEPS
    squares = problem.counts @ weights**2
    return Solution(
        weights=weights,
        status=status,
        objective=float(state.objective),
        duality_gap=float(state.gap),
        representation_violation=beyond,
        association_violation=np.maximum(np.abs(moments[:, 1:]) - problem.eps_association, 0.0),
        effective_sample_size=float((problem.counts @ weights) ** 2 / squares)
        if squares > 0
        else np.nan,
        steps=int(state.steps),
        multipliers=state.multipliers.reshape(scale.shape) / scale,
        offset=float(state.offset),
    )

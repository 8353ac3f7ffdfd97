"""The price of balance: how much bias is left at each keep rate."""

import dataclasses
import math
import typing
from collections.abc import Callable, Sequence

import numpy as np

from m4jax.balance.bands import LEAST
from m4jax.balance.bias import bias, divide, group_sums
from m4jax.balance.folding import fold
from m4jax.balance.means import Means
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem, ProblemError
from m4jax.balance.solution import Solution, Status
from m4jax.balance.solver import solve

if typing.TYPE_CHECKING:
    from m4jax.balance.feasibility import KeepRate

RATES = tuple(round(0.05 * i, 2) for i in range(1, 21))
STRICT = 1e3  # V in place of infinity: beyond the largest keep rate hard constraints give nothing


@dataclasses.dataclass(frozen=True)
class FrontierPoint:
    """The optimal weights at one keep rate, in numbers.

    Attributes:
        keep_rate: η.
        status: why the solver stopped.
        objective: the value of the problem.
        violation: the largest [|E[q z]| − ε]₊.
        representation: max |E_w[s_k] − π_k|.
        association: max |E_w[y_r | s_k=1] − E_w[y_r | s_k=0]|.
        association_mean: the mean of these.
        distance: max |E_w[s_k | y_r=1] − π_kr| over the labels of which both groups have at least
            5 examples, and of which something is kept; NaN without any.
        distance_mean: the mean of these.
        effective_sample_size: (Σ q)² / Σ q².
    """

    keep_rate: float
    status: Status
    objective: float
    violation: float
    representation: float
    association: float
    association_mean: float
    distance: float
    distance_mean: float
    effective_sample_size: float


@dataclasses.dataclass(frozen=True)
class Frontier:
    """The bias at each keep rate.

    Attributes:
        points: one per keep rate, in ascending order.
        largest: the largest keep rate without violation.
    """

    points: tuple[FrontierPoint, ...]
    largest: "KeepRate"


def frontier(
    problem: Problem,
    keep_rates: Sequence[float] = RATES,
    *,
    objective: str | Objective = "quadratic",
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Solves the problem at several keep rates and tells the bias that is left.

    Each solution is where the next one starts from. Hard constraints (penalty = infinity) become
    soft ones with V = `STRICT`, since there are no weights beyond the largest keep rate.

    Args:
        problem: what to balance; its own keep rate doesn't matter.
        keep_rates: η, each in (0, 1].
        objective: as for `solve`.
        progress: called with the number of keep rates done and of all.

    Raises:
        ProblemError: if a keep rate is not in (0, 1], or there is none.
    """
    from m4jax.balance.feasibility import max_keep_rate  # JAX takes its time to load

    if not len(keep_rates):
        raise ProblemError("keep_rates is empty; expected at least one rate in (0, 1]")
    rates = sorted(set(map(float, keep_rates)))
    folded, _ = fold(problem)
    soft = STRICT if math.isinf(problem.penalty) else problem.penalty
    points, solution = [], None
    for done, rate in enumerate(rates):
        if progress is not None:
            progress(done, len(rates))
        one = dataclasses.replace(folded, keep_rate=rate, penalty=soft)
        solution = solve(one, objective=objective, start=solution, warn=False)
        points.append(_point(one, solution))
    return Frontier(points=tuple(points), largest=max_keep_rate(folded))


def _point(problem: Problem, solution: Solution) -> FrontierPoint:
    weights = solution.weights * problem.counts
    far = _distances(problem, weights)
    left = bias(problem.attributes, problem.labels, weights, target=problem.target)
    return FrontierPoint(
        keep_rate=problem.keep_rate,
        status=solution.status,
        objective=solution.objective,
        violation=float(solution.violation.max(initial=0.0)),
        representation=left.representation_max,
        association=left.association_max,
        association_mean=left.association_mean,
        distance=float(far.max()) if far.size else math.nan,
        distance_mean=float(far.mean()) if far.size else math.nan,
        effective_sample_size=solution.effective_sample_size,
    )


def _distances(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Returns how far shares within labels that the data can decide are from their targets."""
    names, columns = problem.moments.recipe.names, problem.columns
    numbers = Means(names, problem.attributes, problem.labels, columns, problem.counts)
    decided = (numbers.group_numbers()[:, :, 1:] >= LEAST).all(axis=0)
    outside, inside = group_sums(problem.attributes, problem.labels, weights)[:, :, 1:]
    mass = inside + outside
    far = np.abs(divide(inside, np.where(mass > 1e-6, mass, 0.0)) - problem.target[:, 1:])
    return far[decided & np.isfinite(far)]

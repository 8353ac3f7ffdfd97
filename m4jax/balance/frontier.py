"""The price of balance: how much bias is left at each keep rate."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from m4jax.balance.bias import bias, divide, group_sums
from m4jax.balance.constraints.bands import LEAST
from m4jax.balance.constraints.means import Means
from m4jax.balance.feasibility import KeepRate, max_keep_rate
from m4jax.balance.folding import fold
from m4jax.balance.host.rows import make_rows
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem, ProblemError, Spec
from m4jax.balance.solution import Solution, Status
from m4jax.balance.solver import solve

RATES = tuple(round(0.05 * i, 2) for i in range(1, 21))
STRICT = 1e3  # V in place of infinity: beyond the largest keep rate hard constraints give nothing


@dataclasses.dataclass(frozen=True)
class FrontierPoint:
    """The optimal weights at one keep rate, in numbers.

    Attributes:
        keep_rate: η.
        status: why the solver stopped.
        objective: the value of the problem.
        violation: by how much E[q a] is beyond a bound, at most.
        representation: max |E_w[s_k] − π_k|.
        association: max |E_w[y_r | s_k=1] − E_w[y_r | s_k=0]|.
        association_mean: the mean of these.
        distance: max |E_w[s_k | y_r=1] − π_kr| over the labels of which both groups have at least
            5 examples, and of which something is kept; NaN without any.
        distance_mean: the mean of these.
        effective_sample_size: (Σ q)² / Σ q².
        share_gap_max: how far a ratio in words is from the middle of its band at most, in its own
            unit (0.05: five points); of one bound alone, how far it is beyond. NaN where no ratio
            is bounded, or nothing of any is kept.
        share_gap_mean: the mean of these.
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
    share_gap_max: float = math.nan
    share_gap_mean: float = math.nan


@dataclasses.dataclass(frozen=True)
class Frontier:
    """The bias at each keep rate.

    Attributes:
        points: one per keep rate, in ascending order.
        largest: the largest keep rate without violation.
    """

    points: tuple[FrontierPoint, ...]
    largest: KeepRate


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
    if not len(keep_rates):
        raise ProblemError("keep_rates is empty; expected at least one rate in (0, 1]")
    rates = sorted(set(map(float, keep_rates)))
    folded, _ = fold(problem)
    folded = _softened(folded)
    points, solution = [], None
    for done, rate in enumerate(rates):
        if progress is not None:
            progress(done, len(rates))
        one = dataclasses.replace(folded, keep_rate=rate)
        solution = solve(one, objective=objective, start=solution, warn=False)
        points.append(_point(one, solution))
    return Frontier(points=tuple(points), largest=max_keep_rate(folded))


def _softened(problem: Problem) -> Problem:
    """Returns the problem with finite penalties."""
    old = problem.spec
    own = np.where(np.isinf(old.moments.penalty), STRICT, old.moments.penalty)
    spec = Spec(
        attributes=old.attribute_names,
        labels=old.label_names,
        target=old.target,
        keep_rate=old.keep_rate,
        eps_representation=old.eps_representation,
        eps_association=old.eps_association,
        penalty=STRICT if math.isinf(old.penalty) else old.penalty,
        moments=dataclasses.replace(old.moments, penalty=own),
    )
    return dataclasses.replace(problem, spec=spec)


def _point(problem: Problem, solution: Solution) -> FrontierPoint:
    weights = solution.weights * problem.counts
    far, gaps = _distances(problem, weights), _gaps(problem, solution.weights)
    beyond = (*solution.violation.flat, *solution.moment_violation)
    left = bias(problem.attributes, problem.labels, weights, target=problem.target)
    return FrontierPoint(
        keep_rate=problem.keep_rate,
        status=solution.status,
        objective=solution.objective,
        violation=float(max(beyond, default=0.0)),
        representation=left.representation_max,
        association=left.association_max,
        association_mean=left.association_mean,
        distance=float(far.max()) if far.size else math.nan,
        distance_mean=float(far.mean()) if far.size else math.nan,
        effective_sample_size=solution.effective_sample_size,
        share_gap_max=float(gaps.max()) if gaps.size else math.nan,
        share_gap_mean=float(gaps.mean()) if gaps.size else math.nan,
    )


def _gaps(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Returns how far each ratio is from the middle of its band, or beyond its only bound."""
    moments = problem.moments
    features = make_rows(problem).features(weights)
    part, whole = moments.part @ features, moments.whole @ features
    known = moments.relative & (whole > 0)
    value = part[known] / whole[known]
    lower, upper = moments.lower[known], moments.upper[known]
    both = np.isfinite(lower) & np.isfinite(upper)
    middle = 0.5 * (np.where(both, lower, 0.0) + np.where(both, upper, 0.0))
    beyond = np.maximum(np.maximum(lower - value, value - upper), 0.0)
    return np.where(both, np.abs(value - middle), beyond)


def _distances(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Returns how far shares within labels that the data can decide are from their targets."""
    names, columns = problem.moments.recipe.names, problem.columns
    numbers = Means(names, problem.attributes, problem.labels, columns, problem.counts)
    decided = (numbers.group_numbers()[:, :, 1:] >= LEAST).all(axis=0)
    outside, inside = group_sums(problem.attributes, problem.labels, weights)[:, :, 1:]
    mass = inside + outside
    far = np.abs(divide(inside, np.where(mass > 1e-6, mass, 0.0)) - problem.target[:, 1:])
    return far[decided & np.isfinite(far)]

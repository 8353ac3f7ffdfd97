"""What weights did to every constraint: values before and after, and what they are worth."""

import dataclasses

import numpy as np

from m4jax.balance.bias import divide
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.bands import LEAST, POINTS, shares
from m4jax.balance.constraints.moments import Moments, joined, moved
from m4jax.balance.judging.tallies import PROPORTIONS, Tally, attribute_and_part, places, tally
from m4jax.balance.problem import Problem

KINDS = ("violated", "can't be", "vacuous", "balanced", "was balanced")  # the worst first
VIOLATED, CANNOT, VACUOUS, BALANCED, WAS_BALANCED = range(len(KINDS))
# How far beyond its bound what meets it may be, since solvers stop at a tolerance: 1e-6 in the mean
# over all examples, in the share within a rare label that is more, from 0.1 to 1 point.
ROUNDING, SLACK, MOST_SLACK = 1e-6, 1e-3, 1e-2
SMALL_SLACK = 1e-2  # of a bound b on a share, relative to b or 1 − b
RELATIVE_SLACK = 1e-4  # of bounds on means and totals
DROPPED = 0.01  # of what an even choice would keep: less than that is none


@dataclasses.dataclass(frozen=True, eq=False)
class Judgement:
    """All constraints `[K]`: those on targets, then those in words; `[2, K]`: before and after.

    Attributes:
        moments: their bounds; on targets, π ± some points.
        eps: `[K]` ε of those on targets, NaN for words.
        target: `[K]` π of those on targets, NaN for words.
        moment: `[2, K]` |E[q (s − π) y]| of those on targets, at the keep rate; NaN for words.
        tally: what the values are estimated from.
        value: `[2, K]` E[q part] / E[q whole], or E[q part].
        beyond: `[2, K]` by how much the value is beyond its bounds, NaN where there is none.
        kinds: `[K]` places in `KINDS`.
        dropped: `[K]` whether the weights keep nothing of the whole.
        attribute: `[K]` the attribute k whose share within one label is bounded; −1 for others.
        part: `[K]` 0: among all examples, or 1 + that label; −1 for others.
        least: see `judge`.
    """

    moments: Moments
    eps: np.ndarray
    target: np.ndarray
    moment: np.ndarray
    tally: Tally
    value: np.ndarray
    beyond: np.ndarray
    kinds: np.ndarray
    dropped: np.ndarray
    attribute: np.ndarray
    part: np.ndarray
    least: int


def judge(
    problem: Problem, weights: np.ndarray, *, points: float = POINTS, least: int = LEAST
) -> Judgement:
    """Returns what each constraint has come to.

    Constraints on targets are judged by ε and as shares: within `points` of π as well, since
    |E[q (s − π) y]| ≤ ε says little where the label is rare.

    Args:
        problem: what was asked.
        weights: `[n]` q.
        points: in [0, 1].
        least: examples of either group, below which the data can't decide.

    Raises:
        ProblemError: if there is not one weight for each example.
    """
    weights = np.asarray(weights, float)
    if weights.shape != problem.counts.shape:
        raise ProblemError(
            f"weights has shape {weights.shape}; expected {problem.counts.shape}, one per example"
        )
    weights = np.where(np.isfinite(weights), weights, np.nan)
    moments, eps, target = _asked(problem, points)
    found = tally(problem, weights, moments)
    value, n = divide(found.part, found.whole), problem.counts.sum()
    rate = np.array([[problem.keep_rate], [1.0]])
    moment = np.abs(found.part - target * found.whole) / n * rate
    beyond = np.maximum(np.maximum(value - moments.upper, moments.lower - value), 0.0)
    k, r = attribute_and_part(moments)
    kept = divide(found.whole[1], found.whole[0])
    dropped = moments.relative & (kept < DROPPED * found.kept)
    value[1, dropped] = np.nan  # of rounding, whatever it is
    held = (beyond <= _slack(moments, found, n)) & ~(moment > eps + ROUNDING)
    kinds = np.where(held[1], np.where(held[0], WAS_BALANCED, BALANCED), VIOLATED)
    largest = np.minimum(found.whole[0] / n, problem.keep_rate) * np.maximum(target, 1 - target)
    kinds[_trivial(moments) | (largest <= eps) & ~held.all(axis=0)] = VACUOUS
    cannot = _undecided(moments, found, least) | dropped | np.isnan(value[1])
    cannot |= not found.kept > 0
    kinds[cannot] = CANNOT
    return Judgement(
        moments, eps, target, moment, found, value, beyond, kinds, dropped, k, r, least
    )


def _asked(problem: Problem, points: float) -> tuple[Moments, np.ndarray, np.ndarray]:
    """Returns all constraints as moments, with ε and π of those on targets."""
    spec = problem.spec
    place = np.flatnonzero(spec.eps < 1)  # others are none
    if not place.size:
        none = np.full(len(spec.moments), np.nan)
        return spec.moments, none, none
    k, r = np.divmod(place, spec.eps.shape[1])
    target, eps = spec.target.ravel()[place], spec.eps.ravel()[place]
    lower, upper = np.clip(target - points, 0, 1), np.clip(target + points, 0, 1)
    own = shares(spec.moments.recipe.names, k, r, lower=lower, upper=upper)
    all_ = joined([moved(own, spec.moments.recipe), spec.moments])
    fill = np.full(len(spec.moments), np.nan)
    return all_, np.append(eps, fill), np.append(target, fill)


def _proportion(moments: Moments) -> np.ndarray:
    return np.isin(moments.units, PROPORTIONS) & moments.relative


def _trivial(moments: Moments) -> np.ndarray:
    """Returns which bounds no data could break, however one-sided."""
    return _proportion(moments) & (moments.lower <= 0) & (moments.upper >= 1)


def _slack(moments: Moments, found: Tally, n: float) -> np.ndarray:
    """Returns how far beyond its bounds a value `[2, K]` may be."""
    rare = ROUNDING * np.nan_to_num(divide(n + 0 * found.whole, found.whole), nan=np.inf)
    # Of small bounds, as caps have them, no more than a part of what they leave.
    ends = [np.where((x > 0) & (x < 1), np.minimum(x, 1 - x), 1.0)
            for x in (moments.lower, moments.upper)]  # fmt: skip
    most = np.maximum(SMALL_SLACK * np.minimum(*ends), rare)
    share = np.minimum(np.clip(rare, SLACK, MOST_SLACK), most)
    sizes = [np.where(np.isfinite(x), np.abs(x), 0.0) for x in (moments.lower, moments.upper)]
    return np.where(_proportion(moments), share, RELATIVE_SLACK * np.maximum(*sizes) + 1e-12)


def _undecided(moments: Moments, found: Tally, least: int) -> np.ndarray:
    """Returns where the examples are too few, whatever their weights."""
    proportion, (whole, part, rest) = _proportion(moments), found.n
    # Of a share of all that is kept, nothing is estimated: it is what it is.
    amount = proportion & (places(moments.whole) == 0)
    amount &= attribute_and_part(moments)[0] < 0
    needed = np.where(amount, 1, least)
    few = (moments.lower > 0) & (part < needed) | (moments.upper < 1) & (rest < needed)
    never = ~moments.relative & (moments.lower > divide(found.part[0], found.whole[0]))
    never &= np.array(moments.units) == "examples"
    return proportion & few | never | ~moments.imposed & ~_trivial(moments) | (whole == 0)

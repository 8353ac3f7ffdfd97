"""Differences between runs that differ in one thing alone: tests, intervals, effects, power."""

import bisect
import functools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from m4jax.errors import InputError

LEAST = 1e-15  # p that is told apart from 0
EXACT = 200  # differences, up to which all signs are gone through
WILCOXON_EFFICIENCY = 3 / np.pi  # relative to the t-test, where differences are normal


class Effect(NamedTuple):
    """A mean difference over pairs.

    Attributes:
        mean: of the differences.
        low: lower end of the interval over pairs and pictures; NaN with one pair.
        high: upper end.
        deviation: standard deviation of the differences.
        pictures: standard deviation of the mean over other pictures; 0 if it is left out.
        rank_biserial: (W₊ − W₋)/(W₊ + W₋), from −1 to 1; ±1: all differences have one sign.
        n: number of pairs.
        degrees: of freedom of the pictures' part; infinity: it is taken for normal.
    """

    mean: float
    low: float
    high: float
    deviation: float
    pictures: float
    rank_biserial: float
    n: int
    degrees: float = math.inf


def effect(
    differences: Sequence[float],
    deviations: np.ndarray | None = None,
    *,
    level: float = 0.95,
    degrees: float = math.inf,
) -> Effect:
    """Estimates a mean difference over independent pairs, seeds say.

    The interval holds two sources of chance: which pairs there are, and which pictures they were
    asked about, since all runs answer the same pictures. With s the standard deviation of the n
    differences and v that of the mean over resamples of the pictures,

        mean ± √(t² s²/n + z² v²)

    where t is the quantile of Student's distribution with n − 1 degrees of freedom and z that of
    the normal one: each source alone has its usual interval. Simulated coverage of the 95%
    interval is 0.94 to 0.99 for 2 to 24 pairs (tests).

    Args:
        differences: [n] of a metric.
        deviations: [n, B] of the same differences over resamples of the pictures, around their
            mean; None: chance of the pictures is left out.
        level: of the interval.
        degrees: of freedom of the pictures' part, in whose place of z Student's quantile then
            stands; infinity: z.

    Returns:
        The effect; NaN where there are too few pairs.

    Raises:
        InputError: if the shapes don't fit, or a number is not finite.

    Source: derived.
    """
    d = np.asarray(differences, np.float64)
    if d.ndim != 1 or not d.size or not np.isfinite(d).all():
        raise InputError(f"differences: expected finite numbers, one for each pair, got {d}")
    deviations = np.zeros((d.size, 1)) if deviations is None else np.asarray(deviations, float)
    if deviations.shape[:1] != d.shape or not np.isfinite(deviations).all():
        raise InputError(f"deviations: expected [{d.size}, B], finite, got {deviations.shape}")
    mean, n, pictures = float(d.mean()), d.size, float(deviations.mean(0).std())
    deviation = half = float("nan")
    if n > 1:
        deviation = float(d.std(ddof=1))
        tail = (1 - level) / 2
        of_runs = special.stdtrit(n - 1, tail) * deviation / np.sqrt(n)
        half = np.hypot(of_runs, _quantile(tail, degrees) * pictures)
    ends = (float(mean - half), float(mean + half))
    return Effect(mean, *ends, deviation, pictures, rank_biserial(d), n, degrees)


def _quantile(tail: float, degrees: float) -> float:
    """Returns the quantile of Student's distribution; of the normal one for infinite degrees."""
    return special.ndtri(tail) if math.isinf(degrees) else special.stdtrit(degrees, tail)


def wilcoxon(differences: np.ndarray, alternative: str = "two-sided") -> float:
    """Returns the p-value of the Wilcoxon signed-rank test; 1 if all differences are zero.

    Up to `EXACT` differences it is exact, also with ties, of which ranks are averaged: all 2^n
    signs are gone through; else by the normal approximation. Differences of zero are left out.
    With n pairs it can't be less than 2^(1−n) (two-sided).

    Args:
        differences: [n]; such as differ by less than 1e-12 are ties.
        alternative: "two-sided" or "greater".

    Raises:
        InputError: for another alternative.

    Source: the test is the one of "CLIP the Bias"; going through the signs is derived.
    """
    if alternative not in ("two-sided", "greater"):
        raise InputError(f"alternative: expected two-sided or greater, got {alternative!r}")
    d = np.round(np.asarray(differences, np.float64), 12)
    d = d[d != 0]
    if not d.size:
        return 1.0
    if d.size > EXACT:
        return float(stats.wilcoxon(d, alternative=alternative, method="approx").pvalue)
    rank = np.round(2 * stats.rankdata(np.abs(d))).astype(int)  # whole numbers, also of ties
    share, seen = _sums(tuple(sorted(rank.tolist()))), int(rank[d > 0].sum())
    above, below = share[seen:].sum(), share[: seen + 1].sum()
    return float(above if alternative == "greater" else min(1.0, 2 * min(above, below)))


@functools.lru_cache(maxsize=256)  # without ties the ranks are always 1 … n
def _sums(ranks: tuple[int, ...]) -> np.ndarray:
    """Returns the probability of each sum of the positive ranks, all 2^n signs being alike."""
    ways = np.ones(1)  # ways[w]: in how many of the 2^n ways the positive ranks sum to w
    for r in ranks:
        grown = np.zeros(ways.size + r)
        grown[: ways.size] += ways
        grown[r:] += ways
        ways = grown
    return ways / ways.sum()


def exceeds(effect: Effect, bound: float = 0.0) -> float:
    """Returns the one-sided p of the interval that the mean is above a bound.

    The level q at which the interval of `effect` touches the bound, halved,

        |mean − bound| = √(t(q/2)² s²/n + z(q/2)² v²)

    and p = q/2 if the mean is above it, else 1 − q/2. Unlike Wilcoxon's p it holds the chance of
    the pictures. 1 where there is no interval.

    Source: derived.
    """
    distance, of_runs = abs(effect.mean - bound), effect.deviation / np.sqrt(effect.n)
    if effect.n < 2 or not np.isfinite(distance):
        return 1.0

    def beyond(tail: float) -> float:
        t, z = special.stdtrit(effect.n - 1, tail), _quantile(tail, effect.degrees)
        return math.hypot(t * of_runs, z * effect.pictures) - distance

    tail = 0.5
    if distance > 0:
        tail = LEAST if beyond(LEAST) <= 0 else optimize.brentq(beyond, LEAST, 0.5, xtol=1e-16)
    return tail if effect.mean > bound else 1 - tail


def greater(differences: np.ndarray, effect: Effect, bound: float = 0.0) -> float:
    """Returns the one-sided p that the mean difference is above a bound.

    The larger of Wilcoxon's, which asks the seeds, and the interval's, which asks the pictures as
    well (`exceeds`). Wilcoxon's alone takes the pictures as given: simulated with 23 contrasts
    and 12 seeds, of which the pictures' chance is as large as the seeds', one of four studies of
    nothing would find something, in spite of Holm's correction and with 95% intervals that agree.

    Args:
        differences: [n], one for each seed.
        effect: of these; see `effect`.
        bound: of the null hypothesis.

    Source: derived.
    """
    return max(wilcoxon(np.asarray(differences) - bound, "greater"), exceeds(effect, bound))


def rank_biserial(differences: np.ndarray) -> float:
    """Returns (W₊ − W₋)/(W₊ + W₋), W± the sums of the ranks of |d| with that sign; 0 if none."""
    d = np.round(np.asarray(differences, np.float64), 12)
    d = d[d != 0]
    if not d.size:
        return 0.0
    rank = stats.rankdata(np.abs(d))
    return float((rank * np.sign(d)).sum() / rank.sum())


def binomial(hits: np.ndarray, n: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Returns the two-sided p of `hits` among n, where `share` of them is expected.

    Twice the smaller tail, at most 1. Both may be fractions, of as many independent examples as
    those there are worth: the tails are then those of beta distributions, as in Clopper and
    Pearson's interval.
    """
    misses, tiny = n - hits, 1e-12
    fewer = special.betainc(np.maximum(misses, tiny), hits + 1, 1 - share)
    more = special.betainc(np.maximum(hits, tiny), misses + 1, share)
    fewer, more = np.where(misses <= tiny, 1, fewer), np.where(hits <= tiny, 1, more)
    return np.minimum(1, 2 * np.minimum(fewer, more))


def holm(p: Sequence[float]) -> np.ndarray:
    """Returns the p-values corrected for their number by Holm's method.

        p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j)),    p_(1) ≤ … ≤ p_(m)

    Args:
        p: [m]; NaN stands for a test that could not be made, which is not counted.

    Returns:
        [m], NaN where p is.

    Source: Holm 1979.
    """
    p = np.asarray(p, np.float64)
    corrected = np.full(p.shape, np.nan)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    factor = made.size - np.arange(made.size)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, factor * p[order]))
    return corrected


def detectable(
    deviation: float,
    pairs: int,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    pictures: float | None = None,
) -> float:
    """Returns the least mean difference that a test finds with the given power, about.

    Of Wilcoxon's test alone

        δ_W = (z_{1−α/2} + z_power) · σ / √(0.955 n)

    and of `greater`, with v the chance of the pictures, the larger of δ_W and

        √(t²_{1−α/2} σ²/n + z²_{1−α/2} v²) + z_power √(σ²/n + v²)

    Args:
        deviation: σ, standard deviation of the differences.
        pairs: n.
        alpha: level of the two-sided test, after any correction.
        power: probability of finding a difference of that size.
        pictures: v, see `Effect`; None: of Wilcoxon's test alone.

    Returns:
        δ in the unit of σ; infinity where n pairs can never reach the level (2^(1−n) > α).

    Source: derived; a test simulates both.
    """
    if pairs < 2 or 2.0 ** (1 - pairs) > alpha:
        return float("inf")
    normal = NormalDist()
    z, more = normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
    by_seeds = (z + more) * deviation / math.sqrt(WILCOXON_EFFICIENCY * pairs)
    if pictures is None:
        return float(by_seeds)
    of_runs = deviation / math.sqrt(pairs)
    t = -special.stdtrit(pairs - 1, alpha / 2)
    both = math.hypot(t * of_runs, z * pictures) + more * math.hypot(of_runs, pictures)
    return float(max(by_seeds, both))


def pairs_needed(
    difference: float,
    deviation: float,
    *,
    alpha: float,
    power: float = 0.8,
    pictures: float | None = None,
) -> int:
    """Returns how many pairs would find a mean difference of that size; see `detectable`.

    0 where there is no answer: without a deviation, for no difference at all, and for one that the
    chance of the pictures hides from any number of pairs.
    """
    if not np.isfinite(deviation) or difference == 0:
        return 0
    options = {"alpha": alpha, "power": power, "pictures": pictures}
    if abs(difference) <= detectable(deviation, 1 << 60, **options):
        return 0
    few = least = int(np.ceil(1 - np.log2(alpha)))
    while detectable(deviation, few, **options) > abs(difference):
        few *= 2
    between = range(max(least, few // 2), few)  # δ falls with n
    return between.start + bisect.bisect_left(
        between, True, key=lambda n: detectable(deviation, n, **options) <= abs(difference)
    )

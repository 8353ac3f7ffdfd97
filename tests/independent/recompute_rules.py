"""The tests and verdicts of the registration's text, by none of the project's code."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special, stats

ALPHA = 0.05
TIE = 12  # digits after the point to which differences are compared
MOST = 22  # seeds, of which all signs can be gone through


class Reading(NamedTuple):
    """What the registration's text leaves open; by default as the project's report reads it."""

    # "The contrasts that have an m": also those whose m is how far they may fall?
    null_family_with_falls: bool = False
    # "All of whose interval lies within ±m is called small": by the tests against ±m as well?
    small_by_test: bool = True
    # "Two-sided": on each side the larger p, then twice the smaller of these; else the larger of
    # the two two-sided p. They differ only where ranks and mean lean to different sides.
    by_side: bool = True
    # Deviation of the mean over B resamples: divided by B; else by B − 1.
    by_all_draws: bool = True
    # "Contradicted if the interval lies wholly beyond ±m", where no difference is claimed: with a
    # corrected p below 0.05 as well, as for every other contrast?
    beyond_by_test: bool = True


DEFAULT = Reading()


class Asked(NamedTuple):
    """A contrast to be tested.

    Attributes:
        claim: that it belongs to.
        text: what the runs should show.
        metric: its name in the results.
        split: of the pictures.
        size: whether the size of the metric counts, not its sign.
        side: 1 or −1: of the mean; 0: no difference.
        falls: how far the mean may lie on the other side of 0.
        m: margin; NaN: none.
        reported: whether it is not tested.
        terms: (weight, factor -> level) of its runs.
    """

    claim: str
    text: str
    metric: str
    split: str
    size: bool
    side: int
    falls: float
    m: float
    reported: bool
    terms: tuple[tuple[float, Mapping[str, str]], ...] = ()


class Values(NamedTuple):
    """A contrast by seed [n], and its deviations over resamples of the pictures [n, B]."""

    by_seed: np.ndarray
    deviations: np.ndarray


class Interval(NamedTuple):
    """mean ± √(t² s²/n + z² v²): the mean, s over seeds, v over pictures, and n."""

    mean: float
    s: float
    v: float
    n: int

    def half(self, tail: float) -> float:
        """Returns half its width where each tail has this probability."""
        t, z = special.stdtrit(self.n - 1, tail), special.ndtri(tail)
        return math.sqrt(t**2 * self.s**2 / self.n + z**2 * self.v**2)

    def above(self, bound: float) -> float:
        """Returns the one-sided p that the mean is above: the level that touches the bound."""
        distance, low, high = abs(self.mean - bound), 0.0, 38.0
        if self.n < 2:
            return 1.0
        for _ in range(100):  # bisection over the normal quantile of the tail
            middle = (low + high) / 2
            reached = self.half(special.ndtr(-middle)) >= distance
            low, high = (low, middle) if reached else (middle, high)
        tail = special.ndtr(-high)
        return float(tail if self.mean > bound else 1 - tail)


def interval(values: Values, reading: Reading = DEFAULT) -> Interval:
    """Returns the interval of a contrast."""
    d, n = values.by_seed, len(values.by_seed)
    means = values.deviations.mean(0) if values.deviations.size else np.zeros(2)
    v = means.std(ddof=0 if reading.by_all_draws else 1)
    return Interval(float(d.mean()), float(d.std(ddof=1)) if n > 1 else math.nan, float(v), n)


def wilcoxon(differences: np.ndarray) -> float:
    """Returns the one-sided p that differences are above 0: all signs of the ranks gone through.

    Zeros are left out, ranks of ties are their mean.
    """
    d = np.round(differences, TIE)
    d = d[d != 0]
    if not d.size:
        return 1.0
    ranks = np.rint(2 * stats.rankdata(abs(d))).astype(int)  # whole numbers, also of ties
    return float(np.mean(_sums(tuple(sorted(ranks))) >= ranks[d > 0].sum()))


@functools.lru_cache(maxsize=32)
def _sums(ranks: tuple[int, ...]) -> np.ndarray:
    """Returns the sum of the positive ranks under each of the 2^n signs."""
    if len(ranks) > MOST:
        raise ValueError(f"{len(ranks)} seeds: too many signs")
    sums = np.zeros(1, np.int32)
    for rank in ranks:
        sums = np.concatenate([sums, sums + np.int32(rank)])
    return sums


def above(values: Values, found: Interval, bound: float) -> tuple[float, float]:
    """Returns the one-sided p of Wilcoxon's test and of the interval that it is above a bound."""
    return wilcoxon(values.by_seed - bound), found.above(bound)


def below(values: Values, found: Interval, bound: float) -> tuple[float, float]:
    """Returns the same that it is below."""
    mirrored = Values(-values.by_seed, values.deviations)
    return above(mirrored, found._replace(mean=-found.mean), -bound)


def two_sided(up: tuple[float, float], down: tuple[float, float], reading: Reading) -> float:
    """Returns the two-sided p of what lies above (`up`) or below (`down`)."""
    if reading.by_side:
        return min(1.0, 2 * min(max(up), max(down)))
    return max(min(1.0, 2 * min(one, other)) for one, other in zip(up, down, strict=True))


def holm(p: Sequence[float]) -> list[float]:
    """Returns p corrected for their number; NaN is no test."""
    order = sorted((x, i) for i, x in enumerate(p) if not math.isnan(x))
    corrected, largest = [math.nan] * len(p), 0.0
    for done, (x, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - done) * x))
        corrected[i] = largest
    return corrected


def judged(
    found: Sequence[tuple[Asked, Values]], reading: Reading = DEFAULT
) -> list[dict[str, float | str]]:
    """Returns the numbers and the verdict of every contrast, fields as in `claims.csv`.

    Two families are corrected by Holm: p of all contrasts that decide, and p of the nulls.
    """
    rows = [_tested(asked, values, reading) for asked, values in found]
    for name in ("p", "p_null"):
        for row, p in zip(rows, holm([row[name] for row in rows]), strict=True):
            row[f"{name}_corrected"] = p
    for row, (asked, _) in zip(rows, found, strict=True):
        row["kind"], small = _verdict(asked, row, reading)
        m = f"±{100 * asked.m:.1f}"
        row["m"] = m
        row["verdict"] = f"no effect beyond {m}" if row["kind"] == "no effect" else row["kind"]
        row["verdict"] += f", but within {m}" if small else ""
        if math.isnan(row["p_corrected"]) or (asked.falls and not reading.null_family_with_falls):
            row["p_null_corrected"] = math.nan
    return rows


def _tested(asked: Asked, values: Values, reading: Reading) -> dict[str, float | str]:
    names = ("mean", "low", "high", "p", "p_null", "deviation", "pictures")
    row: dict[str, float | str] = dict.fromkeys(names, math.nan)
    if not len(values.by_seed):
        return row
    found = interval(values, reading)
    half = found.half(0.025)
    row |= {"mean": found.mean, "low": found.mean - half, "high": found.mean + half}
    row |= {"deviation": found.s, "pictures": found.v}
    if asked.reported or 2.0 ** (1 - found.n) > ALPHA:
        return row
    if asked.side:
        bound = -asked.side * asked.falls
        sides = above(values, found, bound), below(values, found, bound)
    else:
        sides = above(values, found, asked.m), below(values, found, -asked.m)
    row["p"] = two_sided(*sides, reading)
    if not math.isnan(asked.m) and (not asked.falls or reading.null_family_with_falls):
        row["p_null"] = max(*above(values, found, -asked.m), *below(values, found, asked.m))
    return row


def _verdict(asked: Asked, row: Mapping[str, float], reading: Reading) -> tuple[str, bool]:
    """Returns the verdict on a contrast, and whether it is called small."""
    low, high, m = row["low"], row["high"], asked.m
    if asked.reported:
        return "reported", False
    if math.isnan(row["p"]):
        return "not tested", False
    inside = -m < low and high < m  # never where m is NaN
    null = inside and row["p_null_corrected"] < ALPHA
    clear = row["p_corrected"] < ALPHA
    if asked.side == 0:
        beyond = (low > m or high < -m) and (clear or not reading.beyond_by_test)
        return "supported" if null else "contradicted" if beyond else "undecided", False
    bound = -asked.side * asked.falls
    small = not asked.falls and (null if reading.small_by_test else inside)
    if clear and (low > bound or high < bound):
        return "supported" if (low > bound) == (asked.side > 0) else "contradicted", small
    return "no effect" if null and not asked.falls else "undecided", False


def of_claims(
    found: Sequence[tuple[Asked, Values]],
    rows: Sequence[Mapping[str, float | str]],
    needs: Mapping[str, str],
) -> dict[str, str]:
    """Returns claim -> the verdict on it, from those on its contrasts; `needs`: "All" or "Any"."""
    verdicts = {}
    for claim, every in itertools.groupby(zip(found, rows, strict=True), lambda of: of[0][0].claim):
        parts = [row for _, row in every if row["kind"] != "reported"]
        told = [row["kind"] for row in parts]
        verdict = _of_claim(told, needs[claim]) if told else "reported"
        margins = " and ".join(dict.fromkeys(r["m"] for r in parts if r["kind"] == "no effect"))
        verdicts[claim] = f"no effect beyond {margins}" if verdict == "no effect" else verdict
    return verdicts


def _of_claim(told: Sequence[str], needs: str) -> str:
    for verdict in ("supported", "contradicted", "no effect", "not tested"):
        if all(one == verdict for one in told):
            return verdict
    if "supported" in told:
        return "supported" if needs == "Any" else "supported in part"
    return "contradicted" if "contradicted" in told and needs == "All" else "undecided"

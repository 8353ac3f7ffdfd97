"""What has changed since an earlier audit: differences with intervals, corrected for their number.

Two numbers whose examples are the same, and were resampled alike, are paired: the interval is of
their difference in each resample, and what both samples have in common is not in it. Others are
taken as independent, which is wide where they share examples. `comparison.difference` has both.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from scipy import stats

from m4jax.evaluation.measures import comparison
from m4jax.evaluation.measures.comparison import difference
from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.paired import holm
from m4jax.report.page.content import Change

PAIRED, INDEPENDENT = "paired", "as of independent samples"
NONE = 1e-12  # a difference below this is none


def compare(
    now: Sequence[Measure],
    before: Sequence[Measure],
    *,
    level: float = 0.95,
    metrics: Sequence[str] = (),
) -> list[Change]:
    """Returns the change of every number under the default wording that both audits may have.

    A change is told only if the interval excludes zero after Holm's correction over all numbers
    that are compared.

    Args:
        now: the numbers of this audit.
        before: those of an earlier one.
        level: of the intervals.
        metrics: that are compared; (): all.
    """
    old = {one.key: one for one in before}
    pairs = [(one, old[one.key]) for one in now if _counts(one, metrics) and one.key in old]
    changes = [_change(one, other, level) for one, other in pairs]
    told = [i for i, (change, _) in enumerate(changes) if not math.isnan(change.value)]
    corrected = holm([changes[i][1] for i in told])
    result = [change for change, _ in changes]
    for i, p in zip(told, corrected.tolist(), strict=True):
        result[i] = dataclasses.replace(
            result[i],
            changed=p < 1 - level,
            note=f"{result[i].note}; p = {p:.2g} after correction for {len(told):,} comparisons",
        )
    return result


def uncompared(
    now: Sequence[Measure], before: Sequence[Measure], metrics: Sequence[str] = ()
) -> list[str]:
    """Returns which numbers are in one of two audits only, a sentence for each kind and set."""
    return [
        *_alone(now, {one.key for one in before}, metrics, "this audit"),
        *_alone(before, {one.key for one in now}, metrics, "the earlier audit"),
    ]


def _counts(one: Measure, metrics: Sequence[str]) -> bool:
    return not one.wording and (not metrics or one.metric in metrics)


def _alone(
    measures: Sequence[Measure], others: set[tuple[str, ...]], metrics: Sequence[str], where: str
) -> Iterator[str]:
    numbers: dict[tuple[str, str], int] = {}
    for one in measures:
        if _counts(one, metrics) and one.key not in others:
            place = (KINDS[one.metric].title if one.metric in KINDS else one.metric, one.source)
            numbers[place] = numbers.get(place, 0) + 1
    for (title, source), number in numbers.items():
        yield f"{title}, {source}: {number:,} of {where} only"


def _change(now: Measure, before: Measure, level: float) -> tuple[Change, float]:
    """Returns a change, and the p-value that there is none; NaN where it can't be told."""
    reason = _why_not(now, before)
    if reason:
        return Change(now, before, note=reason), math.nan
    found = difference(before, now, level)
    if not found.told:
        return Change(now, before, note=found.note), math.nan
    note = PAIRED if found.note == comparison.PAIRED else INDEPENDENT
    toward = found.value - found.low if found.value > 0 else found.high - found.value
    p = _p(found.value, toward, found.groups, level)
    return Change(now, before, found.value, found.low, found.high, None, note), p


def _why_not(now: Measure, before: Measure) -> str:
    if now.version != before.version:
        return f"measured otherwise: version {now.version or '–'}, before {before.version or '–'}"
    for one, when in ((now, "now"), (before, "in the earlier audit")):
        if not one.told:
            return f"not told {when}{f': {one.note}' if one.note else ''}"
    return ""


def _p(value: float, toward: float, groups: int, level: float) -> float:
    """Returns the p-value by which the interval, which ends `toward` zero, just excludes it."""
    if abs(value) < NONE:
        return 1.0
    if toward <= 0:
        return 0.0
    free = max(groups - 1, 1)
    return float(2 * stats.t.sf(abs(value) / toward * stats.t.ppf((1 + level) / 2, free), free))

"""Limits: how far numbers may be from no bias, and whether they are known to be."""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist

from m4jax.audit.config import EVERY
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures.kinds import KINDS, PLAIN, POINTS
from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page.content import OUTSIDE, UNCLEAR, WITHIN, Limit

CODES = {WITHIN: 0, OUTSIDE: 1, UNCLEAR: 3}  # exit codes; 2 is for bad input
Asked = tuple[str | float, ...]


def check(
    asked: Sequence[Asked],
    measures: Sequence[Measure],
    labels: Iterable[str] = (),
    level: float = 0.95,
) -> list[Limit]:
    """Returns whether each limit holds, for each number that it is about.

    A limit holds ("within") if the whole interval of the number is within it, and does not
    ("outside") if the whole interval is beyond it; else it can't be told. Of a limit of several
    numbers, each label say, the intervals that have to be beyond it are widened for their number
    (Bonferroni): among a hundred labels of few examples some intervals of 95% are beyond it by
    chance. That all are within takes no correction, since each has to be.

    Args:
        asked: limits, each (metric, label, limit, "source=…", …), as `AuditConfig.limits`.
        measures: the numbers of the audit.
        labels: that are known, though there may be no number of them.
        level: of the intervals.

    Raises:
        InputError: for a label, source, attribute or group that is not known.
    """
    known = sorted({*labels, *(one.label for one in measures if one.label)})
    return [found for limit in asked for found in _checked(limit, measures, known, level)]


def code(limits: Sequence[Limit]) -> int:
    """Returns the exit code: 1 if one of the limits does not hold, else 3 if one can't be told."""
    outcomes = {limit.outcome for limit in limits}
    return next((CODES[one] for one in (OUTSIDE, UNCLEAR) if one in outcomes), 0)


def verdict(one: Measure, limit: float, among: int = 1, level: float = 0.95) -> str:
    """Returns whether a number is within a limit, outside, or it can't be told.

    Args:
        one: the number.
        limit: how far it may be from no bias, or the least or largest value that is allowed.
        among: of how many numbers it is one, which are all held to the limit.
        level: of its interval.
    """
    if not one.told or _of_several(one):
        return UNCLEAR
    low, high = _allowed(one.metric, limit)
    if low <= one.low and one.high <= high:
        return WITHIN
    tail, normal = (1 - level) / 2, NormalDist()
    wider = normal.inv_cdf(tail / among) / normal.inv_cdf(tail)
    most = one.value + wider * (one.high - one.value)
    least = one.value - wider * (one.value - one.low)
    return OUTSIDE if most < low or least > high else UNCLEAR


def words(metric: str, label: str, limit: float) -> str:
    """Returns a limit in words."""
    kind = KINDS[metric]
    of = f" of {label}" if label and label != EVERY else " of each label" if label else ""
    size = f"{limit:g}" if kind.unit == PLAIN else f"{100 * limit:g}"
    unit = {PLAIN: "", POINTS: " points"}.get(kind.unit, "%")
    if kind.better == "high":
        if not math.isnan(kind.neutral):  # all of these are plain numbers
            size = f"{kind.neutral - limit:g}".replace("-", "−")
        return f"{kind.title}{of}: at least {size}{unit}"
    if kind.better == "low" or kind.neutral == 0 or math.isnan(kind.neutral):
        return f"{kind.title}{of}: at most {size}{unit}"
    middle = f"{kind.neutral:g}" if kind.unit == PLAIN else f"{100 * kind.neutral:g}%"
    return f"{kind.title}{of}: at most {size}{unit.replace('%', ' points')} from {middle}"


def _allowed(metric: str, limit: float) -> tuple[float, float]:
    """Returns the least and the largest value that is allowed."""
    kind = KINDS[metric]
    if kind.better == "high":
        return (limit if math.isnan(kind.neutral) else kind.neutral - limit), math.inf
    if kind.better == "low":
        return -math.inf, limit
    middle = 0.0 if math.isnan(kind.neutral) else kind.neutral
    return middle - limit, middle + limit


def _checked(
    asked: Asked, measures: Sequence[Measure], known: Sequence[str], level: float
) -> Iterator[Limit]:
    metric, label, limit, *more = asked
    text = words(metric, label, limit)
    if label not in ("", EVERY, *known):
        raise InputError(f"config.limits: no label {label!r}; {nearest(label, known)}")
    mine = [one for one in measures if one.metric == metric and not one.wording]
    for field, value in (x.split("=", 1) for x in more):
        there = sorted({getattr(one, field) for one in mine})
        if mine and value not in there:
            raise InputError(f"config.limits: no {field} {value!r}; {nearest(value, there)}")
        mine = [one for one in mine if getattr(one, field) == value]
    if label == "" and mine and not any(one.label == "" for one in mine):
        raise InputError(
            f"config.limits: {KINDS[metric].title} is told of labels: name one, or {EVERY!r} for "
            f"each, as in ({metric!r}, {EVERY!r}, {limit:g})"
        )
    mine = [one for one in mine if (bool(one.label) if label == EVERY else one.label == label)]
    if not mine:
        yield Limit(text, UNCLEAR, note=f"nothing was measured of {words_of(metric, label)}")
    among = max(sum(one.told for one in mine), 1)
    for one in mine:
        outcome = verdict(one, limit, among, level)
        note = _why(one, among) if outcome == UNCLEAR else ""
        yield Limit(text, outcome, one, limit, note)


def words_of(metric: str, label: str) -> str:
    """Returns what a limit is about."""
    return f"{KINDS[metric].title}{f' of {label}' if label not in ('', EVERY) else ''}"


def _of_several(one: Measure) -> bool:
    """Tells whether a share is of one of more than two values; parity is not tested then."""
    return one.metric == "share" and math.isnan(one.p)


def _why(one: Measure, among: int) -> str:
    if one.told and _of_several(one):
        return "a limit of shares is how far from one half: of more than two values none has to be"
    if one.told:
        wide = f", widened for {among:,} numbers," if among > 1 else ""
        return f"the interval{wide} reaches across the limit (n = {one.n:,}): more would tell"
    return one.note or "there is no interval"

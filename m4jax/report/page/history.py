"""The history of numbers, as small drawings."""

import datetime
import itertools
import math
from collections.abc import Sequence

from m4jax.report.page import charts
from m4jax.report.page.content import Page, Past
from m4jax.report.page.html import Markup, element
from m4jax.report.page.numbers import UNTOLD, Writer, distance, kind_of, neutral_of, writer
from m4jax.report.page.sentences import dated

MOST = 24  # drawings; what limits are set for comes first
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 120, 46, 12, 10, 24
Line = list[Past]


def lines(page: Page) -> list[Line]:
    """Returns the numbers that at least two audits could tell, each over time.

    Those with a limit come first, then those about no single label, then the clearest.
    """
    found: dict[tuple, dict[str, Past]] = {}
    for past in page.history:
        found.setdefault(past.measure.key, {})[past.when] = past
    kept = [
        [times[when] for when in sorted(times, key=moment)]
        for times in found.values()
        if sum(x.measure.told for x in times.values()) > 1
    ]
    limited = {limit.measure.key for limit in page.limits if limit.measure}

    def importance(line: Line) -> tuple:
        measure = line[-1].measure
        return (measure.key not in limited, bool(measure.wording), bool(measure.label),
                *(-x for x in distance(measure)), measure.key)  # fmt: skip

    return sorted(kept, key=importance)


def draw(line: Sequence[Past]) -> Markup:
    """Returns one number over time with its intervals; where it can't be told, a gap."""
    measures = [x.measure for x in line]
    kind, write = kind_of(measures[-1].metric), writer(measures[-1].metric, measures)
    neutral = neutral_of(measures[-1])
    told = [x for x in line if x.measure.told]
    low, high = _range(told, neutral)
    moments = [moment(x.when) for x in line]
    span = moments[-1] - moments[0] or 1.0

    def place(past: Past, value: float) -> tuple[float, float]:
        part = (moment(past.when) - moments[0]) / span
        x = LEFT + 6 + part * (WIDTH - LEFT - RIGHT - 12)
        return round(x, 1), _y(value, low, high)

    parts = _axes(low, high, neutral, write, line)
    for first, second in itertools.pairwise(line):
        if first.measure.told and second.measure.told:
            (x1, y1), (x2, y2) = (place(p, p.measure.value) for p in (first, second))
            parts.append(element("path", class_="s1", d=f"M{x1} {y1}L{x2} {y2}"))
    for past in told:
        x, y = place(past, past.measure.value)
        ends = [place(past, end)[1] for end in (past.measure.low, past.measure.high)]
        parts.append(element("path", class_="e", d=f"M{x} {ends[0]}V{ends[1]}"))
        parts.append(element("circle", class_="d1", cx=x, cy=y, r=3))
    about = "; ".join(
        f"{dated(x.when)}: {write.full(x.measure.value)}"
        + (f" ({write.between(x.measure.low, x.measure.high)})" if x.measure.told else "")
        for x in line
    )
    return charts.picture(f"{kind.title} over time", about, WIDTH, HEIGHT, parts)


def _range(told: Sequence[Past], neutral: float) -> tuple[float, float]:
    ends = [x for p in told for x in (p.measure.low, p.measure.high)]
    ends += [neutral] if math.isfinite(neutral) else []
    low, high = min(ends), max(ends)
    slack = 0.08 * (high - low) or 0.05
    return low - slack, high + slack


def _axes(
    low: float, high: float, neutral: float, write: Writer, line: Sequence[Past]
) -> list[Markup]:
    floor = HEIGHT - BOTTOM
    parts = [element("path", class_="a", d=f"M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}")]
    marks = [low + 0.08 / 1.16 * (high - low), high - 0.08 / 1.16 * (high - low)]
    if math.isfinite(neutral):
        y = _y(neutral, low, high)
        parts.append(element("path", class_="z", d=f"M{LEFT} {y}H{WIDTH - RIGHT}"))
        apart = 0.18 * (high - low)
        marks = [neutral, *(x for x in marks if abs(x - neutral) > apart)]
    for value in marks:
        text = write(value)
        parts.append(element("text", "" if text == UNTOLD else text, x=LEFT - 5,
                             y=_y(value, low, high) + 4, text_anchor="end"))  # fmt: skip
    days = [line[0].when.partition("T")[0], line[-1].when.partition("T")[0]]
    if days[0] == days[1]:  # several on one day: their times tell them apart
        days = [x.when.partition("T")[2][:5] or x.when for x in (line[0], line[-1])]
    for day, x, anchor in ((days[0], LEFT, "start"), (days[1], WIDTH - RIGHT, "end")):
        parts.append(element("text", day, x=x, y=HEIGHT - 6, text_anchor=anchor))
    return parts


def _y(value: float, low: float, high: float) -> float:
    part = (value - low) / (high - low)
    return round(HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM), 1)


def moment(when: str) -> float:
    """Returns a time as seconds; times without a zone are taken as UTC, what is none as 0."""
    try:
        found = datetime.datetime.fromisoformat(when)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()

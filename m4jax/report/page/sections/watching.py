"""Limits, changes against an earlier audit, and the history."""

import math

from m4jax.evaluation.measures.kinds import PLAIN, POINTS
from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page import charts, history, sentences
from m4jax.report.page.content import OUTCOMES, OUTSIDE, UNCLEAR, Change, Limit, Page
from m4jax.report.page.html import Markup, element, join, name
from m4jax.report.page.numbers import (
    UNTOLD,
    Writer,
    count,
    heading,
    kind_of,
    neutral_of,
    numbers_of,
    writer,
)
from m4jax.report.page.sections.first import CLASSES, MARKS
from m4jax.report.page.sections.parts import Section, folded, paragraph, section
from m4jax.report.page.tables import DRAWING, MOST, NUMBER, TEXT, Column, note, size, table, value

_UNTOLD = element("span", UNTOLD, class_="untold")
_ORDER = (OUTSIDE, UNCLEAR, OUTCOMES[0])


def limits(page: Page) -> Section | None:
    """Returns what was asked of the numbers, what fails first."""
    if not page.limits:
        return None
    rows = [_limit(limit, page) for limit in sorted(page.limits, key=_importance)]
    columns = (Column("limit"), Column("outcome"), Column("number", NUMBER),
               Column("interval", NUMBER), Column("", DRAWING), Column("n", NUMBER),
               Column("note"))  # fmt: skip
    return section(
        "limits", "Limits",
        paragraph("A limit holds where the whole interval is within it, is broken where the whole "
                  "interval is outside, and can’t be told where the interval reaches across it. "
                  "Where it is of several numbers, an interval has to be outside when widened for "
                  "their number. What is within a limit is shaded."),
        table("limits-1", "What was asked, and whether it holds", columns, rows),
    )  # fmt: skip


def _importance(limit: Limit) -> tuple[int, bool]:
    return _ORDER.index(limit.outcome), not (limit.measure and limit.measure.told)


def _limit(limit: Limit, page: Page) -> list[Markup | str]:
    told = UNTOLD if limit.outcome == UNCLEAR else limit.outcome
    mark = element("span", f"{MARKS[limit.outcome]} {told}",
                   class_=f"mark {CLASSES[limit.outcome]}")  # fmt: skip
    m = limit.measure
    if m is None:
        return [name(limit.text), mark, _UNTOLD, "", "", "", note(limit.note)]
    write, kind = writer(m.metric, (m,)), kind_of(m.metric)
    bound = limit.bound if math.isfinite(limit.bound) else 0.0
    middle = math.nan if kind.better in ("high", "low") else kind.neutral
    scale = charts.scale_of((m,), bound if math.isnan(middle) else 1.2 * bound, middle)
    drawn = charts.bar(m, scale, limit.bound) if m.told else ""
    return [join(name(limit.text), _about(m), between=" "), mark, value(m, write, full=True),
            write.between(m.low, m.high), drawn, size(m, page.minimum),
            note(limit.note or m.note)]  # fmt: skip


def changes(page: Page) -> Section | None:
    """Returns what changed since an earlier audit, and folded away what did not."""
    if not page.changes:
        none = element("p", "No number stands in both this audit and ", name(page.against), ".")
        return section("changes", "Since the earlier audit", none if page.against else None)
    changed = [x for x in page.changes if x.changed]
    same = sorted((x for x in page.changes if not x.changed), key=lambda x: x.changed is None)
    before = name(page.against) if page.against else "an earlier audit"
    lead = element("p", f"{_counted(len(page.changes))} stand in both this audit and ", before,
                   f"; {count(len(changed))} changed by more than chance explains.")  # fmt: skip
    return section(
        "changes", "Since the earlier audit", lead,
        _changes("changes-1", "What changed", changed) if changed else None,
        folded(f"{_counted(len(same))} of which no change can be told",
               _changes("changes-2", "What did not change, or can’t be told", same))
        if same else None,
    )  # fmt: skip


def _changes(identity: str, caption: str, found: list[Change]) -> Markup:
    columns = (Column("number"), Column("before", NUMBER), Column("now", NUMBER),
               Column("difference", NUMBER), Column("interval", NUMBER), Column("change", TEXT),
               Column("note"))  # fmt: skip
    rows = [_change(x) for x in found[:MOST]]
    return table(identity, caption, columns, rows, more=len(found) - len(rows))


def _change(change: Change) -> list[Markup | str]:
    write = writer(change.now.metric, (change.now, change.before))
    moved = Writer(PLAIN if write.unit == PLAIN else POINTS, sign=True)
    moved.digits = write.digits
    told = {True: _direction, False: lambda _: "no change told", None: lambda _: _UNTOLD}[
        change.changed
    ](change)
    return [
        described(change.now), value(change.before, write, full=True),
        value(change.now, write, full=True),
        moved.full(change.value) if math.isfinite(change.value) else _UNTOLD,
        moved.between(change.low, change.high), told, note(change.note),
    ]  # fmt: skip


def _direction(change: Change) -> Markup:
    kind, neutral = kind_of(change.now.metric), neutral_of(change.now)
    better = {"high": change.value > 0, "low": change.value < 0}.get(kind.better)
    if better is None and math.isfinite(neutral):
        before, now = (m.value - neutral for m in (change.before, change.now))
        if before * now < 0:
            return element("span", "changed sides", class_="mark")
        better = abs(now) < abs(before)
    if better is None:
        return element("span", "changed", class_="mark")
    text, class_ = ("better", "good") if better else ("worse", "bad")
    return element("span", text, class_=f"mark {class_}")


def described(measure: Measure, *, unit: bool = False) -> Markup:
    """Returns what a number is of: its kind, with its unit if asked, and below it the rest."""
    kind = kind_of(measure.metric)
    told = f", {heading(kind.unit)}" if unit and heading(kind.unit) else ""
    return join(kind.title + told, _about(measure), between=" ")


def _about(measure: Measure) -> Markup:
    about = (measure.label, measure.group, measure.attribute, measure.source, measure.wording)
    return element("small", join(*(name(x) for x in about if x), between=" · "))


def past(page: Page) -> Section | None:
    """Returns the history, a small drawing for each number that at least two audits have."""
    if not page.history:
        return None
    lines = history.lines(page)
    times = sorted({x.when for x in page.history}, key=history.moment)
    if not lines:
        return section("history", "History",
                       paragraph("The history begins with this audit; lines are drawn from the "
                                 "second on."))  # fmt: skip
    drawn = [element("figure", element("figcaption", described(line[-1].measure, unit=True)),
                     history.draw(line)) for line in lines[: history.MOST]]  # fmt: skip
    left = len(lines) - len(drawn)
    about = f"{count(len(times))} audits from {sentences.dated(times[0])} to "
    about += f"{sentences.dated(times[-1])}. Bars are intervals, the dashed line means no bias."
    more = f" {count(left)} more numbers stand in history.parquet." if left else ""
    return section("history", "History", paragraph(about + more),
                   element("div", *drawn, class_="small-multiples"))  # fmt: skip


def _counted(n: int) -> str:
    return numbers_of(n).capitalize()

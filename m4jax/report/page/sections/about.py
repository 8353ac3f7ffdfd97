"""How it was measured: methods, meaning and source of each number, versions, command."""

import math

from m4jax.report.page.content import Page
from m4jax.report.page.html import Markup, element, join, name
from m4jax.report.page.numbers import Writer, kind_of
from m4jax.report.page.sections.parts import Section, folded, paragraph, section
from m4jax.report.page.tables import Column, table

_BETTER = {"high": "the higher, the better", "low": "the lower, the better"}


def methods(page: Page) -> Section | None:
    """Returns how to read the numbers, and where each kind is from."""
    general = (
        f"Intervals are of {100 * page.level:g}%: measured again on other pictures of the same "
        "kind, the number would lie in such an interval that often. They are made by drawing the "
        "pictures again with replacement, those that belong together as one.",
        "“Can’t tell” stands where a number would rest on too few independent examples, or where "
        "something that it needs is not known; the note says what. It is not zero, and not fair.",
        "“Points” are percentage points, the difference of two shares: from 50% to 75% it is "
        "25 points.",
    )
    return section(
        "methods", "How it was measured",
        *(paragraph(text) for text in (*general, *page.methods)), _kinds(page),
    )  # fmt: skip


def _kinds(page: Page) -> Markup | None:
    used = list(dict.fromkeys(m.metric for m in page.measures))
    rows = []
    for metric in used:
        kind = kind_of(metric)
        aim = _BETTER.get(kind.better, "")
        if kind.better == "neutral" and math.isfinite(kind.neutral):
            aim = f"no bias: {_whole(kind.neutral, kind.unit)}"
        rows.append((kind.title, kind.meaning, aim, kind.source))
    if not rows:
        return None
    columns = (Column("number"), Column("what it is"), Column("better"), Column("source"))
    cells = [[name(row[0]), *(join(x) for x in row[1:])] for row in rows]
    told = table("methods-kinds", "The numbers of this audit, what they mean, where they are from",
                 columns, cells)  # fmt: skip
    return folded("What each number means, and where it is from", told)


def _whole(value: float, unit: str) -> str:
    write = Writer(unit)
    write.digits = 0
    return write.full(value)


def versions(page: Page) -> Section | None:
    """Returns what it was made with, and the command that makes it again."""
    measured = sorted({m.version for m in page.measures if m.version})
    told = list(page.versions)
    told += [("metrics and words", ", ".join(measured))] if measured else []
    rows = [element("div", element("dt", name(key)), element("dd", name(text)))
            for key, text in told]  # fmt: skip
    return section(
        "versions", "Versions and command",
        element("dl", *rows, class_="facts") if rows else None,
        element("pre", element("code", page.command), tabindex="0") if page.command else None,
    )  # fmt: skip

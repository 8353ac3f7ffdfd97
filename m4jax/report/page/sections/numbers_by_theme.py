"""The numbers of data and model: a heading for each question, a table for each kind of number."""

from collections import Counter
from collections.abc import Sequence

from m4jax.evaluation.measures.measure import DATA, MODEL, Measure
from m4jax.report.page import content, themes
from m4jax.report.page.content import Page
from m4jax.report.page.html import Markup, element, join
from m4jax.report.page.numbers import kind_of, numbers_of
from m4jax.report.page.sections import extras
from m4jax.report.page.sections.parts import Section, folded, paragraph, section
from m4jax.report.page.tables import MOST, Wordings, of_measures

ROWS, SHORT = 5000, 200  # of all long tables together; tables up to so many rows stay whole
BARS = (
    "A bar is an interval, its dot the number; the dot is filled, and the number bold, where the "
    "interval leaves out no bias (the dashed line) and, if many were tested, the corrected p is "
    "below 0.05. Bars that run off the scale end in arrows. “few” marks small groups."
)


def data(page: Page) -> Section | None:
    """Returns what the data show."""
    told = _themes("data", page, DATA, themes.DATA)
    extra = extras.tables("data-also", page, content.DATA)
    return section("data", "The data", paragraph(BARS, "hint") if told else None, *told, extra)


def model(page: Page) -> Section | None:
    """Returns what the model does."""
    told = _themes("model", page, MODEL, themes.MODEL)
    extra = extras.tables("model-also", page, content.MODEL)
    hint = (
        BARS + " “Other wordings” is the range that the number takes when the same is asked in "
        "other words: what lies within it depends on the words, not on the model alone."
    )
    return section("model", "The model", paragraph(hint, "hint") if told else None, *told, extra)


def _themes(identity: str, page: Page, part: str, known: tuple[themes.Theme, ...]) -> list[Markup]:
    mine = [m for m in page.measures if m.part == part]
    wordings = Wordings(mine)
    parts = []
    for title, by_metric in themes.divide(mine, known):
        parts.append(element("h3", title))
        for metric, measures in by_metric.items():
            where = f"{identity}-{len(parts)}"
            parts.append(_metric(where, metric, measures, wordings, page))
    return parts


def _metric(
    identity: str, metric: str, measures: Sequence[Measure], wordings: Wordings, page: Page
) -> Markup:
    kind = kind_of(metric)
    ranges = metric.endswith("_range")  # over wordings: they are about no single one
    default = [m for m in measures if ranges or not m.wording]
    worded = [] if ranges else [m for m in measures if m.wording]
    settings = {"minimum": page.minimum, "level": page.level, "most": _most(page)}
    tables = []
    for i, group in enumerate(_by_attribute(default)):
        tables.append(
            of_measures(f"{identity}-{i}", group, wordings=None if ranges else wordings, **settings)
        )
    overall = [m for m in worded if not m.label]
    lost = {m.key[:-1] for m in worded} - {m.key[:-1] for m in default}
    shown = overall or [m for m in worded if m.key[:-1] in lost]
    if shown:
        tables.append(folded(
            f"By wording ({numbers_of(len(shown))})",
            of_measures(f"{identity}-wording", shown, about=f"{kind.title} by wording", **settings),
        ))  # fmt: skip
    meaning = paragraph(kind.meaning) if kind.meaning else None
    return join(element("h4", kind.title[:1].upper() + kind.title[1:]), meaning, *tables)


def _most(page: Page) -> int:
    """Returns how many rows a table may have, so that pages of many long tables stay small."""
    counts = Counter((m.metric, m.attribute) for m in page.measures if m.label)
    long = sum(count > SHORT for count in counts.values())
    return max(SHORT, min(MOST, ROWS // max(long, 1)))


def _by_attribute(measures: Sequence[Measure]) -> list[list[Measure]]:
    """Returns measures of one attribute each, those of no label apart from those of labels."""
    found: dict[tuple[str, bool], list[Measure]] = {}
    for measure in measures:
        found.setdefault((measure.attribute, bool(measure.label)), []).append(measure)
    return list(found.values())

"""Writes the page."""

import os

from m4jax import files
from m4jax.evaluation.measures.kinds import KINDS, PERCENT, POINTS
from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page.content import Page
from m4jax.report.page.html import Markup, element, join, name
from m4jax.report.style import number, signed

COLUMNS = ("what", "of", "group", "label", "wording", "value", "from", "to", "n", "note")


def write(path: str | os.PathLike, page: Page) -> None:
    """Writes a page as one file of HTML. The same page gives the same bytes.

    Args:
        path: of the file; one that is there is replaced.
        page: what stands on it.
    """
    files.write_text(path, render(page))


def render(page: Page) -> str:
    """Returns the page as HTML."""
    head = join(
        element("meta", charset="utf-8"),
        element("title", page.title),
    )
    body = join(
        element("h1", page.title),
        element("ul", *(element("li", f"{fact.name}: {fact.text}") for fact in page.facts)),
        element("ol", *(element("li", sentence.text) for sentence in page.headline)),
        element("h2", "Not known"),
        element("ul", *(element("li", text) for text in page.unknown)),
        element("h2", "Limits"),
        element("ul", *(element("li", f"{x.text}: {x.outcome}. {x.note}") for x in page.limits)),
        element("h2", "Numbers"),
        _table(COLUMNS, [_row(measure) for measure in page.measures]),
        *(
            join(element("h2", table.title), _table(table.columns, table.rows))
            for table in page.tables
        ),
        element("pre", page.command),
    )
    document = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>\n{document}\n"


def _row(measure: Measure) -> tuple:
    kind = KINDS.get(measure.metric)
    unit = kind.unit if kind else ""
    told = {PERCENT: lambda x: number(100 * x, 1), POINTS: lambda x: signed(100 * x)}.get(
        unit, lambda x: number(x, 2)
    )
    return (kind.title if kind else measure.metric, measure.source, measure.group, measure.label,
            measure.wording, told(measure.value) if measure.told else "can't tell",
            told(measure.low), told(measure.high), measure.n, measure.note)  # fmt: skip


def _table(columns: tuple, rows: list | tuple) -> Markup:
    head = element("tr", *(element("th", name(column), scope="col") for column in columns))
    body = [element("tr", *(element("td", name(value)) for value in row)) for row in rows]
    return element("table", element("thead", head), element("tbody", *body))

"""What is no list of measures: groups that nobody named, balancing, duplicates, examples."""

import base64
import math
from collections.abc import Callable

from m4jax.errors import InputError
from m4jax.report.page import content, frontier
from m4jax.report.page.content import Example, Page, Table
from m4jax.report.page.html import Markup, element, join, name, short
from m4jax.report.page.numbers import UNTOLD, Writer, chance, count, number
from m4jax.report.page.sections.parts import Section, folded, paragraph, section
from m4jax.report.page.tables import MOST, NUMBER, TEXT, Column, table

_PICTURES = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"RIFF", "webp"))


def groups(page: Page) -> Section | None:
    """Returns groups that nobody named."""
    return section("groups", "Groups that nobody named", tables("groups", page, content.GROUPS))


def balancing(page: Page) -> Section | None:
    """Returns what balancing could reach."""
    return section(
        "balancing", "What balancing could reach",
        *(paragraph(text) for text in page.reached),
        _frontier(page) if page.frontier else None,
        tables("balancing", page, content.BALANCING),
    )  # fmt: skip


def duplicates(page: Page) -> Section | None:
    """Returns what is there more than once."""
    return section("duplicates", "Duplicates", tables("duplicates", page, content.DUPLICATES))


def examples(page: Page) -> Section | None:
    """Returns pictures, where they were asked for."""
    by_group: dict[str, list[Example]] = {}
    for example in page.examples:
        by_group.setdefault(example.group, []).append(example)
    parts = []
    for group, mine in by_group.items():
        parts.append(element("h3", name(group)) if group else None)
        parts.append(element("div", *(_picture(x) for x in mine), class_="pictures"))
    return section("examples", "Pictures as examples", *parts)


def tables(identity: str, page: Page, place: str) -> Markup | None:
    """Returns the page's tables of one place, each under its heading; None without any."""
    mine = [x for x in page.tables if x.place == place]
    if not mine:
        return None
    return join(*(_table(f"{identity}-{i}", x) for i, x in enumerate(mine)))


def _table(identity: str, given: Table) -> Markup:
    units = given.units or ("",) * len(given.columns)
    if len(units) != len(given.columns):
        raise InputError(f"table {given.title!r}: {len(given.columns)} columns, {len(units)} units")
    for row in given.rows:
        if len(row) != len(units):
            raise InputError(f"table {given.title!r}: {len(units)} columns, a row of {len(row)}")
    columns, cells = [], []
    for title, unit, values in zip(
        given.columns, units, zip(*given.rows, strict=True) if given.rows else [()] * len(units),
        strict=True,
    ):  # fmt: skip
        numeric = bool(values) and all(isinstance(x, int | float) or x == "" for x in values)
        columns.append(Column(name(title), NUMBER if numeric else TEXT))
        floats = [x for x in values if isinstance(x, float)]
        write = Writer(unit, floats, sign=unit == "points")
        cells.append([_cell(x, chance if "p" in (unit, title) else write.full) for x in values])
    rows = list(zip(*cells, strict=True))[:MOST] if given.rows else []
    note = paragraph(given.note) if given.note else None
    body = (
        table(identity, name(given.title), columns, rows, more=len(given.rows) - len(rows),
              unseen=True)
        if rows else paragraph("None was found.")
    )  # fmt: skip
    return join(element("h3", name(given.title)), note, body)


def _cell(value: str | int | float, write: Callable[[float], str]) -> Markup:
    if isinstance(value, float):
        if math.isnan(value):
            return element("span", UNTOLD, class_="untold")
        return join(write(value))
    return join(count(value)) if isinstance(value, int) else name(value)


def _frontier(page: Page) -> Markup:
    curves = frontier.by_curve(page.frontier)
    rates = sorted({p.keep_rate for p in page.frontier})
    columns = [Column("kept", NUMBER), *(Column(name(x or "bias left"), NUMBER) for x in curves)]
    writes = {x: Writer("points", [p.value for p in mine]) for x, mine in curves.items()}
    values = {(x, p.keep_rate): p.value for x, mine in curves.items() for p in mine}
    rows = [
        [f"{number(100 * rate, 0)}%",
         *(writes[x](values.get((x, rate), math.nan)) for x in curves)]
        for rate in rates
    ]  # fmt: skip
    said = None
    if not page.reached and math.isfinite(page.largest_keep_rate):
        rate = number(100 * page.largest_keep_rate, 0)
        said = paragraph(f"Up to {rate}% of the examples can be kept with all limits met.")
    drawn = any(math.isfinite(p.value) for p in page.frontier)
    drawing = element("div", frontier.draw(page.frontier, page.largest_keep_rate), class_="scroll",
                      tabindex="0", role="group", aria_label="Drawing of the frontier")  # fmt: skip
    flat = paragraph(
        "Left of the line the bias that is left is what was asked for, however little is kept: no "
        "more was asked, so curves may be flat there. What balancing costs is told by where the "
        "line stands."
    ) if drawn and math.isfinite(page.largest_keep_rate) else None  # fmt: skip
    return join(
        said,
        flat,
        element("figure", frontier.legend(page.frontier), drawing) if drawn else None,
        folded("These numbers as a table",
               table("balancing-frontier", "Bias left, points, by the share that is kept",
                     columns, rows)),
    )  # fmt: skip


def _picture(example: Example) -> Markup:
    kind = next((k for start, k in _PICTURES if example.picture.startswith(start)), None)
    if kind is None:
        raise InputError(
            f"example {short(example.caption, 60)!r}: expected a JPEG, PNG or WebP file's content, "
            f"got {example.picture[:8]!r}…"
        )
    content = base64.b64encode(example.picture).decode()
    caption = element("figcaption", name(example.caption)) if example.caption else None
    picture = element("img", src=Markup(f"data:image/{kind};base64,{content}"),
                      alt=short(example.caption) or "example, without a caption")  # fmt: skip
    return element("figure", picture, caption)

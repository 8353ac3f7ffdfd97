"""Tables: any rows, with what a script needs to sort and filter them, and those of measures."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page import charts
from m4jax.report.page.html import Markup, element, join, name, short
from m4jax.report.page.numbers import (
    UNTOLD,
    Writer,
    chance,
    clear,
    count,
    distance,
    heading,
    kind_of,
    neutral_of,
    writer,
)

MOST = 1500  # rows of a table; the rest stands in results.parquet
SHORT, LONG = 80, 1200  # characters of a note: that are seen, and at most
FEW = 12  # up to so many rows stay in the order in which they were measured
TEXT, NUMBER, DRAWING = "t", "n", "d"
ABOUT = (
    ("label", "label"), ("group", "group"), ("attribute", "attribute"), ("source", "set"),
    ("wording", "wording"),
)  # fmt: skip
_UNTOLD = element("span", UNTOLD, class_="untold")


@dataclasses.dataclass(frozen=True)
class Column:
    """A column: its heading, and how its cells are sorted.

    Attributes:
        title: above it.
        kind: `TEXT`, `NUMBER` or `DRAWING` (not sorted).
    """

    title: str | Markup
    kind: str = TEXT


def table(
    identity: str,
    caption: str | Markup,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Markup]],
    more: int = 0,
    unseen: bool = False,
) -> Markup:
    """Returns a table whose first column names the rows.

    Args:
        identity: the id of its caption.
        caption: what it shows.
        columns: of each row.
        rows: their cells.
        more: how many rows are left out.
        unseen: whether the caption is for those who listen alone, since a heading says the same.
    """
    drawn = element("span", "drawn", class_="unseen")
    head = element(
        "tr",
        *(
            element(
                "th",
                column.title,
                drawn if column.kind == DRAWING else None,
                scope="col",
                class_=column.kind,
            )
            for column in columns
        ),
    )
    classes = ["t" if column.kind == TEXT else None for column in columns]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", x, class_=c) for x, c in zip(row[1:], classes[1:], strict=True)),
        )
        for row in rows
    ]
    left = f" {count(more)} more rows stand in results.parquet." if more else None
    whole = element(
        "table",
        element(
            "caption",
            element("span", caption, left),
            id=identity,
            class_="unseen" if unseen and not more else None,
        ),
        element("thead", head),
        element("tbody", *body),
    )
    kind = "scroll whole" if len(rows) <= FEW else "scroll"  # printed on one page
    return element("div", whole, class_=kind, tabindex="0", role="group",
                   aria_labelledby=identity)  # fmt: skip


class Wordings:
    """What numbers become under other wordings.

    Args:
        measures: all of an audit.
    """

    def __init__(self, measures: Iterable[Measure]):
        self._of: dict[tuple[str, ...], list[Measure]] = {}
        for measure in measures:
            if measure.wording:
                self._of.setdefault(measure.key[:-1], []).append(measure)

    def of(self, measure: Measure) -> list[Measure]:
        """Returns the told numbers of other wordings."""
        return [m for m in self._of.get(measure.key[:-1], ()) if math.isfinite(m.value)]

    def range(self, measure: Measure, write: Writer) -> str:
        """Returns "+12.0 to +31.0 (8 wordings)", the number itself included; "" without any."""
        others = self.of(measure)
        if not others:
            return ""
        values = [m.value for m in [*others, measure] if math.isfinite(m.value)]
        least, most = write(min(values)), write(max(values))
        return f"{least} to {most} ({len(values)} wordings)"


def ordered(measures: Sequence[Measure]) -> list[Measure]:
    """Returns measures, those farthest from no bias first; a few stay as they are."""
    if len(measures) <= FEW:
        return list(measures)
    return sorted(measures, key=lambda m: (not clear(m), *(-x for x in distance(m)), m.key))


def of_measures(
    identity: str,
    measures: Sequence[Measure],
    *,
    minimum: int = 0,
    wordings: Wordings | None = None,
    level: float = 0.95,
    about: str = "",
    most: int = MOST,
) -> Markup:
    """Returns the table of one metric's numbers, each with its interval, bar and n.

    What is the same in all rows stands in the caption instead of in a column.

    Args:
        identity: the id of its caption.
        measures: of one metric, at least one.
        minimum: rows with fewer independent groups are marked.
        wordings: adds the range over other wordings.
        level: of the intervals.
        about: begins the caption.
        most: rows that are shown.
    """
    write = writer(measures[0].metric, measures)
    rows = ordered(measures)
    shown = rows[:most]
    constant, columns = _about(shown)
    columns += _numbers(shown, write, charts.scale_of(shown), minimum, wordings, level)
    kept = [column for column in columns if column[2]]
    caption = [*([about] if about else []), *constant]
    return table(
        identity,
        join(*(name(x) for x in caption), _order(rows), between=" · "),
        [Column(title, sort) for title, sort, _ in kept],
        list(zip(*(cells for _, _, cells in kept), strict=True)),
        more=len(rows) - len(shown),
    )


def _about(measures: Sequence[Measure]) -> tuple[list[str], list[tuple]]:
    """Returns what all have in common, and the columns of what tells them apart."""
    constant, columns = [], []
    for field, title in ABOUT:
        values = [getattr(m, field) for m in measures]
        if len(set(values)) > 1:
            columns.append((title, TEXT, [name(x) if x else "all" for x in values]))
        elif values[0]:
            constant.insert(0, values[0])
    if not columns:  # one row: it is named after the last thing that it is about
        last = constant.pop() if constant else "all"
        columns.append(("of", TEXT, [name(last)] * len(measures)))
    return constant, columns


def _numbers(
    measures: Sequence[Measure],
    write: Writer,
    scale: charts.Scale,
    minimum: int,
    wordings: Wordings | None,
    level: float,
) -> list[tuple[str | Markup, str, list]]:
    """Returns the columns of numbers; those without any cell are empty lists."""

    def column(title: str | Markup, kind: str, cell: Callable[[Measure], str | Markup]):
        cells = [cell(m) for m in measures]
        return title, kind, cells if any(cells) else []

    unit = heading(write.unit)
    return [
        column(unit or "value", NUMBER, lambda m: value(m, write)),
        column(f"{100 * level:g}% interval", NUMBER, lambda m: write.between(m.low, m.high)),
        column(charts.axis(scale, write), DRAWING,
               lambda m: charts.bar(m, scale) if m.told else ""),
        column("which", TEXT, lambda m: name(m.which) if m.which else ""),
        column("other wordings", NUMBER,
               lambda m: wordings.range(m, write) if wordings else ""),
        column("n", NUMBER, lambda m: size(m, minimum)),
        column("p", NUMBER, lambda m: chance(m.p)),
        column("note", TEXT, lambda m: note(m.note)),
    ]  # fmt: skip


def value(measure: Measure, write: Writer, *, full: bool = False) -> Markup:
    """Returns a number; "can't tell" where there is none."""
    if not math.isfinite(measure.value):
        return _UNTOLD
    text = write.full(measure.value) if full else write(measure.value)
    return element("b", text) if clear(measure) else join(text)


def note(text: str) -> Markup | str:
    """Returns a note; of a long one a script leaves the beginning, and unfolds it when asked."""
    if len(text) <= SHORT:
        return name(text) if text else ""
    summary = element("summary", element("span", short(text, SHORT - 1, told=False)))
    return element("details", summary, name(text, LONG), class_="note", open=True)


def size(measure: Measure, minimum: int) -> Markup:
    """Returns of how many examples a number is, marked where they are few."""
    small = measure.told and measure.groups < minimum
    few = element("span", "few", class_="few") if small else None
    return join(count(measure.n), few, between=" ")


def _order(rows: Sequence[Measure]) -> str | None:
    if len(rows) <= FEW:
        return None
    neutral = math.isfinite(neutral_of(rows[0]))
    better = kind_of(rows[0].metric).better
    how = {"high": "surely lowest first", "low": "surely highest first"}.get(
        better, "highest first"
    )
    how = "clearest departure from no bias first" if neutral else how
    return f"{count(len(rows))} rows, {how}"

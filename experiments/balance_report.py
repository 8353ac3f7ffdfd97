"""What the command `balance` says first: what became of what was asked for, the worst first."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from m4jax.report.style import number, signed
from m4jax.tables import outcome
from m4jax.tables.config import DROP, TELL, TableConfig

LINES = 20  # constraints that are printed
TOLD = 3  # of which more is said
PERCENT = ("share", "rate")  # units of numbers that are shown as percentages
STYLES = {"violated": "red", "vacuous": "yellow", "can't be": "yellow"}
MEANING = {
    outcome.VIOLATED: "outside of the bounds",
    outcome.VACUOUS: "the bound asks for nothing: even the most one-sided data would meet it",
    outcome.UNDECIDED: "too few examples of either group, so that the data can't decide, or "
    "nothing is left of them under these weights",
    outcome.BALANCED: "within the bounds",
    outcome.WAS_BALANCED: "within the bounds before, too",
}

Rows = Sequence[Mapping[str, Any]]


def show(console: Console, config: TableConfig, certificate: Mapping[str, Any], rows: Rows) -> None:
    """Prints the constraints before and after, warnings, and what is kept.

    Args:
        console: where to.
        config: what was asked for.
        certificate: of the weights.
        rows: of `outcome.judge`.
    """
    console.print(headline(rows), soft_wrap=True)
    console.print(_constraints(rows))
    found = outcome.counts(rows)
    left = outcome.counts(rows[LINES:])
    if left:
        text = ", ".join(f"{many:,} {name}" for name, many in left.items())
        console.print(f"… and {text}: tables/verdicts.csv has all", soft_wrap=True)
    for name, many in found.items():
        console.print(f"{name}: {many:,} ({MEANING[name]})", style=STYLES.get(name))
    for row in [row for row in rows if row["verdict"] in STYLES][:TOLD]:
        console.print(f"  {row['name']}: {row['text']}", soft_wrap=True)
    for line in warnings(config, found):
        console.print(f"warning: {line}", style="yellow", soft_wrap=True)
    examples, kept = certificate["examples"], certificate["kept"]
    size = certificate["effective_sample_size"]
    console.print(
        f"Kept: {kept:.1%} of {examples:,.0f} examples; effective sample size {size:,.0f}"
    )


def show_groups(console: Console, rows: Rows) -> None:
    """Prints the groups that nobody named and that were found, in the order of their finding."""
    if not rows:
        console.print("Groups that nobody named: none is off")
        return
    title = f"Groups that nobody named: {len(rows)} off, now among the constraints"
    table = Table("share of", "within", "n", "before", "when found", "after", "p", title=title)
    for row in rows[:LINES]:
        shares = (row[name] for name in ("before", "found", "after"))
        shown = ("–" if x is None else f"{number(100 * x, 1)}%" for x in shares)
        p = "< 1e-6" if row["p"] < 1e-6 else f"{row['p']:.1g}"
        table.add_row(row["attribute"], row["within"], f"{row['examples']:,.0f}", *shown, p)
    console.print(table)
    if len(rows) > LINES:
        console.print(f"… and {len(rows) - LINES} more: tables/subgroups.csv has all")


def headline(rows: Rows) -> str:
    """Returns bias before and after in a line: what holds, and the mean gap between groups."""
    decided = [row for row in rows if row["verdict"] != outcome.UNDECIDED]
    before = sum(row["verdict"] == outcome.WAS_BALANCED for row in decided)
    after = before + sum(row["verdict"] == outcome.BALANCED for row in decided)
    line = f"Of {len(decided):,} constraints that the data can decide {after:,} hold, {before:,} "
    line += "of them before, too"
    pairs = [(row["gap_before"], row["gap_after"]) for row in decided if row["label"]]
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if not pairs:
        return f"{line}."
    means = (sum(abs(x) for x in side) / len(pairs) for side in zip(*pairs, strict=True))
    shown = " → ".join(number(100 * x, 2) for x in means)
    return f"{line}; mean gap of a label between groups: {shown} points."


def warnings(config: TableConfig, found: Mapping[str, int]) -> list[str]:
    """Returns what a user should know beyond the numbers of the verdicts."""
    lines = []
    if found.get(outcome.VACUOUS):
        lines.append(
            "bounds that ask for nothing are not balance: config.band bounds the share within each "
            "label, however rare"
        )
    if found.get(outcome.UNDECIDED):
        what = _undecided(config)
        lines.append(f"{found[outcome.UNDECIDED]:,} constraints can't be decided: {what}")
    if config.points is None:
        lines.append("no band was asked for, since eps_* or constraints are set; see config.band")
    return lines


def _undecided(config: TableConfig) -> str:
    """Returns what is done about constraints that can't be decided."""
    if config.points is None:
        more = " (exit code 3); config.one_sided='keep' accepts that"
        return f"their shares say nothing of balance{more if config.one_sided == TELL else ''}"
    choice = {
        TELL: "the band leaves such labels as they are (exit code 3); config.one_sided='keep' "
        "accepts that, 'drop' gives their examples weight 0",
        DROP: "where the band is about them, their examples have weight 0",
    }
    return choice.get(config.one_sided, "the band leaves such labels as they are")


def _constraints(rows: Rows) -> Table:
    table = Table(title="Before and after balancing", title_justify="left")
    table.add_column("constraint", overflow="fold")
    for name in ("n", "effective", "before", "after [95%]", "gap, points", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right", no_wrap=True)
    for row in rows[:LINES]:
        table.add_row(
            row["name"],
            f"{row['before_n']:,.0f}",
            _size(row["after_effective"]),
            _value(row, "before"),
            _interval(row),
            _gaps(row),
            row["verdict"],
            style=STYLES.get(row["verdict"]),
        )
    return table


def _size(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "–"


def _value(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not math.isfinite(value):
        return "–"
    return f"{number(100 * value, 1)}%" if row["unit"] in PERCENT else f"{value:,.6g}"


def _interval(row: Mapping[str, Any]) -> str:
    after = _value(row, "after")
    if not (math.isfinite(row["after_low"]) and math.isfinite(row["after_high"])):
        return after
    if row["unit"] in PERCENT:
        return f"{after} [{100 * row['after_low']:.1f}, {100 * row['after_high']:.1f}]"
    return f"{after} [{row['after_low']:,.4g}, {row['after_high']:,.4g}]"


def _gaps(row: Mapping[str, Any]) -> str:
    before, after = row["gap_before"], row["gap_after"]
    if not row["label"]:
        return ""
    if not math.isfinite(before):
        return "–"
    left = signed(100 * after, 2) if math.isfinite(after) else "–"
    return f"{signed(100 * before, 2)} → {left}"

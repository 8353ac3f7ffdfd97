"""What balancing could reach: what is kept and what dropped, and which labels can't be decided."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from m4jax import balance
from m4jax.audit.data import undecided
from m4jax.audit.data.patterns import Patterns
from m4jax.audit.inputs.shown import Shown
from m4jax.balance.feasibility import MARGIN
from m4jax.evaluation.measures.pictures import UNKNOWN
from m4jax.progress import Progress
from m4jax.report.page.content import BALANCING, Point, Table
from m4jax.tables import outcome

RATES = tuple(i / 10 for i in range(1, 11))
OVERALL, LARGEST, MEAN = (
    "share among all, from its target",
    "share within a label, at most from its target",
    "share within a label, on average from its target",
)
BY_GROUP = "Whom the default balancing would drop"
BY_LABEL = "Shares within labels, before and after the default balancing"
WORTH = 40  # rows of a table


@dataclasses.dataclass(frozen=True)
class Reach:
    """What the default band would ask of the data, and what would be left.

    Attributes:
        largest: the largest keep rate at which every share that can be decided is in the band; NaN:
            there are no weights, or nothing to balance.
        frontier: the bias that is left at each keep rate.
        tables: what would be dropped, label by label, and from whom.
        sentences: the same in short.
        unknown: what could not be told.
        decided: labels that the data can decide, the most frequent first.
    """

    largest: float = math.nan
    frontier: tuple[Point, ...] = ()
    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()


def reach(
    shown: Shown,
    found: Patterns,
    *,
    points: float,
    least: int,
    rates: Sequence[float] = RATES,
    progress: Progress | None = None,
) -> Reach:
    """Returns what balancing with a band could reach.

    The band: the share of each attribute, among all and within each label, within `points` of its
    target, as hard bounds, at 1% below the largest keep rate; what `experiments.balance` does
    unless it is told otherwise.

    Args:
        shown: the data.
        found: the same as patterns.
        points: half the width of the band, as a share.
        least: examples of either group with a label, below which the data can't decide.
        rates: keep rates of the frontier.
        progress: told of its steps.
    """
    tell = progress or (lambda what, done, total: None)
    try:
        problem = _problem(found, points, least)
        if not problem.moments.imposed.any():
            few = f"no share has {least:,} examples of either group"
            return Reach(unknown=(f"What balancing could reach: the data can't decide, {few}.",))
        tell("largest keep rate", 0, 1)
        most = balance.max_keep_rate(problem)
        if most.keep_rate <= 0:
            why = ", ".join(most.binding_names[:3])
            return Reach(unknown=(f"What balancing could reach: no weights meet {why}.",))
        inner = dataclasses.replace(problem, keep_rate=most.keep_rate * (1 - MARGIN))
        solution = balance.solve(inner, warn=False)
        traced = balance.frontier(
            problem,
            sorted({*rates, round(most.keep_rate, 6)}),
            progress=lambda done, total: tell("frontier", done, total),
        )
    except balance.ProblemError as error:
        return Reach(unknown=(f"What balancing could reach: {error}.",))
    rows = outcome.judge(inner, solution.weights, least=least)
    return Reach(
        largest=most.keep_rate,
        frontier=_points(traced),
        tables=(
            _by_group(shown, found, solution.weights),
            _by_label(found, rows, solution.weights, points),
        ),
        sentences=_sentences(most.keep_rate, rows, found, points, least),
        decided=undecided.decided(rows),
    )


def _problem(found: Patterns, points: float, least: int) -> balance.Problem:
    return balance.Problem(
        found.attributes,
        found.labels,
        counts=found.counts,
        attribute_names=found.attribute_names,
        label_names=found.label_names,
        keep_rate=1.0,
        penalty=math.inf,
        constraints=[balance.band(points, target=found.targets, least=least)],
    )


def _points(traced: balance.Frontier) -> tuple[Point, ...]:
    curves = {OVERALL: "representation", LARGEST: "distance", MEAN: "distance_mean"}
    return tuple(
        Point(one.keep_rate, float(getattr(one, field)), curve)
        for curve, field in curves.items()
        for one in traced.points
    )


def _by_group(shown: Shown, found: Patterns, weights: np.ndarray) -> Table:
    """Returns how many of each value would be kept."""
    rows = []
    for place, (name, attribute) in enumerate(shown.attributes.items()):
        for code in (*range(len(attribute.names)), UNKNOWN):
            mask = found.codes[:, place] == code
            n, kept = found.counts @ mask, found.counts @ (mask * weights)
            if n:
                value = "unknown" if code == UNKNOWN else attribute.names[code]
                rows.append((name, value, int(n), round(n - kept), float(kept / n)))
    columns = ("attribute", "group", "examples", "dropped", "kept")
    return Table(BALANCING, BY_GROUP, columns, tuple(rows), ("", "", "", "", "percent"))


def _by_label(
    found: Patterns, rows: list[dict[str, Any]], weights: np.ndarray, points: float
) -> Table:
    """Returns the shares before and after within each label, the most examples first."""
    within = [row for row in rows if row["attribute"]]
    within.sort(key=lambda row: (bool(row["label"]), -row["before_n"]))
    shown = tuple(
        (
            row["attribute"],
            row["label"] or "all",
            int(row["before_n"]),
            _kept(found, row, weights),
            _effective(row),
            row["before"],
            row["after"],
            row["verdict"],
        )
        for row in within[:WORTH]
    )
    more = f" The {WORTH} most frequent of {len(within):,}." if len(within) > WORTH else ""
    return Table(
        BALANCING,
        BY_LABEL,
        ("attribute", "label", "examples", "kept", "effective after", "share", "share after",
         "verdict"),
        shown,
        ("", "", "", "percent", "", "percent", "percent", ""),
        f"Of examples in which it is known. Asked for: within {100 * points:g} points of its "
        "target, an even share. “can't be”: either group has too few examples for the data to "
        f"decide.{more}",
    )  # fmt: skip


def _kept(found: Patterns, row: dict[str, Any], weights: np.ndarray) -> float:
    """Returns how much is kept of the examples that a share is of."""
    mass = found.counts * ~np.isnan(
        found.attributes[:, found.attribute_names.index(row["attribute"])]
    )
    if row["label"]:
        mass = mass * found.labels[:, found.label_names.index(row["label"])]
    return float(mass @ weights / mass.sum()) if mass.any() else math.nan


def _effective(row: dict[str, Any]) -> int | float:
    return math.nan if math.isnan(row["after_effective"]) else round(row["after_effective"])


def _sentences(
    largest: float, rows: list[dict[str, Any]], found: Patterns, points: float, least: int
) -> tuple[str, ...]:
    within = [row for row in rows if row["attribute"] and row["label"]]
    decided = [row for row in within if row["imposed"]]
    inside = [sum(_inside(row, when) for row in decided) for when in ("before", "after")]
    total = found.counts.sum()
    told = f", of which inside that band {inside[0]:,} now and {inside[1]:,} after balancing"
    sentences = [
        f"Balancing could keep at most {largest:.1%} of the {total:,.0f} examples with every share "
        f"that can be decided within {100 * points:g} points of its target. By its default "
        f"settings it keeps {MARGIN:.0%} fewer than that, since at the most weights have no choice "
        f"left: it would drop {total * (1 - largest * (1 - MARGIN)):,.0f} of the {total:,.0f}."
    ]
    if within:
        sentences += [
            f"Shares within labels that the data can decide: {len(decided) or 'none'}"
            f"{told if decided else ''}.",
            *undecided.sentences(within, least),
        ]
    return tuple(sentences)


def _inside(row: dict[str, Any], when: str) -> bool:
    low, high = row["lower"], row["upper"]
    low, high = (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)
    return low - 1e-3 <= row[when] <= high + 1e-3  # as verdicts: what solvers leave is no violation

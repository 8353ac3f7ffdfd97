"""The figures of a balancing, each with the data that it shows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.report import style
from m4jax.report.results import Estimate
from m4jax.tables.outcome import UNDECIDED

Rows = list[dict[str, Any]]

WORST = 30  # shares in a figure
SHOWN = 10  # of those that the data can't decide
BINS = 50
LONGEST = 60  # characters of a name in a figure: longer ones would leave no room
BEFORE, AFTER = style.MARKS[2], style.MARKS[1]
DRAWN = ("name", "verdict", "attribute", "label", "lower", "upper", "before_n", "after_effective",
         "before", "before_low", "before_high", "after", "after_low", "after_high")  # fmt: skip


def association(rows: Sequence[Mapping[str, Any]]) -> tuple[Figure, Rows] | None:
    """Draws the shares of an attribute within labels, before and after, the furthest off first.

    Those that the data can't decide come last, without a mark for after: what can't be estimated
    must not look balanced. The strip is what was asked for.

    Args:
        rows: of `outcome.judge`; those that are no shares are left out.
    """
    shares = [row for row in rows if row["unit"] == "share" and row["attribute"]]
    decided = [row for row in shares if row["verdict"] != UNDECIDED]
    decided = sorted(decided, key=lambda row: -_distance(row))
    others = [row for row in shares if row["verdict"] == UNDECIDED]
    others = sorted(others, key=lambda row: -row["before_n"])
    drawn = [*decided[:WORST], *others[:SHOWN]]
    if not drawn:
        return None
    several = len({row["attribute"] for row in shares}) > 1
    figure = Figure(figsize=(style.WIDTH, 1.0 + 0.2 * len(drawn)), layout="constrained")
    ax = figure.subplots()
    for place, row in enumerate(drawn):
        _share(ax, place, row)
    first = len(decided[:WORST])
    if 0 < first < len(drawn):
        ax.axhline(first - 0.5, color="0.35", linewidth=0.9)
    names = [_name(row, several) for row in drawn]
    ax.set_yticks(range(len(names)), names, fontsize=style.SMALL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-2, 102)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    name = "attribute" if several else drawn[0]["attribute"]
    ax.set_xlabel(f"share of {_short(name)}, %")
    style.heading(figure, _title(decided, others))
    counts = [row["before_n"] for row in drawn]
    style.foot(
        figure,
        n=f"{min(counts):,.0f} to {max(counts):,.0f} examples a line, fewer effective ones after",
        bars="95% intervals of each share alone",
        more="Grey: what was asked for",
        wrong="the table's attributes or labels are, or its examples are no fair sample",
        handles=[style.handle("before", BEFORE, line=""), style.handle("after", AFTER, line="")],
    )
    return figure, [{field: row[field] for field in DRAWN} for row in drawn]


def _share(ax: Axes, place: int, row: Mapping[str, Any]) -> None:
    """Draws a line of `association`."""
    low, high = _bounds(row)
    decided = row["verdict"] != UNDECIDED
    if decided:
        ax.barh(place, 100 * (high - low), left=100 * low, height=1, color="0.9", zorder=0)
    points = ((BEFORE, "before", -0.15), (AFTER, "after", 0.15)) if decided else ()
    for mark, when, shift in points:
        estimate = Estimate(*(row[f"{when}{end}"] for end in ("", "_low", "_high")))
        more = {"markersize": 4, "elinewidth": 1, "capsize": 1.5}
        style.errorbar(ax, estimate, place + shift, mark, **more)
    if not decided:
        share = style.number(100 * row["before"], 0)
        text = f"can't be decided: {share}% of {row['before_n']:,.0f}"
        text = text if row["before_n"] > 0 else "no examples"
        ax.text(50, place, text, ha="center", va="center", fontsize=style.SMALL,
                color="0.35")  # fmt: skip


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    lower, upper = row["lower"], row["upper"]
    return (0.0 if math.isnan(lower) else lower), (1.0 if math.isnan(upper) else upper)


def _title(decided: Rows, others: Rows) -> str:
    title = f"Shares: {len(decided)} that the data can decide"
    title += f" (the {WORST} furthest off)" if len(decided) > WORST else ""
    title += f",\n{len(others)} that it can't" if others else ""
    return title + (f" ({SHOWN} of them)" if len(others) > SHOWN else "")


def _distance(row: Mapping[str, Any]) -> float:
    """Returns how far the share is off before, what can't be estimated first."""
    distance = abs(row["before"] - 0.5 * sum(_bounds(row)))
    return distance if math.isfinite(distance) else math.inf


def distribution(weights: np.ndarray, counts: np.ndarray) -> tuple[Figure, Rows]:
    """Draws how many examples have which weight; those at 0 and 1 are written out."""
    share = counts / counts.sum()
    inner = (weights > 0) & (weights < 1)
    heights, edges = np.histogram(weights[inner], bins=BINS, range=(0, 1), weights=share[inner])
    figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
    ax = figure.subplots()
    ax.bar(edges[:-1], 100 * heights, width=1 / BINS, align="edge", color=AFTER.color,
           edgecolor="white", linewidth=0.4)  # fmt: skip
    mean = float(share @ weights)
    ax.axvline(mean, color="0.35", linestyle="--", linewidth=0.9)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(0, 135 * max(heights.max(), 0.01))
    ax.text(mean, 0.98, f" mean {style.number(mean, 3)} ", transform=ax.get_xaxis_transform(),
            ha="left" if mean < 0.5 else "right", va="top")  # fmt: skip
    ends = {0: float(share @ (weights <= 0)), 1: float(share @ (weights >= 1))}
    for place, held in ends.items():
        text = f"weight {place}:\n{style.number(100 * held, 1)}%"
        ax.text(place, 0.98, text, transform=ax.get_xaxis_transform(), ha="right" if place else
                "left", va="top", fontweight="bold")  # fmt: skip
    ax.set_xlabel("weight: the probability of being kept (strictly between 0 and 1)")
    ax.set_ylabel("examples, %")
    ax.grid(axis="y")
    style.heading(figure, "Distribution of the weights")
    style.foot(
        figure,
        n=f"{int(counts.sum()):,} examples",
        bars=f"the share of examples by weight, in {BINS} steps, counted whole",
        wrong="weights are read as what is drawn: each example is kept by chance",
    )
    rows = [{"from": place, "to": place, "share": held} for place, held in ends.items()]
    rows += [
        {"from": float(low), "to": float(high), "share": float(height)}
        for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True)
    ]
    return figure, rows


def tradeoff(frontier: Mapping[str, Any], keep_rate: float) -> tuple[Figure, Rows]:
    """Draws how far shares are off, by the share of the data that is kept.

    Args:
        frontier: `points` with `keep_rate`, `distance` and `distance_mean` (of shares within labels
            from their targets) and `representation`; the `largest` keep rate.
        keep_rate: that of the weights.
    """
    points = [
        {name: math.nan if value is None else value for name, value in point.items()}
        for point in frontier["points"]
    ]
    rates = [100 * point["keep_rate"] for point in points]
    figure = Figure(figsize=(style.WIDTH, 3.2), layout="constrained")
    ax = figure.subplots()
    lines = {"distance": "label that is furthest off", "distance_mean": "mean of the labels",
             "representation": "all examples"}  # fmt: skip
    for (name, title), mark in zip(lines.items(), style.MARKS[1:], strict=False):
        left = [100 * point[name] for point in points]
        if all(map(math.isnan, left)):
            continue
        ax.plot(rates, left, color=mark.color, label=title, marker=mark.marker,
                markerfacecolor=mark.face, markersize=4.5, linewidth=1.2)  # fmt: skip
    for rate, title, line in (
        (frontier["largest"], "most that every bound allows", "--"),
        (keep_rate, "these weights", ":"),
    ):
        share = style.number(100 * rate, 1)
        ax.axvline(100 * rate, color="0.35", linewidth=0.9, linestyle=line,
                   label=f"{title}: {share}%")  # fmt: skip
    ax.set_xlim(0, 102)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("share of the data that is kept, %")
    ax.set_ylabel("shares: distance from the target,\npercentage points")
    ax.grid(axis="both")
    style.heading(figure, "What balance costs")
    style.foot(
        figure,
        n=f"{len(points)} keep rates, each solved for",
        bars="none: what weights do is computed, not sampled",
        wrong="the table's attributes or labels are; labels of few examples count like others",
        handles=ax.get_legend_handles_labels()[0],
        ncols=2,
    )
    return figure, points


def _name(row: Mapping[str, Any], several: bool) -> str:
    name = row["label"] or "all examples"
    return _short(f"{name} | {row['attribute']}" if several else name)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"

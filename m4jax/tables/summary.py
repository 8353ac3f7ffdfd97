"""What balancing did, as tables and figures."""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from m4jax import balance
from m4jax.balance import Diagnostics, Problem
from m4jax.report import style
from m4jax.report.results import write_csv

Rows = list[dict[str, Any]]

WORST = 30  # associations in a figure
BINS = 50
LONGEST = 80  # characters of a name in a figure: longer ones would leave no room
FRONTIER = ("keep_rate", "association", "association_mean", "representation", "violation",
            "objective", "effective_sample_size")  # fmt: skip
BEFORE, AFTER = style.MARKS[2], style.MARKS[1]


def write(
    folder: str | os.PathLike,
    *,
    problem: Problem,
    weights: np.ndarray,
    multipliers: np.ndarray,
    frontier: Mapping[str, Any] | None,
) -> None:
    """Writes `tables/` and `figures/`; the same weights give the same bytes.

    Args:
        folder: where to.
        problem: what was balanced.
        weights: [n] of its rows.
        multipliers: [m, c+1] the dual variables.
        frontier: `points` with the fields of `FRONTIER`, and the `largest` keep rate, or None.
    """
    diagnostics = balance.diagnose(problem, weights)
    rows = constraints(diagnostics, multipliers)
    write_csv(Path(folder) / "tables" / "constraints.csv", rows)
    write_csv(Path(folder) / "tables" / "weights.csv", summary(diagnostics))
    drawings = {
        "association": lambda: association(rows),
        "weights": lambda: distribution(weights, problem.counts),
        "frontier": lambda: frontier and tradeoff(frontier, problem.keep_rate),
    }
    for name, draw in drawings.items():
        with style.page():
            drawn = draw()
            for old in () if drawn else (Path(folder) / "figures").glob(f"{name}.*"):
                old.unlink()  # of an earlier configuration
            if drawn:
                style.save(drawn[0], Path(folder) / "figures" / name, drawn[1])


def remove(folder: str | os.PathLike) -> None:
    """Removes what `write` wrote, and nothing else."""
    for pattern in ("tables/constraints.csv", "tables/weights.csv"):
        (Path(folder) / pattern).unlink(missing_ok=True)
    for name in ("association", "weights", "frontier"):
        for path in (Path(folder) / "figures").glob(f"{name}.*"):
            path.unlink()


def constraints(diagnostics: Diagnostics, multipliers: np.ndarray) -> Rows:
    """Returns one row for each constraint, the largest standardised difference first."""
    rows = []
    for row in diagnostics.rows():
        k = diagnostics.attribute_names.index(row["attribute"])
        r = 0 if row["label"] is None else 1 + diagnostics.label_names.index(row["label"])
        row = {name: math.nan if value is None else value for name, value in row.items()}
        row["label"] = diagnostics.label_names[r - 1] if r else ""  # "": representation
        violation = max(abs(float(diagnostics.moment[k, r])) - float(diagnostics.eps[k, r]), 0.0)
        rows.append(row | {"violation": violation, "multiplier": float(multipliers[k, r])})
    return rows


def summary(diagnostics: Diagnostics) -> Rows:
    """Returns the distribution of the weights, one row for each number."""
    numbers = dataclasses.asdict(diagnostics.weights)
    quantiles = numbers.pop("weight_quantiles")
    numbers |= {f"weight_quantile_{share}": value for share, value in quantiles.items()}
    return [{"name": name, "value": value} for name, value in numbers.items()]


def association(rows: Rows) -> tuple[Figure, Rows] | None:
    """Draws the gaps of the labels between the groups, before and after, the widest first."""
    drawn = [row for row in rows if row["label"] and math.isfinite(row["gap_before"])]
    drawn = sorted(drawn, key=lambda row: -abs(row["gap_before"]))[:WORST]
    if not drawn:
        return None
    several = len({row["attribute"] for row in drawn}) > 1
    names = [_name(row, several) for row in drawn]
    figure = Figure(figsize=(style.WIDTH, 1.1 + 0.17 * len(drawn)), layout="constrained")
    ax = figure.subplots()
    ax.axvline(0, color="0.35", linewidth=0.9, zorder=1)
    for place, row in enumerate(drawn):
        gaps = [100 * row["gap_before"], 100 * row["gap_after"]]
        ax.plot(gaps, [place, place], color="0.75", linewidth=1.5, zorder=2)
        for gap, mark in zip(gaps, (BEFORE, AFTER), strict=True):
            ax.plot(gap, place, linestyle="", marker=mark.marker, color=mark.color, markersize=4.5,
                    zorder=3)  # fmt: skip
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    group = "attribute" if several or len(drawn[0]["attribute"]) > 20 else drawn[0]["attribute"]
    ax.set_xlabel(f"P(label | {group}) − P(label | not {group}), percentage points")
    omitted = sum(bool(row["label"]) for row in rows) - len(drawn)
    title = "Association of labels" + (f": the widest {len(drawn)}" if omitted else "")
    handles = [style.handle("before", BEFORE), style.handle("after", AFTER)]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
    fields = ("attribute", "label", "gap_before", "gap_after")
    return figure, [{name: row[name] for name in fields} for row in drawn]


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
    ax.set_title("Distribution of the weights")
    ax.grid(axis="y")
    rows = [{"from": place, "to": place, "share": held} for place, held in ends.items()]
    rows += [
        {"from": float(low), "to": float(high), "share": float(height)}
        for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True)
    ]
    return figure, rows


def tradeoff(frontier: Mapping[str, Any], keep_rate: float) -> tuple[Figure, Rows]:
    """Draws the bias that is left against the share of the data that is kept."""
    points = frontier["points"]
    rates = [100 * point["keep_rate"] for point in points]
    figure = Figure(figsize=(style.WIDTH, 3.2), layout="constrained")
    ax = figure.subplots()
    lines = {"association": "largest association", "association_mean": "mean association",
             "representation": "representation"}  # fmt: skip
    for (name, title), mark in zip(lines.items(), style.MARKS[1:], strict=False):
        left = [100 * point[name] for point in points]
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
    ax.set_ylabel("bias left,\npercentage points")
    ax.set_title("What balance costs")
    ax.grid(axis="both")
    figure.legend(loc="outside lower center", ncols=3)
    return figure, points


def _name(row: Mapping[str, Any], several: bool) -> str:
    name = f"{row['label']} | {row['attribute']}" if several else row["label"]
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"

"""What `real_captions` writes: tables, figures, and the table of the README."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.measure_annotation import fill
from experiments.real_sources import TITLES
from m4jax.report import style
from m4jax.report.results import write_csv
from m4jax.tables.figures import AFTER, BEFORE

Rows = Sequence[Mapping[str, Any]]

MARKS = ("<!-- table: written by experiments/real_captions.py -->", "<!-- end of table -->")


def write(folder: Path, *, summaries: Rows, shares: Rows, points: Rows) -> None:
    """Writes `summary.csv`, `shares.csv`, `frontier.csv`, figures, and fills the README."""
    write_csv(folder / "summary.csv", summaries)
    write_csv(folder / "shares.csv", shares)
    with style.page():
        figure, drawn = defaults(summaries, shares)
        save(figure, folder / "figures" / "defaults", drawn)
    if points:
        write_csv(folder / "frontier.csv", points)
        with style.page():
            save(frontier(points), folder / "figures" / "frontier", points)
    fill(folder / "README.md", markdown(summaries), MARKS)


def save(figure: Figure, path: Path, rows: Rows) -> None:
    """Writes `path`.png, .svg and .csv."""
    style.save(figure, path, rows)


def defaults(summaries: Rows, shares: Rows) -> tuple[Figure, Rows]:
    """Draws how far the shares within labels are from parity, by source and variant."""
    sources = list(dict.fromkeys(row["source"] for row in summaries))
    variants = list(dict.fromkeys(row["variant"] for row in summaries))
    figure = Figure(figsize=(style.WIDTH, 1.1 + 1.5 * len(sources)), layout="constrained")
    panels = figure.subplots(len(sources), 1, squeeze=False)[:, 0]
    drawn = []
    for ax, source in zip(panels, sources, strict=True):
        for place, variant in enumerate(["before", *variants]):
            when = "before" if variant == "before" else "after"
            chosen = variants[0] if variant == "before" else variant
            rows = [
                row
                for row in shares
                if (row["source"], row["variant"]) == (source, chosen) and row["decided"]
            ]
            far = np.sort([abs(row[when] - 0.5) for row in rows])
            drawn += [{"source": source, "variant": variant, "distance": float(x)} for x in far]
            _dots(ax, place, 100 * far, BEFORE if when == "before" else AFTER)
        kept = {row["variant"]: row["kept"] for row in summaries if row["source"] == source}
        names = [f"{name}\nkept {100 * kept.get(name, 1.0):.0f}%" for name in ["before", *variants]]
        ax.set_xticks(range(len(names)), names)
        ax.axhspan(0, 5, color="0.9", zorder=0)
        ax.set_ylim(0, 52)
        ax.set_ylabel("points")
        ax.set_title(f"{TITLES[source]}: {len(far)} labels that can be decided")
        ax.grid(axis="y")
    style.heading(figure, "Share of men within labels: distance from 50%")
    style.foot(
        figure,
        n="labels that can be decided, in the titles; others are left out",
        bars="none: each dot is a label, its interval is in shares.csv",
        more="Grey: within 5 points; open: before, filled: after",
        wrong="captions name gender otherwise than pictures show it",
    )
    return figure, drawn


def _dots(ax: Axes, place: int, far: np.ndarray, mark: style.Mark) -> None:
    shift = np.linspace(-0.3, 0.3, len(far)) if len(far) > 1 else np.zeros(len(far))
    ax.plot(place + shift, far, linestyle="", marker="o", markersize=3, color=mark.color,
            markerfacecolor="white" if mark is BEFORE else mark.color, clip_on=False)  # fmt: skip


def frontier(points: Rows) -> Figure:
    """Draws the distance of shares within labels from parity, by the share that is kept."""
    figure = Figure(figsize=(style.WIDTH, 3.0), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    names = {"distance": "label that is furthest off", "distance_mean": "mean of the labels"}
    for ax, (field, title) in zip(panels, names.items(), strict=True):
        for number, source in enumerate(dict.fromkeys(row["source"] for row in points)):
            mark = style.MARKS[number]
            rows = [row for row in points if row["source"] == source]
            ax.plot([100 * row["keep_rate"] for row in rows], [100 * row[field] for row in rows],
                    color=mark.color, marker=mark.marker, markerfacecolor=mark.face, markersize=4,
                    linewidth=1.2, label=TITLES[source] if ax is panels[0] else None)  # fmt: skip
        ax.set_title(title)
        ax.set_xlabel("share of the data that is kept, %")
        ax.set_xlim(0, 102)
        ax.set_ylim(bottom=0)
        ax.grid(axis="both")
    panels[0].set_ylabel("shares: distance from 50%,\npercentage points")
    style.heading(figure, "What balance within ±5 points costs")
    style.foot(
        figure,
        n="four sources, their labels that can be decided",
        bars="none: what weights do is computed, not sampled",
        wrong="captions name gender otherwise than pictures show it",
        handles=panels[0].get_legend_handles_labels()[0],
        ncols=2,
    )
    return figure


def markdown(summaries: Rows) -> str:
    """Returns the table of the README."""
    head = ["", "asked for", "kept", "effective n", "labels within ±5 points",
            "mean distance, points", "largest", "mean gap, points", "least effective n in a label",
            "exit code"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for row in summaries:
        decided = row["decided"]
        cells = [
            f"{TITLES[row['source']]} ({decided} labels, {row['undecided']} undecided)",
            row["variant"],
            f"{row['kept']:.1%}",
            f"{row['effective']:,.0f}",
            f"{row['within_5_before']} → {row['within_5_after']}",
            f"{100 * row['mean_before']:.1f} → {100 * row['mean_after']:.1f}",
            f"{100 * row['largest_before']:.1f} → {100 * row['largest_after']:.1f}",
            f"{100 * row['gap_before']:.2f} → {100 * row['gap_after']:.2f}",
            f"{row['least_effective']:,.0f}",
            str(row["exit_code"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)

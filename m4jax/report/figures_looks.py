"""The figure of whom a quality filter leaves in; see `experiments.filter_looks`."""

import math

import numpy as np
from matplotlib.figure import Figure

from m4jax.report import style
from m4jax.report.results import Rows

NAMES = {"off": "no filter", "on": "filter by a model\nof the same pairs",
         "balanced scorer": "filter by a model\nof balanced pairs"}  # fmt: skip
PARTS = {"all": "o", "within": "x"}


def draw(rows: Rows) -> Figure:
    """Draws the looks of the persons by the share of men in the occupation of their captions.

    Args:
        rows: of `looks.of_study`; a column for each filter, a line for each data version.
    """
    filters = list(dict.fromkeys(row["filter"] for row in rows))
    versions = list(dict.fromkeys(row["version"] for row in rows))
    figure = Figure(figsize=(style.WIDTH, 1.0 + 2.0 * len(versions)), layout="constrained")
    axes = figure.subplots(len(versions), len(filters), sharex=True, sharey=True, squeeze=False)
    for line, version in zip(axes, versions, strict=True):
        for ax, switch in zip(line, filters, strict=True):
            chosen = [r for r in rows if (r["filter"], r["version"]) == (switch, version)]
            ax.axhline(0, color="0.6", linewidth=0.8)
            for part, marker in PARTS.items():
                _scatter(ax, chosen, part, marker, style.mark(version))
            ax.grid(axis="both")
            if version == versions[0]:
                ax.set_title(NAMES.get(switch, switch))
        line[0].set_ylabel(f"{style.display(version)} data")
    style.heading(figure, "How much like men those look to whom captions give an occupation")
    figure.supylabel("standard deviations above the mean of all faces", fontsize=7)
    figure.supxlabel(
        "share of men in the census, %\n"
        "circles and line: all faces; crosses and dots: what is left within men and within women",
        fontsize=7,
    )
    return figure


def slope(rows: Rows, part: str) -> float:
    """Returns the regression slope of the looks by the share of men; NaN for fewer than three."""
    x, y = np.array([(row["men_share"], row[part]) for row in rows]).T
    known = np.isfinite(y)
    return float(np.polyfit(x[known], y[known], 1)[0]) if known.sum() > 2 else math.nan


def _scatter(ax, rows: Rows, part: str, marker: str, mark: style.Mark) -> None:
    x, y = np.array([(row["men_share"], row[part]) for row in rows]).T
    plain = part == "all"
    ax.plot(100 * x, y, linestyle="", marker=marker, markersize=3.5, color=mark.color,
            alpha=1 if plain else 0.6)  # fmt: skip
    known, rise = np.isfinite(y), slope(rows, part)
    if not math.isfinite(rise):
        return
    start = y[known].mean() - rise * x[known].mean()
    ends = np.array([x.min(), x.max()])
    ax.plot(100 * ends, start + rise * ends, color="0.35", linestyle="-" if plain else ":")
    ax.text(0.97, 0.12 if plain else 0.03, f"{'slope' if plain else 'within'} "
            f"{style.signed(rise, 2)}", transform=ax.transAxes, ha="right", fontsize=7)  # fmt: skip

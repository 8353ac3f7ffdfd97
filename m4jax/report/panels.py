"""The panels that figures are made of: each draws into given axes; all numbers are in percent."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from m4jax.report import style
from m4jax.report.results import Estimate
from m4jax.report.style import Mark

Row = dict[str, Any]


def heat_map(
    ax: Axes, table: np.ndarray, *, labels: Sequence[str], columns: Sequence[str], limit: float
) -> AxesImage:
    """Draws numbers as colours centred at 0, each written into its cell with its sign.

    Args:
        ax: where to draw.
        table: [labels, columns] fractions; NaN is left empty.
        labels: names of the rows.
        columns: names of the columns.
        limit: the percentage at which the colours end.
    """
    percent = 100 * table
    image = ax.imshow(
        percent, cmap=style.DIVERGING, vmin=-limit, vmax=limit, aspect="auto", rasterized=True
    )
    for row, column in np.argwhere(np.isfinite(percent)):
        value = percent[row, column]
        dark = abs(value) > 0.6 * limit
        ax.text(column, row, style.signed(value), ha="center", va="center", fontsize=6.5,
                color="white" if dark else "black")  # fmt: skip
    ax.set_yticks(range(len(labels)), labels, fontsize=7)
    ax.set_xticks(range(len(columns)), columns, fontsize=7, rotation=90 if len(columns) > 4 else 0)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    return image


def scatter(ax: Axes, points: Sequence[tuple[str, float, Estimate]], mark: Mark) -> Row:
    """Draws (name, x, y) with the intervals of y, the regression line, and its correlation.

    Returns:
        The slope (of y by x) and r; NaN with fewer than three points.
    """
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.axvline(50, color="0.6", linewidth=0.8, linestyle=":")
    for _, x, y in points:
        style.errorbar(ax, 100 * x, y, mark, markersize=4, elinewidth=0.8, capsize=0)
    measured = [(x, y.value) for _, x, y in points if math.isfinite(x) and y.measured]
    slope = r = math.nan
    if len({x for x, _ in measured}) > 2:
        x, y = np.array(measured).T
        slope, start = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        ax.plot(100 * ends, 100 * (start + slope * ends), color="0.35", linestyle="--", zorder=1)
        r = float(np.corrcoef(x, y)[0, 1]) if y.std() > 0 else math.nan
        ax.text(0.98, 0.96, f"r = {style.number(r, 2)}\nslope = {style.number(slope, 3)}",
                transform=ax.transAxes, ha="right", va="top")  # fmt: skip
    ax.grid(axis="both")
    return {"slope": float(slope), "r": r}


def name_extremes(ax: Axes, points: Sequence[tuple[str, float, Estimate]], count: int) -> None:
    """Writes the names of the points with the highest and the lowest y beside them.

    Where names would overlap they are moved outwards; thin lines lead to their points. To be
    called when the limits of the axes are final.
    """
    ordered = sorted((p for p in points if p[2].measured), key=lambda p: p[2].value)
    low, high = ax.get_ylim()
    line = 0.055 * (high - low)  # the height of a line of text
    groups = ((ordered[max(count, len(ordered) - count) :], line), (ordered[:count][::-1], -line))
    for named, step in groups:
        places = spread([100 * y.value for _, _, y in named], step)
        for (name, x, y), place in zip(named, places, strict=True):
            side, edge = (-9, "right") if x > 0.5 else (9, "left")
            ax.annotate(name, (100 * x, 100 * y.value), xytext=(100 * x + side, place),
                        ha=edge, va="center", fontsize=6.5,
                        arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.5,
                                    "shrinkA": 1, "shrinkB": 3})  # fmt: skip
            low, high = min(low, place - line), max(high, place + line)
    ax.set_ylim(low, high)


def spread(places: Sequence[float], step: float) -> list[float]:
    """Returns the places, each moved in the direction of `step` to be that far from the last."""
    moved: list[float] = []
    for place in places:
        if moved:
            nearest = moved[-1] + step
            place = max(place, nearest) if step > 0 else min(place, nearest)
        moved.append(place)
    return moved


def by_version(
    ax: Axes,
    pooled: Mapping[str, Estimate],
    seeds: Mapping[str, Sequence[float]],
    *,
    looks: Mapping[str, Mark],
    reference: str | None,
) -> None:
    """Draws a metric by version, one line each: pooled with its interval, and each seed's value.

    Args:
        ax: where to draw.
        pooled: version -> estimate over all seeds.
        seeds: version -> the values of its runs.
        looks: how each version is drawn.
        reference: the version whose estimate is drawn through all lines, as line and band.
    """
    if reference in pooled and pooled[reference].measured:
        aim = pooled[reference]
        ax.axvline(100 * aim.value, color="0.35", linestyle="--", linewidth=0.9, zorder=0)
        if aim.bounded:
            ax.axvspan(100 * aim.low, 100 * aim.high, color="0.92", zorder=-1)
    ax.axvline(0, color="0.6", linewidth=0.8)
    for place, (version, estimate) in enumerate(pooled.items()):
        style.errorbar(ax, estimate, place, looks[version], markersize=6)
        dots = 100 * np.array(seeds[version])
        ax.plot(dots, np.full(len(dots), place + 0.28), linestyle="", marker="|", markersize=6,
                color=looks[version].color)  # fmt: skip
    lines(ax, [style.display(version) for version in pooled])


def forest(
    ax: Axes, table: Mapping[str, Mapping[str, Estimate]], *, looks: Mapping[str, Mark]
) -> None:
    """Draws name -> version -> difference: a group of intervals for each name, around zero."""
    ax.axvline(0, color="0.35", linewidth=0.9)
    for place, by_name in enumerate(table.values()):
        if place % 2:
            ax.axhspan(place - 0.5, place + 0.5, color="0.96", zorder=-1)
        for version, offset in zip(looks, _offsets(len(looks)), strict=True):
            style.errorbar(ax, by_name[version], place + offset, looks[version])
    lines(ax, list(table))


def lines(ax: Axes, names: Sequence[str]) -> None:
    """Makes the vertical axis one of named lines, from top to bottom."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="x")


def _offsets(count: int) -> np.ndarray:
    return (np.arange(count) - (count - 1) / 2) * 0.7 / max(count, 2)

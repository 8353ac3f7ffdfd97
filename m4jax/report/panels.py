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


def cross(ax: Axes, x: Estimate, y: Estimate, mark: Mark, *, small: bool = False) -> None:
    """Draws a point with the intervals of both its numbers; a `small` one without them."""
    if not (x.measured and y.measured):
        return
    if small:
        ax.plot(100 * x.value, 100 * y.value, linestyle="", marker=mark.marker, markersize=3.5,
                color=mark.color, markerfacecolor=mark.face, alpha=0.55)  # fmt: skip
    else:
        style.errorbar(ax, x, 100 * y.value, mark, markersize=6)
        style.errorbar(ax, 100 * x.value, y, mark, markersize=6)
    ax.grid(axis="both")


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
        ax.text(column, row, style.signed(value), ha="center", va="center", fontsize=style.SMALL,
                color="white" if dark else "black")  # fmt: skip
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xticks(range(len(columns)), columns, rotation=90 if len(columns) > 3 else 0)
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


def name_extremes(ax: Axes, points: Sequence[tuple[str, float, Estimate]]) -> None:
    """Writes the names of the points with the highest and with the lowest y near them.

    Where they cover neither points, bars, the line through them nor each other, and as near as
    that allows; thin lines lead to the points. To be called when the figure has been laid out.
    """
    ordered = sorted((p for p in points if p[2].measured), key=lambda p: p[2].value)
    named = dict.fromkeys([*ordered[-1:], *ordered[:1]])
    scale = 72 / ax.figure.dpi  # points a pixel
    taken = [_box(ax, x, y) for _, x, y in ordered]
    taken += [text.get_window_extent().extents for text in ax.texts]
    for line in ax.lines:
        if line.get_linestyle() == "--":
            (x0, x1), (y0, y1) = (line.get_data()[i][[0, -1]] for i in (0, 1))
            ends = np.linspace((x0, y0), (x1, y1), 40)
            taken += [(*(place - 2), *(place + 2)) for place in ax.transData.transform(ends)]
    for name, x, y in named:
        place = (100 * x, 100 * y.value)
        text = ax.annotate(name, place, xytext=(0, 0), textcoords="offset points", va="center",
                           ha="center", fontsize=style.SMALL, annotation_clip=False,
                           arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.6,
                                       "shrinkA": 0, "shrinkB": 4})  # fmt: skip
        text.set_in_layout(False)
        extent = text.get_window_extent()
        anchor, size = ax.transData.transform(place), (extent.width, extent.height)
        centre = free_place(anchor, size, taken, ax.get_window_extent().extents)
        text.set_position(scale * (centre - anchor))
        taken.append((*(centre - np.divide(size, 2)), *(centre + np.divide(size, 2))))


def _box(ax: Axes, x: float, y: Estimate) -> tuple[float, ...]:
    """Returns what a point and its bar cover, in pixels."""
    low, high = (y.low, y.high) if y.bounded else (y.value, y.value)
    below, above = ax.transData.transform([(100 * x, 100 * low), (100 * x, 100 * high)])
    return (*(below - 5), *(above + 5))


def free_place(
    anchor: np.ndarray,
    size: tuple[float, float],
    taken: Sequence[tuple[float, ...]],
    within: Sequence[float],
) -> np.ndarray:
    """Returns the centre of a box near a point that, with a line to it, covers least of others.

    Args:
        anchor: [2], the point.
        size: width and height of the box.
        taken: boxes (left, low, right, high) that it should not cover.
        within: the box in which it has to stay.
    """
    anchor, half, others = np.asarray(anchor), np.divide(size, 2), np.array(taken).reshape(-1, 4)
    own = ((anchor >= others[:, :2]) & (anchor <= others[:, 2:])).all(1)
    crossed = others[~own]  # what the line to the point should not cross
    best, least = anchor, math.inf
    for distance in range(4, 90, 5):
        for angle in np.linspace(0, 2 * math.pi, 16, endpoint=False):
            centre = anchor + np.array([math.cos(angle), math.sin(angle)]) * (half + distance)
            low, high = centre - half, centre + half
            if (low < within[:2]).any() or (high > within[2:]).any():
                continue
            shared = np.minimum(high, others[:, 2:]) - np.maximum(low, others[:, :2])
            covered = float(np.clip(shared, 0, None).prod(1).sum())
            leader = anchor + np.linspace(0, 1, 15)[1:, None, None] * (centre - anchor)
            hit = ((leader > crossed[:, :2]) & (leader < crossed[:, 2:])).all(-1)
            covered += 20.0 * hit.sum()
            if covered < least:
                best, least = centre, covered
    return best


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
        for version, offset in zip(looks, offsets(len(looks)), strict=True):
            style.errorbar(ax, by_name[version], place + offset, looks[version])
    lines(ax, list(table))


def counts(ax: Axes, numbers: Sequence[int]) -> None:
    """Writes the number of seeds of each line to the right of axes of named lines."""
    where = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": style.SMALL}
    ax.text(1.03, -0.62, "n", **where)
    for place, number in enumerate(numbers):
        ax.text(1.03, place, str(number), **where)


def lines(ax: Axes, names: Sequence[str], *, ticks: int = 6) -> None:
    """Makes the vertical axis one of named lines, from top to bottom.

    `ticks`: how many numbers there are room for on the horizontal one.
    """
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=ticks)
    ax.grid(axis="x")


def offsets(count: int) -> np.ndarray:
    """Returns where the members of a group are drawn, [count], around its own place."""
    return (np.arange(count) - (count - 1) / 2) * 0.7 / max(count, 2)

"""Kinds of figures that compare runs; `figures_ablation` says what is compared.

Bias by condition, differences as a forest plot, bias along training, and bias against quality.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, GENDER, NEW_VENDOR_GENDER, RB, RB_SIZE, Metric
from m4jax.report import contrasts, panels, style
from m4jax.report.contrasts import Contrast, Pairs, Runs
from m4jax.report.results import Estimate, Results, Rows

Drawn = tuple[Figure, Rows]
Conditions = dict[str, dict[str, str]]  # name of a line -> its levels
NARROW = {  # beside many other groups
    GENDER: "perceived\ngender",
    NEW_VENDOR_GENDER: "gender,\nnew vendor",
}
PICTURES = {"objects": "things", "workers": "people at work", "shift": "a new vendor"}  # of splits
EARLIER = ", or models do before the end of training"
CHANCE = ", or by chance: of twenty such intervals one misses"
ByMetric = Mapping[Metric, Pairs]
BIAS = {  # title and unit of a panel
    RB: ("RB", "share of pictures with\nno person that prefer\n“man” − 50%, points"),
    RB_SIZE: ("|RB|", "|RB| of each model,\npoints"),
    AB: ("mean |AB|", "gap between men and\nwomen, mean over\noccupations, points"),
}


def bias(
    results: Results,
    conditions: Conditions,
    heading: str,
    *,
    free: tuple[str, ...] = (),
    **fixed: str,
) -> Drawn | None:
    """Draws RB, |RB| and mean |AB| by condition, one line each: mean, interval, single runs.

    Each line is of all the runs that there are. Averaged over models it is of the seeds and models
    that all lines have: else a difference between lines could be one of models.

    Args:
        results: of a study.
        conditions: what is compared.
        heading: what comes after "Bias of the models, ".
        free: factors over whose levels it is averaged, the model say.
        **fixed: levels that all have.

    Returns:
        The figure and its data; None if there are runs of less than two conditions.
    """
    runs, rows = Runs(results), []
    lines: dict[str, ByMetric] = {}
    for name, levels in conditions.items():
        contrast = contrasts.single(levels, free=free, **fixed)
        by_metric = {metric: runs.pairs(contrast, metric) for metric in BIAS}
        if all(len(pairs.values) for pairs in by_metric.values()):
            lines[name] = by_metric
    if len(lines) < 2:
        return None
    lines = _shared_units(lines) if free else lines
    figure = Figure(figsize=(style.WIDTH, 1.6 + 0.34 * len(lines)), layout="constrained")
    axes = figure.subplots(1, len(BIAS), sharey=True)
    for ax, (metric, (title, label)) in zip(axes, BIAS.items(), strict=True):
        for place, (name, by_metric) in enumerate(lines.items()):
            found, row = estimate(metric, by_metric[metric].effect())
            rows.append({"metric": key(metric), "condition": name} | row)
            _line(ax, place, found, by_metric[metric], _mark(conditions[name]))
        ax.axvline(0, color="0.6", linewidth=0.8)
        panels.lines(ax, [style.wrapped(name, 25) for name in lines], ticks=4)
        ax.set_title(title)
        ax.set_xlabel(label)
    panels.counts(axes[-1], [row["n"] for row in rows if row["metric"] == AB.name])
    style.heading(figure, f"Bias of the models, {heading}")
    every = [pairs for by_metric in lines.values() for pairs in by_metric.values()]
    style.foot(
        figure,
        n="seeds, at the right",
        bars=f"{bars(every)}, of |RB| cut at 0",
        more=_more(every),
        wrong=wrong(results, (RB, AB), EARLIER),
    )
    return figure, rows


def _mark(levels: Mapping[str, str]) -> style.Mark:
    return style.mark(levels["version"])


def _more(every: Sequence[Pairs]) -> str:
    """Says what is drawn beside the bars, and of how many models."""
    models = len({unit.levels for pairs in every for unit in pairs.units})
    text = f"Symbols: means{f' of {models} model sizes each' * (models > 1)}; dots: single models"
    if min(len(set(pairs.seeds.tolist())) for pairs in every) < contrasts.ENOUGH:
        text += f"; pale: fewer than {contrasts.ENOUGH} seeds"
    if len({pairs.seeds.tobytes() for pairs in every}) > 1:
        text += "; lines of different seeds are not paired, differences are in claims.md"
    return text


def wrong(results: Results, metrics: Iterable[Metric], also: str = "") -> str:
    """Says what would make numbers of models wrong: that other pictures tell otherwise.

    Args:
        results: of a study, which hold how many pictures there were.
        metrics: that are shown.
        also: what else would make them wrong, after a comma.
    """
    runs, found = results.select(kind="run"), {}
    for metric in metrics:
        asked = runs.select(split=metric.split, metric=metric.name)["n"]
        if len(asked):
            what = PICTURES.get(metric.split, metric.split)
            found[what] = max(found.get(what, 0), int(asked.max()))
    some = [f"{count:,} of {what}" for what, count in found.items()]
    text = ", ".join(some[:-1]) + " and " * (len(some) > 1) + "".join(some[-1:])
    few = ", drawings of few emoji," if len(results.select(kind="world")) else ""
    return f"other pictures than these {text}{few} tell otherwise{also}"


def bars(every: Iterable[Pairs]) -> str:
    """Says what the bars of some effects are."""
    known = all(pairs.deviations.shape[1] for pairs in every)
    return f"95% intervals over seeds{' and pictures' if known else ', not over pictures'}"


def _shared_units(lines: dict[str, ByMetric]) -> dict[str, ByMetric]:
    """Returns the runs of the seeds and models that all conditions have."""
    every = [set(pairs.units) for line in lines.values() for pairs in line.values()]
    shared = set.intersection(*every)
    if not shared:  # of a study that has only begun
        return lines
    return {
        name: {metric: pairs.select(shared) for metric, pairs in line.items()}
        for name, line in lines.items()
    }


def changes(
    results: Results, lines: Mapping[str, Contrast], metrics: Sequence[Metric],
    looks: Mapping[str, style.Mark], heading: str,
) -> Drawn | None:  # fmt: skip
    """Draws mean differences to original as a forest plot, one mark for each contrast.

    Args:
        results: of a study.
        lines: what is compared, for each metric.
        metrics: a group of the plot each.
        looks: of the lines.
        heading: of the figure.

    Returns:
        The figure and its data; None if there are no pairs of runs.
    """
    table, rows, every = effects(results, lines, metrics)
    shown = [line for line in lines if any(of[line].measured for of in table.values())]
    if not shown:
        return None
    looks = {line: looks[line] for line in shown}
    named = {NARROW.get(metric, metric.axis): by_line for metric, by_line in table.items()}
    height = 1.4 + len(metrics) * max(0.13 * len(shown), 0.34)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    ax = figure.subplots()
    panels.forest(ax, named, looks=looks)
    ax.set_xlabel("difference from original, percentage points")
    style.heading(figure, heading)
    style.foot(
        figure,
        n=seeds(rows),
        bars=f"{bars(every.values())}, of differences between runs that agree in all else",
        wrong=wrong(results, metrics, CHANCE),
        handles=[style.handle(line, looks[line]) for line in shown],
        ncols=4 if len(shown) == 4 else 2 if len(shown) > 4 else 3,
    )
    return figure, rows


def effects(
    results: Results,
    lines: Mapping[str, Contrast],
    metrics: Iterable[Metric],
    *,
    difference: bool = True,
) -> tuple[dict[Metric, dict[str, Estimate]], Rows, dict[tuple[Metric, str], Pairs]]:
    """Returns metric -> line -> its mean with the interval, the same as rows, and the pairs.

    `difference`: whether the contrasts are differences, see `estimate`.
    """
    runs, rows, every = Runs(results), [], {}
    table: dict[Metric, dict[str, Estimate]] = {metric: {} for metric in metrics}
    for metric, by_line in table.items():
        for line, contrast in lines.items():
            pairs = runs.pairs(contrast, metric)
            by_line[line] = Estimate()
            if len(pairs.values):
                by_line[line], row = estimate(metric, pairs.effect(), difference=difference)
                place = {"metric": key(metric), "split": metric.split, "contrast": line}
                rows.append(place | row)
                every[metric, line] = pairs
    return table, rows, every


def pale(seeds: int) -> dict[str, float]:
    """Returns how a symbol with its interval is drawn that is of so many seeds: few are pale."""
    return {"alpha": 0.45} if seeds < contrasts.ENOUGH else {}


def seeds(rows: Rows) -> str:
    """Says of how many seeds the rows are, by their "n"."""
    counts = sorted({row["n"] for row in rows}) or [0]  # nothing can be estimated
    least, most = counts[0], counts[-1]
    return f"{least} to {most} seeds a line" if least < most else f"{most} seeds"


def key(metric: Metric) -> str:
    """Returns the name of a metric in tables of figures: |name| where its size is meant."""
    return f"|{metric.name}|" if metric.absolute else metric.name


def estimate(
    metric: Metric, effect: paired.Effect, *, difference: bool = False
) -> tuple[Estimate, dict[str, Any]]:
    """Returns an effect as it is drawn, and as a row.

    The interval of a size, as of |RB|, ends at 0, unless it is of a `difference`.
    """
    floor = 0.0 if metric.absolute and not difference else -math.inf
    found = Estimate(effect.mean, max(effect.low, floor), effect.high)
    return found, {"mean": found.value, "low": found.low, "high": found.high, "n": effect.n}


def _line(ax: Axes, place: int, found: Estimate, pairs: Pairs, mark: style.Mark) -> None:
    """Draws a mean with its interval, pale where it is of few seeds, and the single models."""
    values, seeds = pairs.values, len(set(pairs.seeds.tolist()))
    ax.plot(100 * values, np.full(len(values), place + 0.26), linestyle="", marker=".",
            markersize=3, color=mark.color, alpha=0.6)  # fmt: skip
    style.errorbar(ax, found, place, mark, markersize=6, **pale(seeds))

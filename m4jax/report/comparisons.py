"""Figures that compare runs: metrics by condition, and differences as a forest plot."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.report import contrasts, panels, style
from m4jax.report.contrasts import AB, RB, Metric, Runs
from m4jax.report.results import Estimate, Results, Rows

Drawn = tuple[Figure, Rows]
Conditions = dict[str, dict[str, str]]  # name of a line -> its levels
FEW = 5  # seeds, below which an interval would say next to nothing
BIAS_LABELS = {
    RB: "representation bias: share of pictures without\na person that prefer “man” − 50%, points",
    AB: "association bias: mean over occupations of\nthe gap between men and women, points",
}


def bias(
    results: Results,
    conditions: Conditions,
    heading: str,
    *,
    free: tuple[str, ...] = (),
    **fixed: str,
) -> Drawn | None:
    """Draws RB and mean |AB| by condition, one line each: mean of its runs, interval, single runs.

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
    found: dict[str, dict[Metric, contrasts.Pairs]] = {}
    for name, chosen in conditions.items():
        contrast = contrasts.Contrast((((1.0, chosen),),), fixed, free)
        pairs = {metric: runs.pairs(contrast, metric) for metric in BIAS_LABELS}
        if all(len(of.values) for of in pairs.values()):
            found[name] = pairs
    if len(found) < 2:
        return None
    found = _of_shared_units(found)
    few = any(np.unique(of.seeds).size < FEW for of in found[next(iter(found))].values())
    figure = Figure(figsize=(style.WIDTH, 1.3 + 0.27 * len(found)), layout="constrained")
    axes = figure.subplots(1, len(BIAS_LABELS), sharey=True)
    for ax, (metric, label) in zip(axes, BIAS_LABELS.items(), strict=True):
        for place, (name, pairs) in enumerate(found.items()):
            estimate, row = _estimate(pairs[metric].effect())
            rows.append({"metric": metric.name, "condition": name} | row)
            estimate = Estimate(estimate.value) if few else estimate
            look = style.mark(conditions[name]["version"])
            _line(ax, place, estimate, pairs[metric].values, look)
        ax.axvline(0, color="0.6", linewidth=0.8)
        panels.lines(ax, list(found))
        ax.set_xlabel(label, fontsize=7)
    style.heading(figure, f"Bias of the models, {heading}")
    figure.supxlabel(_caption(found, few=few), fontsize=7)
    return figure, rows


def _caption(found: Mapping[str, Mapping[Metric, contrasts.Pairs]], *, few: bool) -> str:
    """Says what is drawn, and of how many models."""
    units = {unit for of in found.values() for pairs in of.values() for unit in pairs.units}
    seeds, models = len({unit.seed for unit in units}), len({unit.levels for unit in units})
    told = f"{seeds} seeds" + (f", {models} model sizes" if models > 1 else "")
    if few:
        return f"symbols: means; dots: single models ({told} in every line; too few for intervals)"
    return (
        f"bars: 95% intervals over seeds and pictures; dots: single models ({told} in every line)"
    )


def _of_shared_units(
    found: dict[str, dict[Metric, contrasts.Pairs]],
) -> dict[str, dict[Metric, contrasts.Pairs]]:
    """Returns the runs of the seeds and models that all conditions have.

    Else a difference between lines could be one of seeds or of models.
    """
    every = [set(of.units) for by_metric in found.values() for of in by_metric.values()]
    shared = set.intersection(*every)
    if not shared:  # of a study that has only begun
        return found
    return {
        name: {metric: of.of(shared) for metric, of in by_metric.items()}
        for name, by_metric in found.items()
    }


def changes(
    results: Results, lines: Mapping[str, contrasts.Contrast], metrics: Mapping[str, Metric],
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
    runs, rows = Runs(results), []
    table: dict[str, dict[str, Estimate]] = {}
    for name, metric in metrics.items():
        table[name] = {}
        for line, contrast in lines.items():
            pairs = runs.pairs(contrast, metric)
            if not len(pairs.values):
                continue
            table[name][line], row = _estimate(pairs.effect())
            rows.append({"metric": metric.name, "split": metric.split, "contrast": line} | row)
    shown = [line for line in lines if any(line in by_line for by_line in table.values())]
    if not shown:
        return None
    looks = {line: looks[line] for line in shown}
    whole = {n: {line: of.get(line, Estimate()) for line in shown} for n, of in table.items()}
    height = 1.3 + len(metrics) * max(0.13 * len(shown), 0.32)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    ax = figure.subplots()
    panels.forest(ax, whole, looks=looks)
    ax.set_xlabel("difference from original, percentage points")
    style.heading(figure, heading)
    figure.legend(
        handles=[style.handle(line, looks[line]) for line in shown], loc="outside lower center",
        ncols=4 if len(shown) <= 4 else 2, title=_told(rows),
        title_fontsize=7,
    )  # fmt: skip
    return figure, rows


def _told(rows: Rows) -> str:
    """Says what the bars are, and of how many seeds."""
    counts = sorted({row["n"] for row in rows})
    seeds = (
        f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds a line"
    )
    return f"bars: 95% intervals over seeds and pictures; {seeds}"


def _estimate(effect: paired.Effect) -> tuple[Estimate, dict[str, Any]]:
    """Returns an effect as it is drawn, and as a row."""
    row = {k: v for k, v in effect._asdict().items() if k in ("mean", "low", "high", "n")}
    return Estimate(effect.mean, effect.low, effect.high), row


def _line(ax: Axes, place: int, estimate: Estimate, values: np.ndarray, mark: style.Mark) -> None:
    ax.plot(100 * values, np.full(len(values), place + 0.24), linestyle="", marker=".",
            markersize=3, color=mark.color, alpha=0.6)  # fmt: skip
    style.errorbar(ax, estimate, place, mark, markersize=6)

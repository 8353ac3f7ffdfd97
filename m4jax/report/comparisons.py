"""Kinds of figures that compare runs; `figures_ablation` says what is compared.

Bias by condition, differences as a forest plot, bias along training, and bias against quality.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, GENDER, RB, Metric
from m4jax.report import contrasts, panels, style
from m4jax.report.contrasts import Contrast, Pairs, Runs
from m4jax.report.results import Estimate, Results, Rows

Drawn = tuple[Figure, Rows]
Conditions = dict[str, dict[str, str]]  # name of a line -> its levels
NARROW = {GENDER: "perceived\ngender"}  # beside many other groups
ByMetric = Mapping[Metric, Pairs]
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
    lines: dict[str, ByMetric] = {}
    for name, levels in conditions.items():
        contrast = contrasts.single(levels, free=free, **fixed)
        by_metric = {metric: runs.pairs(contrast, metric) for metric in BIAS_LABELS}
        if all(len(pairs.values) for pairs in by_metric.values()):
            lines[name] = by_metric
    if len(lines) < 2:
        return None
    lines = _shared_units(lines)
    first = next(iter(lines.values()))
    few = any(np.unique(pairs.seeds).size < contrasts.ENOUGH for pairs in first.values())
    figure = Figure(figsize=(style.WIDTH, 1.3 + 0.27 * len(lines)), layout="constrained")
    axes = figure.subplots(1, len(BIAS_LABELS), sharey=True)
    for ax, (metric, label) in zip(axes, BIAS_LABELS.items(), strict=True):
        for place, (name, by_metric) in enumerate(lines.items()):
            estimate, row = _estimate(by_metric[metric].effect())
            rows.append({"metric": metric.name, "condition": name} | row)
            estimate = Estimate(estimate.value) if few else estimate
            mark = style.mark(conditions[name]["version"])
            _line(ax, place, estimate, by_metric[metric].values, mark)
        ax.axvline(0, color="0.6", linewidth=0.8)
        panels.lines(ax, list(lines))
        ax.set_xlabel(label, fontsize=7)
    style.heading(figure, f"Bias of the models, {heading}")
    figure.supxlabel(_caption(lines, few=few), fontsize=7)
    return figure, rows


def _caption(lines: Mapping[str, ByMetric], *, few: bool) -> str:
    """Says what is drawn, and of how many models."""
    units = {unit for line in lines.values() for pairs in line.values() for unit in pairs.units}
    seeds, models = len({unit.seed for unit in units}), len({unit.levels for unit in units})
    count = f"{seeds} seeds" + (f", {models} model sizes" if models > 1 else "")
    if few:
        return f"symbols: means; dots: single models ({count} in every line; too few for intervals)"
    return (
        f"bars: 95% intervals over seeds and pictures; dots: single models ({count} in every line)"
    )


def _shared_units(lines: dict[str, ByMetric]) -> dict[str, ByMetric]:
    """Returns the runs of the seeds and models that all conditions have.

    Else a difference between lines could be one of seeds or of models.
    """
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
    runs, rows = Runs(results), []
    table: dict[str, dict[str, Estimate]] = {}
    for metric in metrics:
        name = NARROW.get(metric, metric.axis)
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
    whole = {
        name: {line: by_line.get(line, Estimate()) for line in shown}
        for name, by_line in table.items()
    }
    height = 1.3 + len(metrics) * max(0.13 * len(shown), 0.32)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    ax = figure.subplots()
    panels.forest(ax, whole, looks=looks)
    ax.set_xlabel("difference from original, percentage points")
    style.heading(figure, heading)
    figure.legend(
        handles=[style.handle(line, looks[line]) for line in shown], loc="outside lower center",
        ncols=4 if len(shown) <= 4 else 2, title=_bars(rows),
        title_fontsize=7,
    )  # fmt: skip
    return figure, rows


def _bars(rows: Rows) -> str:
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


def curves(
    results: Results,
    conditions: Conditions,
    marks: Mapping[str, style.Mark],
    changing: Collection[str],
    heading: str,
) -> Drawn | None:
    """Draws RB and mean |AB| along training: the mean over seeds, and a band that holds them all.

    Args:
        results: of a study.
        conditions: a line each.
        marks: of the lines.
        changing: the conditions in which the data change halfway; their lines are dashed.
        heading: of the figure.

    Returns:
        The figure and its data; None if nothing was measured along training.
    """
    figure, rows = Figure(figsize=(style.WIDTH, 3.5), layout="constrained"), []
    for ax, metric in zip(figure.subplots(1, 2), (RB, AB), strict=True):
        for name, by_seed in _along(results, conditions, metric).items():
            steps = sorted(set.intersection(*(set(curve) for curve in by_seed.values())))
            values = np.array([[curve[step] for step in steps] for curve in by_seed.values()])
            mean, least, most = values.mean(0), values.min(0), values.max(0)
            mark, changes = marks[name], name in changing
            ax.plot(steps, 100 * mean, color=mark.color, marker=mark.marker, markersize=4,
                    markerfacecolor=mark.face, zorder=3 if changes else 2,
                    linestyle="--" if changes else "-")  # fmt: skip
            if changes:
                ax.axvline(steps[-1] / 2, color="0.35", linestyle=":", linewidth=0.9)
            ax.fill_between(steps, 100 * least, 100 * most, color=mark.color, alpha=0.12,
                            linewidth=0)  # fmt: skip
            rows += [
                {"metric": metric.name, "condition": name, "step": step, "seeds": len(values),
                 "mean": mean[i], "least": least[i], "most": most[i]}
                for i, step in enumerate(steps)
            ]  # fmt: skip
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel("training step")
        ax.set_ylabel(metric.axis)
        ax.grid(axis="both")
    if not rows:
        return None
    style.heading(figure, heading)
    shown = [name for name in conditions if any(row["condition"] == name for row in rows)]
    lines = {name: "--" if name in changing else "-" for name in shown}
    figure.legend(
        handles=[style.handle(name, marks[name], line=line) for name, line in lines.items()],
        loc="outside lower center", ncols=3, title_fontsize=7,
        title=f"lines: means over {rows[0]['seeds']} seeds; bands: from the lowest to the highest "
        "of them; dotted: where the data of the dashed ones change",
    )  # fmt: skip
    return figure, rows


def _along(
    results: Results, conditions: Conditions, metric: Metric
) -> dict[str, dict[int, dict[int, float]]]:
    """Returns condition -> seed -> step -> the metric, for the seeds that all conditions have."""
    along = results.select(kind="along", metric=metric.name, split=metric.split)
    values: dict[str, dict[int, dict[int, float]]] = {}
    for name, levels in conditions.items():
        if not set(levels) <= set(results.factors):
            continue
        chosen = {factor: results.default(factor) for factor in results.factors} | levels
        for seed, step, value in along.select(**chosen).pairs("seed", "step", "value"):
            if math.isfinite(value):
                values.setdefault(name, {}).setdefault(seed, {})[step] = value
    shared = set.intersection(*map(set, values.values())) if values else set()
    if not shared:  # of a study that has only begun
        return values
    return {name: {seed: by_seed[seed] for seed in shared} for name, by_seed in values.items()}

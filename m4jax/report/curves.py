"""Bias along training: learnt and unlearnt."""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, RB, RB_SIZE, Metric
from m4jax.report import comparisons, style
from m4jax.report.comparisons import Conditions, Drawn
from m4jax.report.contrasts import ENOUGH
from m4jax.report.results import Results, Rows

LABELS = {RB: "RB, points", RB_SIZE: "|RB|, points", AB: "mean |AB|, points"}


class Curve(NamedTuple):
    """One condition along training.

    Attributes:
        steps: [t].
        values: [s, t], of each seed.
        ends: [2, t], of the 95% intervals over seeds; NaN with one seed.
    """

    steps: list[int]
    values: np.ndarray
    ends: np.ndarray


ByCondition = Mapping[str, Curve]


def along(
    results: Results,
    conditions: Conditions,
    marks: Mapping[str, style.Mark],
    changing: Collection[str],
    heading: str,
) -> Drawn | None:
    """Draws RB, |RB| and mean |AB| along training: means over seeds, and their 95% intervals.

    Above the conditions of which the data stay the same, below those that change halfway, with the
    means of the first two others. Intervals are over seeds alone: along training resamples of the
    pictures are not kept.

    Args:
        results: of a study.
        conditions: a line each, of all the seeds that it has.
        marks: of the lines.
        changing: the conditions in which the data change halfway.
        heading: of the figure.

    Returns:
        The figure and its data; None if nothing was measured along training.
    """
    table = {metric: of_conditions(results, conditions, metric) for metric in LABELS}
    names = [name for name in conditions if any(name in curves for curves in table.values())]
    if not names:
        return None
    steady = [name for name in names if name not in changing]
    groups = [group for group in (steady, [n for n in names if n in changing]) if group]
    height = 0.9 + 2.2 * len(groups)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    axes = figure.subplots(len(groups), len(LABELS), sharex=True, squeeze=False)
    for row, group in zip(axes, groups, strict=True):
        for ax, (metric, label) in zip(row, LABELS.items(), strict=True):
            if group is not steady:
                _reference(ax, table[metric], steady[:2], marks)
            _panel(ax, {n: table[metric][n] for n in group if n in table[metric]}, marks,
                   dashed=group is not steady)  # fmt: skip
            ax.set_title(label)
    for ax in axes[-1]:
        ax.set_xlabel("training step")
    style.heading(figure, heading)
    handles = []
    for name in names:
        count = max(len(of[name].values) for of in table.values() if name in of)
        line = "--" if name in changing else "-"
        handles.append(style.handle(f"{name} (n = {count})", marks[name], line=line))
    more = f"Lines: means, thin of fewer than {ENOUGH}"
    if len(groups) > 1:
        more += "; dotted: where the data of the lower panels change"
        more += f"; grey there: the means of {' and '.join(steady[:2])}" * bool(steady)
    style.foot(
        figure,
        n="seeds, in the key",
        bars="95% intervals over seeds, not over pictures, as are bands; of |RB| cut at 0",
        more=more,
        wrong=comparisons.wrong(results, LABELS, "; RB jumps from checkpoint to checkpoint"),
        handles=handles,
        ncols=3,
    )
    return figure, _rows(table)


def _panel(ax: Axes, curves: ByCondition, marks: Mapping[str, style.Mark], *, dashed: bool) -> None:
    """Draws curves: those of a change with bars, side by side, the others with bands."""
    for i, (name, curve) in enumerate(curves.items()):
        mark, mean = marks[name], 100 * curve.values.mean(0)
        gap = np.diff(curve.steps).min() if len(curve.steps) > 1 else 0
        steps = np.array(curve.steps) + dashed * gap * (0.2 * i - 0.1 * (len(curves) - 1))
        few = len(curve.values) < ENOUGH
        ax.plot(steps, mean, color=mark.color, marker=mark.marker, markersize=3 if few else 4,
                linewidth=0.8 if few else 1.5, markerfacecolor=mark.face, zorder=3,
                linestyle="--" if dashed else "-")  # fmt: skip
        if dashed:
            ax.vlines(steps, *(100 * curve.ends), color=mark.color, linewidth=0.9)
            ax.axvline(curve.steps[-1] / 2, color="0.35", linestyle=":", linewidth=0.9)
        else:
            ax.fill_between(steps, *(100 * curve.ends), color=mark.color, alpha=0.13, linewidth=0)
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.locator_params(axis="x", nbins=4)
    ax.grid(axis="both")


def _reference(
    ax: Axes, curves: ByCondition, names: Collection[str], marks: Mapping[str, style.Mark]
) -> None:
    for name in names:
        if name in curves:
            ax.plot(curves[name].steps, 100 * curves[name].values.mean(0), color="0.65",
                    marker=marks[name].marker, markersize=3, linewidth=0.9)  # fmt: skip


def of_conditions(results: Results, conditions: Conditions, metric: Metric) -> dict[str, Curve]:
    """Returns condition -> its curve; a step that a seed lacks is left out.

    Args:
        results: of a study.
        conditions: name -> levels; those of factors that the study lacks are left out.
        metric: that was measured along training.
    """
    points = results.select(kind="along", metric=metric.name, split=metric.split)
    curves = {}
    for name, levels in conditions.items():
        if not set(levels) <= set(results.factors):
            continue
        chosen = {factor: results.default(factor) for factor in results.factors} | levels
        by_seed: dict[int, dict[int, float]] = {}
        for seed, step, value in points.select(**chosen).pairs("seed", "step", "value"):
            if math.isfinite(value):
                by_seed.setdefault(seed, {})[step] = abs(value) if metric.absolute else value
        steps = sorted(set.intersection(*map(set, by_seed.values()))) if by_seed else []
        if steps:
            values = np.array([[of_seed[step] for step in steps] for of_seed in by_seed.values()])
            curves[name] = Curve(steps, values, _ends(values, metric))
    return curves


def _ends(values: np.ndarray, metric: Metric) -> np.ndarray:
    effects = [comparisons.estimate(metric, paired.effect(column))[0] for column in values.T]
    return np.array([[effect.low, effect.high] for effect in effects]).T


def _rows(table: Mapping[Metric, ByCondition]) -> Rows:
    return [
        {"metric": comparisons.key(metric), "condition": name, "step": step,
         "n": len(curve.values), "mean": float(curve.values[:, i].mean()),
         "low": float(curve.ends[0, i]), "high": float(curve.ends[1, i])}
        for metric, curves in table.items()
        for name, curve in curves.items()
        for i, step in enumerate(curve.steps)
    ]  # fmt: skip

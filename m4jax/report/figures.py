"""The figures of a study, each as png, as svg, and with the plotted data as csv."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, AB_BY_OCCUPATION, AB_MAX, COST, RB, RB_SIZE, Metric
from m4jax.report import comparisons, contrasts, panels, style
from m4jax.report.contrasts import Runs
from m4jax.report.figures_data import data_bias
from m4jax.report.results import ORACLE, Estimate, Results, Rows

SEEDS = 3  # of each version, from which intervals are over seeds as well
Draw = Callable[[Results], tuple[Figure, Rows] | None]
FOREST: dict[str, dict[str, Metric]] = {  # title of a panel -> name of a line -> metric
    "Quality": {metric.axis: metric for metric in COST},
    "Representation bias": {"RB": RB, "|RB|": RB_SIZE},
    "Association bias": {"mean over\noccupations": AB, "largest of all\noccupations": AB_MAX},
}


def render(
    results: Results,
    directory: str | os.PathLike,
    figures: Mapping[str, Draw],
    *,
    part: str = "",
) -> list[Path]:
    """Draws every figure for which there are results; the same results give the same bytes.

    Args:
        results: of a study, complete or not.
        directory: where name.png, name.svg and name.csv are written; those of a figure for which
            there are no results any more are removed.
        figures: name -> function that draws it, or returns None.
        part: "3 of 8 runs", say, written on every figure; "": the study is complete.

    Returns:
        The paths of the png files.
    """
    paths = []
    for name, draw in figures.items():
        with style.page():
            drawn = draw(results)
            if drawn is None:
                for kind in style.KINDS:
                    (Path(directory) / f"{name}.{kind}").unlink(missing_ok=True)
                continue
            if part:
                drawn[0].text(0.995, 0.995, f"incomplete: {part}", ha="right", va="top",
                              fontsize=style.SMALL, color=style.WARNING)  # fmt: skip
            style.save(drawn[0], Path(directory) / name, drawn[1])
        paths.append(Path(directory) / f"{name}.png")
    return paths


def association_by_occupation(results: Results) -> tuple[Figure, Rows] | None:
    """Draws the model's association bias against the census' share of women, by version."""
    census = results.select(kind="world", metric="women_share")
    share = dict(zip(census["label"].tolist(), census["value"].tolist(), strict=True))
    table = results.select(kind="version", metric="association_bias", split="faces")
    versions = table.versions
    if not versions or not share:  # only of the testbed's labels the census is known to speak
        return None
    across = min(2, len(versions))
    down = -(-len(versions) // across)
    figure = Figure(figsize=(style.WIDTH, 1.2 + 2.2 * down), layout="constrained")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    many, rows, shown = _enough(results, versions), [], []
    for ax, version in zip(axes, versions, strict=False):
        part = table.select(version=version)
        labels = dict.fromkeys(part["label"].tolist())
        pooled = {label: part.one(label=label) for label in labels}
        by_label = _by_occupation(results, version, labels) if many else pooled
        points = [(label, share.get(label, math.nan), by_label[label]) for label in labels]
        line = panels.scatter(ax, points, style.marks(results.versions)[version])
        shown.append(points)
        ax.set_title(f"{style.display(version)} (n = {_count(results, version)})")
        rows += [
            {"version": version, "occupation": label, "women_share": x} | _fields(y) | line
            for label, x, y in points
        ]
    for ax in axes[len(versions) :]:
        ax.remove()
    for ax in axes[max(len(versions) - across, 0) : len(versions)]:  # the lowest of each column
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("share of women in the census, %")
    figure.supylabel("P(occupation | man) − P(occupation | woman), points", fontsize=style.SMALL)
    style.heading(figure, "Association bias of the models, by occupation")
    style.foot(
        figure,
        n="seeds, in the titles",
        bars="95% intervals over seeds and pictures" if many else style.INTERVALS,
        more="Dashed: regression, of slope and correlation r",
        wrong=comparisons.wrong(
            results, (AB_BY_OCCUPATION,), f"; r is of {len(shown[0])} occupations, no sample of all"
        ),
    )
    figure.draw_without_rendering()  # names need to know where all else is
    for ax, points in zip(axes, shown, strict=False):
        panels.name_extremes(ax, points)
    return figure, rows


def model_bias(results: Results) -> tuple[Figure, Rows] | None:
    """Draws RB, |RB| and mean |AB| of the models by version, with a tick for each seed."""
    pooled = results.select(kind="version")
    versions = pooled.versions
    if not versions:
        return None
    lines = {v: contrasts.single({"version": v}, free=()) for v in versions}
    table, _, every = comparisons.effects(results, lines, comparisons.BIAS, difference=False)
    many, looks, rows = _enough(results, versions), style.marks(results.versions), []
    figure = Figure(figsize=(style.WIDTH, 1.8 + 0.36 * len(versions)), layout="constrained")
    axes = figure.subplots(1, len(table), sharey=True)
    for ax, (metric, estimates) in zip(axes, table.items(), strict=True):
        if not many:
            estimates = {v: _over_pictures(pooled, metric, v, estimates[v]) for v in versions}
        seeds = {v: every[metric, v].values.tolist() if (metric, v) in every else [] for v in lines}
        panels.by_version(ax, estimates, seeds, looks=looks, reference=ORACLE)
        title, label = comparisons.BIAS[metric]
        ax.set_title(title)
        ax.set_xlabel(label)
        for v, estimate in estimates.items():
            name = {"metric": comparisons.key(metric), "version": v}
            units = every[metric, v].units if (metric, v) in every else ()
            rows.append(name | {"seed": "all"} | _fields(estimate))
            rows += [
                name | {"seed": unit.seed} | _fields(Estimate(value))
                for unit, value in zip(units, seeds[v], strict=True)
            ]
    panels.counts(axes[-1], [_count(results, v) for v in versions])
    style.heading(figure, "Bias of the models, by data version")
    style.foot(
        figure,
        n="seeds, at the right",
        bars=comparisons.bars(every.values()) if many else style.INTERVALS,
        more="Symbols: means; strokes: single models"
        + "; dashed line and grey band: oracle" * (ORACLE in versions),
        wrong=comparisons.wrong(results, (RB, AB), comparisons.EARLIER),
    )
    return figure, rows


def quality_and_bias(results: Results) -> tuple[Figure, Rows] | None:
    """Draws what each version changes in quality, and in bias, as a forest plot."""
    pooled = results.select(kind="difference")
    if not pooled.versions:
        return None
    looks = {v: m for v, m in style.marks(results.versions).items() if v in pooled.versions}
    reference = {"version": results.reference}
    lines = {v: contrasts.difference({"version": v}, reference, free=()) for v in looks}
    metrics = dict.fromkeys(metric for of in FOREST.values() for metric in of.values())
    table, found, every = comparisons.effects(results, lines, metrics)
    many = _enough(results, [results.reference, *looks])
    if not many:
        table = {
            metric: {v: _over_pictures(pooled, metric, v, of[v]) for v in looks}
            for metric, of in table.items()
        }
    height = 1.6 + 5 * max(0.14 * len(looks), 0.3)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    left, upper, lower = FOREST
    axes = figure.subplot_mosaic([[left, upper], [left, lower]])
    rows: Rows = []
    for title, of in FOREST.items():
        ax = axes[title]
        panels.forest(ax, {name: table[metric] for name, metric in of.items()}, looks=looks)
        ax.set_title(title)
        if title != upper:
            ax.set_xlabel(f"difference from {style.display(results.reference)},\npercentage points")
        rows += [
            {"panel": title, "metric": comparisons.key(metric), "split": metric.split, "version": v}
            | _fields(estimate)
            for metric in of.values()
            for v, estimate in table[metric].items()
        ]
    style.heading(figure, "What the data versions change")
    style.foot(
        figure,
        n=comparisons.seeds(found),
        bars=comparisons.bars(every.values()) if many else style.INTERVALS,
        wrong=comparisons.wrong(results, metrics, comparisons.CHANCE),
        handles=[style.handle(style.display(v), mark) for v, mark in looks.items()],
        ncols=4 if len(looks) == 4 else 3,
    )
    return figure, rows


FIGURES: dict[str, Draw] = {
    "data_bias": data_bias,
    "association_by_occupation": association_by_occupation,
    "model_bias": model_bias,
    "quality_and_bias": quality_and_bias,
}


def _count(results: Results, version: str) -> int:
    """Returns the number of seeds of a version, all else being at its default."""
    return len(Runs(results).pairs(contrasts.single({"version": version}, free=()), RB).values)


def _enough(results: Results, versions: Sequence[str]) -> bool:
    """Returns whether each version has seeds enough for intervals over them."""
    return min(_count(results, version) for version in versions) >= SEEDS


def _over_pictures(pooled: Results, metric: Metric, version: str, found: Estimate) -> Estimate:
    """Returns the estimate over pictures alone, of a few seeds together; of |RB| without."""
    if metric.absolute:
        return Estimate(found.value)
    return pooled.one(version=version, metric=metric.name, split=metric.split)


def _by_occupation(results: Results, version: str, labels: Iterable[str]) -> dict[str, Estimate]:
    """Returns label -> the mean over seeds of a version's association bias, with its interval.

    Of one label the draws are not kept. That the pictures move all runs alike is the worst that
    they can do: the deviation over pictures of a mean is at most the mean of the runs' own.
    """
    runs, estimates = Runs(results), {}
    ends = results.select(kind="run", metric=AB_BY_OCCUPATION.name, split=AB_BY_OCCUPATION.split)
    half = {
        (run, label): (high - low) / 2
        for run, label, low, high in ends.pairs("run_id", "label", "ci_low", "ci_high")
    }
    for label in labels:
        metric = dataclasses.replace(AB_BY_OCCUPATION, label=label)
        pairs = runs.pairs(contrasts.single({"version": version}, free=()), metric)
        if not len(pairs.values):
            estimates[label] = Estimate()
            continue
        moved = np.nan_to_num([half[run, label] for (run,) in pairs.runs]) / stats.norm.ppf(0.975)
        effect = paired.effect(pairs.values, np.outer(moved, [1, -1]))
        estimates[label], _ = comparisons.estimate(metric, effect)
    return estimates


def _fields(estimate: Estimate) -> dict[str, float]:
    return dataclasses.asdict(estimate)

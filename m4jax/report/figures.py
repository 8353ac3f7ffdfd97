"""The figures of a study, each as png, as svg, and with the plotted data as csv."""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from m4jax.evaluation.metrics import AB, AB_MAX, COST, RB, Metric
from m4jax.report import panels, style
from m4jax.report.results import ORACLE, Estimate, Results, Rows

Draw = Callable[[Results], tuple[Figure, Rows] | None]
FOREST: dict[str, dict[str, Metric]] = {  # title of a panel -> name of a line -> metric
    "Quality": {metric.axis: metric for metric in COST},
    "Representation bias": {"pictures\nwithout a person": RB},
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
                              fontsize=7, color=style.WARNING)  # fmt: skip
            style.save(drawn[0], Path(directory) / name, drawn[1])
        paths.append(Path(directory) / f"{name}.png")
    return paths


def data_bias(results: Results) -> tuple[Figure, Rows] | None:
    """Draws the association of each label with gender in the data, version by version."""
    table = results.select(kind="data", metric="association_bias")
    versions = table.versions
    columns = [_with_prevalence(results, version) for version in versions]
    parts = {"Occupations": ("occupations",), "Things": ("any_thing", "things")}
    numbers = {title: _by_label(table, splits) for title, splits in parts.items()}
    numbers = {title: by_label for title, by_label in numbers.items() if by_label}
    if not numbers:
        return None
    tallest = max(len(by_label) for by_label in numbers.values())
    figure = Figure(figsize=(style.WIDTH, 1.4 + 0.165 * tallest), layout="constrained")
    every = [value for by_label in numbers.values() for row in by_label.values() for value in row]
    limit, beyond = _color_limit(np.array(every).reshape(-1, len(versions)))
    axes = figure.subplots(1, len(numbers), squeeze=False)[0]
    for ax, (title, by_label) in zip(axes, numbers.items(), strict=True):
        values = np.array(list(by_label.values())).reshape(-1, len(versions))
        image = panels.heat_map(ax, values, labels=list(by_label), columns=columns, limit=limit)
        ax.set_title(title)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=45, pad=0.02,
                          extend="both" if beyond else "neither")  # fmt: skip
    bar.set_label(
        "association bias of the training data: P(label | man) − P(label | woman), "
        "percentage points\n(men: their share among persons − the share aimed at)"
    )
    return figure, [
        {"version": version, "panel": title, "label": label, "association_bias": value}
        for title, by_label in numbers.items()
        for label, row in by_label.items()
        for version, value in zip(versions, row, strict=True)
    ]


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
    figure = Figure(figsize=(style.WIDTH, 1.0 + 2.3 * down), layout="constrained")
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
    rows: Rows = []
    shown: list[list[tuple[str, float, Estimate]]] = []
    for ax, version in zip(axes, versions, strict=False):
        labels = dict.fromkeys(table.select(version=version)["label"].tolist())
        points = [
            (label, share.get(label, math.nan), table.one(version=version, label=label))
            for label in labels
        ]
        line = panels.scatter(ax, points, style.marks(results.versions)[version])
        shown.append(points)
        ax.set_title(style.display(version))
        rows += [
            {"version": version, "occupation": label, "women_share": x} | _fields(y) | line
            for label, x, y in points
        ]
    for i, points in enumerate(shown):  # there is room for names where the points spread
        panels.name_extremes(axes[i], points, 1 if i else 3)
    for ax in axes[len(versions) :]:
        ax.remove()
    for ax in axes[max(len(versions) - across, 0) : len(versions)]:  # the lowest of each column
        ax.tick_params(labelbottom=True)
    figure.supxlabel(
        f"share of women in the census, %\n({style.INTERVALS}; r and slope: with that share)",
        fontsize=8,
    )
    figure.supylabel(
        "association bias of the model on faces:\n"
        "P(occupation | man) − P(occupation | woman),\npercentage points",
        fontsize=8,
    )
    return figure, rows


def model_bias(results: Results) -> tuple[Figure, Rows] | None:
    """Draws RB and mean |AB| of the models by version, with a tick for each seed."""
    pooled, runs = results.select(kind="version"), results.select(kind="run")
    versions = pooled.versions
    if not versions:
        return None
    titles = {
        RB.name: (
            "Representation bias",
            "share of pictures without a person that prefer\n"
            "“man” to “woman” − 50%, percentage points",
        ),
        AB.name: (
            "Association bias",
            "mean over occupations of the absolute gap\nbetween men and women, percentage points",
        ),
    }
    figure = Figure(figsize=(style.WIDTH, 1.5 + 0.33 * len(versions)), layout="constrained")
    rows: Rows = []
    for ax, (metric, (title, label)) in zip(
        figure.subplots(1, 2, sharey=True), titles.items(), strict=True
    ):
        estimates = {v: pooled.one(version=v, metric=metric) for v in versions}
        seeds = {v: runs.select(version=v, metric=metric)["value"].tolist() for v in versions}
        looks = style.marks(results.versions)
        panels.by_version(ax, estimates, seeds, looks=looks, reference=ORACLE)
        ax.set_title(title)
        ax.set_xlabel(label)
        for v in versions:
            rows.append({"metric": metric, "version": v, "seed": "all"} | _fields(estimates[v]))
            rows += [
                {"metric": metric, "version": v, "seed": int(seed)} | _fields(Estimate(value))
                for seed, value in runs.select(version=v, metric=metric).pairs("seed", "value")
            ]
    figure.supxlabel(_key(versions), fontsize=7)
    return figure, rows


def quality_and_bias(results: Results) -> tuple[Figure, Rows] | None:
    """Draws what each version changes in quality, and in bias, as a forest plot."""
    table = results.select(kind="difference")
    if not table.versions:
        return None
    looks = {v: m for v, m in style.marks(results.versions).items() if v in table.versions}
    height = 1.6 + 5 * max(0.14 * len(looks), 0.3)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    left, upper, lower = FOREST
    axes = figure.subplot_mosaic([[left, upper], [left, lower]], height_ratios=[1, 2])
    rows: Rows = []
    for title, metrics in FOREST.items():
        ax = axes[title]
        lines = {
            name: {v: table.one(version=v, metric=m.name, split=m.split) for v in looks}
            for name, m in metrics.items()
        }
        panels.forest(ax, lines, looks=looks)
        ax.set_title(title)
        if title != upper:
            ax.set_xlabel(f"difference from {style.display(results.reference)}, percentage points")
        rows += [
            {
                "panel": title,
                "metric": metrics[name].name,
                "split": metrics[name].split,
                "version": v,
            }
            | _fields(estimate)
            for name, by_version in lines.items()
            for v, estimate in by_version.items()
        ]
    figure.legend(
        handles=[style.handle(style.display(v), mark) for v, mark in looks.items()],
        loc="outside lower center", ncols=4, title=style.INTERVALS, title_fontsize=7,
    )  # fmt: skip
    return figure, rows


FIGURES: dict[str, Draw] = {
    "data_bias": data_bias,
    "association_by_occupation": association_by_occupation,
    "model_bias": model_bias,
    "quality_and_bias": quality_and_bias,
}


def _by_label(table: Results, splits: tuple[str, ...]) -> dict[str, list[float]]:
    """Returns label -> value of each version; in each split by falling value in the first."""
    versions, rows = table.versions, {}
    for split in splits:
        part = table.select(split=split)
        by_label = {
            label: [part.one(label=label, version=version).value for version in versions]
            for label in dict.fromkeys(part["label"].tolist())
        }
        rows |= dict(sorted(by_label.items(), key=lambda item: -np.nan_to_num(item[1][0])))
    return rows


def _color_limit(table: np.ndarray) -> tuple[float, bool]:
    """Returns the percentage at which colours end, and whether numbers in the table exceed it.

    That is the 95th percentile of the first version, lest one label leave the others pale.
    """
    percent = 100 * np.abs(table)
    first = percent[:, 0][np.isfinite(percent[:, 0])]
    limit = float(max(np.quantile(first, 0.95) if first.size else 0.0, 0.1))
    return limit, bool(np.nanmax(percent, initial=0.0) > limit)


def _with_prevalence(results: Results, version: str) -> str:
    """Returns the name of a version, and by how much its share of men is beside the aim."""
    beside = results.one(kind="data", version=version, metric="representation_bias", label="man")
    name = style.display(version).replace(" + ", "\n+ ")
    return f"{name}\nmen {style.signed(100 * beside.value)}" if beside.measured else name


def _key(versions: list[str]) -> str:
    key = f"{style.INTERVALS}; ticks below them: single seeds"
    return key + "; dashed line and grey band: oracle" * (ORACLE in versions)


def _fields(estimate: Estimate) -> dict[str, float]:
    return dataclasses.asdict(estimate)

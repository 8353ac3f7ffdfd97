"""The paper's figures one by one, in its order and with its axes, of the runs of a study.

Which figure shows what is known from the order of its sections and from reviews; of its numbers
those in `THEIRS`, and see `paper_beside`. What a study has no runs of is not drawn.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from m4jax.evaluation import metrics
from m4jax.evaluation.metrics import AB, AB_MAX, RB, RB_SIZE, Metric
from m4jax.report import comparisons, contrasts, panels, style
from m4jax.report.comparisons import Drawn
from m4jax.report.contrasts import BALANCED, ORIGINAL
from m4jax.report.results import ORACLE, Estimate, Results, Rows

VERSIONS = ("original", "balanced", "balanced_proxies", "subsample", ORACLE)
HATCHES = ("", "////", "....", "\\\\\\\\", "")  # of the bars of `VERSIONS`: told apart in grey
NAMES = {AB_MAX: "largest |AB|, points", AB: "mean |AB|, points", RB: "RB, points",
         RB_SIZE: "|RB|, points"}  # fmt: skip
THEIRS = (
    "Known of the paper's SigLIP-B/16 with a filter, balanced against not: COCO image→text R@5 87% "
    "against 86%, ImageNet zero-shot 77.5% against 77%"
)


class Cell(NamedTuple):
    """One bar or symbol of a figure: its place, its look, and of which runs it is."""

    group: str
    series: str
    levels: Mapping[str, str]


def bias_by_data(results: Results) -> Drawn | None:
    """Draws RB by the number of distinct training examples: figure 2, top."""
    sizes = contrasts.levels(results, "data", key=contrasts.size)
    versions = ("original", "balanced", "subsample")
    cells = [Cell(size, v, {"data": size, "version": v}) for v in versions for size in sizes]
    if len(sizes) < 2:
        return None
    title, axis = "Paper's figure 2, top: RB by size of the training data", "distinct examples"
    return _grouped(results, cells, (RB, RB_SIZE), title, axis=axis)


def representation_by_stage(results: Results) -> Drawn | None:
    """Draws RB by data version and stage: figure 2, bottom."""
    return _by_stage(results, (RB, RB_SIZE), "Paper's figure 2, bottom: RB by data and stage")


def association_by_stage(results: Results) -> Drawn | None:
    """Draws AB by data version and stage: figure 3."""
    return _by_stage(results, (AB_MAX, AB), "Paper's figure 3: AB by data version and stage")


def recognition(results: Results) -> Drawn | None:
    """Draws how well the attribute itself is recognised, by data version: figure 4."""
    named = {"faces": metrics.GENDER, "people\nat work": _metric("gender_acc1", "workers"),
             "new vendor": metrics.NEW_VENDOR_GENDER}  # fmt: skip
    return _bars(results, named, "Paper's figure 4: accuracy on perceived gender", chance=0.5)


def classification(results: Results) -> Drawn | None:
    """Draws zero-shot and 10-shot accuracy by data set and data version: figure 5."""
    named = {
        "things": metrics.THINGS,
        "occupations": metrics.OCCUPATIONS,
        "occupations,\nnew vendor": metrics.NEW_VENDOR,
        "things,\n10-shot": metrics.THINGS_PROBE,
        "occupations,\n10-shot": metrics.OCCUPATIONS_PROBE,
    }
    return _bars(results, named, "Paper's figure 5: classification, accuracy by data set")


def retrieval(results: Results) -> Drawn | None:
    """Draws recall by direction, k and data version: figure 6."""
    ks = (1, 5, 50) if "text_retrieval_recall@50" in results["metric"] else (1, 5)
    named = {
        f"{way}\nR@{k}": _metric(f"{name}_retrieval_recall@{k}", "scenes")
        for way, name in (("image→text", "text"), ("text→image", "image"))
        for k in ks
    }
    return _bars(results, named, "Paper's figure 6: retrieval, recall at k")


def filtered(results: Results) -> Drawn | None:
    """Draws SigLIP on filtered data, balanced and not: table 2, and what the text adds to it."""
    named = {
        "largest\n|AB|": AB_MAX, "mean\n|AB|": AB, "RB": RB, "|RB|": RB_SIZE,
        "image→text\nR@5": metrics.IMAGE_TO_TEXT, "things": metrics.THINGS,
        "occupations": metrics.OCCUPATIONS,
    }  # fmt: skip
    where = {"captions": "noisy", "loss": "SigLIP", "filter": "on"}
    title = "Paper's table 2: SigLIP on filtered data, with and without balancing"
    return _bars(results, named, title, note=THEIRS, axis="% or points", **where)


FIGURES = {
    "paper_2_top": bias_by_data,
    "paper_2_bottom": representation_by_stage,
    "paper_3": association_by_stage,
    "paper_4": recognition,
    "paper_5": classification,
    "paper_6": retrieval,
    "paper_table_2": filtered,
}
CAPTIONS = {  # in `claims.md`
    "paper_2_top": "the paper's figure 2, top: RB by size of the training data",
    "paper_2_bottom": "2, bottom: RB by data version and stage",
    "paper_3": "3: AB likewise",
    "paper_4": "4: recognising the attribute",
    "paper_5": "5: classification by data set",
    "paper_6": "6: retrieval by R@k",
    "paper_table_2": "table 2: AB of SigLIP on filtered data",
}


def _metric(name: str, split: str) -> Metric:
    return next(m for m in metrics.METRICS if (m.name, m.split) == (name, split))


def _by_stage(results: Results, of: Sequence[Metric], title: str) -> Drawn | None:
    """Draws metrics by the share of training that is stage 1, on the original data."""
    shares = {results.default("stage"): 0.0}
    for level in contrasts.levels(results, "stage", key=str):
        if found := re.fullmatch(r"(after|last) ([\d.]+)%", level):
            shares[level] = float(found[2]) if found[1] == "after" else 100 - float(found[2])
    order = sorted(shares, key=shares.__getitem__)
    cells = [
        Cell(f"{shares[level]:g}%", version, {"version": version, "stage": level})
        for version in ("balanced", "balanced_proxies")
        for level in order
    ]
    if len(order) < 2:
        return None
    cells += [Cell("100%", version, {"version": version}) for version in ("original", "subsample")]
    axis = "stage 1, on the original data: share of training"
    return _grouped(results, cells, of, title, axis=axis, lines=False)


def _grouped(
    results: Results,
    cells: Sequence[Cell],
    of: Sequence[Metric],
    title: str,
    *,
    axis: str,
    lines: bool = True,
) -> Drawn | None:
    """Draws a metric a panel: a symbol with its interval for each cell, in places by group."""
    table, rows, every = _estimates(results, cells, of)
    counts = {row["contrast"]: row["n"] for row in rows}
    cells = [cell for cell in cells if _name(cell) in counts]
    groups = list(dict.fromkeys(cell.group for cell in cells))
    series = [v for v in VERSIONS if any(cell.series == v for cell in cells)]
    differ = len(set(counts.values())) > 1
    if len(groups) < 2:
        return None
    figure = Figure(figsize=(style.WIDTH, 3.0), layout="constrained")
    for ax, metric in zip(figure.subplots(1, len(of)), of, strict=True):
        for version in series:
            points = {}
            for cell in cells:
                if cell.series == version:
                    found, place = table[metric][_name(cell)], _place(cell, cells, groups)
                    points[place] = found
                    _symbol(ax, place, found, cell, counts[_name(cell)], told=differ)
            if lines:
                ax.plot(list(points), [100 * y.value for y in points.values()], linewidth=0.8,
                        color=style.mark(version).color, alpha=0.6)  # fmt: skip
        ax.margins(y=0.14)
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set_xticks(range(len(groups)), groups)
        ax.set_xlim(-0.5, len(groups) - 0.5)
        ax.set_title(NAMES[metric])
        ax.set_xlabel(axis)
        ax.grid(axis="y")
    style.heading(figure, title)
    style.foot(
        figure,
        n="seeds of the default model, below each symbol" if differ else comparisons.seeds(rows),
        bars=f"{comparisons.bars(every.values())}{', of |RB| cut at 0' * (RB_SIZE in of)}",
        more=f"Pale: fewer than {contrasts.ENOUGH}; where n differs, seeds do" * differ,
        wrong=comparisons.wrong(results, of, comparisons.EARLIER),
        handles=[style.handle(style.display(v), style.mark(v), line="") for v in series],
    )
    return figure, rows


def _place(cell: Cell, cells: Sequence[Cell], groups: Sequence[str]) -> float:
    """Returns where a cell is drawn: beside the others of its group."""
    beside = [other.series for other in cells if other.group == cell.group]
    return groups.index(cell.group) + 0.3 * (beside.index(cell.series) - (len(beside) - 1) / 2)


def _symbol(ax: Axes, place: float, found: Estimate, cell: Cell, count: int, *, told: bool) -> None:
    """Draws a symbol with its interval; if `told`, with the number of seeds below."""
    if not found.measured:
        return
    mark = style.mark(cell.series)
    style.errorbar(ax, place, found, mark, markersize=6, **comparisons.pale(count))
    if not told:
        return
    below = 100 * (found.low if found.bounded else found.value)
    ax.annotate(str(count), (place, below), xytext=(0, -3 if found.bounded else -6), ha="center",
                va="top", textcoords="offset points", fontsize=style.SMALL)  # fmt: skip


def _bars(
    results: Results,
    named: Mapping[str, Metric],
    title: str,
    *,
    chance: float | None = None,
    note: str = "",
    axis: str = "%",
    **fixed: str,
) -> Drawn | None:
    """Draws a group of bars for each metric, one a data version; above, what balancing changes.

    `chance`: where a line is drawn.
    """
    cells = [Cell("", version, {"version": version} | fixed) for version in VERSIONS]
    table, rows, every = _estimates(results, cells, list(dict.fromkeys(named.values())))
    series = [c.series for c in cells if any(of[_name(c)].measured for of in table.values())]
    if len(series) < 2:
        return None
    figure = Figure(figsize=(style.WIDTH, 3.0), layout="constrained")
    ax = figure.subplots()
    offsets = panels.offsets(len(series))
    for version, offset in zip(series, offsets, strict=True):
        for place, metric in enumerate(named.values()):
            found = table[metric][_name(Cell("", version, {}))]
            _bar(ax, place + offset, found, version, width=0.9 * np.diff(offsets)[0])
    ax.axhline(0, color="0.35", linewidth=0.9)
    _write_changes(ax, results, list(named.values()), fixed)
    if chance is not None:
        ax.axhline(100 * chance, color="0.35", linestyle=":", linewidth=0.9)
        note = "Dotted: chance"
    ax.set_xticks(range(len(named)), named)
    ax.set_ylabel(axis)
    ax.grid(axis="y")
    counts = {row["contrast"]: row["n"] for row in rows}
    style.heading(figure, title)
    style.foot(
        figure,
        n="seeds of the default model, in the key",
        bars=f"means; whiskers: {comparisons.bars(every.values())}",
        more=f"Above: differences of paired runs. {note}".rstrip(". "),
        wrong=comparisons.wrong(results, list(named.values()), comparisons.CHANCE),
        handles=[Patch(label=f"{style.display(v)} (n = {counts[v]})", **_look(v)) for v in series],
        ncols=3,
    )
    return figure, rows


def _bar(ax: Axes, place: float, found: Estimate, version: str, *, width: float) -> None:
    if not found.measured:
        return
    ax.bar(place, 100 * found.value, width=width, **_look(version))
    style.errorbar(ax, place, found, style.Mark("#000000", "", filled=True), elinewidth=1.0)


def _look(version: str) -> dict[str, Any]:
    mark, hatch = style.mark(version), HATCHES[VERSIONS.index(version)]
    return {"facecolor": mark.face, "edgecolor": mark.color, "hatch": hatch, "alpha": 0.55,
            "linewidth": 0.8}  # fmt: skip


def _write_changes(
    ax: Axes, results: Results, of: Sequence[Metric], fixed: Mapping[str, str]
) -> None:
    """Writes above each group what balancing changes, paired, with its interval."""
    line = {"": contrasts.difference(BALANCED, ORIGINAL, free=(), **fixed)}
    table, _, _ = comparisons.effects(results, line, of)
    for place, metric in enumerate(of):
        found = table[metric][""]
        gap = ",\n" if len(of) > 6 else ", "  # lest they meet
        text = style.interval(metric, found, sign=True).replace(" [", "\n[").replace(", ", gap)
        ax.text(place, 1.02, text, transform=ax.get_xaxis_transform(), ha="center", va="bottom",
                fontsize=style.SMALL)  # fmt: skip
    ax.text(-0.01, 1.02, "balanced\n− original", transform=ax.transAxes, ha="right", va="bottom",
            fontsize=style.SMALL)  # fmt: skip


def _estimates(
    results: Results, cells: Iterable[Cell], of: Sequence[Metric]
) -> tuple[dict[Metric, dict[str, Estimate]], Rows, dict]:
    lines = {_name(cell): contrasts.single(cell.levels, free=()) for cell in cells}
    return comparisons.effects(results, lines, of, difference=False)


def _name(cell: Cell) -> str:
    return f"{cell.series}: {cell.group}" if cell.group else cell.series

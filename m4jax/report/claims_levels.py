"""Levels of the metrics beside the claims, which are differences."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from m4jax.evaluation.metrics import Metric
from m4jax.report import contrasts
from m4jax.report.claims_table import heading
from m4jax.report.contrasts import Levels, Runs
from m4jax.report.results import Results
from m4jax.report.style import display, shown


def section(
    results: Results, wanted: Sequence[Metric], versions: Mapping[str, Levels]
) -> list[str]:
    """Returns the table of the metrics' levels, of the default model, as lines of Markdown.

    Args:
        results: of a study.
        wanted: its lines.
        versions: its columns, heading -> the levels of the runs.
    """
    runs, lines = Runs(results), []
    columns = {n: x for n, x in versions.items() if x["version"] in results.versions}
    for metric in wanted:
        by_version = [
            runs.pairs(contrasts.single(levels, free=()), metric) for levels in columns.values()
        ]
        units = [set(pairs.units) for pairs in by_version if len(pairs.values)]
        shared = set.intersection(*units) if units else set()
        cells = [_level(metric, pairs.select(shared).values) for pairs in by_version]
        if shared:
            count = f"{pictures(results, metric):,}"
            lines.append(f"| {heading(metric)} | {' | '.join(cells)} | {len(shared)} | {count} |")
    if not lines:
        return []
    heads = " | ".join(map(display, columns))
    return [
        "## Levels",
        "",
        "Of the default model: mean over seeds, and in parentheses the standard deviation between "
        "them; percent, RB and |AB| in points.",
        "",
        f"| | {heads} | seeds | pictures |",
        f"| --- |{' --- |' * len(columns)} --- | --- |",
        *lines,
    ]


def _level(metric: Metric, values: np.ndarray) -> str:
    if not len(values):
        return "–"
    spread = shown(metric, values.std(ddof=1)) if len(values) > 1 else "–"
    return f"{shown(metric, values.mean(), sign=metric.signed)} ({spread})"


def pictures(results: Results, metric: Metric) -> int:
    """Returns the number of pictures that a metric is of; 0 if there are no results."""
    wanted = {"kind": "run", "metric": metric.name, "split": metric.split, "label": metric.label}
    counts = results.select(**wanted)["n"]
    return int(counts.max()) if len(counts) and math.isfinite(counts.max()) else 0

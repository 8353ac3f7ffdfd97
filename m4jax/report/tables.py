"""The tables of a study: csv files with all digits, and a compact form for the terminal."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from m4jax.evaluation import metrics
from m4jax.evaluation.metrics import Metric
from m4jax.report import data_means
from m4jax.report.results import Estimate, Results, Rows, write_csv
from m4jax.report.style import display, number, shown, signed
from m4jax.terminal import text

Metrics = Sequence[Metric]
DATA = ("data\nRB", "data\nmean\n|AB|", "kept\n%", "ESS")
ABOUT_BIAS = (
    "RB and AB in percentage points, 0 is no bias; in brackets: 95% bootstrap intervals over "
    "pictures, not over seeds. RB of the data: share of men − the share aimed at; of a model: "
    "share of pictures without a person that prefer “man” to “woman” − 50%. AB: P(occupation | "
    "man) − P(occupation | woman). ESS: effective sample size. r: correlation of a model's AB with "
    "that of its world before weighting."
)
ABOUT_QUALITY = (
    "Accuracy, and recall at 5 (R@5), in %; higher is better. Brackets: 95% bootstrap intervals "
    "over pictures, not over seeds."
)


def data_table(results: Results) -> Rows:
    """Returns, for each version, the bias of the training data under its weights (fractions)."""
    table = results.select(kind="data")
    rows: Rows = []
    for version in table.versions:
        part = table.select(version=version)
        values = {
            m: part.one(metric=m, label=label).value for m, label in data_means.COLUMNS.items()
        }
        rows.append({"version": version} | values)
    return rows


def bias_table(results: Results) -> Rows:
    """Returns, for each version, its models' bias with intervals (fractions)."""
    return _model_table(results, metrics.BIAS)


def quality_table(results: Results) -> Rows:
    """Returns, for each version, its models' accuracy and recall with intervals (fractions)."""
    return _model_table(results, metrics.QUALITY)


def write(results: Results, directory: str | os.PathLike) -> None:
    """Writes data.csv, bias.csv and quality.csv."""
    tables = {"data": data_table, "bias": bias_table, "quality": quality_table}
    for name, table in tables.items():
        write_csv(Path(directory) / f"{name}.csv", table(results))


def show(results: Results, console: Console, *, done: int, total: int) -> None:
    """Prints bias, then quality, by data version; 100 columns are enough.

    Args:
        results: of a study, complete or not.
        console: where to print.
        done: number of runs that the results are from.
        total: number of runs that the study consists of.
    """
    count = len(set(results.select(kind="run")["run_id"].tolist()))
    part = f"{done} of {total} runs" if done < total else f"{total} runs"
    if count < done:
        part = f"{count} runs, of a study of which {part} are done"
    bias = _for_terminal(results, metrics.BIAS, with_data=True)
    bias.title, bias.caption = f"Bias, {part}", ABOUT_BIAS
    quality = _for_terminal(results, metrics.QUALITY, with_data=False)
    quality.title, quality.caption = f"Quality, {part}", ABOUT_QUALITY
    console.print(bias, quality)


def _model_table(results: Results, columns: Metrics) -> Rows:
    table, rows = results.select(kind="version"), []
    for version in table.versions:
        row: dict[str, Any] = {"version": version, "runs": _runs(results, version)}
        for metric in columns:
            estimate = table.one(version=version, metric=metric.name, split=metric.split)
            name = f"{metric.split}/{metric.name}"
            row |= {name: estimate.value}
            row |= {f"{name}/ci_low": estimate.low, f"{name}/ci_high": estimate.high}
        rows.append(row)
    return rows


def _runs(results: Results, version: str) -> int:
    """Returns how many runs of a version there are."""
    return len(set(results.select(kind="run", version=version)["run_id"].tolist()))


def _for_terminal(results: Results, columns: Metrics, *, with_data: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left",
                  caption_justify="left")  # fmt: skip
    table.add_column("data version")
    for heading in (*(DATA if with_data else ()), *(metric.heading for metric in columns)):
        table.add_column(heading, justify="right", no_wrap=True)
    data = {row["version"]: row for row in data_table(results)}
    for version in results.versions:
        cells = _data_cells(data.get(version)) if with_data else []
        for metric in columns:
            where = {"version": version, "metric": metric.name, "split": metric.split}
            cells.append(_cell(metric, results.one(kind="version", **where)))
        table.add_row(text(display(version)), *cells)
    return table


def _data_cells(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return [number(math.nan, 0)] * len(DATA)
    return [
        signed(100 * row["representation_bias"]),
        number(100 * row["association_bias_mean"], 1),
        number(100 * row["keep_rate"], 0),
        number(row["effective_sample_size"], 0),
    ]


def _cell(metric: Metric, estimate: Estimate) -> Text:
    """Returns a value, and its interval on a second line."""
    cell = Text(shown(metric, estimate.value, sign=metric.signed), style="bold")
    if estimate.bounded:
        ends = (shown(metric, end) for end in (estimate.low, estimate.high))
        cell.append(f"\n[{', '.join(ends)}]", style="not bold dim")
    return cell

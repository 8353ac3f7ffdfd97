"""Some runs of a registered study run once more, and their numbers beside those that are kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from m4jax.errors import InputError
from m4jax.grid import collect, directory, study
from m4jax.grid.cells import Cell, levels
from m4jax.grid.registered import Registered
from m4jax.report.results import Rows
from m4jax.run.state import Layout

KEY = ("run_id", "split", "metric", "label")


def choose(cells: Sequence[Cell], *, count: int, draw: int) -> list[Cell]:
    """Returns cells drawn by their ids alone.

    Raises:
        InputError: if there are fewer than `count`.
    """
    if len(cells) < count:
        raise InputError(f"expected {count} runs of seeds that are whole, found {len(cells)}")
    ordered = sorted(cells, key=lambda cell: cell.config.id)
    return [ordered[i] for i in np.random.default_rng(draw).permutation(len(ordered))[:count]]


def run(
    registered: Registered,
    layout: Layout,
    *,
    count: int,
    draw: int,
    workers: int,
    console: Console,
) -> Rows:
    """Runs some cells of seeds that are kept again; see `compare`.

    Args:
        registered: the study.
        layout: of the runs: a directory of their own, else they are not run but found there.
        count: how many cells.
        draw: seed by which they are drawn.
        workers: number of worker processes.
        console: where progress is shown.

    Raises:
        InputError: if a run failed, or what is kept is of another registration.
    """
    cells = choose(registered.cells(registered.whole), count=count, draw=draw)
    directory.enter(cells, layout)
    if study.work(cells, layout, workers, console):
        raise InputError(f"{layout.root}: not all of the {count} runs are done; see above")
    found = collect.rows(cells, levels(registered.grid), layout, pooled=False)
    runs = {cell.config.id for cell in cells}
    kept = _kept({cell.seed for cell in cells}, registered)
    return compare(
        [row for row in kept if row["run_id"] in runs],
        [row for row in found if row["kind"] == "run"],
    )


def compare(kept: Rows, found: Rows) -> Rows:
    """Returns a row for each split and metric: how many numbers, how many equal, what differs most.

    `largest` is max |x' − x| over runs and labels; numbers that are not finite on both sides count
    as equal, on one side as a difference without bound.

    Raises:
        InputError: if they are not of the same runs and metrics.
    """
    one, other = ({tuple(row[k] for k in KEY): row["value"] for row in rows} for rows in
                  (kept, found))  # fmt: skip
    strange = sorted(set(one) ^ set(other))
    if strange:
        raise InputError(
            f"{len(strange)} numbers are there once but not again, {strange[0]} for one"
        )
    differences: dict[tuple[str, str], list[float]] = {}
    for key, value in one.items():
        differences.setdefault(key[1:3], []).append(_difference(value, other[key]))
    return [
        {
            "split": split,
            "metric": metric,
            "numbers": len(values),
            "equal": sum(x == 0 for x in values),
            "largest": max(values),
        }
        for (split, metric), values in sorted(differences.items())
    ]


def _difference(one: float, other: float) -> float:
    if np.isfinite(one) and np.isfinite(other):
        return abs(other - one)
    return 0.0 if np.isfinite(one) == np.isfinite(other) else float("inf")


def _kept(seeds: set[int], registered: Registered) -> Iterator[Mapping[str, Any]]:
    """Yields the rows of runs of seeds that are kept."""
    for seed in sorted(seeds):
        runs = registered.kept(seed).select(kind="run")
        columns = [runs[name].tolist() for name in (*KEY, "value")]
        for values in zip(*columns, strict=True):
            yield dict(zip((*KEY, "value"), values, strict=True))

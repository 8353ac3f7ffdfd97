"""What balancing did, as tables and figures."""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from m4jax import balance
from m4jax.balance import Diagnostics, Problem
from m4jax.balance.bias import group_sums
from m4jax.balance.diagnostics import GroupBalance
from m4jax.report.results import write_csv
from m4jax.tables.outcome import LEFT

Rows = list[dict[str, Any]]

FRONTIER = ("keep_rate", "distance", "distance_mean", "representation", "association",
            "association_mean", "violation", "objective", "effective_sample_size")  # fmt: skip
FILES = ("verdicts", "constraints", "weights", "subgroups")  # tables
FIGURES = ("association", "weights", "frontier")


def write(
    folder: str | os.PathLike,
    *,
    problem: Problem,
    counts: np.ndarray,
    weights: np.ndarray,
    multipliers: np.ndarray,
    verdicts: Rows,
    frontier: Mapping[str, Any] | None,
    subgroups: Rows = (),
) -> None:
    """Writes `tables/` and `figures/`; the same weights give the same bytes.

    Args:
        folder: where to.
        problem: what was balanced; what was dropped counts 0 times.
        counts: [n] of its rows, those dropped too.
        weights: [n] of its rows.
        multipliers: [m, c+1] the dual variables.
        verdicts: of `outcome.judge`.
        frontier: `points` with the fields of `FRONTIER`, and the `largest` keep rate, or None.
        subgroups: groups that nobody named and that were found.
    """
    from m4jax.report import style  # here: importing what draws takes a second
    from m4jax.tables import figures

    diagnostics = balance.diagnose(problem, weights)
    rows = constraints(_of_all(diagnostics, problem, counts, weights), multipliers)
    write_csv(Path(folder) / "tables" / "verdicts.csv", verdicts)
    write_csv(Path(folder) / "tables" / "constraints.csv", rows)
    write_csv(Path(folder) / "tables" / "weights.csv", summary(diagnostics))
    if subgroups:
        write_csv(Path(folder) / "tables" / "subgroups.csv", subgroups)
    else:
        (Path(folder) / "tables" / "subgroups.csv").unlink(missing_ok=True)
    drawings = {
        "association": lambda: figures.association(verdicts),
        "weights": lambda: figures.distribution(weights, problem.counts),
        "frontier": lambda: frontier and figures.tradeoff(frontier, problem.keep_rate),
    }
    for name, draw in drawings.items():
        with style.page():
            drawn = draw()
            for old in () if drawn else (Path(folder) / "figures").glob(f"{name}.*"):
                old.unlink()  # of an earlier configuration
            if drawn:
                style.save(drawn[0], Path(folder) / "figures" / name, drawn[1])


def remove(folder: str | os.PathLike) -> None:
    """Removes what `write` wrote, and nothing else."""
    for name in FILES:
        (Path(folder) / "tables" / f"{name}.csv").unlink(missing_ok=True)
    for name in FIGURES:
        for path in (Path(folder) / "figures").glob(f"{name}.*"):
            path.unlink()


def constraints(diagnostics: Diagnostics, multipliers: np.ndarray) -> Rows:
    """Returns one row for each constraint, the largest standardised difference first."""
    rows = []
    for row in diagnostics.rows():
        k = diagnostics.attribute_names.index(row["attribute"])
        r = 0 if row["label"] is None else 1 + diagnostics.label_names.index(row["label"])
        row = {name: math.nan if value is None else value for name, value in row.items()}
        row["label"] = diagnostics.label_names[r - 1] if r else ""  # "": representation
        violation = max(abs(float(diagnostics.moment[k, r])) - float(diagnostics.eps[k, r]), 0.0)
        rows.append(row | {"violation": violation, "multiplier": float(multipliers[k, r])})
    return rows


def _of_all(
    diagnostics: Diagnostics, problem: Problem, counts: np.ndarray, weights: np.ndarray
) -> Diagnostics:
    """Returns diagnostics with the balance of all rows, NaN where no example is left."""
    whole = balance.diagnose(dataclasses.replace(problem, counts=counts), weights)
    mass = [
        group_sums(problem.attributes, problem.labels, x).sum(0) for x in (counts, counts * weights)
    ]
    none = {"before": mass[0] <= 0, "after": mass[1] <= LEFT * diagnostics.weights.kept * mass[0]}
    return dataclasses.replace(
        diagnostics,
        **{when: _without(getattr(whole, when), gone) for when, gone in none.items()},
    )


def _without(found: GroupBalance, gone: np.ndarray) -> GroupBalance:
    """Returns a balance that says nothing where no example is left: 0 would look fair."""
    names = ("prevalence", "gap", "smd")
    return dataclasses.replace(
        found, **{name: np.where(gone, np.nan, getattr(found, name)) for name in names}
    )


def summary(diagnostics: Diagnostics) -> Rows:
    """Returns the distribution of the weights, one row for each number."""
    numbers = dataclasses.asdict(diagnostics.weights)
    quantiles = numbers.pop("weight_quantiles")
    numbers |= {f"weight_quantile_{share}": value for share, value in quantiles.items()}
    return [{"name": name, "value": value} for name, value in numbers.items()]

"""Training data of which each seed draws its own, as one: their bias, averaged over seeds."""

import dataclasses
import math

import numpy as np

from m4jax.report.results import Results, Rows

BY_SEED = ("seed", "value", "n", "ci_low", "ci_high", "draws")  # in which rows of one may differ
COLUMNS = {  # of a table: metric -> its label
    "examples": "",
    "keep_rate": "",
    "effective_sample_size": "",
    "representation_bias": "man",
    "association_bias_mean": "",
    "association_bias_max": "",
}


def over_seeds(results: Results) -> Results:
    """Returns results in which rows of training data that differ in their seed alone are one row.

    Where each seed draws a world of its own, data of a version are as many as seeds. The one row
    has the mean value over those that have any, the mean number of examples, and no seed. All
    other rows stay; so do all rows where no two agree.

    Source: derived.
    """
    same = [name for name in results.columns if name not in BY_SEED]
    groups: dict[tuple, list[int]] = {}
    rows = np.flatnonzero(results["kind"] == "data").tolist()
    for row in rows:
        groups.setdefault(tuple(results[name][row] for name in same), []).append(row)
    if len(groups) == len(rows):
        return results
    columns = {name: x.copy() for name, x in results.columns.items()}
    keep = results["kind"] != "data"
    for of_group in groups.values():
        first, values = of_group[0], results["value"][of_group]
        known = values[np.isfinite(values)]
        keep[first], columns["seed"][first] = True, -1
        columns["value"][first] = known.mean() if len(known) else math.nan
        columns["n"][first] = round(float(results["n"][of_group].mean()))
    columns = {name: x[keep] for name, x in columns.items()}
    return dataclasses.replace(results, columns=columns)


def by_levels(results: Results) -> Rows:
    """Returns the bias of the training data, a row for each set of levels that has data.

    Args:
        results: whose data are one for each set of levels; see `over_seeds`.
    """
    table, found = results.select(kind="data"), []
    for levels in dict.fromkeys(table.pairs(*results.factors)):
        where = dict(zip(results.factors, levels, strict=True))
        part = table.select(**where)
        values = {m: part.one(metric=m, label=label).value for m, label in COLUMNS.items()}
        found.append(where | values)
    return found

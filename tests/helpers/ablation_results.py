"""Results of the ablation's cells, without any run."""

import numpy as np

from m4jax.evaluation import metrics
from m4jax.evaluation.metrics import AB, RB
from m4jax.report import results

METRICS = (
    metrics.RB, metrics.AB, metrics.AB_CORRELATION, metrics.GENDER, metrics.OCCUPATIONS,
    metrics.THINGS, metrics.OCCUPATIONS_PROBE, metrics.THINGS_PROBE,
    metrics.IMAGE_TO_TEXT, metrics.TEXT_TO_IMAGE, metrics.NEW_VENDOR,
    metrics.NEW_VENDOR_GENDER,
)  # fmt: skip
TEMPLATES = ("{}", "a photo of {}")


def results_of(cells, value=None, noise=0.01, seed=0, of=METRICS):
    """Returns results in which each metric of a run is value(cell, metric) plus chance.

    `of`: the metrics.
    """
    rng, rows = np.random.default_rng(seed), []
    pictures = {metric: rng.normal(0, 0.005, 50) for metric in of}
    for cell in cells:
        base = {"kind": "run", **cell.factors, "run_id": cell.config.id, "seed": cell.seed,
                "step": -1, "n": 500, "label": "", "metric_version": "t"}  # fmt: skip
        of_run = rng.normal(0, noise, len(of))
        for metric, chance in zip(of, of_run, strict=True):
            middle = value(cell, metric) if value else 0.5
            x = float(middle + chance)
            row = base | {"metric": metric.name, "split": metric.split, "value": x}
            row |= {"ci_low": x - 0.02, "ci_high": x + 0.02, "draws": tuple(pictures[metric])}
            rows.append(row)
            steps = [] if metric not in (RB, AB) else [100, 200]
            rows += [row | {"kind": "along", "step": step, "draws": ()} for step in steps]
        for alone, metric in ((metrics.AB_BY_PROMPT, AB), (metrics.RB_BY_PROMPT, RB)):
            middle = value(cell, metric) if value else 0.1
            rows += [
                base | {"metric": alone.name, "split": metric.split, "label": template,
                        "value": (1 + i) * middle, "ci_low": np.nan, "ci_high": np.nan,
                        "draws": ()}
                for i, template in enumerate(TEMPLATES)
            ]  # fmt: skip
    rows += [row for cell in cells if cell.config.filter for row in _filter_rows(cell)]
    kinds = {"seed": int, "step": int, "n": int, "value": float, "ci_low": float, "ci_high": float}
    columns = {}
    for name in [*results.SCHEMA.names, *(n for n in cells[0].factors if n != "version")]:
        column = np.empty(len(rows), object)
        column[:] = [
            np.array(row[name], float) if name == "draws" else row.get(name, "") for row in rows
        ]
        columns[name] = column if name == "draws" else column.astype(kinds.get(name, str))
    levels = {
        name: list(dict.fromkeys(c.factors[name] for c in cells)) for name in cells[0].factors
    }
    return results.Results(columns, levels)


def _filter_rows(cell):
    """What the data of a filtered run tell of the filter."""
    filter_of = {"precision": 0.6, "recall": 0.7, "prevalence": 0.3}
    values = {f"filter_{name}": x for name, x in filter_of.items()} | {"keep_rate": 0.7}
    empty = {"run_id": "", "seed": -1, "step": -1, "split": "", "label": "", "n": 500,
             "metric_version": "", "ci_low": np.nan, "ci_high": np.nan, "draws": ()}  # fmt: skip
    return [
        {"kind": "data", **cell.factors, **empty, "metric": name, "value": x}
        for name, x in values.items()
    ]

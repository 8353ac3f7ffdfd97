"""A plausible complete table of the confirmation, without any run."""

import functools

import numpy as np

from configs import confirmation
from helpers.ablation_results import results_of
from m4jax.evaluation import metrics
from m4jax.evaluation.metrics import AB, AB_CORRELATION, AB_MAX, AB_PAIRWISE, RB, RB_MARGIN
from m4jax.grid.cells import expand
from m4jax.report import results

LABELLED = ("association_bias", "by_prompt")
OF = tuple(m for m in metrics.METRICS if m.name != LABELLED[0] and not m.name.endswith(LABELLED[1]))
LEVELS = {  # accuracies and recalls
    "gender_acc1": 0.75, "fewshot_acc1": 0.35, "acc1": 0.3, "acc5": 0.6, "recall@1": 0.01,
    "recall@5": 0.06, "recall@50": 0.3,
}  # fmt: skip


def grid(seeds=confirmation.SEEDS):
    """The grid without its registration."""
    config = confirmation.get_config().to_dict() | {"seeds": tuple(seeds)}
    return {name: x for name, x in config.items() if name != "registration"}


@functools.cache
def cells(seeds=confirmation.SEEDS):
    return expand(grid(seeds))


def share(cell):
    """How much of the original's bias is left, of RB and of AB."""
    version, stage = cell.version, cell.factors["stage"]
    left = {"original": 1.0, "subsample": 1.0, "balanced": 0.4, "balanced_proxies": 0.3,
            "oracle": 0.25, "caps": 0.95}.get(version, 0.45)  # fmt: skip
    if stage == "throughout":
        return left, left
    of, faster = int(stage.split("last ")[1].split("%")[0]) / 40, 1.3 * ("own" in stage)
    done = min(1.0, (0.4 + of) * (1 + faster)), min(1.0, 0.2 + 0.6 * of * (1 + faster))
    if "original" in stage:
        return tuple(0.4 + 0.6 * x for x in done)
    return tuple(1 - 0.6 * x for x in done)


def as_the_paper_says(cell, metric):
    """A world in which most of the paper says holds, by numbers like the pilot's."""
    of_rb, of_ab = share(cell)
    factors, balanced = cell.factors, cell.version.startswith("balanced")
    mild = 0.3 if factors["scene"] == "mild" else 1.0
    noise = {"0%": 0, "10%": 0.2, "20%": 0.4, "10%, known": 0.1, "20%, known": 0.2}
    more = noise[factors["noise"]] + 0.5 * (balanced and factors["filter"] == "on")
    of_rb, of_ab = of_rb + more, of_ab + more
    if metric is RB:
        return 0.28 * mild * of_rb - 0.02 * ("M/16" in factors["model"])
    if metric is RB_MARGIN:
        return 0.03 * mild * of_rb
    if metric in (AB, AB_PAIRWISE, AB_MAX):
        scale = {AB: 0.045, AB_PAIRWISE: 0.2, AB_MAX: 0.2}[metric]
        return scale * max(of_ab, 0.2) * (0.8 if mild < 1 else 1.0)
    if metric is AB_CORRELATION:
        return 0.9 * of_ab
    level = next(x for name, x in LEVELS.items() if metric.name.endswith(name))
    return level * (1 + 0.04 * balanced - 0.2 * (factors["captions"] == "noisy"))


def table(seeds=confirmation.SEEDS, value=as_the_paper_says, *, noise=0.012, data=True):
    """The results of all runs of some seeds."""
    of = cells(tuple(seeds))
    found = results_of(of, value, noise=noise, of=OF)
    for row, metric in enumerate(found["metric"].tolist()):
        spread = 0.1 if metric == RB.name else 0.4 if "association" in metric else 1.0
        rng = np.random.default_rng(abs(hash_of(found, row)))
        if len(found["draws"][row]):
            found.columns["draws"][row] = spread * rng.normal(0, 0.006, 50)
    if not data:
        return found
    rows = data_rows(of)
    columns, runs = {}, found["kind"] != "data"  # of filters there are some without a seed
    for name, column in ((name, x[runs]) for name, x in found.columns.items()):
        more = np.empty(len(rows), object)
        more[:] = [row[name] for row in rows]
        more = more if name == "draws" else more.astype(column.dtype.kind)
        columns[name] = np.concatenate([column, more])
    return results.Results(columns, found.levels)


def hash_of(found, row):
    """A number of the run's levels and the metric, the same for every seed."""
    text = "/".join(str(found[name][row]) for name in ("metric", "split", *found.factors))
    return int.from_bytes(text.encode()[-60:], "big") % 2**63


def data_rows(of):
    """Rows of the training data: one set for each seed and each way to weigh them."""
    rows, known = [], set()
    for cell in of:
        factors = dict(cell.factors)
        place = (cell.seed, cell.version, *(factors[n] for n in ("scene", "captions", "filter")))
        if place in known:
            continue
        known.add(place)
        left = 0.0 if cell.version.startswith("balanced") else 1.0
        values = {
            "examples": 40_000.0, "keep_rate": 0.5 + left / 2, "effective_sample_size": 20_000.0,
            ("representation_bias", "man"): 0.2 * left, "association_bias_mean": 0.03 * left,
            "association_bias_max": 0.1 * left,
            **{("association_bias", f"job {i}"): left * (i - 5) / 100 for i in range(11)},
        }  # fmt: skip
        for name, value in values.items():
            metric, label = name if isinstance(name, tuple) else (name, "")
            rows.append({
                "kind": "data", **factors, "run_id": "", "seed": cell.seed, "step": -1,
                "split": "occupations", "metric": metric, "label": label,
                "value": value + 0.001 * (cell.seed % 7), "ci_low": np.nan, "ci_high": np.nan,
                "n": 40_000, "metric_version": "t", "draws": np.zeros(0),
            })  # fmt: skip
    return rows

"""Gathers what the runs of a study left behind into the rows of results.parquet."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from m4jax import balance, evaluation, files
from m4jax.data.annotation import LABEL_SETS, MAN
from m4jax.data.testbed import catalog
from m4jax.grid.cells import Cell
from m4jax.report.results import Rows
from m4jax.run import weights as weighting
from m4jax.run.layout import Layout
from m4jax.tables import weights

Levels = Mapping[str, str]


def rows(done: Sequence[Cell], levels: Mapping[str, Sequence[str]], layout: Layout) -> Rows:
    """Returns the rows of the cells that are `done`; see `results.SCHEMA` for their fields.

    kinds: `run` (as evaluated), `along` (at a step of its training), `version` (pooled over the
    seeds that all versions have, with all other factors at their defaults), `difference` (version
    minus the first one, by the same seeds and pictures), `data` (bias of the training data under a
    version's weights), `world` (women's shares in the census).

    Args:
        done: cells with results.
        levels: factor -> its levels, the default first; see `cells.levels`.
        layout: where they lie.
    """
    default = {name: of[0] for name, of in levels.items() if name != "version"}
    found = [row for cell in done for row in _run_rows(cell, layout)]
    plain = [cell for cell in done if default.items() <= cell.factors.items()]
    there = {cell.version for cell in plain}
    found += _pooled_rows(plain, [v for v in levels["version"] if v in there], layout)
    found += [row for cell in _distinct_data(done) for row in _data_rows(cell, layout)]
    census = dict.fromkeys(levels, "") | {"version": "census"}
    return found + [
        _row("world", census, metric="women_share", label=job.name, value=job.women_share)
        for job in catalog.occupations()
    ]


def _run_rows(cell: Cell, layout: Layout) -> Iterator[dict]:
    folder = layout.run(cell.config)
    where = {"run_id": cell.config.id, "seed": cell.seed}
    for record in files.read_jsonl(folder / "eval.jsonl"):
        yield _row("run", cell.factors, **where, **record)
    steps = sorted(folder.glob("along/*.jsonl"), key=lambda path: int(path.stem))
    for path in steps:
        for record in files.read_jsonl(path):
            yield _row("along", cell.factors, **where, **record | {"draws": ()})


def _pooled_rows(done: Sequence[Cell], versions: Sequence[str], layout: Layout) -> list[dict]:
    """Returns the rows over seeds, and the differences to the first version.

    Only the seeds count that all versions have, lest a difference be one of seeds; while there is
    none, because a study has only begun, each version's own.
    """
    cells: dict[str, dict[int, Cell]] = {version: {} for version in versions}
    for cell in done:
        cells[cell.version][cell.seed] = cell
    shared = sorted(set.intersection(*map(set, cells.values()))) if cells else []
    found, first = [], {}
    for version, by_seed in cells.items():
        seeds = shared or sorted(by_seed)
        where, resamples = by_seed[seeds[0]].factors, by_seed[seeds[0]].config.evaluate.resamples
        paths = {seed: layout.run(by_seed[seed].config) / "predictions.npz" for seed in seeds}
        runs = {seed: evaluation.load_predictions(path) for seed, path in paths.items()}
        pooled = evaluation.recompute(list(runs.values()), resamples=resamples)
        found += [_row("version", where, **_fields(result)) for result in pooled]
        first = first or runs
        both = sorted(runs.keys() & first.keys())
        if version != versions[0] and both:
            pairs = ([of[seed] for seed in both] for of in (runs, first))
            difference = evaluation.difference(*pairs, resamples=resamples)
            found += [_row("difference", where, **_fields(r)) for r in difference]
    return found


def _fields(result: evaluation.Result) -> dict:
    return dataclasses.asdict(result) | {"draws": ()}


def _distinct_data(done: Sequence[Cell]) -> list[Cell]:
    """Returns one cell for each way in which training data are weighted, by version first.

    Where something is drawn by the run's seed (a control, errors, the filter's model), it is the
    cell of the first seed.
    """
    found: dict[tuple, Cell] = {}
    for cell in done:
        balance, chosen = cell.config.balance, cell.config.filter
        balance = balance and dataclasses.replace(balance, seed=0)
        chosen = chosen and dataclasses.replace(chosen, scorer_seed=0, balance=None)
        fair = cell.config.filter is not None and cell.config.filter.balance is not None
        key = (cell.version, cell.config.source.id, balance, chosen, fair)
        found.setdefault(key, cell)
    return list(found.values())


def _data_rows(cell: Cell, layout: Layout) -> list[dict]:
    """Returns the bias of the training data as the cell's version weighs them."""
    config = cell.config
    train = config.source.train(layout.data, config.in_memory_gb)
    weight = weighting.read(config, layout, train.uids)
    weight = np.ones(len(train)) if weight is None else weight
    found = []
    for name in LABEL_SETS:
        notes = train.annotate((name,)).only(MAN)
        targets = weighting.targets(config.balance, notes)
        bias = balance.bias(notes.attributes, notes.labels, weights=weight, target=targets)
        found += [
            {"metric": "association_bias", "split": name, "label": label, "value": value}
            for label, value in zip(notes.label_names, bias.association[0], strict=True)
        ]
        if name == "occupations":
            size = balance.effective_sample_size(weight)
            found += [
                {"metric": "representation_bias", "label": MAN, "value": bias.representation[0]},
                {"metric": "association_bias_mean", "split": name, "value": bias.association_mean},
                {"metric": "association_bias_max", "split": name, "value": bias.association_max},
                {"metric": "effective_sample_size", "value": size},
                {"metric": "keep_rate", "value": weight.mean()},
                {"metric": "examples", "value": len(train)},
            ]
    if config.filter:
        known = weights.certificate(layout.weights(config))
        found += [
            {"metric": name, "value": known[name]} for name in known if name.startswith("filter_")
        ]
    return [_row("data", cell.factors, n=len(train), **row) for row in found]


def _row(kind: str, factors: Levels, **values) -> dict:
    """Returns a whole row; what is not given is empty, and null is NaN."""
    empty = {"run_id": "", "seed": -1, "step": -1, "split": "", "label": "", "ci_low": None,
             "ci_high": None, "n": 0, "metric_version": "", "draws": ()}  # fmt: skip
    row = {"kind": kind, **factors, **empty, **values}
    for name in ("value", "ci_low", "ci_high"):
        row[name] = float("nan") if row[name] is None else float(row[name])
    return row

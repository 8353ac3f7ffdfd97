"""Gathers what the runs of a study left behind into the rows of results.parquet."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from m4jax import balance, evaluation, files
from m4jax.data import annotate, catalog, testbed, weights
from m4jax.errors import InputError
from m4jax.study.cells import Cell
from m4jax.study.layout import Layout


def rows(cells: Sequence[Cell], done: Sequence[Cell], layout: Layout) -> list[dict]:
    """Returns the rows of the cells that are `done`; see `results.SCHEMA` for their fields.

    kinds: `run` (as evaluated), `version` (pooled over seeds), `difference` (version minus the
    first one, paired by picture), `data` (bias of the training data under a version's weights),
    `world` (women's shares in the census).
    """
    versions = list(dict.fromkeys(cell.version for cell in cells))
    found = [row for cell in done for row in _run_rows(cell, layout)]
    found += _pooled_rows(done, versions, layout)
    for version in versions:
        cell = next((cell for cell in done if cell.version == version), None)
        found += _data_rows(cell, layout) if cell else []
    return found + [
        _row("world", "census", metric="women_share", label=job.name, value=job.women_share)
        for job in catalog.occupations()
    ]


def _run_rows(cell: Cell, layout: Layout) -> list[dict]:
    folder = layout.run(cell.config)
    if files.read_json(folder / "DONE")["eval.jsonl"] != files.sha256(folder / "eval.jsonl"):
        raise InputError(f"{folder / 'eval.jsonl'} is damaged; delete it and run again")
    records = files.read_jsonl(folder / "eval.jsonl")
    where = {"run_id": cell.config.id, "seed": cell.seed}
    return [_row("run", cell.version, **where, **record) for record in records]


def _pooled_rows(done: Sequence[Cell], versions: Sequence[str], layout: Layout) -> list[dict]:
    """Returns the rows over seeds, and the differences to the first version by the same seeds."""
    runs: dict[str, dict[int, dict]] = {version: {} for version in versions}
    for cell in done:
        path = layout.run(cell.config) / "predictions.npz"
        runs[cell.version][cell.seed] = evaluation.load_predictions(path)
    resamples = done[0].config.evaluate.resamples if done else 0
    found, first = [], versions[0]
    for version, by_seed in runs.items():
        if by_seed:
            pooled = evaluation.recompute(list(by_seed.values()), resamples=resamples)
            found += [_row("version", version, **dataclasses.asdict(result)) for result in pooled]
        shared = sorted(by_seed.keys() & runs[first].keys())
        if version != first and shared:
            pairs = ([runs[v][seed] for seed in shared] for v in (version, first))
            difference = evaluation.difference(*pairs, resamples=resamples)
            found += [_row("difference", version, **dataclasses.asdict(r)) for r in difference]
    return found


def _data_rows(cell: Cell, layout: Layout) -> list[dict]:
    """Returns the bias of the training data as the cell's version weighs them."""
    train = testbed.load(cell.config.world, "train", layout.data)
    weight = np.ones(len(train))
    if cell.config.balance:
        weight = weights.read(layout.weights(cell.config), train.columns["uid"])
    target = cell.config.balance.target if cell.config.balance else 0.5
    found = []
    for name in annotate.LABEL_SETS:
        notes = annotate.annotate(train.columns, (name,))
        targets = np.full(len(notes.attribute_names), target)
        bias = balance.bias(notes.attributes, notes.labels, weights=weight, target=targets)
        found += [
            {"metric": "association_bias", "split": name, "label": label, "value": value}
            for label, value in zip(notes.label_names, bias.association[0], strict=True)
        ]
        if name == "occupations":
            size = balance.effective_sample_size(weight)
            found += [
                {"metric": "representation_bias", "label": "man", "value": bias.representation[0]},
                {"metric": "association_bias_mean", "split": name, "value": bias.association_mean},
                {"metric": "association_bias_max", "split": name, "value": bias.association_max},
                {"metric": "effective_sample_size", "value": size},
                {"metric": "keep_rate", "value": weight.mean()},
                {"metric": "examples", "value": len(train)},
            ]
    return [_row("data", cell.version, n=len(train), **row) for row in found]


def _row(kind: str, version: str, **values) -> dict:
    """Returns a whole row; what is not given is empty, and null is NaN."""
    empty = {"run_id": "", "seed": -1, "split": "", "label": "", "ci_low": None, "ci_high": None,
             "n": 0, "metric_version": ""}  # fmt: skip
    row = {"kind": kind, "version": version, **empty, **values}
    for name in ("value", "ci_low", "ci_high"):
        row[name] = float("nan") if row[name] is None else float(row[name])
    return row

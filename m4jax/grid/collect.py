"""Gathers what the runs of a study left behind into the rows of results.parquet."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from m4jax import balance, evaluation, files
from m4jax.data.annotation import LABEL_SETS, MAN
from m4jax.data.testbed import catalog
from m4jax.data.testbed.world import World
from m4jax.grid.cells import VERSION, Cell
from m4jax.report.results import Rows
from m4jax.run import weights
from m4jax.run.state import MEASURED, PREDICTIONS, RESULTS, Layout, evaluation_id
from m4jax.tables.weights import certificate


def rows(
    done: Sequence[Cell],
    levels: Mapping[str, Sequence[str]],
    layout: Layout,
    *,
    pooled: bool = True,
) -> Rows:
    """Returns the rows of the cells that are `done`; see `results.SCHEMA` for their fields.

    kinds: `run` (as evaluated), `along` (at a step of its training), `version` (pooled over the
    seeds that all versions have, with all other factors at their defaults), `difference` (version
    minus the first one, by the same seeds and pictures), `data` (bias of the training data under a
    version's weights), `world` (women's shares in the census, which the testbed follows).

    Args:
        done: cells with results.
        levels: factor -> its levels, the default first; see `cells.levels`.
        layout: where they lie.
        pooled: whether rows of the kinds `version` and `difference` are wanted.
    """
    default = {factor: names[0] for factor, names in levels.items() if factor != VERSION}
    plain = [cell for cell in done if default.items() <= cell.factors.items()]
    finished = {cell.version for cell in plain}
    versions = [version for version in levels[VERSION] if version in finished]
    census = dict.fromkeys(levels, "") | {VERSION: "census"}
    testbed = any(cell.config.source.kind == World.kind for cell in done)
    return [
        *(row for cell in done for row in _run_rows(cell, layout)),
        *(_pooled_rows(plain, versions, layout) if pooled else ()),
        *(row for cell in _distinct_data(done) for row in _data_rows(cell, layout)),
        *(
            _row("world", census, metric="women_share", label=job.name, value=job.women_share)
            for job in (catalog.occupations() if testbed else ())
        ),
    ]


def measured_otherwise(cell: Cell, layout: Layout) -> bool:
    """Tells whether bias along training was measured with other sets, prompts or resamples.

    What has been is left out: it can't be measured again without training again.
    """
    how = evaluation_id(cell.config)
    paths = layout.run(cell.config).glob("along/*.jsonl")
    return any(record[MEASURED] != how for path in paths for record in files.read_jsonl(path)[:1])


def _run_rows(cell: Cell, layout: Layout) -> Iterator[dict]:
    folder = layout.run(cell.config)
    run = {"run_id": cell.config.id, "seed": cell.seed}
    for record in files.read_jsonl(folder / RESULTS):
        yield _row("run", cell.factors, **run, **record)
    steps = sorted(folder.glob("along/*.jsonl"), key=lambda path: int(path.stem))
    for path in steps:
        for record in files.read_jsonl(path):
            if record.pop(MEASURED) != evaluation_id(cell.config):
                continue  # see `measured_otherwise`
            yield _row("along", cell.factors, **run, **record | {"draws": ()})


def _pooled_rows(done: Sequence[Cell], versions: Sequence[str], layout: Layout) -> list[dict]:
    """Returns the rows over seeds, and the differences to the first version.

    Only the seeds count that all versions have, lest a difference be one of seeds; while there is
    none, because a study has only begun, each version's own.
    """
    cells: dict[str, dict[int, Cell]] = {version: {} for version in versions}
    for cell in done:
        cells[cell.version][cell.seed] = cell
    shared = sorted(set.intersection(*map(set, cells.values()))) if cells else []
    rows, first = [], {}
    for version, by_seed in cells.items():
        seeds = shared or sorted(by_seed)
        factors, resamples = by_seed[seeds[0]].factors, by_seed[seeds[0]].config.evaluate.resamples
        paths = {seed: layout.run(by_seed[seed].config) / PREDICTIONS for seed in seeds}
        runs = {seed: evaluation.load_predictions(path) for seed, path in paths.items()}
        pooled = evaluation.recompute(list(runs.values()), resamples=resamples)
        rows += [_row("version", factors, **_fields(result)) for result in pooled]
        first = first or runs
        both = sorted(runs.keys() & first.keys())
        if version != versions[0] and both:
            pairs = ([predictions[seed] for seed in both] for predictions in (runs, first))
            differences = evaluation.difference(*pairs, resamples=resamples)
            rows += [_row("difference", factors, **_fields(result)) for result in differences]
    return rows


def _fields(result: evaluation.Result) -> dict:
    return dataclasses.asdict(result) | {"draws": ()}


def _distinct_data(done: Sequence[Cell]) -> list[Cell]:
    """Returns one cell for each way in which training data are weighted, by version first.

    Where something is drawn by the run's seed (a control, errors, the filter's model), it is the
    cell of the first seed.
    """
    cells: dict[tuple, Cell] = {}
    for cell in done:
        balance, filter_ = cell.config.balance, cell.config.filter
        balance = balance and dataclasses.replace(balance, seed=0)
        scorer_balanced = filter_ is not None and filter_.balance is not None
        filter_ = filter_ and dataclasses.replace(filter_, scorer_seed=0, seed=None, balance=None)
        source = cell.config.source.id
        cells.setdefault((cell.version, source, balance, filter_, scorer_balanced), cell)
    return list(cells.values())


def _data_rows(cell: Cell, layout: Layout) -> list[dict]:
    """Returns the bias of the training data as the cell's version weighs them."""
    config = cell.config
    train = config.source.train(layout.data, config.in_memory_gb)
    weight = weights.read(config, layout, train.uids)
    weight = np.ones(len(train)) if weight is None else weight
    rows = []
    for name in LABEL_SETS:
        notes = train.annotate((name,)).only(MAN)
        targets = weights.targets(config.balance, notes)
        bias = balance.bias(notes.attributes, notes.labels, weights=weight, target=targets)
        rows += [
            {"metric": "association_bias", "split": name, "label": label, "value": value}
            for label, value in zip(notes.label_names, bias.association[0], strict=True)
        ]
        if name == "occupations":
            size = balance.effective_sample_size(weight)
            rows += [
                {"metric": "representation_bias", "label": MAN, "value": bias.representation[0]},
                {"metric": "association_bias_mean", "split": name, "value": bias.association_mean},
                {"metric": "association_bias_max", "split": name, "value": bias.association_max},
                {"metric": "effective_sample_size", "value": size},
                {"metric": "keep_rate", "value": weight.mean()},
                {"metric": "examples", "value": len(train)},
            ]
    if config.filter:
        facts = certificate(layout.weights(config))
        rows += [
            {"metric": name, "value": facts[name]} for name in facts if name.startswith("filter_")
        ]
    return [_row("data", cell.factors, n=len(train), **row) for row in rows]


def _row(kind: str, factors: Mapping[str, str], **values) -> dict:
    """Returns a whole row; what is not given is empty, and null is NaN."""
    empty = {"run_id": "", "seed": -1, "step": -1, "split": "", "label": "", "ci_low": None,
             "ci_high": None, "n": 0, "metric_version": "", "draws": ()}  # fmt: skip
    row = {"kind": kind, **factors, **empty, **values}
    for name in ("value", "ci_low", "ci_high"):
        row[name] = float("nan") if row[name] is None else float(row[name])
    return row

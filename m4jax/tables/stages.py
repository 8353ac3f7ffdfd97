"""Balancing tables of any size, in stages that each leave a file and are skipped when it is there.

`examples.parquet` (the testbed's, where no files are given), `folds/<id>.parquet` (the distinct
rows with counts), `solutions/<id>.parquet` and `.json` (their weights, the certificate), then
`weights.parquet` and `weights.json`, perhaps `kept.parquet`, and `tables/`, `figures/`. An id is
a hash of the input (the contents of its files) and of all settings that matter. Each file is
sealed; what is damaged or missing is made again, and a line says so.
"""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import balance, files
from m4jax.balance.diagnostics import finite
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.progress import Progress
from m4jax.tables import (
    assignment,
    folding,
    selection,
    solving,
    subgroups,
    summary,
    verification,
    weights,
)
from m4jax.tables.config import BAND, TableConfig
from m4jax.tables.job import ATTRIBUTES, Job


def write_examples(job: Job, progress: Progress) -> None:
    """Writes the testbed's training split as a table, if no files are given."""
    path, world = job.folder / "examples.parquet", _world(job.config)
    if job.config.files:
        return
    if job.is_whole(path):
        if files.sealed_file(path) == world:
            return
        job.tell(f"{path} is of another world, or has other labels: it is made again")
    elif _is_of_others(path):
        raise InputError(
            f"{path} is not the testbed's: to balance it name it in config.files; for the testbed "
            "take another --workdir"
        )
    job.config.world.prepare(job.folder / "data", progress)
    train = job.config.world.train(job.folder / "data")
    notes = train.annotate(job.config.world_labels)
    columns = {"uid": train.uids}
    for name, values in zip(notes.attribute_names, notes.attributes.T, strict=True):
        columns[name] = pa.array(values == 1, mask=np.isnan(values))
    columns |= {name: notes.labels[:, i].astype(bool) for i, name in enumerate(notes.label_names)}
    metadata = {ATTRIBUTES: str(len(notes.attribute_names))}
    with files.atomic(path) as temporary:
        parquet.write(pa.table(columns, metadata=metadata), temporary)
    files.seal_file(path, **world)


def fold(job: Job, progress: Progress) -> None:
    """Folds the examples."""
    solving.check_size(job)  # before the work is done
    if job.is_whole(job.fold):
        return
    with job.connect() as connection:
        folding.fold(connection, job.table, job.fold, functools.partial(progress, "fold"))


def find_groups(job: Job, progress: Progress) -> None:
    """Looks for groups that nobody named, if that is asked for."""
    config = job.config
    if not config.subgroups or _is_sealed(job, job.groups):
        return
    _remove_others(job)
    progress("groups that nobody named", 0, 1)
    subgroups.find(
        job.problem(job.patterns(), found=False),
        job.groups,
        depth=config.subgroups,
        points=BAND if config.points is None else config.points,
        target=config.targets,
        keep_rate=config.keep_rate,
        objective=config.objective,
        tolerance=config.tolerance,
    )


def solve(job: Job, progress: Progress) -> None:
    """Finds the weights of the patterns, or refuses them.

    Weights of another configuration are removed first, lest they be mistaken for what was refused.
    """
    _remove_others(job)
    solving.solve(job, progress)


def write_weights(job: Job, progress: Progress) -> None:
    """Writes a weight for every example, and which of them are kept if a seed is set."""
    if not _is_current(job):
        weights.remove(job.folder)
        certificate = certificate_of(job)
        with job.connect() as connection:
            if job.config.check_uids:
                progress("check uids", 0, 1)
                assignment.check_uids(connection, job.table)
            with weights.writing(job.folder, certificate) as path:
                rows = functools.partial(progress, "weights")
                if job.columns.utility_levels:
                    solving.weigh_each(job, path, rows)
                else:
                    assignment.assign(connection, job.table, job.solution, path, rows)
                checked = functools.partial(progress, "check the weights")
                certificate |= verification.verified(job, certificate, path, checked)
        if job.identify() != job.fold_id:
            _remove(job.folder, "weights.json", "weights.parquet")
            raise InputError("the files were changed while they were balanced; run again")
    _select(job, progress)


def certificate_of(job: Job) -> dict[str, Any]:
    """Returns the certificate of the solution, and what it is of."""
    facts = {"rows": len(job.table), "solution": job.solution_id}
    return solving.read(job).certificate | facts | {"uids_checked": job.config.check_uids}


def trace_frontier(job: Job, progress: Progress) -> None:
    """Solves the problem at each keep rate of `frontier`, to show what balance costs."""
    if not job.config.frontier or _is_sealed(job, job.frontier):
        return
    problem, rates = job.problem(job.patterns()), job.config.frontier
    try:
        frontier = balance.frontier(
            problem,
            rates,
            objective=job.config.objective,
            progress=lambda done, total: progress("frontier", done, total),
        )
    except balance.ProblemError as error:
        raise InputError(f"config.frontier: {error}") from None
    points = [
        {name: finite(getattr(point, name)) for name in summary.FRONTIER}
        for point in frontier.points
    ]
    result = {"largest": frontier.largest.keep_rate, "points": points}
    files.write_sealed(job.frontier, result)


def report(job: Job, progress: Progress) -> None:
    """Writes the tables and the figures; made anew each time, to the same bytes."""
    progress("tables and figures", 0, 1)
    solution = solving.read(job)
    summary.write(
        job.folder,
        counts=job.patterns().counts,
        problem=solving.solved(job, solution),
        frontier=files.read_sealed(job.frontier) if job.config.frontier else None,
        weights=parquet.read(job.solution)["weight"].to_numpy(),
        multipliers=solution.multipliers,
        verdicts=solving.judged(job),
        subgroups=subgroups.rows(job.groups) if job.config.subgroups else [],
    )


STAGES: dict[str, Callable[[Job, Progress], None]] = {
    "examples": write_examples,
    "fold": fold,
    "groups": find_groups,
    "solve": solve,
    "weights": write_weights,
    "frontier": trace_frontier,
    "report": report,
}


def stages(config: TableConfig) -> tuple[str, ...]:
    """Returns the stages that a configuration asks for."""
    return tuple(STAGES)[1:] if config.files else tuple(STAGES)


def _world(config: TableConfig) -> dict[str, Any]:
    """Returns what the testbed's table is made of, as its seal notes it."""
    world = {"world": dataclasses.asdict(config.world), "labels": config.world_labels}
    return json.loads(json.dumps(world))


def _is_of_others(path: Path) -> bool:
    """Tells whether a table is there that is not one of `write_examples`, damaged or not."""
    try:
        return ATTRIBUTES not in (parquet.schema(path)[0].metadata or {})
    except InputError:  # there is none, or it can't be read
        return False


def _is_sealed(job: Job, path: Path) -> bool:
    """Tells whether a sealed file is there and what was written; tells of one that is not."""
    try:
        return path.exists() and bool(files.read_sealed(path))
    except DamagedError:
        job.tell(f"{path} is damaged: it is made again")
        return False


def _is_current(job: Job) -> bool:
    """Tells whether the weights on disk are whole and those of this job."""
    if not (job.folder / "weights.json").exists():
        return False
    if not weights.is_intact(job.folder):
        job.tell(f"{job.folder / 'weights.parquet'} is damaged or missing: it is made again")
        return False
    certificate = weights.certificate(job.folder)
    if weights.SHARDS in certificate:  # of many machines: here they are to be one file
        return False
    unchecked = job.config.check_uids and not certificate.get("uids_checked")
    return certificate.get("solution") == job.solution_id and not unchecked


def _remove_others(job: Job) -> None:
    """Removes the weights of another solution, who was kept by them, and what was shown of them."""
    mark = job.folder / "weights.json"
    try:
        others = mark.exists() and files.read_sealed(mark).get("solution") != job.solution_id
    except DamagedError:
        job.tell(f"{mark} is damaged: it is made again, and the weights with it")
        others = True
    if others:
        weights.remove(job.folder)
        summary.remove(job.folder)


def _select(job: Job, progress: Progress) -> None:
    """Writes `kept.parquet`, the uids that the seed keeps; `kept.json` seals it."""
    seed, path = job.config.selection_seed, job.folder / "kept.parquet"
    wanted = {"solution": job.solution_id, "seed": seed}
    if job.is_whole(path) and wanted.items() <= files.sealed_file(path).items():
        return
    _remove(job.folder, "kept.json", "kept.parquet")
    if seed is None:
        return
    source, kept, done = job.folder / "weights.parquet", 0, 0
    layout, rows = parquet.schema(source)
    schema = pa.schema([layout.field("uid")])
    with files.atomic(path) as temporary, parquet.writer(temporary, schema) as writer:
        for batch in parquet.batches(source, 1 << 18):
            uids = batch["uid"]
            mask = selection.keep(uids.to_pylist(), batch["weight"].to_numpy(), seed=seed)
            writer.write_batch(pa.record_batch([uids.filter(pa.array(mask))], schema=schema))
            kept, done = kept + int(mask.sum()), done + len(batch)
            progress("keep or drop", done, rows)
    files.seal_file(path, **wanted, kept=kept, rows=done)


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)

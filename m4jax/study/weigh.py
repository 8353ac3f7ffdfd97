"""Balancing tables of any size, in stages that each leave a file and are skipped when it is there.

`examples.parquet` (the testbed's, where no files are given), `folds/<id>.parquet` (the distinct
rows with counts), `solutions/<id>.parquet` and `.json` (their weights, the certificate), then
`weights.parquet` and `weights.json`, perhaps `kept.parquet`, and `tables/`, `figures/`. An id is
a hash of the input (names, sizes, times of change) and of all settings that matter.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax import balance, files
from m4jax.data import annotate, folding, joining, selection, tables, testbed, weights
from m4jax.data.folding import Patterns
from m4jax.data.tables import Columns, Table
from m4jax.errors import InputError
from m4jax.study import verdict, weigh_report
from m4jax.study.weigh_config import LARGEST, WeighConfig

Progress = Callable[[str, int, int], None]  # (what, done, total)

MAX_STEPS = 200
MARGIN = 1e-6  # below the largest keep rate, where weights would be forced to the last digit


@dataclasses.dataclass(frozen=True)
class Job:
    """A configuration and the directory of everything that is written."""

    config: WeighConfig
    folder: Path

    @functools.cached_property
    def columns(self) -> Columns:
        """What the columns mean: as configured, or those of `examples.parquet`."""
        if self.config.files:
            return self.config.columns
        names = pq.read_schema(self.folder / "examples.parquet").names
        return Columns(uid="uid", attributes=("man",), labels=tuple(names[2:]))

    @functools.cached_property
    def table(self) -> Table:
        """The examples."""
        paths = self.config.files or (str(self.folder / "examples.parquet"),)
        with self.connect() as connection:
            return tables.open_table(connection, paths, self.columns)

    @functools.cached_property
    def fold_id(self) -> str:
        """The name of the fold of all examples."""
        return files.digest(self.table.identity())

    @functools.cached_property
    def solution_id(self) -> str:
        """The name of the solution."""
        return files.digest([self.fold_id, self.config.asked])

    @property
    def fold(self) -> Path:
        """The patterns of all examples."""
        return self.folder / "folds" / f"{self.fold_id}.parquet"

    @property
    def solution(self) -> Path:
        """The patterns with their weights; the certificate lies beside it."""
        return self.folder / "solutions" / f"{self.solution_id}.parquet"

    @property
    def frontier(self) -> Path:
        """The bias that is left at each of the configured keep rates."""
        asked = self.config.asked | {"keep_rate": self.config.frontier}
        return self.folder / "frontiers" / f"{files.digest([self.fold_id, asked])}.json"

    @contextlib.contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yields a connection with the configured limits."""
        settings = {"threads": self.config.threads, "memory_limit": self.config.memory_limit}
        with tables.connect(self.folder / "spill", **settings) as connection:
            yield connection

    def patterns(self) -> Patterns:
        """Reads the fold."""
        return folding.load(self.fold, self.columns)

    def problem(self, patterns: Patterns) -> balance.Problem:
        """Returns the problem, without a keep rate if the largest is asked for."""
        config = self.config
        try:
            problem = balance.Problem(
                patterns.attributes,
                patterns.labels,
                target=config.targets,
                utility=patterns.utility,
                counts=patterns.counts,
                keep_rate=1.0 if config.keep_rate == LARGEST else config.keep_rate,
                eps_representation=config.eps_representation,
                eps_association=config.eps_association,
                penalty=config.penalty,
                attribute_names=self.columns.attributes,
                label_names=self.columns.labels,
                intersections=config.intersections,
            )
        except balance.ProblemError as error:
            raise InputError(f"balancing: {error}") from None
        return problem


def write_examples(job: Job, progress: Progress) -> None:
    """Writes the testbed's training split as a table, if no files are given."""
    path = job.folder / "examples.parquet"
    if job.config.files or path.exists():
        return
    testbed.prepare(job.config.world, job.folder / "data", progress)
    train = testbed.load(job.config.world, "train", job.folder / "data")
    notes = annotate.annotate(train.columns, job.config.world_labels)
    man = notes.attributes[:, 0]
    columns = {"uid": train.columns["uid"], "man": pa.array(man == 1, mask=np.isnan(man))}
    columns |= {name: notes.labels[:, i].astype(bool) for i, name in enumerate(notes.label_names)}
    with files.atomic(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def fold(job: Job, progress: Progress) -> None:
    """Folds the examples, shard by shard; with `shard` set, that one alone."""
    if job.fold.exists():
        return
    shards, shard = job.config.shards, job.config.shard
    parts = []
    for index in range(shards) if shard is None else [shard]:
        part = job.table.part(index, shards)
        if not part.paths:  # fewer files than shards
            continue
        parts.append(job.folder / "folds" / f"{files.digest(part.identity())}.parquet")
        if not parts[-1].exists():
            with job.connect() as connection:
                percent = functools.partial(progress, f"fold {index + 1} of {shards}")
                folding.fold(connection, part, parts[-1], percent)
    if shard is None and parts != [job.fold]:
        with job.connect() as connection:
            folding.merge(connection, parts, job.fold)


def solve(job: Job, progress: Progress) -> None:
    """Finds the weights of the patterns, and refuses those that don't do what was asked.

    Raises:
      InputError: if the solver did not converge or the constraints can't all hold, unless
        `allow_violations` is set. Weights of another configuration are gone by then, lest they
        be mistaken for what was refused.
    """
    _remove_others(job)
    if job.solution.with_suffix(".json").exists():
        return
    patterns = job.patterns()
    problem, binding = job.problem(patterns), {}
    if job.config.keep_rate == LARGEST:
        progress("largest keep rate", 0, 1)
        problem, binding = _largest(problem)
    solution = balance.solve(
        problem,
        objective=job.config.objective,
        tolerance=job.config.tolerance,
        max_steps=MAX_STEPS,
        precision=job.config.precision,
        progress=lambda steps, gap: progress(f"solve, gap {gap:.1e}", steps, MAX_STEPS),
    )
    verdict.require(problem, solution, allow_violations=job.config.allow_violations)
    joining.add_weights(job.fold, solution.weights, job.solution)
    found = {
        "certificate": balance.certificate(problem, solution)
        | binding
        | _folding_loss(job, patterns, problem.keep_rate),
        "multipliers": solution.multipliers.tolist(),
        "offset": solution.offset,
    }
    files.write_json(job.solution.with_suffix(".json"), found)


def write_weights(job: Job, progress: Progress) -> None:
    """Writes a weight for every example, and which of them are kept if a seed is set."""
    if not _is_current(job):
        certificate = files.read_json(job.solution.with_suffix(".json"))["certificate"]
        certificate |= {"rows": len(job.table), "solution": job.solution_id}
        with job.connect() as connection:
            if job.config.check_uids:
                progress("check uids", 0, 1)
                joining.check_uids(connection, job.table)
            with weights.writing(job.folder, certificate) as path:
                rows = functools.partial(progress, "weights")
                joining.assign(connection, job.table, job.solution, path, rows)
    _select(job, progress)


def trace_frontier(job: Job, progress: Progress) -> None:
    """Solves the problem at each keep rate of `frontier`, to show what balance costs."""
    if not job.config.frontier or job.frontier.exists():
        return
    problem, rates = job.problem(job.patterns()), job.config.frontier
    try:
        found = balance.frontier(
            problem,
            rates,
            objective=job.config.objective,
            progress=lambda done, total: progress("frontier", done, total),
        )
    except balance.ProblemError as error:
        raise InputError(f"config.frontier: {error}") from None
    points = [
        {name: getattr(point, name) for name in weigh_report.FRONTIER} for point in found.points
    ]
    known = {"largest": found.largest.keep_rate, "points": points}
    files.write_json(job.frontier, known)


def report(job: Job, progress: Progress) -> None:
    """Writes the tables and the figures; made anew each time, to the same bytes."""
    progress("tables and figures", 0, 1)
    problem = job.problem(job.patterns())
    found = files.read_json(job.solution.with_suffix(".json"))
    weigh_report.write(
        job.folder,
        problem=dataclasses.replace(problem, keep_rate=found["certificate"]["keep_rate"]),
        frontier=files.read_json(job.frontier) if job.config.frontier else None,
        weights=pq.read_table(job.solution)["weight"].to_numpy(),
        multipliers=np.array(found["multipliers"]),
    )


STAGES: dict[str, Callable[[Job, Progress], None]] = {
    "examples": write_examples,
    "fold": fold,
    "solve": solve,
    "weights": write_weights,
    "frontier": trace_frontier,
    "report": report,
}


def stages(config: WeighConfig) -> tuple[str, ...]:
    """Returns the stages that a configuration asks for: with `shard` set, no more than its fold."""
    return tuple(STAGES) if config.shard is None else ("examples", "fold")


def _largest(problem: balance.Problem) -> tuple[balance.Problem, dict[str, Any]]:
    """Returns the problem at its largest keep rate, and which constraints stand in the way."""
    found = balance.max_keep_rate(problem)
    if found.keep_rate <= 0:
        raise InputError("keep_rate: no weights at all meet the constraints; raise eps_association")
    rate = found.keep_rate * (1 - MARGIN)
    binding = [{"attribute": attribute, "label": label} for attribute, label in found.binding]
    return dataclasses.replace(problem, keep_rate=rate), {"keep_rate_binding": binding}


def _folding_loss(job: Job, patterns: Patterns, keep_rate: float) -> dict[str, float]:
    """Returns how far from the optimum equal weights within a cell can be, at most.

    For the quadratic objective it is ½ η² E[Var(u | cell)] (derived, from Jensen's inequality).
    """
    if not job.columns.utility_levels:
        return {}
    spread = patterns.counts @ patterns.variance / patterns.counts.sum()
    return {"folding_loss": 0.5 * keep_rate**2 * float(spread)}


def _is_current(job: Job) -> bool:
    """Tells whether the weights on disk are whole and those of this job."""
    if not weights.is_written(job.folder):
        return False
    certificate = files.read_json(job.folder / "weights.json")
    return certificate.get("solution") == job.solution_id and certificate.get(
        "sha256"
    ) == files.sha256(job.folder / "weights.parquet")


def _remove_others(job: Job) -> None:
    """Removes the weights of another solution, and who was kept by them."""
    mark = job.folder / "weights.json"
    if mark.exists() and files.read_json(mark).get("solution") != job.solution_id:
        _remove(job.folder, mark.name, "weights.parquet", "kept.json", "kept.parquet")


def _select(job: Job, progress: Progress) -> None:
    """Writes `kept.parquet`, the uids that the seed keeps; `kept.json` marks it whole."""
    seed, mark = job.config.selection_seed, job.folder / "kept.json"
    wanted = {"solution": job.solution_id, "seed": seed}
    if mark.exists() and wanted.items() <= files.read_json(mark).items():
        return
    _remove(job.folder, "kept.json", "kept.parquet")
    if seed is None:
        return
    source, kept, done = pq.ParquetFile(job.folder / "weights.parquet"), 0, 0
    schema = pa.schema([source.schema_arrow.field("uid")])
    with (
        files.atomic(job.folder / "kept.parquet") as temporary,
        pq.ParquetWriter(temporary, schema) as writer,
    ):
        for batch in source.iter_batches(1 << 18):
            uids = batch["uid"]
            mask = selection.keep(uids.to_pylist(), batch["weight"].to_numpy(), seed=seed)
            writer.write_batch(pa.record_batch([uids.filter(pa.array(mask))], schema=schema))
            kept, done = kept + int(mask.sum()), done + len(batch)
            progress("keep or drop", done, source.metadata.num_rows)
    files.write_json(mark, wanted | {"kept": kept, "rows": done})


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)

"""The stages of a balancing whose examples are read by many workers.

The files are those of `tables.stages`, but that there are many of weights: see `tables.weights`.
Patterns are few, so they come to this machine, and it solves.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.tables import folding as plain
from m4jax.tables import solving, verification, weights
from m4jax.tables.beam import assigning, folding, looking, pipelines, storage
from m4jax.tables.beam.looking import Looked
from m4jax.tables.job import Job
from m4jax.tables.stages import STAGES as OF_ONE
from m4jax.tables.stages import certificate_of

SEED = "selection_seed"


@dataclasses.dataclass(frozen=True)
class BeamJob(Job):
    """A balancing with Beam."""

    @functools.cached_property
    def table(self) -> Looked:
        """The examples, as the workers see them."""
        return self._look()

    def identify(self) -> str:
        """Returns the name of the fold of all examples, as the files are now."""
        fresh = "fold_id" in vars(self)  # asked for again: the files may have changed
        table = self._look() if fresh else self.table
        return files.digest(table.identity())

    @property
    def options(self) -> tuple[str, ...]:
        """The options of Beam: those of the configuration, or for this machine."""
        return self.config.beam_options or pipelines.local_options(self.config.threads)

    @property
    def shared(self) -> str:
        """The folder that workers write to."""
        return self.config.beam_folder or str(self.folder)

    @property
    def scratch(self) -> str:
        """The folder of what they leave for this machine, and it for them."""
        return storage.join(self.shared, "beam")

    def bare(self) -> Job:
        """Returns it as workers need it: with its columns, without the files."""
        job = Job(self.config, self.folder)
        vars(job)["columns"] = self.columns
        return job

    def _look(self) -> Looked:
        paths = self.config.files or (str(self.folder / "examples.parquet"),)
        full = self.config.full_fingerprints
        return looking.look(self.options, self.scratch, paths, self.columns, full=full)


def fold(job: BeamJob, progress: Progress) -> None:
    """Folds the examples."""
    progress("look at the files", 0, 1)
    solving.check_size(job)
    if job.is_whole(job.fold):
        return
    progress("fold", 0, 1)
    found = folding.fold(job.options, job.scratch, job.table, job.config.memory_limit)
    progress("merge", 0, 1)
    parts = [
        storage.get(path, job.folder / "spill" / Path(path).name, sha256)
        for path, sha256 in found.parts.items()
    ]
    with job.connect() as connection:
        plain.merge(connection, parts, job.fold)
    plain.seal(job.fold, job.columns, found.rows, found.total)
    storage.remove(list(found.parts))
    for part in parts:
        part.unlink(missing_ok=True)


def write_weights(job: BeamJob, progress: Progress) -> None:
    """Writes the weights of all examples, and who is kept if a seed is set."""
    progress("weights", 0, 1)
    if _is_current(job):
        return
    weights.remove(job.folder)
    _remove(job)
    certificate, patterns = certificate_of(job), solved(job)
    try:
        records = assigning.assign(job.options, job.shared, job.table, patterns)
    except InputError:
        _remove(job)
        raise
    finally:
        storage.remove([patterns.path])
    progress("check the weights", 0, 1)
    tally = verification.Tally(patterns.spec)
    for record in records:
        tally.merge(record["tally"])
    where = job.folder / "weights.parquet"
    certificate |= verification.compared(job, tally, certificate, where)
    if job.identify() != job.fold_id:
        _remove(job)
        raise InputError("the files were changed while they were balanced; run again")
    _seal(job, certificate, records)


def solved(job: BeamJob) -> assigning.Solved:
    """Returns the solution as workers take it, after writing it where they see it."""
    solution = solving.read(job)
    spec = solving.solved(job, solution).spec
    path = storage.join(job.scratch, f"{job.solution_id}.parquet")
    return assigning.Solved(job.bare(), spec, solution, path, storage.put(job.solution, path))


def _seal(job: BeamJob, certificate: dict[str, Any], records: list[pipelines.Record]) -> None:
    """Writes the certificate, which marks the weights as whole."""
    shards = [{name: x[name] for name in ("name", "rows", "sha256")} for x in records]
    certificate |= {weights.SHARDS: shards}
    if job.config.selection_seed is not None:
        certificate |= {
            SEED: job.config.selection_seed,
            "kept_shards": [x["kept"] for x in records],
        }
    path = job.folder / "weights.json"
    files.write_sealed(path, certificate)
    storage.remove_folder(job.scratch)
    if storage.is_remote(job.shared) or Path(job.shared) != job.folder:
        storage.put(path, storage.join(job.shared, path.name))


def _is_current(job: BeamJob) -> bool:
    """Tells whether the weights of this job are there and whole."""
    try:
        certificate = weights.certificate(job.folder)
    except InputError:  # missing or damaged
        return False
    shards = certificate.get(weights.SHARDS)
    wanted = {"solution": job.solution_id, SEED: job.config.selection_seed}
    unchecked = job.config.check_uids and not certificate["uids_checked"]
    if shards is None or unchecked or wanted != {x: certificate.get(x) for x in wanted}:
        return False
    for shard in [*shards, *certificate.get("kept_shards", [])]:
        path = storage.join(job.shared, shard["name"])
        if storage.sha256(path) != shard["sha256"]:
            job.tell(f"{path} is damaged or missing: all are made again")
            return False
    return True


def _remove(job: BeamJob) -> None:
    """Removes what workers wrote of other weights."""
    for kind in ("weights", "kept"):
        storage.remove(storage.matching(job.shared, f"{kind}-*-of-*.parquet"))
    storage.remove([storage.join(job.shared, "weights.json")])


STAGES: dict[str, Callable[[BeamJob, Progress], None]] = OF_ONE | {
    "fold": fold,
    "weights": write_weights,
}

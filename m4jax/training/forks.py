"""First steps that runs share: one leaves its state at a step, others begin there.

The state lies in a folder called by its step and a hash of all that determines it, `prefix`: what
acts only later (a restart, the mean, later stages, how much is logged of the data's bias) is no
part of it. The first steps of runs that differ in nothing else are taken by one program (see
`program.Programs`), so that a run that begins there ends with the same bits as from the first step.

    <directory>/<step>-<hash>/checkpoints/<step>/    as of a run, with its `checksums/`

`clear` deletes them. A run that finds no state takes all its steps.
"""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from m4jax import files
from m4jax.errors import DamagedError
from m4jax.training.checkpoint import Checkpoints
from m4jax.training.config import TrainConfig
from m4jax.training.identity import LATE
from m4jax.training.step import TrainState, with_average

LOCK, STATES = ".lock", "checkpoints"  # in the folder of a state


def plain(config: TrainConfig, **changes: Any) -> TrainConfig:
    """Returns the settings without what acts late in a run, and without what it leaves."""
    return dataclasses.replace(config, **dict.fromkeys((*LATE, "share_at")), **changes)


def last_shared(config: TrainConfig) -> int:
    """Returns the last step at which neither a restart nor the mean has changed the state."""
    ends = [config.steps - 1]
    if config.restart_at is not None:
        ends.append(config.restart_at)
    if config.average is not None:
        ends.append(config.steps - config.average)
    return min(ends)


def prefix(what: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Returns what determines a run's state after `step`, at most `last_shared`, as JSON.

    Args:
        what: the run's identity, see `identity.of`.
        step: number of steps taken.
    """
    kept = {name: part for name, part in what.items() if name != "annotation"}
    settings = {k: v for k, v in what["settings"].items() if k not in LATE}
    stages = [stage for stage in what["stages"] if stage[0] < step]
    return kept | {"settings": settings, "stages": stages, "step": step}


def clear(directory: str | os.PathLike) -> None:
    """Deletes all shared states; of each, whoever reads or writes it is waited for.

    Locks stay, since others may wait for them.
    """
    for folder in Path(directory).glob("*-*"):
        with files.locked(folder / LOCK):
            gone = folder / "deleted"
            shutil.rmtree(gone, ignore_errors=True)  # of a process that was killed here
            if (folder / STATES).is_dir():
                (folder / STATES).rename(gone)  # at once: half a state would look damaged
            for rest in (gone, folder / "checksums", folder / "damaged"):
                shutil.rmtree(rest, ignore_errors=True)


class Forks:
    """The shared states of a study, as one of its runs sees them.

    Processes may be at work in the directory at once: whoever reads or writes a state holds the
    lock of its folder, which ends with the process.

    Args:
        directory: of them all.
        config: of the run.
        what: its identity.
        mesh: on which it is trained: sums are rounded as the devices are.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        config: TrainConfig,
        what: Mapping[str, Any],
        mesh: Mesh,
    ):
        self._directory, self._config, self._what = Path(directory), config, what
        self._devices = [mesh.devices.flat[0].device_kind, mesh.size]
        self._last = last_shared(config)

    def take(self, abstract: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """Returns the (state, position) of the latest sound state that the run comes to, or None.

        A damaged one is put aside with a `CheckpointWarning`, and an earlier one is tried.

        Args:
            abstract: of the run's state, without a mean.
        """
        names = (path.name.split("-")[0] for path in self._directory.glob("*-*"))
        steps = {int(name) for name in names if name.isdigit()}
        for step in sorted((s for s in steps if s <= self._last), reverse=True):
            folder = self._folder(step)
            if not (folder / STATES).is_dir():
                continue
            with files.locked(folder / LOCK), Checkpoints(folder / STATES) as kept:
                restored = kept.restore_latest(abstract, check=self._check)
            if restored:
                return with_average(restored[0], self._config), restored[1]
        return None

    def give(self, state: TrainState, step: int, journal: Any) -> None:
        """Leaves the state after `step` where others find it, if it is one to be shared.

        Args:
            state: of the run.
            step: number of steps taken.
            journal: of the run; see `log.Journal`.
        """
        if step not in (self._config.share_at or ()) or step > self._last:
            return
        records = journal.records(step)
        if len(records) < step // self._config.log_every:
            return  # its log was damaged, and began anew
        folder = self._folder(step)
        with files.locked(folder / LOCK), Checkpoints(folder / STATES) as kept:
            if not (folder / STATES / str(step)).exists():
                position = journal.position(step) | {"identity": self._key(step)}
                kept.save(state._replace(average=None), position | {"records": records})

    def _key(self, step: int) -> dict[str, Any]:
        return prefix(self._what, step) | {"devices": self._devices, "jax": jax.__version__}

    def _folder(self, step: int) -> Path:
        return self._directory / f"{step}-{files.digest(self._key(step), 16)}"

    def _check(self, position: Mapping[str, Any]) -> None:
        """Raises `DamagedError` if a state is not what its folder says."""
        if position.get("identity") != self._key(position["step"]):
            raise DamagedError("it is another run's state")

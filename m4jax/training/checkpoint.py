"""Checkpoints of a run: written in the background by Orbax, with checksums of leaves and files."""

import contextlib
import copy
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from m4jax import files, stopping
from m4jax.errors import DamagedError
from m4jax.training.mesh import checksums
from m4jax.training.restore import agree, first_line, read, seal_path
from m4jax.training.step import TrainState


class CheckpointWarning(UserWarning):
    """A checkpoint can't be used; the message names its step and the reason."""


class Checkpoints:
    """The checkpoints of one run, `<directory>/<step>/`, written in the background.

    A checkpoint has three items: `params`, `rest` (the other fields of the state) and `record`, a
    JSON value with the position in the data and the checksum of every leaf. Before it takes its
    name, the checksums of its files are written to `checksums/<step>.json` beside the directory.
    Use it as a context manager: leaving it waits for the write under way.

    Args:
        directory: of the checkpoints; with several processes, one that all of them see.
        keep: number of the newest checkpoints that stay.
    """

    def __init__(self, directory: str | os.PathLike, *, keep: int = 2):
        self._directory, self._saving = Path(directory).absolute(), 0
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            cleanup_tmp_directories=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
        )
        with _writing(self._directory):
            self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            self.close()
        except OSError:
            if error is None:  # otherwise the first error says more
                raise

    def get_ready(self, state: TrainState) -> None:
        """Compiles what `save` needs: it is then quick where the process is asked to end."""
        checksums(_items(state))

    def save(self, state: TrainState, position: dict[str, Any]) -> None:
        """Starts writing `state` and a JSON-able `position`; a second save waits for the first.

        Raises:
            OSError: naming the directory, if this write or an earlier one failed (a full disk,
                say).
        """
        items = _items(state)
        # A copy: it is written in the background, while the caller goes on.
        record = copy.deepcopy({"position": position, "leaves": checksums(items)})
        with _writing(self._directory):
            self._manager.wait_until_finished()
            self._saving = int(state.step)
            seal_path(self._directory, self._saving).unlink(missing_ok=True)
            self._manager.save(
                self._saving,
                args=ocp.args.Composite(
                    record=ocp.args.JsonSave({**record, "digest": files.digest(record)}),
                    **{name: ocp.args.StandardSave(tree) for name, tree in items.items()},
                ),
            )

    def restore_latest(
        self,
        abstract: TrainState,
        *,
        at_most: int | None = None,
        check: Callable[[dict[str, Any]], None] = lambda position: None,
    ) -> tuple[TrainState, dict[str, Any]] | None:
        """Returns the newest sound (state, position), or None if there is none.

        A damaged checkpoint is moved to `damaged/` beside the directory, with a
        `CheckpointWarning`, and the one before is tried.

        Args:
            abstract: shapes, types and shardings of the state (`mesh.like`), on any number of
                devices.
            at_most: checkpoints of later steps are deleted, to be made again.
            check: called with a position before its state is read; raises if it is another run's.

        Raises:
            InputError: if a sound checkpoint belongs to another model or optimiser.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            if at_most is not None and step > at_most:
                self._manager.delete(step)
                continue
            try:
                items, position = read(self._manager, step, _items(abstract), check)
            except DamagedError as error:
                self._put_aside(step, error)
                continue
            return TrainState(params=items["params"], **items["rest"]), position
        return None

    def close(self) -> None:
        """Waits for the write under way; raises `OSError` if it failed."""
        with _writing(self._directory), stopping.saving():
            try:
                self._manager.wait_until_finished()
            finally:
                self._manager.close()

    def _seal(self) -> None:
        """Writes the checksums of the files of the checkpoint that has just been written.

        Orbax calls it before it renames the temporary directory, `<step>.<...>`.
        """
        if jax.process_index():
            return
        for path in seal_path(self._directory, 0).parent.glob("*.json"):
            if not (self._directory / path.stem).exists():
                path.unlink(missing_ok=True)
        (written,) = self._directory.glob(f"{self._saving}.*")
        # Files at its top are left out: Orbax changes them afterwards, and needs nothing of them
        # to restore.
        names = sorted(p for p in written.glob("*/**/*") if p.is_file())
        sums = {p.relative_to(written).as_posix(): files.sha256(p) for p in names}
        seal = {"files": sums, "digest": files.digest(sums)}
        files.write_json(seal_path(self._directory, self._saving), seal)

    def _put_aside(self, step: int, error: DamagedError) -> None:
        """Moves a damaged checkpoint out of the way, as evidence, and warns."""
        earlier = [s for s in self._manager.all_steps() if s < step]
        then = f"step {max(earlier)} is tried instead" if earlier else "training starts again"
        warnings.warn(
            f"the checkpoint of step {step} in {self._directory} is damaged ({error}); {then}",
            CheckpointWarning,
            stacklevel=3,
        )
        if jax.process_index() == 0:
            target = self._directory.with_name("damaged") / str(step)
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            os.replace(self._directory / str(step), target)
            seal_path(self._directory, step).unlink(missing_ok=True)
        agree(True)  # the others wait until it has been moved
        self._manager.reload()


@contextlib.contextmanager
def alone(run_dir: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes from training in the same directory meanwhile.

    Raises:
        InputError: if one is at it: both would write the same checkpoints and one log.
    """
    if jax.process_index():
        yield
        return
    with _writing(Path(run_dir)):
        Path(run_dir).mkdir(parents=True, exist_ok=True)
    with files.locked(Path(run_dir) / ".lock", wait=False):
        yield


def _items(state: TrainState) -> dict[str, Any]:
    """Splits a state into what evaluation needs and the rest, which has no fields that are None."""
    rest = {name: part for name, part in state._asdict().items() if part is not None}
    return {"params": rest.pop("params"), "rest": rest}


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Turns whatever a failed write raises into an `OSError` that names the directory."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # TensorStore: ValueError on a full disk
        number = getattr(error, "errno", None)
        message = (
            f"a checkpoint could not be written to {directory} ({first_line(error)}); "
            "free disk space or mend the permissions, then run again to continue"
        )
        raise (OSError(message) if number is None else OSError(number, message)) from error

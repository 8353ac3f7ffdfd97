"""Checkpoints that are verified when they are read: Orbax, with checksums of leaves and files."""

import contextlib
import copy
import functools
import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from m4jax import files
from m4jax.errors import InputError
from m4jax.training import checksum
from m4jax.training.checksum import DamagedError
from m4jax.training.step import TrainState, init_params


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

    def save(self, state: TrainState, position: dict[str, Any]) -> None:
        """Starts writing `state` and a JSON-able `position`; a second save waits for the first.

        Raises:
            OSError: naming the directory, if this write or an earlier one failed (a full disk,
                say).
        """
        items = _items(state)
        # A copy: it is written in the background, while the caller goes on.
        record = copy.deepcopy({"position": position, "leaves": checksum.of_leaves(items)})
        with _writing(self._directory):
            self._manager.wait_until_finished()
            self._saving = int(state.step)
            _seal_path(self._directory, self._saving).unlink(missing_ok=True)
            self._manager.save(
                self._saving,
                args=ocp.args.Composite(
                    record=ocp.args.JsonSave({**record, "digest": files.digest(record)}),
                    **{name: ocp.args.StandardSave(tree) for name, tree in items.items()},
                ),
            )

    def restore_latest(
        self, abstract: TrainState, *, at_most: int | None = None
    ) -> tuple[TrainState, dict[str, Any]] | None:
        """Returns the newest sound (state, position), or None if there is none.

        A damaged checkpoint is moved to `damaged/` beside the directory, with a
        `CheckpointWarning`, and the one before is tried.

        Args:
            abstract: shapes, types and shardings of the state (`mesh.like`), on any number of
                devices.
            at_most: checkpoints of later steps are deleted, to be made again.

        Raises:
            InputError: if a sound checkpoint belongs to another model or optimiser.
        """
        for step in sorted(self._manager.all_steps(), reverse=True):
            if at_most is not None and step > at_most:
                self._manager.delete(step)
                continue
            try:
                items, position = read(self._manager, step, _items(abstract))
            except DamagedError as error:
                self._put_aside(step, error)
                continue
            return TrainState(params=items["params"], **items["rest"]), position
        return None

    def close(self) -> None:
        """Waits for the write under way; raises `OSError` if it failed."""
        with _writing(self._directory):
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
        for path in _seal_path(self._directory, 0).parent.glob("*.json"):
            if not (self._directory / path.stem).exists():
                path.unlink(missing_ok=True)
        (written,) = self._directory.glob(f"{self._saving}.*")
        checksum.seal(written, _seal_path(self._directory, self._saving))

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
            _seal_path(self._directory, step).unlink(missing_ok=True)
        _agree(True)  # the others wait until it has been moved
        self._manager.reload()


def _items(state: TrainState) -> dict[str, Any]:
    """Splits a state into what evaluation needs and the rest."""
    rest = state._asdict()
    return {"params": rest.pop("params"), "rest": rest}


def _seal_path(directory: Path, step: int) -> Path:
    return directory.with_name("checksums") / f"{step}.json"


def read(
    manager: ocp.CheckpointManager, step: int, abstract: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the items of `abstract` and the position, verified file by file and leaf by leaf.

    Raises:
        DamagedError: if a file is missing, truncated or changed.
        InputError: if the checkpoint is sound but its leaves are not those of `abstract`.
    """
    _check_files(Path(manager.directory), step)
    record = _restore(manager, step, {"record": ocp.args.JsonRestore()})["record"]
    if not isinstance(record, dict) or record.pop("digest", None) != files.digest(record):
        raise DamagedError("the checksum of its record does not match")
    leaves = record["leaves"]
    for path, x in jax.tree_util.tree_leaves_with_path(abstract):
        name, expected = jax.tree_util.keystr(path), [str(x.dtype), list(x.shape)]
        actual = leaves[name][:2] if name in leaves else "nothing"
        if actual != expected:
            raise InputError(
                f"{manager.directory}/{step} is of another model: {name} should be {expected}, "
                f"found {actual}; use the configuration it was made with, or another directory"
            )
    targets = {name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()}
    items = _restore(manager, step, targets)
    for leaf, actual in checksum.of_leaves(items).items():
        if actual != leaves[leaf]:
            raise DamagedError(f"the checksum of {leaf} does not match")
    return items, record["position"]


def _check_files(directory: Path, step: int) -> None:
    """Raises `DamagedError` in every process if the first one finds a changed file."""
    damage = None
    if jax.process_index() == 0:
        try:
            checksum.check_seal(directory / str(step), _seal_path(directory, step))
        except DamagedError as error:
            damage = error
    if not _agree(damage is None):
        raise damage or DamagedError("as the first process says")


def _agree(value: bool) -> bool:
    """Returns the first process' value in all of them."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.array(value)))


def _restore(manager: ocp.CheckpointManager, step: int, targets: dict[str, Any]) -> dict[str, Any]:
    """Returns the items of `targets` as Orbax reads them; raises `DamagedError` if it can't."""
    with warnings.catch_warnings():
        # On a failed read Orbax leaves coroutines behind, and Python says so when they are freed.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        try:
            restored = manager.restore(step, args=ocp.args.Composite(**targets))
            return {name: restored[name] for name in targets}
        except Exception as error:  # what it raises on damage ranges from KeyError to Exception
            reason = _first_line(error)
        gc.collect()
    raise DamagedError(reason)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Turns whatever a failed write raises into an `OSError` that names the directory."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # TensorStore: ValueError on a full disk
        number = getattr(error, "errno", None)
        message = (
            f"a checkpoint could not be written to {directory} ({_first_line(error)}); "
            "free disk space or mend the permissions, then run again to continue"
        )
        raise (OSError(message) if number is None else OSError(number, message)) from error


def latest_step(run_dir: str | os.PathLike) -> int:
    """Returns the step of a run's newest checkpoint, sound or not; 0 if it has none."""
    names = (path.name for path in (Path(run_dir) / "checkpoints").glob("*"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def load_params(run_dir: str | os.PathLike, model: nn.Module) -> Any:
    """Returns the parameters of a run's newest checkpoint, on this process' first device.

    Raises:
        InputError: if there is none, it is damaged, or it belongs to another model.
    """
    directory = Path(run_dir).absolute() / "checkpoints"
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here),
        {"params": jax.eval_shape(functools.partial(init_params, model, seed=0))},
    )
    options = ocp.CheckpointManagerOptions(read_only=True)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; train the run first")
    with ocp.CheckpointManager(directory, options=options) as manager:
        step = manager.latest_step()
        if step is None:
            raise InputError(f"{directory} has no checkpoint; train the run first")
        try:
            return read(manager, step, abstract)[0]["params"]
        except DamagedError as error:
            raise InputError(
                f"the checkpoint of step {step} in {directory} is damaged ({error}); train the run "
                "again: it continues from the checkpoint before"
            ) from error

"""Checkpoints read back, verified file by file and leaf by leaf."""

import contextlib
import functools
import gc
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.training import identity
from m4jax.training.mesh import checksums
from m4jax.training.step import init_params


def read(
    manager: ocp.CheckpointManager,
    step: int,
    abstract: dict[str, Any],
    check: Callable[[dict[str, Any]], None] = lambda position: None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the items of `abstract` and the position, verified file by file and leaf by leaf.

    Raises:
        DamagedError: if a file is missing, truncated or changed.
        InputError: if the checkpoint is sound but its leaves are not those of `abstract`.
    """
    _check_files(Path(manager.directory), step)
    record = _record(manager, step)
    check(record["position"])
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
    for leaf, actual in checksums(items).items():
        if actual != leaves[leaf]:
            raise DamagedError(f"the checksum of {leaf} does not match")
    return items, record["position"]


def _record(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    """Returns the position of a checkpoint and the checksums of its leaves."""
    record = _restore(manager, step, {"record": ocp.args.JsonRestore()})["record"]
    if not isinstance(record, dict) or record.pop("digest", None) != files.digest(record):
        raise DamagedError("the checksum of its record does not match")
    return record


def _check_files(directory: Path, step: int) -> None:
    """Raises `DamagedError` in every process if the first one finds a changed file."""
    damage = None
    if jax.process_index() == 0:
        try:
            _check_seal(directory / str(step), seal_path(directory, step))
        except DamagedError as error:
            damage = error
    if not agree(damage is None):
        raise damage or DamagedError("as the first process says")


def seal_path(directory: Path, step: int) -> Path:
    """Returns where the checksums of a checkpoint's files are."""
    return directory.with_name("checksums") / f"{step}.json"


def _check_seal(directory: str | os.PathLike, path: str | os.PathLike) -> None:
    """Raises `DamagedError` if a file of `directory` is not as it was when it was sealed.

    Without the file `path` there is nothing to compare with.
    """
    if not Path(path).exists():
        return
    try:
        sealed = files.read_json(path)
        sums = sealed["files"]
        intact = sealed["digest"] == files.digest(sums)
    except (InputError, KeyError, TypeError):
        intact = False
    if not intact:
        raise DamagedError(f"its list of checksums, {path}, is damaged itself")
    for name, expected in sums.items():
        file = Path(directory) / name
        if not file.is_file():
            raise DamagedError(f"{name} is missing")
        if files.sha256(file) != expected:
            raise DamagedError(f"the checksum of the file {name} does not match")


def agree(value: bool) -> bool:
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
            reason = first_line(error)
        gc.collect()
    raise DamagedError(reason)


def first_line(error: Exception) -> str:
    """Returns what an error says, in a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def latest_step(run_dir: str | os.PathLike) -> int:
    """Returns the step of a run's newest checkpoint, sound or not; 0 if it has none."""
    names = (path.name for path in (Path(run_dir) / "checkpoints").glob("*"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def load_params(run_dir: str | os.PathLike, model: nn.Module) -> Any:
    """Returns the parameters of a run's newest checkpoint, on this process' first device.

    Raises:
        InputError: if there is none, it is damaged, or it belongs to another model, also one that
            differs in what shapes don't show (heads, activation).
    """

    def check(position: dict[str, Any]) -> None:
        before = position.get("identity")
        if before:
            identity.check_model(before["model"], model, run_dir)

    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here),
        {"params": jax.eval_shape(functools.partial(init_params, model, seed=0))},
    )
    with _newest(run_dir) as (manager, step):
        return read(manager, step, abstract, check)[0]["params"]


def describe(run_dir: str | os.PathLike) -> dict[str, Any]:
    """Returns what a run's newest checkpoint says of itself, without reading its parameters.

    `params` is a digest of them, the same for the same bits wherever they lie; `identity` that of
    the run (see `identity`).

    Raises:
        InputError: if there is none, or it is damaged.
    """
    with _newest(run_dir) as (manager, step):
        record = _record(manager, step)
    leaves = {k: v for k, v in record["leaves"].items() if k.startswith("['params']")}
    return {"params": files.digest(leaves), "identity": record["position"].get("identity")}


def _is_no_matter_of_course(record: logging.LogRecord) -> bool:
    """Leaves out what Orbax warns of each directory that it is to read only."""
    return not str(record.msg).startswith("Given directory is read only")


@contextlib.contextmanager
def _newest(run_dir: str | os.PathLike) -> Iterator[tuple[ocp.CheckpointManager, int]]:
    """Opens the checkpoints of a run; tells of damage with the mend."""
    directory = Path(run_dir).absolute() / "checkpoints"
    # Orbax warns of each default that does not go with `read_only`.
    options = ocp.CheckpointManagerOptions(read_only=True, save_interval_steps=0, create=False)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; train the run first")
    logger = logging.getLogger("absl")
    logger.addFilter(_is_no_matter_of_course)
    try:
        opened = ocp.CheckpointManager(directory, options=options)
    finally:
        logger.removeFilter(_is_no_matter_of_course)
    with opened as manager:
        step = manager.latest_step()
        if step is None:
            raise InputError(f"{directory} has no checkpoint; train the run first")
        try:
            yield manager, step
        except DamagedError as error:
            raise InputError(
                f"the checkpoint of step {step} in {directory} is damaged ({error}); train the run "
                "again: it continues from the checkpoint before"
            ) from error

"""The parameters that a run starts from: those of another run, or of an exported model."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from m4jax import files, models, training
from m4jax.errors import InputError
from m4jax.training.identity import check_model


def identity(path: str) -> str:
    """Returns what tells parameters to start from, by their contents; "" for none.

    Raises:
        InputError: if there is neither a run with a checkpoint nor an exported model, or the run is
            not trained to its end: its parameters will be others.
    """
    if not path:
        return ""
    folder = Path(path)
    if _is_exported(folder):
        parts = [folder / name for name in (models.convert.VARIANT, models.convert.MODEL)]
        return files.digest([files.fingerprint(part) for part in parts])
    step = training.latest_step(folder)
    if not step:
        raise InputError(
            f"config.init_from: {path}: expected a run's directory with a checkpoint, or a folder "
            "that experiments.export has written; there is neither"
        )
    place = folder.absolute() / "checkpoints" / str(step)
    return _of_run(folder, step, place.stat().st_ctime_ns)


@functools.cache  # asked for by every run of a grid
def _of_run(folder: Path, step: int, changed: int) -> str:
    del changed
    found = training.describe(folder)
    steps = found["identity"]["settings"]["steps"] if found["identity"] else step
    if step < steps:
        raise InputError(
            f"config.init_from: {folder} is trained up to step {step} of {steps}: expected a run "
            "that is trained to its end; train it to its end first, or name another"
        )
    return found["params"]


def parameters(path: str, module: Any) -> Any:
    """Returns the parameters of the run or of the exported model `path`.

    Raises:
        InputError: if they are not there, damaged, or of another model than `module`.
    """
    folder = Path(path)
    if _is_exported(folder):
        exported, params = models.convert.read_model(folder)
        check_model(dataclasses.asdict(exported.variant), module, path)
        return params
    return training.load_params(folder, module)


def _is_exported(folder: Path) -> bool:
    return (folder / models.convert.VARIANT).exists()

"""The parameters that a run starts from: those of another run, or of an exported model."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m4jax import files, models, training
from m4jax.errors import InputError

# What shapes don't show: with another of them the same parameters are another model.
UNSEEN = ("heads", "text_heads", "pooling", "text_pooling", "text_mask", "activation",
          "norm_epsilon", "pixel_mean", "pixel_std")  # fmt: skip


def identity(path: str) -> str:
    """Returns what tells parameters to start from, by their contents; "" for none.

    Raises:
        InputError: if there is neither a run with a checkpoint nor an exported model.
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
    del step, changed
    return training.describe(folder)["params"]


def parameters(path: str, module: Any) -> Any:
    """Returns the parameters of the run or of the exported model `path`.

    Raises:
        InputError: if they are not there, damaged, or of another model than `module`.
    """
    folder = Path(path)
    if _is_exported(folder):
        exported, params = models.convert.read_model(folder)
        _check_same(dataclasses.asdict(exported.variant), module, path)
        return params
    before = training.describe(folder)["identity"]
    if before:
        _check_same(before["model"], module, path)
    return training.load_params(folder, module)


def _is_exported(folder: Path) -> bool:
    return (folder / models.convert.VARIANT).exists()


def _check_same(before: Mapping[str, Any], module: Any, path: str) -> None:
    """Raises `InputError` if the model computes otherwise than the one that was trained."""
    now = dataclasses.asdict(module.variant)
    for name in UNSEEN:
        values = [list(x) if isinstance(x, tuple) else x for x in (before.get(name), now[name])]
        if values[0] != values[1]:
            raise InputError(
                f"config.init_from: {path} is a model with {name} {values[0]}, this one has "
                f"{values[1]}: the parameters would mean something else"
            )

"""What a run starts from: another run, an exported model, or a folder of another library's model.

Of the first two the configuration says what model it is, and they must agree with it; a folder of
others brings its model, its tokenizer and its way with pictures along (`given`).
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from m4jax import files, models, training
from m4jax.errors import InputError
from m4jax.training.identity import UNSEEN, check_model, start_of


def identity(path: str) -> str:
    """Returns what tells parameters to start from, by their contents; "" for none.

    Raises:
        InputError: if there is nothing to start from, or it is a run that is not trained to its
            end: its parameters will be others.
    """
    if not path:
        return ""
    folder = Path(path)
    if _is_given(folder):
        return _identity_of(folder, _stamp(folder))
    if _is_exported(folder):
        parts = [folder / name for name in (models.convert.VARIANT, models.convert.MODEL)]
        return files.digest([files.fingerprint(part) for part in parts])
    step = training.latest_step(folder)
    if not step:
        raise InputError(
            f"config.init_from: {path}: expected a run's directory with a checkpoint, a folder "
            "that experiments.export has written, or a model's folder as models.open_folder takes "
            f"it; there is none{_why_not(folder)}"
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
    """Returns the parameters of the run, of the exported model or of the model's folder `path`.

    Raises:
        InputError: if they are not there, damaged, or of another model than `module`.
    """
    folder = Path(path)
    found = given(path)
    if found:
        check_model(dataclasses.asdict(found.module.variant), module, path)
        return found.params
    if _is_exported(folder):
        exported, params = models.convert.read_model(folder)
        check_model(dataclasses.asdict(exported.variant), module, path)
        return params
    return training.load_params(folder, module)


def _is_exported(folder: Path) -> bool:
    return (folder / models.convert.VARIANT).exists()


def given(path: str) -> models.Opened | None:
    """Returns the opened folder of another library's model; None for all else, "" too.

    Raises:
        InputError: see `models.open_folder`.
    """
    folder = Path(path)
    return _open(folder, _stamp(folder)) if path and _is_given(folder) else None


def read_of(section: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Returns what is read of a configuration's fields of the model, where a folder tells it."""
    return {name: section[name] for name in ("dtype", "remat")} if given(path) else section


def _is_given(folder: Path) -> bool:
    """Whether a folder, or an npz file, is neither a run nor exported by us, and has a model."""
    if folder.is_file():
        return folder.suffix == ".npz"
    own = any((folder / name).exists() for name in ("checkpoints", "metrics.jsonl"))
    return not (own or _is_exported(folder)) and any(_model_files(folder))


def _model_files(folder: Path) -> Iterator[Path]:
    """Yields the files, by their names, by which others keep models."""
    for pattern in ("config.json", "open_clip_config.json", "*.npz", "snapshots"):
        yield from folder.glob(pattern)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Returns what changes when a file of the model does: names, sizes and times of change."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    found = [(path, path.stat()) for path in paths if path.is_file()]
    return tuple((str(path), stat.st_size, stat.st_ctime_ns) for path, stat in found)


@functools.lru_cache(maxsize=1)  # they are large
def _open(folder: Path, stamp: tuple) -> models.Opened:
    del stamp
    try:
        return models.open_folder(folder)
    except InputError as error:
        raise InputError(f"config.init_from: {error}") from None


@functools.cache  # asked for by every run of a grid
def _identity_of(folder: Path, stamp: tuple) -> str:
    """Returns a hash of what a folder's model computes: a field that is new here changes nothing.

    (`Opened.identity` is of the files and of all fields of the variant.)
    """
    found = _open(folder, stamp)
    unseen = {name: getattr(found.module.variant, name) for name in UNSEEN}
    tokenizer = found.tokenizer.partition(":")
    words = [tokenizer[0], files.fingerprint(tokenizer[2], full=True)] if found.tokenizer else []
    scaling = dataclasses.asdict(found.scaling)
    return files.digest([start_of(found.params), unseen, words, scaling])


def _why_not(folder: Path) -> str:
    """Returns why a folder can't be opened, for the end of a sentence."""
    if not folder.is_dir():
        return ""
    try:
        models.open_folder(folder)
    except InputError as error:
        return f" ({error})"
    return ""

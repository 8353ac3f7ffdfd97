"""Datasets that TFDS has prepared: where they lie, what they are, what their records hold."""

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from m4jax import files
from m4jax.errors import InputError, nearest

INFO = "dataset_info.json"  # every prepared dataset has it
HOME = "~/tensorflow_datasets"  # where TFDS looks if TFDS_DATA_DIR is not set
_LONGEST = 1_000  # letters of a name
_HOW = "tfds.builder(...).download_and_prepare(file_format='array_record')"


class LeftOutWarning(UserWarning):
    """Examples are left out, as settings allow it; the message counts them and names the first."""


def locate(dataset: str) -> Path | None:
    """Returns the directory of a prepared dataset; None if there is none.

    Args:
        dataset: the directory, or "name", "name/config", "name:version" of one below
            `TFDS_DATA_DIR`; of several versions it is the newest.

    Raises:
        InputError: if it is a directory without a dataset, or one of several configurations.
    """
    folder = Path(dataset)
    if len(dataset) > _LONGEST or "\0" in dataset:
        raise InputError(f"pairs: no dataset has a name like {dataset[:60]!a}")
    if folder.is_dir():
        if not (folder / INFO).is_file():
            raise InputError(f"pairs: {dataset} is no prepared dataset: {_expected(folder)}")
        return folder
    name, _, version = dataset.partition(":")
    if Path(version).is_absolute():  # "files:/a.csv": no version is called so
        return None
    base = Path(os.environ.get("TFDS_DATA_DIR") or HOME).expanduser() / name
    found = [path.parent for path in sorted(base.glob(f"{version or '*'}/{INFO}"))]
    found += [path.parent for path in sorted(base.glob(f"*/{version or '*'}/{INFO}"))]
    found = [path for path in found if _version(path)]
    configs = sorted({path.parent.name for path in found if path.parent != base})
    if len(configs) > 1:
        names = ", ".join(f"{name}/{config}" for config in configs)
        raise InputError(f"pairs: {dataset}: one of several: {names}")
    return max(found, key=_version, default=None)


def identity(dataset: str) -> str:
    """Returns what tells the content of a dataset: a fingerprint of all its files, see `files`.

    The same dataset elsewhere has the same one. Its name, if there is none (yet).
    """
    folder = locate(dataset)
    return f"absent: {dataset}" if folder is None else files.fingerprint_folder(folder)


def builder(dataset: str) -> Any:
    """Returns the TFDS builder of a prepared dataset; raises `InputError` if it can't be read."""
    import tensorflow_datasets as tfds  # here: importing it takes seconds

    folder = locate(dataset)
    if folder is None:
        base = os.environ.get("TFDS_DATA_DIR") or HOME
        raise InputError(
            f"pairs: no dataset {dataset!r} in TFDS's directory {base} (TFDS_DATA_DIR), nor a file "
            f"or folder of this name; prepare it with {_HOW}"
        )
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # TFDS lets through what json and protobuf raise, and its own
        raise InputError(f"pairs: {folder}: can't be read ({_line(error)}); {_HOW}") from None


class Records:
    """Random access to the records of a split, their pictures left encoded.

    Args:
        dataset: see `locate`.
        split: "train", or "train[:10%]" for a part.
        image: field of the picture.

    Raises:
        InputError: if there is no such dataset, split or field; by reading, naming the record.
    """

    def __init__(self, dataset: str, split: str, image: str):
        import tensorflow_datasets as tfds

        made = builder(dataset)
        self._name = f"pairs: {dataset} {split}"
        if image not in made.info.features:
            hint = nearest(image, list(made.info.features))
            raise InputError(f"pairs: {dataset} has no field {image!r}; {hint}")
        try:
            skip = {image: tfds.decode.SkipDecoding()}
            self._source = made.as_data_source(split, decoders=skip)
            self._count = len(self._source)
        except Exception as error:  # TFDS, array_record and its own reading raise all kinds
            raise InputError(
                f"pairs: {dataset}, split {split!r} can't be read ({_line(error)}); prepare the "
                f"dataset with {_HOW}"
            ) from None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        if not 0 <= row < self._count:
            raise IndexError(row)
        try:
            return self._source[row]
        except Exception as error:  # likewise: damaged records end in all kinds
            raise InputError(
                f"{self._name}: record {row} can't be read ({_line(error)}); prepare it again"
            ) from None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[row] for row in range(self._count))


def feature(dataset: str, field: str) -> Any:
    """Returns what TFDS knows of a field; raises `InputError` if there is none such."""
    found = every = builder(dataset).info.features
    for name in field.split("/"):
        inner = getattr(found, "feature", None)  # of a sequence
        found = found if inner is None else inner
        if not hasattr(found, "keys") or name not in found:
            raise InputError(f"pairs: {dataset} has no field {field!r}; it has {sorted(every)}")
        found = found[name]
    return found


def value(record: Mapping[str, Any], field: str, dataset: str) -> Any:
    """Returns a field of a record, of a list its first entry; None of an empty one."""
    found: Any = record
    for name in field.split("/"):
        if not isinstance(found, Mapping) or name not in found:
            raise InputError(f"pairs: {dataset} has no field {field!r}; it has {sorted(record)}")
        found = found[name]
    if isinstance(found, list | np.ndarray) and np.ndim(found):
        found = found[0] if len(found) else None
    return found


def tell_left_out(what: str, reasons: Mapping[int, str]) -> None:
    """Warns of rows that are left out, if there are any: how many, and the first of them."""
    if reasons:
        first = "; ".join(f"{row}: {reason}" for row, reason in list(reasons.items())[:5])
        more = ", …" if len(reasons) > 5 else ""
        text = f"{what}: {len(reasons):,} left out; by their records, {first}{more}"
        warnings.warn(text, LeftOutWarning, stacklevel=2)


def _version(folder: Path) -> tuple[int, ...]:
    """Returns the numbers of a folder called 1.0.2; () of another."""
    parts = folder.name.split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(map(str.isdecimal, parts)) else ()


def _expected(folder: Path) -> str:
    below = [path for depth in ("*", "*/*", "*/*/*") for path in folder.glob(f"{depth}/{INFO}")]
    if below:
        hint = f"one of those below, {below[0].parent} say"
    else:
        hint = f"the directory that {_HOW} has written"
    return f"there is no {INFO} in it; give {hint}"


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).split("\n") if line.strip(" *")]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__

"""Folders that Hugging Face's `datasets` writes: `save_to_disk`'s, its cache, `imagefolder`.

The arrow files are mapped into memory, not read: a picture is reached at once. `datasets` itself is
not needed. Numbers of classes come as their names.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers import features, fields
from m4jax.data.readers.collection import Collection, NoSplitError
from m4jax.data.readers.folder import open_folder
from m4jax.data.readers.tabular import Tabular
from m4jax.errors import DamagedError, InputError

KIND = "hugging_face"
DICTIONARY, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # of an imagefolder
_CACHED = re.compile(r"-([A-Za-z0-9_.]+?)(?:-\d{5}-of-\d{5})?\.arrow$")  # what `datasets` caches


def is_folder(path: str) -> bool:
    """Tells whether a folder is one of `datasets`, or has parts that are."""
    with os.scandir(path) as entries:
        folders = {entry.name: entry.is_dir() for entry in entries}
    if folders.keys() & {DICTIONARY, STATE, *METADATA} or any(
        x.endswith(".arrow") for x in folders
    ):
        return True
    below = (os.path.join(path, name) for name, is_folder in folders.items() if is_folder)
    return any(os.path.isfile(os.path.join(x, name)) for x in below for name in METADATA)


def open_saved(path: str, asked: Mapping[str, str], split: str) -> Collection:
    """Opens a folder of `datasets`.

    Args:
        path: of the folder.
        asked: image, caption and uid, see `open_collection`.
        split: which; "": the only one.

    Raises:
        InputError: if it can't be read, or has several splits.
    """
    names = sorted(os.listdir(path))
    if DICTIONARY in names:
        told = files.read_json(os.path.join(path, DICTIONARY))
        splits = told.get("splits") if isinstance(told, dict) else None
        found = splits if isinstance(splits, list) else []
        chosen = choose_split(path, split, [x for x in found if _is_name(x)])
        return open_saved(os.path.join(path, chosen), asked, "")
    if STATE in names:
        choose_split(path, split, [""])
        paths = [os.path.join(path, name) for name in _listed(os.path.join(path, STATE))]
        return _tabular(path, paths, asked)
    if arrows := [name for name in names if name.endswith(".arrow")]:
        by_split: dict[str, list[str]] = {}
        for name in arrows:
            found = _CACHED.search(name)
            by_split.setdefault(found[1] if found else "", []).append(os.path.join(path, name))
        return _tabular(path, by_split[choose_split(path, split, list(by_split))], asked)
    return _image_folder(path, names, asked, split)


def choose_split(path: str, asked: str, splits: Sequence[str]) -> str:
    """Returns the split that is asked for, or the only one; raises `InputError` otherwise.

    Where there are none ([""]), it is a `NoSplitError`.
    """
    if asked in splits or (not asked and len(splits) == 1):
        return asked or splits[0]
    if asked and not any(splits):
        raise NoSplitError(f"{path}: has no splits, and split={asked!r} was asked for")
    which = f"has no split {asked!r}" if asked else "has several splits"
    raise InputError(f"{path}: {which}; say split= one of {', '.join(splits) or 'none'}")


def _image_folder(
    path: str, names: Sequence[str], asked: Mapping[str, str], split: str
) -> Collection:
    """Opens a folder with metadata.csv or metadata.jsonl, or with such folders in it."""
    tables = [name for name in METADATA if name in names]
    if not tables:
        below = [x for x in names if any((Path(path) / x / y).is_file() for y in METADATA)]
        path = os.path.join(path, choose_split(path, split, below))
        tables = [name for name in METADATA if name in os.listdir(path)]
    else:
        choose_split(path, split, [""])
    if len(tables) > 1:
        raise InputError(f"{path}: has {' and '.join(tables)}; take one away")
    return open_folder(path, table=[os.path.join(path, tables[0])], kind=KIND, **asked)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and fields.clean_path(name) == name and "/" not in name


def _listed(path: str) -> list[str]:
    """Returns the names of the arrow files that a state.json lists."""
    told = files.read_json(path)
    listed = told.get("_data_files") if isinstance(told, dict) else None
    listed = listed if isinstance(listed, list) else []
    names = [x.get("filename") for x in listed if isinstance(x, dict)]
    if not names or not all(map(_is_name, names)):
        raise InputError(f"{path}: expected the names of arrow files in '_data_files', got {names}")
    return names


def _tabular(path: str, paths: Sequence[str], asked: Mapping[str, str]) -> Tabular:
    return Tabular(KIND, path, ArrowFiles(path, paths), random_access=True, **asked)


class ArrowFiles:
    """Arrow files of one schema, mapped into memory, see `tabular.Table`.

    Args:
        folder: in which they lie.
        paths: in their order.

    Raises:
        InputError: if one can't be read, or has other columns than the first.
    """

    def __init__(self, folder: str, paths: Sequence[str]):
        self.folder, self.paths = folder, list(paths)
        self._start()
        metadata = self._batches[0].schema.metadata if self._batches else None
        self.classes: Mapping[str, Sequence[str]] = features.classes(metadata)
        info = os.path.join(folder, INFO)
        if os.path.isfile(info) and not self.classes:
            told = files.read_json(info)
            self.classes = features.classes_of(told.get("features") if told else None)

    def _start(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._counts: list[int] = []
        self.schema: pa.Schema = pa.schema({})
        for path in self.paths:
            schema, found = _mapped(path)
            if self._counts and not schema.equals(self.schema):
                raise InputError(f"{path}: has other columns than {self.paths[0]}")
            self.schema = schema
            self._batches += found
            self._counts.append(sum(map(len, found)))
        self._starts = np.cumsum([0, *map(len, self._batches)])
        self._checked: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return {"folder": self.folder, "paths": self.paths, "classes": self.classes}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._start()

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yields columns of all rows, see `tabular.Table`."""
        for number, batch in enumerate(self._batches):
            for name in names:
                self._check(number, name)
            chosen = batch.select(list(names))
            for start in range(0, len(batch), rows):
                yield chosen.slice(start, rows)

    def nulls(self, name: str) -> bool:
        """Tells whether a column of pictures may have rows without one."""
        found = (batch.column(name) for batch in self._batches)
        parts = (x.field("bytes") if pa.types.is_struct(x.type) else x for x in found)
        return any(x.null_count for x in parts)

    def numbered(self) -> Iterator[tuple[str, int]]:
        """Yields what the rows of each file are called, and how many there are."""
        yield os.path.basename(os.path.abspath(self.folder)), sum(self._counts)

    def identity(self) -> list[str]:
        """Returns the fingerprints of the files."""
        return [files.fingerprint(path) for path in self.paths]

    def value(self, name: str, row: int) -> Any:
        """Returns a value of a column."""
        number = int(np.searchsorted(self._starts, row, "right")) - 1
        self._check(number, name)
        return self._batches[number].column(name)[row - int(self._starts[number])].as_py()

    def _check(self, number: int, name: str) -> None:
        """Looks once whether a column is whole: a damaged one may point out of the file."""
        if (number, name) in self._checked:
            return
        try:
            self._batches[number].column(name).validate(full=True)
        except pa.ArrowException as error:
            raise DamagedError(f"{self.folder}: column {name!r} is damaged ({error})") from None
        with self._lock:
            self._checked.add((number, name))


def _mapped(path: str) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """Returns schema and batches of an arrow file, of either of its formats."""
    try:
        mapped = pa.memory_map(path)
        if mapped.read(6) == b"ARROW1":
            reading = pa.ipc.open_file(mapped)
            return reading.schema, [reading.get_batch(i) for i in range(reading.num_record_batches)]
        mapped.seek(0)
        reading = pa.ipc.open_stream(mapped)
        return reading.schema, list(reading)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DamagedError(f"{path}: not a readable arrow file ({reason})") from None

"""Parquet files with the bytes of pictures, or captions alone.

Pictures come in the order of the files: one out of order is found by reading its row group from the
start. A few dozen are held.
"""

import collections
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers import features
from m4jax.errors import InputError
from m4jax.files import parquet

_BATCH = 16  # pictures that are read at once
_HELD = 256  # that are held, or fewer of _BYTES
_BYTES = 1 << 26
_BUFFER = 1 << 20  # bytes of a column that are read at once


class ParquetFiles:
    """Parquet files of one schema, see `tabular.Table`.

    Args:
        paths: in their order.

    Raises:
        InputError: if one can't be read, or has other columns than the first.
    """

    def __init__(self, paths: Sequence[str]):
        self.paths = list(paths)
        self.folder = os.path.dirname(os.path.abspath(paths[0]))
        found = [parquet.groups(path) for path in paths]
        self.schema = found[0][0].remove_metadata()
        for path, (schema, _) in zip(paths, found, strict=True):
            if not schema.remove_metadata().equals(self.schema):
                raise InputError(f"{path}: has other columns than {paths[0]}; open them apart")
        self.classes: Mapping[str, Sequence[str]] = features.classes(found[0][0].metadata)
        self._groups = [
            (path, group, size)
            for path, (_, sizes) in zip(paths, found, strict=True)
            for group, size in enumerate(sizes)
        ]
        sizes = [size for *_, size in self._groups]
        self._starts = np.cumsum([0, *sizes])
        self._counts = [sum(sizes) for _, sizes in found]
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._held: collections.OrderedDict[int, Any] = collections.OrderedDict()
        self._reading: tuple[tuple[str, int], int, Iterator[Any]] = (("", -1), 0, iter(()))

    def __getstate__(self) -> dict:
        hidden = ("_lock", "_held", "_reading")
        return {name: value for name, value in vars(self).items() if name not in hidden}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._start()

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yields columns of all rows, see `tabular.Table`."""
        for path in self.paths:
            yield from parquet.batches(path, rows, names, buffer=_BUFFER)

    def nulls(self, name: str) -> bool:
        """Tells whether a column of pictures may have rows without one."""
        struct = pa.types.is_struct(self.schema.field(name).type)
        return any(parquet.nulls(path, f"{name}.bytes" if struct else name) for path in self.paths)

    def numbered(self) -> Iterator[tuple[str, int]]:
        """Yields what the rows of each file are called, and how many there are."""
        stems = [os.path.basename(path).partition(".")[0] for path in self.paths]
        many = collections.Counter(stems)
        for number, (stem, count) in enumerate(zip(stems, self._counts, strict=True)):
            yield f"{number}/{stem}" if many[stem] > 1 else stem, count

    def identity(self) -> list[str]:
        """Returns the fingerprints of the files."""
        return [files.fingerprint(path) for path in self.paths]

    def value(self, name: str, row: int) -> Any:
        """Returns a value of a column of pictures."""
        with self._lock:
            if row in self._held:
                return self._held[row]
            group = int(np.searchsorted(self._starts, row, "right")) - 1
            (column, place), following, batches = self._reading
            if (column, place) != (name, group) or following > row:
                path, number, _ = self._groups[group]
                batches = parquet.batches(path, _BATCH, [name], [number], buffer=_BUFFER)
                following = int(self._starts[group])
            found = None
            for batch in batches:
                values = batch.column(0).to_pylist()
                self._hold(following, values)
                following += len(values)
                if row < following:
                    found = values[row - following]
                    break
            self._reading = ((name, group), following, batches)
        return found

    def _hold(self, first: int, values: list[Any]) -> None:
        self._held.update(zip(range(first, first + len(values)), values, strict=True))
        size = sum(map(_size, self._held.values()))
        while len(self._held) > _HELD or (size > _BYTES and len(self._held) > len(values)):
            size -= _size(self._held.popitem(last=False)[1])


def _size(value: Any) -> int:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    return len(content or b"")

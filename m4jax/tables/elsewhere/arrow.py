"""Folders of Hugging Face's `datasets`, and parquet files, with the kept rows alone.

The arrow files are filtered batch by batch, so that memory is bounded; types, features and names of
classes stay. `datasets` itself is not needed: what is written is what its `save_to_disk` writes.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers.collection import Collection
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables.elsewhere.chosen import Chosen

STATE, INFO = "state.json", "dataset_info.json"
_OF_THE_WHOLE = ("splits", "download_size", "dataset_size", "size_in_bytes", "download_checksums")
_ROWS = 256  # of a batch: pictures are large


def write_dataset(collection: Collection, found: Chosen, folder: Path) -> int:
    """Writes a folder that `datasets.load_from_disk` reads; returns the number of rows.

    Raises:
        InputError: if the collection is no folder of arrow files, or lies there.
    """
    paths, rows = _sources(collection, found, ".arrow")
    _check_apart(paths, folder)
    with files.new_directory(folder) as temporary:
        names = [f"data-{i:05d}-of-{len(paths):05d}.arrow" for i in range(len(paths))]
        for path, name, kept in zip(paths, names, _by_file(paths, rows), strict=True):
            _filter_arrow(path, kept, temporary / name)
        source = Path(paths[0]).parent
        state = _state(source) | {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": files.digest([_state(source).get("_fingerprint"), rows.tolist()], 16),
        }
        files.write_json(temporary / STATE, state)
        info = files.read_json(source / INFO) if (source / INFO).exists() else {}
        files.write_json(
            temporary / INFO, {k: v for k, v in info.items() if k not in _OF_THE_WHOLE}
        )
    return len(rows)


def write_parquet(collection: Collection, found: Chosen, folder: Path) -> int:
    """Writes the parquet files with the kept rows alone, by their names; returns the number."""
    paths, rows = _sources(collection, found, ".parquet")
    _check_apart(paths, folder)
    names = [os.path.basename(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"{collection.name}: two files have one name; write them one by one")
    for path, name, kept in zip(paths, names, _by_file(paths, rows), strict=True):
        schema, _ = parquet.schema(path)
        with (
            files.atomic(folder / name) as temporary,
            parquet.writer(temporary, schema) as writer,
        ):
            for batch in _taken(parquet.batches(path, _ROWS), kept):
                writer.write_batch(batch)
    return len(rows)


def _sources(collection: Collection, found: Chosen, suffix: str) -> tuple[list[str], np.ndarray]:
    """Returns the files of a collection, and which of their rows are kept, counted through."""
    paths = list(getattr(collection, "paths", ()))
    if not paths or not all(path.endswith(suffix) for path in paths):
        raise InputError(
            f"{collection.name}: expected {suffix} files, and it is read as {collection.kind}; "
            "config.format=rows writes the numbers of kept rows"
        )
    return paths, collection.rows_of_files()[found.rows]


def _check_apart(paths: list[str], folder: Path) -> None:
    for path in paths:
        if os.path.realpath(os.path.dirname(path) or ".") == os.path.realpath(folder):
            raise InputError(f"{folder}: the data lie there; choose another --workdir")


def _by_file(paths: list[str], rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the kept rows of each file, counted from its first."""
    start = 0
    for path in paths:
        count = _count(path)
        low, high = np.searchsorted(rows, [start, start + count])
        yield rows[low:high] - start
        start += count


def _count(path: str) -> int:
    if path.endswith(".parquet"):
        return parquet.schema(path)[1]
    return sum(map(len, _arrow(path)))


def _arrow(path: str) -> pa.RecordBatchReader:
    """Returns what reads the batches of an arrow file, of either format.

    Raises:
        DamagedError: if it can't be read.
    """
    try:
        source = pa.memory_map(path)  # which the reader keeps open
        try:
            return pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            source.seek(0)
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
            return pa.RecordBatchReader.from_batches(file.schema, batches)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{path}: not a readable arrow file ({error})") from None


def _filter_arrow(path: str, kept: np.ndarray, target: Path) -> None:
    reader = _arrow(path)
    with pa.OSFile(str(target), "wb") as out, pa.ipc.new_stream(out, reader.schema) as writer:
        for batch in _taken(reader, kept):
            writer.write_batch(batch)


def _taken(batches, kept: np.ndarray) -> Iterator[pa.RecordBatch]:
    """Yields the rows of batches that are kept."""
    start = 0
    for batch in batches:
        low, high = np.searchsorted(kept, [start, start + len(batch)])
        if high > low:
            yield batch.take(pa.array(kept[low:high] - start))
        start += len(batch)


def _state(folder: Path) -> dict:
    """Returns the state of a saved data set, of what its own is where it is not one."""
    path = folder / STATE
    if path.exists():
        return files.read_json(path)
    return {
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }

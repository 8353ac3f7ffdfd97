"""Parquet with a checksum in every page, compared when it is read.

Only data pages have checksums, no headers and no footer: files that have to be known as a whole are
sealed besides (`files.seal_file`).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from m4jax.errors import DamagedError, InputError


def write(table: pa.Table, path: str | os.PathLike, **options: Any) -> None:
    """Writes a table; `options` are those of pyarrow."""
    pq.write_table(table, path, write_page_checksum=True, **options)


def writer(path: str | os.PathLike, schema: pa.Schema) -> pq.ParquetWriter:
    """Returns what writes a file in pieces, and is to be closed."""
    return pq.ParquetWriter(path, schema, write_page_checksum=True)


def read(path: str | os.PathLike) -> pa.Table:
    """Reads the one file at `path`, whatever the folders on its way are called.

    Raises:
        InputError: if there is no such file.
        DamagedError: if it can't be read, or a page differs from its checksum.
    """
    with _told(path), _open(path) as file:
        return file.read()


def batches(
    path: str | os.PathLike, rows: int, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file, up to so many at a time, with the columns `names` or all.

    Raises as `read` does.
    """
    columns = None if names is None else list(names)
    with _told(path):
        reading = _open(path).iter_batches(rows, columns=columns)
    while True:
        with _told(path):
            batch = next(reading, None)
        if batch is None:
            return
        # Asked for a column `a`, pyarrow may bring the fields of a column `a.b` as well.
        yield batch if columns is None else batch.select(columns)


def schema(path: str | os.PathLike) -> tuple[pa.Schema, int]:
    """Returns a file's schema and its number of rows; raises as `read` does."""
    with _told(path), _open(path) as file:
        return file.schema_arrow, file.metadata.num_rows


def _open(path: str | os.PathLike) -> pq.ParquetFile:
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    return pq.ParquetFile(path, page_checksum_verification=True)


@contextlib.contextmanager
def _told(path: str | os.PathLike) -> Iterator[None]:
    """Tells what pyarrow raises within the block as `DamagedError`."""
    try:
        yield
    except InputError:
        raise
    # pyarrow's own errors are of these kinds, too; what a damaged footer claims may be anything.
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DamagedError(f"{path}: not a readable parquet file ({reason})") from None

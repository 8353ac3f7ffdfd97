"""Parquet with a checksum in every page, compared when it is read.

Only data pages have checksums, no headers and no footer: files that have to be known as a whole are
sealed besides (`files.seal_file`).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from m4jax.errors import DamagedError, InputError

Source = str | os.PathLike | BinaryIO  # a path, or a file that is open already: of a bucket, say


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
    path: Source,
    rows: int,
    names: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    *,
    buffer: int = 0,
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file, up to so many at a time, with the columns `names` or all.

    Args:
        path: of the file, or the open file.
        rows: of a batch, at most.
        names: of the columns; None: all.
        groups: which row groups; None: all.
        buffer: bytes of a column that are read at once; 0: those of a row group.

    Raises as `read` does.
    """
    columns = None if names is None else list(names)
    with _told(path):
        reading = _open(path, buffer).iter_batches(rows, row_groups=groups, columns=columns)
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


def groups(path: Source) -> tuple[pa.Schema, list[int]]:
    """Returns a file's schema and the rows of each of its row groups; raises as `read` does."""
    with _told(path), _open(path) as file:
        metadata = file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        return file.schema_arrow, sizes


def nulls(path: Source, name: str) -> bool:
    """Tells whether a column may have NULL; raises as `read` does.

    The file's statistics say it, of each row group. Without them it may.

    Args:
        path: of the file.
        name: of the column; "a.b" is the field b within a.
    """
    with _told(path), _open(path) as file:
        metadata = file.metadata
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                found = column.statistics
                known = found is not None and found.has_null_count
                if column.path_in_schema == name and not (known and not found.null_count):
                    return True
    return False


def _open(path: Source, buffer: int = 0) -> pq.ParquetFile:
    if isinstance(path, str | os.PathLike) and not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    return pq.ParquetFile(path, page_checksum_verification=True, buffer_size=buffer)


@contextlib.contextmanager
def _told(path: Source) -> Iterator[None]:
    """Tells what pyarrow raises within the block as `DamagedError`."""
    try:
        yield
    except InputError:
        raise
    # pyarrow's own errors are of these kinds, too; what a damaged footer claims may be anything.
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", "a file")
        raise DamagedError(f"{name}: not a readable parquet file ({reason})") from None

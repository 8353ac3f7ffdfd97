"""From patterns with weights to a weight for every example, as a stream in the examples' order."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables import queries, sql
from m4jax.tables.table import Table

CHUNK = 2_000_000  # rows: the join of one chunk is sorted and written before the next
ROW_GROUP = 1_000_000


def add_weights(fold: str | os.PathLike, weights: np.ndarray, path: str | os.PathLike) -> None:
    """Writes the patterns of a fold with their weights [p] to `path`, atomically."""
    table = parquet.read(fold)
    with files.atomic(path) as temporary:
        parquet.write(table.append_column("weight", pa.array(weights)), temporary)


def assign(
    connection: sql.Connection,
    table: Table,
    solved: str | os.PathLike,
    path: str | os.PathLike,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes (uid, weight) of every example to `path`, in the order of the table.

    Args:
        connection: from `sql.connect`.
        table: the examples.
        solved: what `add_weights` wrote for the table's fold.
        path: where to write; the same examples and weights give the same bytes.
        progress: called with (rows done, rows in all).

    Raises:
        InputError: if an example is like none of the patterns.
    """
    sql.execute(connection, queries.solved(solved))
    done, writer = 0, None
    try:
        for query in _chunks(table):
            chunk = connection.sql(query).to_arrow_table()
            refuse_strays(chunk)
            writer = writer or parquet.writer(path, chunk.schema)
            writer.write_table(chunk.combine_chunks(), row_group_size=ROW_GROUP)
            done += len(chunk)
            if progress is not None:
                progress(done, len(table))
    finally:
        if writer is not None:
            writer.close()
    if done != len(table):
        raise InputError(f"weights for {done:,} of {len(table):,} examples; run again")


def check_uids(connection: sql.Connection, table: Table) -> None:
    """Raises `InputError` if an example has no uid, or shares it with another one."""
    (missing,) = sql.row(connection, queries.no_uid(table))
    twice = None if missing else sql.row(connection, queries.uid_twice(queries.rows(table)))
    refuse_uids(table.columns.uid, missing, twice)


def refuse_uids(column: str, missing: int, twice: Sequence[Any] | None) -> None:
    """Raises `InputError` if uids are missing, or one comes twice: (uid, how often)."""
    if missing:
        raise InputError(f"column {column!r} is NULL for {missing:,} examples")
    if twice:
        raise InputError(
            f"column {column!r}: {twice[0]!r} comes {twice[1]} times; expected a uid of its own "
            "for each example"
        )


def refuse_strays(weights: pa.Table) -> None:
    """Raises `InputError` if an example has no weight."""
    if weights["weight"].null_count:
        (stray,) = weights.filter(weights["weight"].is_null()).slice(0, 1)["uid"].to_pylist()
        raise InputError(
            f"the example {stray!r} is like none of the patterns: the table has changed since it "
            "was folded; run again"
        )


def _chunks(table: Table) -> Iterator[str]:
    """Yields the queries of the weights of about `CHUNK` examples each, in the table's order."""
    first, size = 0, 0
    for index, rows in enumerate(table.rows):
        if first < index and size + rows > CHUNK:
            yield queries.weights(table.of_files(slice(first, index)))
            first, size = index, 0
        if rows <= CHUNK:
            size += rows
            continue
        for low in range(0, rows, CHUNK):
            piece = table.of_files(slice(index, index + 1))
            yield queries.weights(piece, low, low + CHUNK)
        first = index + 1
    if first < len(table.rows):
        yield queries.weights(table.of_files(slice(first, None)))

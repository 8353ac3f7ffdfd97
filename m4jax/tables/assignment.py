"""From patterns with weights to a weight for every example, as a stream in the examples' order."""

import os
from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax import files
from m4jax.errors import InputError
from m4jax.tables import folding, sql
from m4jax.tables.table import Table

CHUNK = 2_000_000  # rows: the join of one chunk is sorted and written before the next
ROW_GROUP = 1_000_000


def add_weights(fold: str | os.PathLike, weights: np.ndarray, path: str | os.PathLike) -> None:
    """Writes the patterns of a fold with their weights [p] to `path`, atomically."""
    table = pq.read_table(fold)
    with files.atomic(path) as temporary:
        pq.write_table(table.append_column("weight", pa.array(weights)), temporary)


def assign(
    connection: duckdb.DuckDBPyConnection,
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
    connection.execute(f"CREATE OR REPLACE TEMP TABLE solved AS FROM {sql.source([str(solved)])}")
    keys = folding.key_expressions(table).items()
    alike = " AND ".join(f"({code}) IS NOT DISTINCT FROM solved.{key}" for key, code in keys)
    uid = sql.name(table.columns.uid)
    done, writer = 0, None
    try:
        for rows, order, where in _chunks(table):
            chunk = connection.sql(
                f"SELECT {uid} AS uid, weight FROM {rows} LEFT JOIN solved ON {alike} "  # noqa: S608
                f"{where} ORDER BY {order}"
            ).to_arrow_table()
            if chunk["weight"].null_count:
                (stray,) = chunk.filter(chunk["weight"].is_null()).slice(0, 1)["uid"].to_pylist()
                raise InputError(
                    f"the example {stray!r} is like none of the patterns: the table has changed "
                    "since it was folded; run again"
                )
            writer = writer or pq.ParquetWriter(path, chunk.schema)
            writer.write_table(chunk.combine_chunks(), row_group_size=ROW_GROUP)
            done += len(chunk)
            if progress is not None:
                progress(done, len(table))
    finally:
        if writer is not None:
            writer.close()
    if done != len(table):
        raise InputError(f"weights for {done:,} of {len(table):,} examples; run again")


def check_uids(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Raises `InputError` if an example has no uid, or shares it with another one."""
    uid, rows = sql.name(table.columns.uid), sql.source(table.paths)
    (missing,) = connection.execute(f"SELECT count(*) FROM {rows} WHERE {uid} IS NULL").fetchone()  # noqa: S608
    if missing:
        raise InputError(f"column {table.columns.uid!r} is NULL for {missing:,} examples")
    twice = connection.execute(
        f"SELECT {uid}, count(*) FROM {rows} GROUP BY 1 HAVING count(*) > 1 LIMIT 1"  # noqa: S608
    ).fetchone()
    if twice:
        raise InputError(
            f"column {table.columns.uid!r}: {twice[0]!r} comes {twice[1]} times; expected a uid of "
            "its own for each example"
        )


def _chunks(table: Table) -> Iterator[tuple[str, str, str]]:
    """Yields the table in pieces of about `CHUNK` rows: (source, order, condition) in SQL."""
    pending: list[str] = []
    size = 0
    for path, rows in zip(table.paths, table.rows, strict=True):
        if pending and size + rows > CHUNK:
            yield _whole(pending)
            pending, size = [], 0
        if rows <= CHUNK:
            pending.append(path)
            size += rows
            continue
        for low in range(0, rows, CHUNK):
            row = "file_row_number"
            condition = f"WHERE {row} >= {low} AND {row} < {low + CHUNK}"
            yield sql.source([path], f"{row} = TRUE"), row, condition
    if pending:
        yield _whole(pending)


def _whole(paths: list[str]) -> tuple[str, str, str]:
    rows = sql.source(paths, "filename = 'm4jax_file'", "file_row_number = TRUE")
    return rows, "m4jax_file, file_row_number", ""

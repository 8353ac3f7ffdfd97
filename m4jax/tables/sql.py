"""The one place that talks to DuckDB: connections, running queries, reading files as they are."""

import contextlib
import glob
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb

from m4jax import limits
from m4jax.errors import InputError

POLL_SECONDS = 0.2  # between two looks at a query's progress
# Columns are those in the file: none from the names of folders, none by the names of other files.
AS_IT_IS = ("hive_partitioning = FALSE", "union_by_name = FALSE")

Connection = duckdb.DuckDBPyConnection
Relation = duckdb.DuckDBPyRelation


@contextlib.contextmanager
def connect(
    folder: str | os.PathLike, *, threads: int = 0, memory_limit: str = "2GB"
) -> Iterator[Connection]:
    """Yields a DuckDB connection that keeps to a memory limit and spills into `folder`.

    Args:
        folder: where to put what doesn't fit in memory.
        threads: 0: as many as there are cores.
        memory_limit: as DuckDB takes it: "2GB", say.

    Raises:
        InputError: if a setting is refused or more than the machine has, or a query within the
            block fails, for want of memory, say.
    """
    with (
        opened(folder, threads=threads, memory_limit=memory_limit) as connection,
        told(threads, memory_limit),
    ):
        yield connection


def opened(folder: str | os.PathLike, *, threads: int, memory_limit: str) -> Connection:
    """Returns a connection as `connect` does, whose user closes it and tells of errors."""
    limits.check_threads(threads)
    limits.check_memory_limit(memory_limit)
    config = {"autoinstall_known_extensions": "false", "temp_directory": str(folder)}
    config |= {"memory_limit": memory_limit} | ({"threads": threads} if threads else {})
    try:
        connection = duckdb.connect(config=config)
    except duckdb.Error as error:
        raise InputError(f"memory_limit {memory_limit!r}, threads {threads}: {error}") from None
    # The least and largest value in parquet leave NaN out, yet DuckDB infers from them that
    # isnan(x) is never true.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute("SET enable_progress_bar = TRUE; SET enable_progress_bar_print = FALSE")
    return connection


@contextlib.contextmanager
def told(threads: int, memory_limit: str) -> Iterator[None]:
    """Tells what DuckDB raises within the block as `InputError`."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"reading the tables: {reason}; raise memory_limit ({memory_limit}), or lower threads"
        ) from None
    except duckdb.Error as error:
        raise InputError(f"reading the tables: {error}") from None


def source(paths: Sequence[str], *options: str) -> str:
    """Returns the SQL that reads these files as they are."""
    names = ", ".join(text(glob.escape(path)) for path in paths)
    return f"read_parquet({', '.join([f'[{names}]', *AS_IT_IS, *options])})"


def types(connection: Connection, path: str) -> list[str]:
    """Returns DuckDB's names of the types of a file's columns, in their order.

    Raises:
        InputError: if the file can't be read.
    """
    try:
        described = connection.execute(f"DESCRIBE FROM {source([path])}").fetchall()
    except duckdb.OutOfMemoryException:
        raise  # it is not the file's fault
    except duckdb.Error as error:
        raise InputError(f"{path}: not a readable parquet file: {error}") from None
    return [row[1] for row in described]


def row(connection: Connection, query: str) -> tuple[Any, ...] | None:
    """Returns the first row of what a query finds."""
    return connection.execute(query).fetchone()


def execute(
    connection: Connection,
    query: str,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Runs a query, telling its progress in percent; Ctrl-C ends it."""
    errors: list[duckdb.Error] = []

    def work() -> None:
        try:
            connection.execute(query)
        except duckdb.Error as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(POLL_SECONDS)
            if progress is not None:
                progress(max(0, int(connection.query_progress())), 100)
    except BaseException:
        connection.interrupt()
        worker.join()
        raise
    if errors:
        raise errors[0]


def text(value: str | os.PathLike) -> str:
    """Returns text as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"

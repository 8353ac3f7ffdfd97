"""The one place that talks to DuckDB: connections, queries, and names as SQL writes them."""

import contextlib
import glob
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import duckdb

from m4jax.errors import InputError

POLL_SECONDS = 0.2  # between two looks at a query's progress


@contextlib.contextmanager
def connect(
    folder: str | os.PathLike, *, threads: int = 0, memory_limit: str = "2GB"
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yields a DuckDB connection that keeps to a memory limit and spills into `folder`.

    Args:
        folder: where to put what doesn't fit in memory.
        threads: 0: as many as there are cores.
        memory_limit: as DuckDB takes it: "2GB", say.

    Raises:
        InputError: if a setting is refused, or a query within the block fails, for want of memory,
            say.
    """
    config = {"autoinstall_known_extensions": "false", "temp_directory": str(folder)}
    config |= {"memory_limit": memory_limit} | ({"threads": threads} if threads else {})
    try:
        connection = duckdb.connect(config=config)
    except duckdb.Error as error:
        raise InputError(f"memory_limit {memory_limit!r}, threads {threads}: {error}") from None
    with connection:
        # The least and largest value in parquet leave NaN out, yet DuckDB infers from them that
        # isnan(x) is never true.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        connection.execute("SET enable_progress_bar = TRUE; SET enable_progress_bar_print = FALSE")
        try:
            yield connection
        except duckdb.Error as error:
            raise InputError(f"reading the tables: {error}") from None


def source(paths: Sequence[str], *options: str) -> str:
    """Returns the SQL that reads these files."""
    names = ", ".join(text(glob.escape(path)) for path in paths)
    return f"read_parquet({', '.join([f'[{names}]', *options])})"


def execute(
    connection: duckdb.DuckDBPyConnection,
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


def name(column: str) -> str:
    """Returns a column's name as SQL writes it."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str | os.PathLike) -> str:
    """Returns text as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"

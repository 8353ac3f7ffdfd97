"""Tables of examples in parquet, read by DuckDB: which columns mean what, checked at once."""

import contextlib
import dataclasses
import glob
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from m4jax.errors import InputError, nearest

Progress = Callable[[str, int, int], None]  # (what, done, total)

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
BROKEN = ("FLOAT", "DOUBLE")
NUMBERS = ("BOOLEAN", *WHOLE, *UNSIGNED, *BROKEN)
POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what.

    Args:
        uid: text or whole numbers, unique to each example.
        attributes: names of columns with 0 or 1 (bool, int, float), or soft in [0, 1]; NULL and NaN
            stand for unknown.
        labels: the same, but never unknown.
        packed: "" or the one column of unsigned whole numbers whose bit j is the j-th of the
            attributes and labels, attributes first; these are then only names.
        counts: "" or the column that says how often each row counts. Fractions are read to nine
            decimal places, so that a sum doesn't depend on the order of the rows.
        utility: "" or the column with the utility u > 0.
        utility_levels: 0: rows share a pattern only if their utilities are equal; else the number
            of geometric levels to an octave into which utilities are put, the mean of each cell
            kept.

    Raises:
        InputError: if a name is missing or comes twice.
    """

    uid: str
    attributes: tuple[str, ...]
    labels: tuple[str, ...]
    packed: str = ""
    counts: str = ""
    utility: str = ""
    utility_levels: int = 0

    def __post_init__(self):
        if not self.uid or not self.attributes:
            raise InputError("columns: expected a name for uid and at least one attribute")
        names = [*self.attributes, *self.labels]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"columns: {twice[0]!r} comes twice among the attributes and labels")
        if self.utility_levels < 0:
            raise InputError(f"utility_levels: expected at least 0, got {self.utility_levels}")
        if self.packed and len(names) > 64:
            raise InputError(f"packed: a column has 64 bits at most, and {len(names)} are named")

    def read(self) -> dict[str, tuple[str, ...]]:
        """Returns column -> the types it may have, for every column that is read."""
        bits = {self.packed: UNSIGNED} if self.packed else {}
        values = {} if self.packed else dict.fromkeys((*self.attributes, *self.labels), NUMBERS)
        numbers = {name: NUMBERS[1:] for name in (self.counts, self.utility) if name}
        return {self.uid: ("VARCHAR", *WHOLE, *UNSIGNED)} | bits | values | numbers


@dataclasses.dataclass(frozen=True)
class Table:
    """Parquet files that were opened and found to have the columns.

    Args:
        paths: in the order of their names, which is the order of the examples.
        rows: number of rows of each file.
        columns: what is in them.
        types: column -> DuckDB's name of its type.
    """

    paths: tuple[str, ...]
    rows: tuple[int, ...]
    columns: Columns
    types: dict[str, str]

    def __len__(self) -> int:
        return sum(self.rows)

    def part(self, index: int, parts: int) -> "Table":
        """Returns the table of every `parts`-th file, from the file `index` on."""
        chosen = {"paths": self.paths[index::parts], "rows": self.rows[index::parts]}
        return dataclasses.replace(self, **chosen)

    def identity(self) -> list[Any]:
        """Returns what tells this input from another: columns, names, sizes, times of change."""
        found = [(path, os.stat(path)) for path in self.paths]
        stamps = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in found]
        return [dataclasses.asdict(self.columns), stamps]


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


def open_table(
    connection: duckdb.DuckDBPyConnection, patterns: Sequence[str], columns: Columns
) -> Table:
    """Returns the table that the files matching `patterns` make, after checking their columns.

    Args:
        connection: from `connect`.
        patterns: paths of parquet files; `*`, `?`, `[…]` and `**` as the shell takes them.
        columns: what to find in them.

    Raises:
        InputError: if no file matches, one is not parquet, or a column is missing, is of a type
            that can't be used, or is not of the same type in all files.
    """
    paths = find(patterns)
    literal = [glob.escape(path) for path in paths]  # DuckDB reads patterns, too
    try:
        counts = connection.execute(
            "SELECT file_name, num_rows FROM parquet_file_metadata(?)", [literal]
        ).fetchall()
        described = [
            dict(connection.execute(
                "SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(?))", [[path]]
            ).fetchall())
            for path in literal
        ]  # fmt: skip
    except duckdb.Error as error:
        raise InputError(f"not a readable parquet file: {error}") from None
    for path, types in zip(paths, described, strict=True):
        _check_types(path, types, columns)
        for name in columns.read():
            if types[name] != described[0][name]:
                raise InputError(
                    f"{path}: column {name!r} is {types[name]}, but {described[0][name]} in "
                    f"{paths[0]}; write both alike"
                )
    rows = dict(counts)
    return Table(
        paths=tuple(paths),
        rows=tuple(rows[path] for path in paths),
        columns=columns,
        types={name: described[0][name] for name in columns.read()},
    )


def find(patterns: Sequence[str]) -> list[str]:
    """Returns the files that match any of the patterns, each once, sorted by name."""
    found: set[str] = set()
    for pattern in patterns:
        matching = [str(pattern)] if Path(pattern).is_file() else []
        matching = matching or [p for p in glob.glob(pattern, recursive=True) if Path(p).is_file()]
        if not matching:
            raise InputError(f"files: no file matches {str(pattern)!r}")
        found.update(str(Path(path).absolute()) for path in matching)
    if not found:
        raise InputError("files: none given")
    return sorted(found)


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


def _check_types(path: str, types: dict[str, str], columns: Columns) -> None:
    for column, accepted in columns.read().items():
        if column not in types:
            raise InputError(f"{path}: no column {column!r}; {nearest(column, types)}")
        if types[column] not in accepted:
            raise InputError(
                f"{path}: column {column!r} is {types[column]}; expected one of "
                f"{', '.join(accepted)}"
            )

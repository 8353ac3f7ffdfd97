"""Tables of examples in parquet: which columns mean what, checked at once, read in blocks."""

import dataclasses
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax.errors import InputError, nearest

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
BROKEN = ("FLOAT", "DOUBLE")
NUMBERS = ("BOOLEAN", *WHOLE, *UNSIGNED, *BROKEN)

ROWS = 1 << 18  # examples in a block: with 32 attributes and labels as bytes about 10 MB
DECIMALS = 9  # of counts, as folding reads them


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what.

    Attributes:
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

    Attributes:
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

    def blocks(self, rows: int = ROWS) -> Iterator["Rows"]:
        """Yields the examples in blocks of `rows` and a last one of what is left.

        The values are expected to be what `folding.fold` found them to be.
        """
        waiting: list[pa.RecordBatch] = []
        size = 0
        names = list(self.columns.read())
        for path in self.paths:
            for batch in pq.ParquetFile(path).iter_batches(rows, columns=names):
                while size + len(batch) >= rows:
                    first = batch.slice(0, rows - size)
                    yield _rows(pa.Table.from_batches([*waiting, first]), self.columns)
                    waiting, batch, size = [], batch.slice(len(first)), 0
                if len(batch):
                    waiting.append(batch)
                    size += len(batch)
        if waiting:
            yield _rows(pa.Table.from_batches(waiting), self.columns)

    def part(self, index: int, parts: int) -> "Table":
        """Returns the table of every `parts`-th file, from the file `index` on."""
        chosen = {"paths": self.paths[index::parts], "rows": self.rows[index::parts]}
        return dataclasses.replace(self, **chosen)

    def identity(self) -> list[Any]:
        """Returns what tells this input from another: columns, names, sizes, times of change."""
        stats = [(path, os.stat(path)) for path in self.paths]
        stamps = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]
        return [dataclasses.asdict(self.columns), stamps]


class Rows(NamedTuple):
    """Some of the examples, in the table's order.

    Attributes:
        uid: of the type that the table has.
        attributes: `[b, m]` in [0, 1], NaN where unknown.
        labels: `[b, c]` in [0, 1]; bytes unless a column holds fractions.
        utility: `[b]`, or None.
        counts: `[b]`, or None.
    """

    uid: pa.Array
    attributes: np.ndarray
    labels: np.ndarray
    utility: np.ndarray | None
    counts: np.ndarray | None


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
    matches: set[str] = set()
    for pattern in patterns:
        matching = [str(pattern)] if Path(pattern).is_file() else []
        matching = matching or [p for p in glob.glob(pattern, recursive=True) if Path(p).is_file()]
        if not matching:
            raise InputError(f"files: no file matches {str(pattern)!r}")
        matches.update(str(Path(path).absolute()) for path in matching)
    if not matches:
        raise InputError("files: none given")
    return sorted(matches)


def _rows(table: pa.Table, columns: Columns) -> Rows:
    uid = table[columns.uid].combine_chunks()
    if columns.packed:
        bits = table[columns.packed].to_numpy().astype(np.uint64)[:, None]
        places = np.arange(len(columns.attributes) + len(columns.labels), dtype=np.uint64)
        values = (bits >> places & np.uint64(1)).astype(np.uint8)
        attributes, labels = np.split(values, [len(columns.attributes)], axis=1)
    else:
        attributes = _matrix(table, columns.attributes, "float64")
        fractions = any(pa.types.is_floating(table.schema.field(x).type) for x in columns.labels)
        labels = _matrix(table, columns.labels, "float64" if fractions else "uint8")
    utility = _floats(table, columns.utility) if columns.utility else None
    counts = _floats(table, columns.counts).round(DECIMALS) if columns.counts else None
    return Rows(uid, attributes, labels, utility, counts)


def _matrix(table: pa.Table, names: tuple[str, ...], dtype: str) -> np.ndarray:
    """Returns the columns side by side, NULL as NaN."""
    matrix = np.empty((len(table), len(names)), dtype)
    for i, name in enumerate(names):
        matrix[:, i] = _floats(table, name) if dtype == "float64" else table[name].to_numpy()
    return matrix


def _floats(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast("float64").to_numpy()


def _check_types(path: str, types: dict[str, str], columns: Columns) -> None:
    for column, accepted in columns.read().items():
        if column not in types:
            raise InputError(f"{path}: no column {column!r}; {nearest(column, types)}")
        if types[column] not in accepted:
            raise InputError(
                f"{path}: column {column!r} is {types[column]}; expected one of "
                f"{', '.join(accepted)}"
            )

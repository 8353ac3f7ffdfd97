"""Folding: from a table of examples of any size to its distinct patterns with counts.

DuckDB groups the rows; it streams and spills, so that memory is bounded. A fold lies on disk as
parquet: `a0`, … (attributes) and `y0`, … (labels), or `bits` (packed); `level` (the utility, or its
level); `counts`, with levels `total` (the sums of 1 and of u over the cell, the latter in units of
the level), and `valid`.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from m4jax import files
from m4jax.errors import InputError
from m4jax.tables import sql
from m4jax.tables.table import BROKEN, Columns, Table

MOST = 20_000_000  # patterns that are read into memory: about 1 GB with 32 attributes and labels
COUNT = "DECIMAL(28, 9)"  # sums of decimals are exact, so the order of the rows plays no role
MOMENT = "DECIMAL(28, 15)"

Percent = Callable[[int, int], None]  # (done, total)


@dataclasses.dataclass(frozen=True, eq=False)
class Patterns:
    """The distinct rows of a table, in the order of their values.

    Args:
        attributes: [p, m] in [0, 1], NaN where unknown.
        labels: [p, c] in [0, 1]; bytes where all are 0 or 1.
        counts: [p] number of examples.
        utility: [p] mean utility of the pattern's examples, or None if there is no such column.
    """

    attributes: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    utility: np.ndarray | None


def fold(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    path: str | os.PathLike,
    progress: Percent | None = None,
) -> None:
    """Folds a table and writes its patterns to `path`, atomically.

    Raises:
        InputError: for a value out of its range; the message names the first such example.
    """
    keys = key_expressions(table)
    chosen = [f"{expression} AS {key}" for key, expression in keys.items()]
    sums = [f"{expression} AS {name}" for name, expression in _sums(table).items()]
    query = f"SELECT {', '.join(chosen + sums)} FROM {sql.source(table.paths)} GROUP BY "  # noqa: S608
    _write(connection, query, list(keys), path, progress)
    _check(connection, table, path)


def merge(
    connection: duckdb.DuckDBPyConnection,
    parts: Sequence[str | os.PathLike],
    path: str | os.PathLike,
) -> None:
    """Merges folds of parts of a table into the fold of all of it."""
    names = pq.read_schema(parts[0]).names
    sums = {"counts": 9} | ({"total": 15} if "total" in names else {})
    keys = [name for name in names if name not in (*sums, "valid")]
    chosen = [f"CAST(sum({name}) AS DECIMAL(38, {digits})) AS {name}"
              for name, digits in sums.items()]  # fmt: skip
    columns = ", ".join([*keys, *chosen, "bool_and(valid) AS valid"])
    query = f"SELECT {columns} FROM {sql.source(parts)} GROUP BY "  # noqa: S608
    _write(connection, query, keys, path, None)


def load(path: str | os.PathLike, columns: Columns) -> Patterns:
    """Returns the patterns that a fold left at `path`.

    Raises:
        InputError: if there are more than fit in memory.
    """
    size = pq.read_metadata(path).num_rows
    if size > MOST:
        raise InputError(
            f"folding left {size:,} distinct rows, more than {MOST:,}: round soft values to a few "
            "levels, set utility_levels, or leave out rare labels"
        )
    table = pq.read_table(path)
    attributes, labels = _values(table, columns)
    return Patterns(attributes, labels, _floats(table, "counts"), _utility(table, columns))


def key_expressions(table: Table) -> dict[str, str]:
    """Returns key -> SQL expression over the rows; rows share a pattern where all are equal."""
    columns = table.columns
    if columns.packed:
        keys = {"bits": sql.name(columns.packed)}
    else:
        keys = {f"a{i}": _value(table, x) for i, x in enumerate(columns.attributes)}
        keys |= {f"y{i}": _value(table, x) for i, x in enumerate(columns.labels)}
    return keys | ({"level": _level(columns)} if columns.utility else {})


def _value(table: Table, column: str) -> str:
    quoted = sql.name(column)
    if table.types[column] in BROKEN:
        return f"CASE WHEN isnan({quoted}) THEN NULL ELSE {quoted} END"
    return quoted


def _level(columns: Columns) -> str:
    """Returns the expression of the utility or its level, NULL where it is not above 0."""
    u = f"CAST({sql.name(columns.utility)} AS DOUBLE)"
    levels = columns.utility_levels
    value = f"CAST(floor(log2({u}) * {levels}) AS INTEGER)" if levels else u
    return f"CASE WHEN {u} > 0 AND isfinite({u}) THEN {value} END"


def _sums(table: Table) -> dict[str, str]:
    columns, count = table.columns, _count(table.columns)
    sums = {"counts": f"CAST(sum({count}) AS DECIMAL(38, 9))"}
    if columns.utility and columns.utility_levels:
        # In units of its level a utility is in [1, 2): no cell's sum loses digits.
        unit = f"pow(2, ({_level(columns)}) / {columns.utility_levels})"
        ratio = f"(CAST({sql.name(columns.utility)} AS DOUBLE) / {unit})"
        total = f"sum(TRY_CAST({ratio} * {count} AS {MOMENT}))"
        sums["total"] = f"CAST({total} AS DECIMAL(38, 15))"
    return sums | {"valid": f"bool_and(({count} >= 0) IS TRUE)" if columns.counts else "TRUE"}


def _count(columns: Columns) -> str:
    return f"TRY_CAST({sql.name(columns.counts)} AS {COUNT})" if columns.counts else "1"


def _write(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    keys: Sequence[str],
    path: str | os.PathLike,
    progress: Percent | None,
) -> None:
    places = ", ".join(str(i + 1) for i in range(len(keys)))
    order = ", ".join(f"{key} NULLS FIRST" for key in keys)
    with files.atomic(path) as temporary:
        target = f"{sql.text(temporary)} (FORMAT parquet)"
        sql.execute(connection, f"COPY ({query}{places} ORDER BY {order}) TO {target}", progress)


def _values(table: pa.Table, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    m, c = len(columns.attributes), len(columns.labels)
    if columns.packed:
        places = np.arange(m + c, dtype=np.uint64)
        keys = table["bits"].to_numpy().astype(np.uint64)[:, None]
        bits = (keys >> places & np.uint64(1)).astype(np.uint8)
        return bits[:, :m].astype(float), bits[:, m:]
    labels = np.empty((len(table), c), np.uint8)
    for i in range(c):
        column = _floats(table, f"y{i}")
        if labels.dtype == np.uint8 and not np.array_equal(column, column.astype(bool)):
            labels = labels.astype(float)  # soft values; bytes are enough for the others
        labels[:, i] = column
    return np.stack([_floats(table, f"a{i}") for i in range(m)], axis=1), labels


def _utility(table: pa.Table, columns: Columns) -> np.ndarray | None:
    if not columns.utility:
        return None
    level = _floats(table, "level")
    if not columns.utility_levels:
        return level
    counts, total = _floats(table, "counts"), _floats(table, "total")
    mean = np.where(counts > 0, total / np.where(counts > 0, counts, 1), 1.0)
    return 2.0 ** (level / columns.utility_levels) * mean


def _floats(table: pa.Table, name: str) -> np.ndarray:
    column = table[name]
    if not pa.types.is_decimal(column.type):
        return column.cast("float64").to_numpy()
    column = column.cast(pa.decimal128(37, column.type.scale))  # room for the sign of a difference
    whole = pc.floor(column)  # apart, for casting a decimal to a float rounds even whole numbers
    fraction = pc.subtract(column, whole).cast("float64").to_numpy()
    return whole.cast("int64").to_numpy() + fraction


def _check(connection: duckdb.DuckDBPyConnection, table: Table, path: str | os.PathLike) -> None:
    """Raises if a pattern has a value out of its range, naming the first such example."""
    for fault in _faults(table):
        (wrong,) = connection.execute(
            f"SELECT count(*) FROM {sql.source([str(path)])} WHERE {fault.in_pattern}"  # noqa: S608
        ).fetchone()
        if wrong:
            Path(path).unlink()
            uid, column = sql.name(table.columns.uid), sql.name(fault.column)
            first, value = connection.execute(
                f"SELECT {uid}, {column} FROM {sql.source(table.paths)} "  # noqa: S608
                f"WHERE {fault.in_row} LIMIT 1"
            ).fetchone()
            raise InputError(
                f"column {fault.column!r} is {value} for the example {first!r}; expected "
                f"{fault.expected}"
            )


@dataclasses.dataclass(frozen=True)
class _Fault:
    """What may be wrong with a column, as conditions on a pattern and on a row."""

    column: str
    in_pattern: str
    in_row: str
    expected: str


def _faults(table: Table) -> list[_Fault]:
    columns, keys = table.columns, key_expressions(table)
    faults = []
    if columns.packed:
        bits = len(columns.attributes) + len(columns.labels)
        expected = f"a whole number of {bits} bits"
        test = f"{{0}} IS NULL OR {{0}} > {2**bits - 1}"
        faults.append(_fault(columns.packed, test, "bits", keys["bits"], expected))
    for names, letter, test, expected in (
        (columns.attributes, "a", "NOT {0} BETWEEN 0 AND 1", "0 to 1, or NULL for unknown"),
        (columns.labels, "y", "({0} BETWEEN 0 AND 1) IS NOT TRUE", "0 to 1, never NULL"),
    ):
        for i, column in enumerate(() if columns.packed else names):
            number = f"CAST({keys[f'{letter}{i}']} AS DOUBLE)"
            faults.append(_fault(column, test, f"CAST({letter}{i} AS DOUBLE)", number, expected))
    if columns.utility:
        expected = "a finite number above 0"
        faults.append(_fault(columns.utility, "{0} IS NULL", "level", keys["level"], expected))
    if columns.counts:
        row = f"({_count(columns)} >= 0)"
        test = "{0} IS NOT TRUE"
        faults.append(_fault(columns.counts, test, "valid", row, "a finite number, at least 0"))
    return faults


def _fault(column: str, test: str, pattern: str, row: str, expected: str) -> _Fault:
    return _Fault(column, test.format(pattern), test.format(row), expected)

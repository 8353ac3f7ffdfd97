"""Folding: from a table of examples of any size to its distinct patterns with counts.

DuckDB groups the rows; it streams and spills, so that memory is bounded. A fold lies on disk as
parquet: `a0`, … (attributes) and `y0`, … (labels), or `bits` (packed); `x0`, … (further columns of
numbers); `level` (the utility, or its level); `counts`, with levels `total` (the sums of 1 and of u
over the cell, the latter in units of the level), and `valid`.
"""

import dataclasses
import decimal
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables import queries, sql
from m4jax.tables.columns import Columns
from m4jax.tables.table import Table

MOST = 20_000_000  # patterns that are read into memory: about 1 GB with 32 attributes and labels
EXACT = decimal.Context(prec=40)
MOST_EXAMPLES = 10**18  # whole numbers up to here, and nine decimals, are exact in the sums

Percent = Callable[[int, int], None]  # (done, total)


@dataclasses.dataclass(frozen=True, eq=False)
class Patterns:
    """The distinct rows of a table, in the order of their values.

    Args:
        attributes: [p, m] in [0, 1], NaN where unknown.
        labels: [p, c] in [0, 1]; bytes where all are 0 or 1.
        counts: [p] number of examples.
        utility: [p] mean utility of the pattern's examples, or None if there is no such column.
        numbers: [p] by the name of the further column.
    """

    attributes: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    utility: np.ndarray | None
    numbers: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def fold(
    connection: sql.Connection,
    table: Table,
    path: str | os.PathLike,
    progress: Percent | None = None,
) -> None:
    """Folds a table and writes its patterns to `path`, atomically, and then its seal.

    The seal says how many rows the table has, and the sum of their counts, as another query finds
    them; `load` compares.

    Raises:
        InputError: for a value out of its range; the message names the first such example.
    """
    with files.atomic(path) as temporary:
        sql.execute(connection, queries.to_parquet(queries.fold(table), temporary), progress)
        _check(connection, table, temporary)
    rows, total = sql.row(connection, queries.total(table))
    if rows != len(table):
        raise InputError(f"read {rows:,} of {len(table):,} examples; run again")
    if not table.columns.counts:
        total = decimal.Decimal(rows)
    seal(path, table.columns, rows, total)


def merge(
    connection: sql.Connection, parts: Sequence[str | os.PathLike], path: str | os.PathLike
) -> None:
    """Merges folds of parts of a table into that of all of it, atomically; `seal` comes next."""
    names = parquet.schema(parts[0])[0].names
    with files.atomic(path) as temporary:
        query = queries.merge(sql.source(list(map(str, parts))), names)
        sql.execute(connection, queries.to_parquet(query, temporary))


def seal(
    path: str | os.PathLike, columns: Columns, rows: int, total: decimal.Decimal | None
) -> None:
    """Seals a fold, with the number of rows that the table has and the sum of their counts.

    Raises:
        InputError: if that sum is too large to be exact.
    """
    if total is not None and total > MOST_EXAMPLES:
        raise InputError(
            f"column {columns.counts!r} sums to {total:.3e}, more than {MOST_EXAMPLES:.0e}; divide "
            "it"
        )
    files.seal_file(path, rows=rows, total=_exact(total))


def load(path: str | os.PathLike, columns: Columns) -> Patterns:
    """Returns the patterns that a fold left at `path`.

    Raises:
        InputError: if there are more than fit in memory.
        DamagedError: if the fold is not what was written, or its counts don't add up.
    """
    facts = files.sealed_file(path)
    size = parquet.schema(path)[1]
    if size > MOST:
        raise InputError(
            f"folding left {size:,} distinct rows, more than {MOST:,}: round soft values to a few "
            "levels, set utility_levels, or leave out rare labels"
        )
    table = parquet.read(path)
    _check_total(path, table, facts)
    attributes, labels = _values(table, columns)
    numbers = {name: _floats(table, f"x{i}") for i, name in enumerate(columns.numbers)}
    counts = _floats(table, "counts")
    return Patterns(attributes, labels, counts, _utility(table, columns), numbers)


def _check_total(path: str | os.PathLike, table: pa.Table, facts: dict[str, Any]) -> None:
    """Raises unless the counts of the patterns add up to those of the examples."""
    counts = table["counts"].cast(pa.decimal128(38, 9))
    total = pc.sum(counts).as_py() or decimal.Decimal(0)
    if _exact(total) != facts["total"]:
        raise DamagedError(
            f"{path}: its counts add up to {total:,}, those of the examples to {facts['total']}; "
            "delete it and run again"
        )


def _exact(total: decimal.Decimal | int | None) -> str:
    return str(decimal.Decimal(total or 0).quantize(decimal.Decimal("1e-9"), context=EXACT))


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


def _check(connection: sql.Connection, table: Table, path: Path) -> None:
    """Raises if a pattern has a value out of its range, naming the first such example."""
    for fault in queries.faults(table):
        (wrong,) = sql.row(connection, fault.wrong(sql.source([str(path)])))
        if wrong:
            raise InputError(fault.told(*sql.row(connection, fault.first(table))))

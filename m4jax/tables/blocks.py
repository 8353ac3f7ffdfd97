"""Tables as a stream of blocks of examples, for passes over what doesn't fit in memory."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax.tables.table import Columns, Table

ROWS = 1 << 18  # examples in a block: with 32 attributes and labels as bytes about 10 MB
DECIMALS = 9  # of counts, as folding reads them


class Rows(NamedTuple):
    """Some of the examples, in the table's order.

    uid: of the type that the table has.
    attributes: [b, m] in [0, 1], NaN where unknown.
    labels: [b, c] in [0, 1]; bytes unless a column holds fractions.
    utility: [b], or None.
    counts: [b], or None.
    """

    uid: pa.Array
    attributes: np.ndarray
    labels: np.ndarray
    utility: np.ndarray | None
    counts: np.ndarray | None


def read(table: Table, rows: int = ROWS) -> Iterator[Rows]:
    """Yields the examples in blocks of `rows` and a last one of what is left.

    The values are expected to be what `folding.fold` found them to be.
    """
    waiting: list[pa.RecordBatch] = []
    size = 0
    names = list(table.columns.read())
    for path in table.paths:
        for batch in pq.ParquetFile(path).iter_batches(rows, columns=names):
            while size + len(batch) >= rows:
                first = batch.slice(0, rows - size)
                yield _rows(pa.Table.from_batches([*waiting, first]), table.columns)
                waiting, batch, size = [], batch.slice(len(first)), 0
            if len(batch):
                waiting.append(batch)
                size += len(batch)
    if waiting:
        yield _rows(pa.Table.from_batches(waiting), table.columns)


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

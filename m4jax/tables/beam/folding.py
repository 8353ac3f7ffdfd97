"""Folding by many workers: each folds pieces of the table with the queries of `tables.queries`.

The patterns of a piece go in buckets, by a hash of their values; `CombinePerKey` merges the folds
of a bucket. All sums are of decimals, and so exact: in whatever order they are made, they are those
that DuckDB finds in the whole table.
"""

import contextlib
import dataclasses
import decimal
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables import queries, sql
from m4jax.tables.beam import looking, pipelines, storage
from m4jax.tables.beam.looking import Looked, Piece
from m4jax.tables.columns import Columns
from m4jax.tables.table import Table

MOST_BUCKETS = 256
MERGED = 8  # folds of a bucket that are merged at once
VIEW = "piece"


@dataclasses.dataclass(frozen=True)
class Folded:
    """What workers left of a table.

    Attributes:
        parts: path and SHA-256 of each file of patterns, of which no two have one in common.
        rows: number of examples.
        total: sum of their counts.
    """

    parts: dict[str, str]
    rows: int
    total: decimal.Decimal


def fold(options: Sequence[str], folder: str, table: Looked, memory_limit: str) -> Folded:
    """Folds a table; the parts lie in `folder` as parquet.

    Raises:
        InputError: for a value out of its range, naming an example that has it.
    """
    pieces = table.pieces()
    buckets = min(MOST_BUCKETS, len(pieces))
    work = FoldPiece(bare(table), buckets, memory_limit)

    def build(pipeline: beam.Pipeline) -> beam.PCollection:
        texts = pipelines.spread(pipeline, [piece.text() for piece in pieces])
        folded = texts | "Fold" >> beam.ParDo(work).with_outputs(pipelines.TOLD, main="patterns")
        parts = (
            pipelines.keyed(folded.patterns)
            | "Merge" >> beam.CombinePerKey(Merge(memory_limit))
            | "Write" >> beam.Map(_write, folder)
        )
        return (parts, folded[pipelines.TOLD]) | beam.Flatten()

    records = pipelines.run(options, folder, build)
    parts = {x["path"]: x["sha256"] for x in records if "path" in x}
    read = [x for x in records if "rows" in x]
    rows = sum(x["rows"] for x in read)
    if rows != len(table):
        raise InputError(f"read {rows:,} of {len(table):,} examples; run again")
    return Folded(parts, rows, sum(decimal.Decimal(x["total"]) for x in read))


def bare(table: Table) -> Table:
    """Returns a table without its files, for queries over a piece."""
    return Table((), (), table.columns, table.types, (), view=VIEW)


class FoldPiece(beam.DoFn):
    """Folds pieces: (bucket, patterns as Arrow's bytes) go on, and what there was is told."""

    def __init__(self, table: Table, buckets: int, memory_limit: str):
        self._table, self._buckets, self._memory_limit = table, buckets, memory_limit

    def process(self, text: str) -> Iterator[Any]:
        """Yields the patterns of a piece, by bucket, and a record."""
        piece = Piece.parse(text)
        try:
            patterns, total = self.fold(piece)
        except InputError as error:
            told = {"piece": piece.index, pipelines.FAULT: str(error)}
        else:
            told = {"piece": piece.index, "rows": piece.rows, "total": str(total)}
            yield from _buckets(patterns)
        yield beam.pvalue.TaggedOutput(pipelines.TOLD, json.dumps(told))

    def fold(self, piece: Piece) -> tuple[pa.Table, decimal.Decimal]:
        """Returns the patterns, with their `bucket`, in its order, and the sum of the counts."""
        table, columns = self._table, self._table.columns
        with connected(self._memory_limit) as connection:
            query = queries.fold_in_buckets(table, self._buckets)
            patterns = over(connection, piece, columns, query).to_arrow_table()
            connection.register("patterns", patterns)
            for fault in queries.faults(table):
                ((wrong,),) = connection.execute(fault.wrong("patterns")).fetchall()
                if wrong:
                    (first,) = over(connection, piece, columns, fault.first(table)).fetchall()
                    raise InputError(fault.told(*first))
            roles = ["times"] if columns.counts else ["uid"]  # read again, by a query of its own
            found = over(connection, piece, columns, queries.total(table), roles).fetchall()
        ((rows, total),) = found
        if rows != piece.rows:
            raise InputError(f"read {rows:,} of {piece.rows:,} examples; run again")
        return patterns, decimal.Decimal((total if columns.counts else rows) or 0)


class Merge(beam.CombineFn):
    """Merges folds, each Arrow's bytes; a few are kept apart until they are worth the work."""

    def __init__(self, memory_limit: str):
        self._memory_limit = memory_limit

    def create_accumulator(self) -> list[bytes]:
        """Returns no folds."""
        return []

    def add_input(self, folds: list[bytes], fold: bytes) -> list[bytes]:
        """Returns the folds with one more."""
        return self.compact([*folds, fold])

    def merge_accumulators(self, several: Sequence[list[bytes]]) -> list[bytes]:
        """Returns the folds of all."""
        return self.compact([fold for folds in several for fold in folds])

    def compact(self, folds: list[bytes], most: int = MERGED) -> list[bytes]:
        """Returns the folds, merged to one if they are more than `most`."""
        return folds if len(folds) <= most else [self._merged(folds)]

    def extract_output(self, folds: list[bytes]) -> bytes:
        """Returns the fold of all."""
        (fold,) = self.compact(folds, 1)
        return fold

    def _merged(self, folds: list[bytes]) -> bytes:
        table = pa.concat_tables(map(unpacked, folds))
        with connected(self._memory_limit) as connection:
            connection.register("parts", table)
            merged = connection.sql(queries.merge("parts", table.column_names))
            return packed(merged.to_arrow_table())


def packed(table: pa.Table) -> bytes:
    """Returns a table as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def unpacked(content: bytes) -> pa.Table:
    """Returns the table of `packed`."""
    return pa.ipc.open_stream(content).read_all()


@contextlib.contextmanager
def connected(memory_limit: str) -> Iterator[sql.Connection]:
    """Yields a connection of one thread, that spills into a folder of the worker's."""
    with (
        tempfile.TemporaryDirectory() as spill,
        sql.connect(spill, threads=1, memory_limit=memory_limit) as connection,
    ):
        yield connection


def over(
    connection: sql.Connection,
    piece: Piece,
    columns: Columns,
    query: str,
    roles: Sequence[str] = (),
) -> sql.Relation:
    """Returns what a query over the examples of a piece finds, read from its files once more."""
    connection.register(VIEW, looking.reader(piece, columns, roles))
    return connection.sql(query)


def _buckets(patterns: pa.Table) -> Iterator[tuple[int, bytes]]:
    """Yields the patterns of each bucket; they are in the order of the buckets."""
    numbers, starts = np.unique(patterns["bucket"].to_numpy(), return_index=True)
    patterns = patterns.drop_columns("bucket")
    for number, start, end in zip(numbers, starts, [*starts[1:], len(patterns)], strict=True):
        yield int(number), packed(patterns.slice(start, end - start))


def _write(part: tuple[int, bytes], folder: str) -> str:
    """Writes the patterns of a bucket, and tells where."""
    bucket, content = part
    path = storage.join(folder, f"part-{bucket:05d}.parquet")
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch) / "part.parquet"
        parquet.write(unpacked(content), local)
        return json.dumps({"piece": -1, "path": path, "sha256": storage.put(local, path)})

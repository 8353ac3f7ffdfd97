"""A look at every file, by the workers: its columns, row groups and fingerprint; then the pieces.

A piece is a run of row groups of about `ROWS` rows, in the order of the files. It is read by one
worker at a time, and the weights of its examples are one file.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables.beam import pipelines, storage
from m4jax.tables.columns import Columns
from m4jax.tables.table import Look, Table, table_of

ROWS = 2_000_000  # of a piece, unless a row group is larger
BLOCK = 1 << 18  # rows that are read at once

# DuckDB's names of the types that it reads as these.
TYPES = {
    pa.bool_(): "BOOLEAN", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER",
    pa.int64(): "BIGINT", pa.uint8(): "UTINYINT", pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER", pa.uint64(): "UBIGINT", pa.float16(): "FLOAT",
    pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR", pa.string_view(): "VARCHAR",
}  # fmt: skip
READ_AS = {"VARCHAR": pa.string(), "FLOAT": pa.float32()}


@dataclasses.dataclass(frozen=True)
class Looked(Table):
    """A table at whose files workers have looked.

    Attributes:
        groups: rows of each row group of each file.
        contents: the fingerprint of each file.
    """

    groups: tuple[tuple[int, ...], ...] = ()
    contents: tuple[str, ...] = ()

    def identity(self, *, full: bool = False) -> list[Any]:
        """Returns what tells this input from another; see `Table.identity`."""
        return self.identity_of(self.contents)

    def batches(self, path: str, rows: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields columns of one of the files, in batches of up to so many rows."""
        with storage.open_file(path) as file:
            yield from parquet.batches(file, rows, names)

    def pieces(self, rows: int = 0) -> list["Piece"]:
        """Returns the table in pieces of about so many rows; 0: `ROWS`."""
        rows = rows or ROWS
        found, spans, size = [], [], 0
        for path, groups in zip(self.paths, self.groups, strict=True):
            for number, many in enumerate(groups):
                if spans and size + many > rows:
                    found.append(Piece(len(found), tuple(spans), size))
                    spans, size = [], 0
                if spans and spans[-1].path == path:
                    spans[-1] = spans[-1]._replace(end=number + 1)
                else:
                    spans.append(Span(path, number, number + 1))
                size += many
        if spans:
            found.append(Piece(len(found), tuple(spans), size))
        return found


class Span(NamedTuple):
    """Row groups of one file, from `start` to before `end`."""

    path: str
    start: int
    end: int


class Piece(NamedTuple):
    """Some of the examples; `index` is its place among all pieces."""

    index: int
    spans: tuple[Span, ...]
    rows: int

    def text(self) -> str:
        """Returns it as JSON."""
        return json.dumps(self)

    @classmethod
    def parse(cls, text: str) -> "Piece":
        """Returns the piece of a text."""
        index, spans, rows = json.loads(text)
        return cls(index, tuple(Span(*span) for span in spans), rows)

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields columns of the examples, in blocks, in their order."""
        for span in self.spans:
            with storage.open_file(span.path) as file:
                groups = list(range(span.start, span.end))
                yield from parquet.batches(file, BLOCK, names, groups)


def look(
    options: Sequence[str], folder: str, patterns: Sequence[str], columns: Columns, *, full: bool
) -> Looked:
    """Returns the table that the files matching the patterns make; see `table.open_table`."""
    paths = storage.find(patterns)

    def build(pipeline: beam.Pipeline) -> beam.PCollection:
        return pipelines.spread(pipeline, paths) | "Look" >> beam.Map(_look, full)

    found = pipelines.run(options, folder, build, "path")
    looks = [Look(x["path"], sum(x["groups"]), tuple(x["names"]), tuple(x["types"])) for x in found]
    table = table_of(looks, columns)
    return Looked(
        **vars(table),
        groups=tuple(tuple(x["groups"]) for x in found),
        contents=tuple(x["contents"] for x in found),
    )


def reader(piece: Piece, columns: Columns, roles: Sequence[str] = ()) -> pa.RecordBatchReader:
    """Returns the examples of a piece for DuckDB, with columns called by their roles, and `place`.

    Args:
        piece: which examples.
        columns: what the columns mean.
        roles: which of them; (): all.
    """
    chosen = {role: name for role, name in columns.roles().items() if not roles or role in roles}
    blocks = _renamed(piece, chosen)
    first = next(blocks)

    def rest() -> Iterator[pa.RecordBatch]:
        yield first
        for block in blocks:
            yield block.cast(first.schema) if block.schema != first.schema else block

    return pa.RecordBatchReader.from_batches(first.schema, rest())


def _renamed(piece: Piece, chosen: dict[str, str]) -> Iterator[pa.RecordBatch]:
    names, done = list(dict.fromkeys(chosen.values())), 0
    for batch in piece.batches(names):
        arrays = [_plain(batch.column(names.index(name))) for name in chosen.values()]
        places = pa.array(range(done, done + len(batch)), pa.int64())
        done += len(batch)
        yield pa.record_batch([*arrays, places], names=[*chosen, "place"])


def _plain(array: pa.Array) -> pa.Array:
    """Returns a column in the type that DuckDB would read it from the file."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    wanted = READ_AS.get(TYPES.get(array.type, ""), array.type)
    return array if array.type == wanted else array.cast(wanted)


def _look(path: str, full: bool) -> str:
    try:
        with storage.open_file(path) as file:
            schema, groups = parquet.groups(file)
        types = [_type(field.type) for field in schema]
        facts = {"names": schema.names, "types": types, "groups": groups}
        facts["contents"] = storage.fingerprint(path, full=full)
    except DamagedError as error:
        facts = {pipelines.FAULT: f"{path}: {str(error).partition(': ')[2]}"}
    except InputError as error:
        facts = {pipelines.FAULT: str(error)}
    return json.dumps({"path": path} | facts)


def _type(kind: pa.DataType) -> str:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return TYPES.get(kind, str(kind).upper())

"""The numbers of an audit as a table, one row each, from which all that is shown can be made."""

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.evaluation.measures.measure import PARTS, Measure
from m4jax.files import parquet

CONTENT, FACTS = b"content", b"facts"  # in the file's metadata: checksum, and what it is of
DIGITS = 5  # of a draw, as `measured` keeps them
_TYPES = {str: pa.string(), float: pa.float64(), int: pa.int64()}
_NAMES = tuple(field.name for field in dataclasses.fields(Measure))
SCHEMA = pa.schema(
    [
        (field.name, pa.list_(pa.float32()) if field.name == "draws" else _TYPES[field.type])
        for field in dataclasses.fields(Measure)
    ]
)


@dataclasses.dataclass(frozen=True)
class Results:
    """The numbers of an audit.

    Attributes:
        measures: the numbers.
        facts: what they are of: identities, settings, the date; plain values.
    """

    measures: tuple[Measure, ...]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def write(path: str | os.PathLike, results: Results) -> None:
    """Writes them as parquet, atomically; the same numbers give the same bytes.

    Raises:
        InputError: if two numbers have one key.
    """
    seen: set[tuple[str, ...]] = set()
    for one in results.measures:
        if one.key in seen:
            raise InputError(f"two numbers are {' / '.join(filter(None, one.key))}")
        seen.add(one.key)
    columns = {name: [getattr(one, name) for one in results.measures] for name in SCHEMA.names}
    table = pa.Table.from_pydict(columns, schema=SCHEMA)
    facts = json.dumps(results.facts, sort_keys=True, allow_nan=False)
    table = table.replace_schema_metadata({FACTS: facts, CONTENT: _digest(table, facts)})
    with files.atomic(path) as temporary:
        parquet.write(table, temporary, compression="zstd")


def read(path: str | os.PathLike) -> Results:
    """Reads what `write` wrote.

    Raises:
        InputError: if there is no such file, or it is no table of an audit's numbers.
        DamagedError: if it is not what was written.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; it is what an audit leaves in its --workdir")
    table = parquet.read(path)
    if table.schema.names != SCHEMA.names:
        raise InputError(
            f"{path}: not a table of an audit's numbers: expected the columns "
            f"{', '.join(SCHEMA.names)}, got {', '.join(table.schema.names[:20])}"
        )
    metadata = table.schema.metadata or {}
    try:
        intact = [_kind(x.type) for x in table.schema] == [_kind(x.type) for x in SCHEMA]
        intact = intact and metadata[CONTENT] == _digest(table, metadata[FACTS].decode())
        facts = json.loads(metadata[FACTS])
    except (LookupError, ValueError, RecursionError, pa.ArrowException):
        intact = False
    if not intact:
        raise DamagedError(
            f"{path}: damaged (the checksum of its content is missing or differs); delete it and "
            "run the audit again"
        )
    return Results(tuple(_measure(row, path) for row in table.to_pylist()), facts)


def _measure(row: Mapping[str, Any], path: str | os.PathLike) -> Measure:
    values = dict(row)
    values["draws"] = tuple(float(f"{x:.{DIGITS}g}") for x in values["draws"] or ())
    one = Measure(**{name: values[name] for name in _NAMES})
    if one.part not in PARTS or any(value is None for value in values.values()):
        raise DamagedError(f"{path}: damaged: a row is no number of an audit")
    return one


def _digest(table: pa.Table, facts: str) -> bytes:
    """Returns the SHA-256 of what is read from a table, however its file is laid out."""
    found = hashlib.sha256(facts.encode())
    for field, chunks in zip(table.schema, table.columns, strict=True):
        found.update(json.dumps([field.name, _kind(field.type), len(chunks)]).encode())
        column = chunks.combine_chunks()
        if pa.types.is_list(field.type):
            found.update(column.value_lengths().fill_null(-1).to_numpy().astype("<i8").tobytes())
            column = column.flatten()
        if pa.types.is_floating(column.type):
            numbers = column.to_numpy(zero_copy_only=False).astype("<f8")
            found.update(np.where(np.isnan(numbers), math.nan, numbers).tobytes())
        else:
            found.update(json.dumps(column.to_pylist()).encode())
    return found.hexdigest().encode()


def _kind(of: pa.DataType) -> str:
    """Returns a type as text; what the items of a list are called is no part of it."""
    return f"list {of.value_type}" if pa.types.is_list(of) else str(of)


def pick(measures: Sequence[Measure], **where: str) -> list[Measure]:
    """Returns the numbers whose fields equal the given values, in their order."""
    return [one for one in measures if all(getattr(one, x) == y for x, y in where.items())]

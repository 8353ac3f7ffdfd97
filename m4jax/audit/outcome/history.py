"""The history of audits: one file of numbers, a few of each audit, to which every audit adds its.

An audit's entry is what its headline and its limits are about, with its date, the identities of
what was measured, and the verdicts. An audit that was killed and runs again replaces its entry.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from m4jax import files
from m4jax.errors import DamagedError
from m4jax.evaluation.measures.measure import Measure
from m4jax.files import parquet
from m4jax.report.page.content import Limit, Past

CONTENT = b"content"
_OF_MEASURE = ("part", "metric", "source", "attribute", "group", "label", "wording", "value",
               "low", "high", "n", "groups", "note", "version", "sample", "which")  # fmt: skip
_NUMBERS = {"value": pa.float64(), "low": pa.float64(), "high": pa.float64(),
            "n": pa.int64(), "groups": pa.int64()}  # fmt: skip
SCHEMA = pa.schema(
    [
        ("date", pa.string()),  # of the audit, ISO 8601
        ("audit", pa.string()),  # its identity: of inputs and settings
        ("data", pa.string()),  # identity of the data; "": none
        ("model", pa.string()),  # identity of the model, or of stored embeddings
        *((name, _NUMBERS.get(name, pa.string())) for name in _OF_MEASURE),
        ("headline", pa.bool_()),  # whether it is one of the headline's numbers
        ("limit", pa.string()),  # the limits that are about it, in words; "": none
        ("outcome", pa.string()),  # whether they hold; ""
    ]
)
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One audit, as the history keeps it.

    Attributes:
        date: ISO 8601.
        audit: its identity.
        data: identity of the data; "": none.
        model: identity of the model or the embeddings; "": none.
    """

    date: str
    audit: str
    data: str
    model: str


def rows(entry: Entry, headline: Sequence[Measure], limits: Sequence[Limit]) -> list[Row]:
    """Returns the rows of an audit's entry; one at least, though nothing was measured."""
    about = dataclasses.asdict(entry)
    numbers = {one.key: one for one in headline}
    numbers |= {limit.measure.key: limit.measure for limit in limits if limit.measure}
    result = []
    for key, one in numbers.items():
        mine = [limit for limit in limits if limit.measure and limit.measure.key == key]
        result.append(
            about
            | {name: getattr(one, name) for name in _OF_MEASURE}
            | {
                "headline": any(key == x.key for x in headline),
                "limit": "; ".join(x.text for x in mine),
                "outcome": "; ".join(x.outcome for x in mine),
            }
        )
    return result


def append(path: str | os.PathLike, entry: Entry, new: Sequence[Row]) -> list[Row]:
    """Adds an audit's rows to the file, atomically, in place of those that it left before.

    Returns:
        All rows, the earliest audit first.

    Raises:
        DamagedError: if the file is not what was written.
    """
    old = read(path) if os.path.exists(path) else []
    kept = [row for row in old if (row["date"], row["audit"]) != (entry.date, entry.audit)]
    every = sorted([*kept, *new], key=lambda row: row["date"])
    columns = {name: [row[name] for row in every] for name in SCHEMA.names}
    table = pa.Table.from_pydict(columns, schema=SCHEMA)
    table = table.replace_schema_metadata({CONTENT: _digest(table)})
    with files.atomic(path) as temporary:
        parquet.write(table, temporary, compression="zstd")
    return every


def read(path: str | os.PathLike) -> list[Row]:
    """Returns the rows of a history.

    Raises:
        InputError: if there is no such file.
        DamagedError: if it is not what was written.
    """
    try:
        table = parquet.read(path)
        metadata = table.schema.metadata or {}
        intact = table.schema.equals(SCHEMA) and metadata.get(CONTENT) == _digest(table)
    except DamagedError:
        intact = False
    if not intact:
        raise DamagedError(
            f"{path}: damaged, or no history of audits; restore it, or move it away: the next "
            "audit begins a new one"
        )
    return table.to_pylist()


def past(every: Sequence[Row]) -> list[Past]:
    """Returns the numbers of all audits, as the page draws them."""
    return [
        Past(row["date"], Measure(**{name: row[name] for name in _OF_MEASURE})) for row in every
    ]


def check(path: str | os.PathLike) -> None:
    """Raises `InputError` if there is a history that can't be added to."""
    if os.path.exists(path):
        read(path)


def _digest(table: pa.Table) -> bytes:
    rows_ = json.dumps(table.to_pylist(), sort_keys=True, default=str)
    return hashlib.sha256(rows_.encode()).hexdigest().encode()

"""Tables of examples in parquet: their columns checked at once, read in blocks."""

import dataclasses
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.errors import DamagedError, InputError, nearest
from m4jax.files import parquet
from m4jax.tables import sql
from m4jax.tables.columns import Columns

ROWS = 1 << 18  # examples in a block: with 32 attributes and labels as bytes about 10 MB
DECIMALS = 9  # of counts, as folding reads them


@dataclasses.dataclass(frozen=True)
class Table:
    """Parquet files that were opened and found to have the columns.

    Attributes:
        paths: in the order of their names, which is the order of the examples.
        rows: number of rows of each file.
        columns: what is in them.
        types: column -> DuckDB's name of its type.
        names: of all columns of each file, in their order.
        view: "", or the relation of a DuckDB connection that queries read in place of the files;
            its columns are called by their roles.
    """

    paths: tuple[str, ...]
    rows: tuple[int, ...]
    columns: Columns
    types: dict[str, str]
    names: tuple[tuple[str, ...], ...]
    view: str = ""

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
            for batch in self.batches(path, rows, names):
                while size + len(batch) >= rows:
                    first = batch.slice(0, rows - size)
                    yield rows_of(pa.Table.from_batches([*waiting, first]), self.columns)
                    waiting, batch, size = [], batch.slice(len(first)), 0
                if len(batch):
                    waiting.append(batch)
                    size += len(batch)
        if waiting:
            yield rows_of(pa.Table.from_batches(waiting), self.columns)

    def batches(self, path: str, rows: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields columns of one of the files, in batches of up to so many rows."""
        return parquet.batches(path, rows, names)

    def of_files(self, chosen: slice) -> "Table":
        """Returns the table of some of the files."""
        fields = ("paths", "rows", "names")
        return dataclasses.replace(self, **{name: getattr(self, name)[chosen] for name in fields})

    def identity(self, *, full: bool = False) -> list[Any]:
        """Returns what tells this input from another: the columns, and the contents of the files.

        Args:
            full: read large files in full; see `files.fingerprint`.
        """
        return self.identity_of([files.fingerprint(path, full=full) for path in self.paths])

    def identity_of(self, contents: Sequence[str]) -> list[Any]:
        """Returns the same, from the files' fingerprints."""
        columns = dataclasses.asdict(self.columns)
        if not self.columns.numbers:  # folds without them are called what they always were
            del columns["numbers"]
        return [columns, list(contents)]


class Rows(NamedTuple):
    """Some of the examples, in the table's order.

    Attributes:
        uid: of the type that the table has.
        attributes: `[b, m]` in [0, 1], NaN where unknown.
        labels: `[b, c]` in [0, 1]; bytes unless a column holds fractions.
        utility: `[b]`, or None.
        counts: `[b]`, or None.
        numbers: `[b]` by the name of the column.
    """

    uid: pa.Array
    attributes: np.ndarray
    labels: np.ndarray
    utility: np.ndarray | None
    counts: np.ndarray | None
    numbers: dict[str, np.ndarray]


def open_table(connection: sql.Connection, patterns: Sequence[str], columns: Columns) -> Table:
    """Returns the table that the files matching `patterns` make, after checking their columns.

    Args:
        connection: from `sql.connect`.
        patterns: paths of parquet files; `*`, `?`, `[…]` and `**` as the shell takes them.
        columns: what to find in them.

    Raises:
        InputError: if no file matches, one is not parquet, or a column is missing, comes twice, is
            of a type that can't be used, or is not of the same type in all files.
    """
    found = []
    for path in find(patterns):
        names, rows = _schema(path)
        types = sql.types(connection, path)
        if len(types) != len(names):
            raise InputError(
                f"{path}: pyarrow finds {len(names)} columns, DuckDB {len(types)}; write it anew"
            )
        found.append(Look(path, rows, names, tuple(types)))
    return table_of(found, columns)


class Look(NamedTuple):
    """What a look at a file found.

    Attributes:
        path: of the file.
        rows: number of its rows.
        names: of its columns.
        types: DuckDB's names of their types.
    """

    path: str
    rows: int
    names: tuple[str, ...]
    types: tuple[str, ...]


def table_of(looks: Iterable[Look], columns: Columns) -> Table:
    """Returns the table that files make; see `open_table`."""
    first, known, kept = {}, {}, []
    for look in looks:
        _check_names(look.path, look.names, columns)
        types = dict(zip(look.names, look.types, strict=True))
        _check_types(look.path, types, columns)
        first = first or types
        for name in columns.read():
            if types[name] != first[name]:
                raise InputError(
                    f"{look.path}: column {name!r} is {types[name]}, but {first[name]} in "
                    f"{kept[0].path}; write both alike"
                )
        kept.append(look._replace(names=known.setdefault(look.names, look.names)))
    return Table(
        paths=tuple(look.path for look in kept),
        rows=tuple(look.rows for look in kept),
        columns=columns,
        types={name: first[name] for name in columns.read()},
        names=tuple(look.names for look in kept),
    )


def _schema(path: str) -> tuple[tuple[str, ...], int]:
    try:
        schema, rows = parquet.schema(path)
    except DamagedError as error:
        # It is the user's: nobody knows what it was.
        text = Path(path).suffix.lower() in (".csv", ".tsv", ".json", ".jsonl", ".txt")
        hint = (
            "; tables are parquet: experiments.annotate makes one of captions, pandas.read_csv(…)"
            ".to_parquet(…) of a table"
        )
        raise InputError(f"{error}{hint if text else ''}") from None
    return tuple(schema.names), rows


def find(patterns: Sequence[str]) -> list[str]:
    """Returns the files that match any of the patterns, each once, sorted by name."""
    matches: set[str] = set()
    for pattern in patterns:
        matching = [str(pattern)] if Path(pattern).is_file() else []
        matching = matching or [p for p in glob.glob(pattern, recursive=True) if Path(p).is_file()]
        if not matching:
            raise InputError(
                f"config.files: no file matches {str(pattern)!r} in {Path.cwd()}; expected paths "
                "or patterns of parquet files"
            )
        matches.update(str(Path(path).absolute()) for path in matching)
    for path in matches:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"files: the name of {path!r} is not UTF-8, or the locale is not; rename it, or "
                "set LC_ALL=C.UTF-8 and unset PYTHONUTF8"
            ) from None
    if not matches:
        raise InputError("files: none given")
    return sorted(matches)


def rows_of(table: pa.Table, columns: Columns) -> Rows:
    """Returns the examples of a table in memory, with the columns' own names."""
    uid = table[columns.uid]
    if pa.types.is_dictionary(uid.type):
        uid = uid.cast(uid.type.value_type)
    whole = pa.types.is_integer(uid.type)
    uid = (uid if whole else uid.cast(pa.string())).combine_chunks()  # text comes in several types
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
    numbers = {name: _floats(table, name) for name in columns.numbers}
    return Rows(uid, attributes, labels, utility, counts, numbers)


def _matrix(table: pa.Table, names: tuple[str, ...], dtype: str) -> np.ndarray:
    """Returns the columns side by side, NULL as NaN."""
    matrix = np.empty((len(table), len(names)), dtype)
    for i, name in enumerate(names):
        matrix[:, i] = _floats(table, name) if dtype == "float64" else table[name].to_numpy()
    return matrix


def _floats(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast("float64").to_numpy()


def _check_names(path: str, names: Sequence[str], columns: Columns) -> None:
    """Raises unless every column that is read is in the file, once."""
    for column in columns.read():
        if column not in names:
            folders = [part for part in Path(path).parts[:-1] if part.startswith(f"{column}=")]
            hint = nearest(column, names)
            if folders:
                hint = f"columns are not taken from folders such as {folders[-1]!r}: write it to "
                hint += "the files"
            raise InputError(f"{path}: no column {column!r}; {hint}")
        if list(names).count(column) > 1:
            raise InputError(f"{path}: several columns are called {column!r}; rename all but one")


def _check_types(path: str, types: dict[str, str], columns: Columns) -> None:
    for column, accepted in columns.read().items():
        if types[column] not in accepted:
            raise InputError(
                f"{path}: column {column!r} is {types[column]}; expected one of "
                f"{', '.join(accepted)}"
            )

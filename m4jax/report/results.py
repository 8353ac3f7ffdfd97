"""The results of a study: one table of numbers, from which everything that is shown is made."""

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.errors import DamagedError, InputError, nearest
from m4jax.files import parquet
from m4jax.report import content
from m4jax.report.content import CONTENT, EVALUATIONS, LEVELS, REGISTRATION

ORACLE = "oracle"  # the version trained on a world at parity: what balancing aims at
# Versions that are compared with each other where both are there, as in configs/objectives.py.
PROTOTYPE, PAPERS = "prototype", "quadratic"  # an objective of one's own, and that of the paper
Rows = list[dict[str, Any]]
UNSEALED = ("it has no checksum of its content: damaged, or of an earlier version; run the study's "
            "command again, which collects it anew")  # fmt: skip
# The columns of every study; those that follow them are its factors other than the version.
SCHEMA = pa.schema(
    [
        # run, along (training), version (pooled over seeds), difference, data or world
        ("kind", pa.string()),
        ("run_id", pa.string()),  # "" where it is not about one run
        ("version", pa.string()),  # of the data
        ("seed", pa.int64()),  # -1 where it is not about one run
        ("step", pa.int64()),  # of training; -1: its end
        ("split", pa.string()),  # of the evaluation pictures, or the set of a data label
        ("metric", pa.string()),
        ("label", pa.string()),  # "" where the metric is about all labels
        ("value", pa.float64()),  # a fraction; NaN: can't be estimated
        ("ci_low", pa.float64()),  # NaN: no interval
        ("ci_high", pa.float64()),
        ("n", pa.int64()),  # number of pictures, or of examples
        ("metric_version", pa.string()),
        ("draws", pa.list_(pa.float32())),  # see evaluation.Result
    ]
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN where it can't be estimated or was not measured."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclasses.dataclass(frozen=True)
class Results:
    """A table of results.

    Attributes:
        columns: name -> [n], one for each field of `SCHEMA` and each factor.
        levels: factor -> its levels in their order, the default first; where a table doesn't say,
            they are taken in the order in which its runs have them.
        evaluations: run -> an id of how it was evaluated; none in tables of earlier versions.
        registration: SHA-256 of the text by which the study was registered; "" if it was not.
    """

    columns: Mapping[str, np.ndarray]
    levels: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    evaluations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    registration: str = ""

    def __len__(self) -> int:
        return len(self.columns["kind"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def select(self, **where: Any) -> "Results":
        """Returns the rows whose columns equal the given values."""
        keep = np.ones(len(self), bool)
        for name, value in where.items():
            if name not in self.columns:
                raise InputError(f"results: no column {name!r}; {nearest(name, self.columns)}")
            keep &= self.columns[name] == value
        return self._rows(keep)

    def one(self, **where: Any) -> Estimate:
        """Returns the number of the one row that is meant; NaN if there is none.

        Raises:
            InputError: if several rows are meant.
        """
        rows = self.select(**where)
        if len(rows) > 1:
            raise InputError(f"results: expected one row of {where}, found {len(rows)}")
        if not len(rows):
            return Estimate()
        return Estimate(*(float(rows[name][0]) for name in ("value", "ci_low", "ci_high")))

    def pairs(self, *names: str) -> Iterator[tuple]:
        """Iterates over the rows, as tuples of the named columns."""
        return zip(*(self.columns[name].tolist() for name in names), strict=True)

    @property
    def factors(self) -> list[str]:
        """The factors of the study, the version first."""
        return ["version", *(name for name in self.columns if name not in SCHEMA.names)]

    def default(self, factor: str) -> str:
        """Returns the first level of a factor, "" if the table has none."""
        levels = self.levels.get(factor) or self.select(kind="run")[factor][:1].tolist()
        return levels[0] if len(levels) else ""

    @property
    def plain(self) -> "Results":
        """The rows in which all factors but the version are at their defaults, the first levels.

        Of its runs only those of the seeds that all versions have, lest versions differ in seeds;
        all of them while there is no such seed, because a study has only begun.
        """
        levels = {name: self.default(name) for name in self.factors[1:]}
        keep = self["kind"] == "world"
        keep = keep | np.all([self[name] == x for name, x in levels.items()] or [~keep], axis=0)
        runs = keep & np.isin(self["kind"], ["run", "along"])
        versions, seeds = self["version"][runs], self["seed"][runs]
        each = [set(seeds[versions == version].tolist()) for version in set(versions.tolist())]
        shared = sorted(set.intersection(*each)) if each else []
        return self._rows(keep & (~runs | np.isin(self["seed"], shared)) if shared else keep)

    def _rows(self, keep: np.ndarray) -> "Results":
        columns = {name: x[keep] for name, x in self.columns.items()}
        return dataclasses.replace(self, columns=columns)

    @property
    def versions(self) -> list[str]:
        """The data versions in the order of their appearance."""
        about_data = self["kind"] != "world"
        return list(dict.fromkeys(self["version"][about_data].tolist()))

    @property
    def reference(self) -> str:
        """The version to which the others are compared, "" if there are no rows.

        That is the first one which is not itself compared.
        """
        compared = self.select(kind="difference").versions
        return next((v for v in self.versions if v not in compared), "")


def write(
    path: str | os.PathLike,
    rows: Iterable[Mapping[str, Any]],
    levels: Mapping[str, Sequence[str]] | None = None,
    evaluations: Mapping[str, str] | None = None,
    registration: str = "",
) -> None:
    """Writes the rows as parquet, atomically; the same rows give the same bytes.

    Args:
        path: of the file.
        rows: each with the fields of `SCHEMA`, and with the same factors.
        levels: see `Results`.
        evaluations: likewise.
        registration: likewise.

    Raises:
        InputError: for a row whose fields are not those of `SCHEMA` and the first row's factors.
    """
    rows = list(rows)
    factors = [name for name in (rows[0] if rows else ()) if name not in SCHEMA.names]
    schema = pa.schema([*SCHEMA, *((name, pa.string()) for name in factors)])
    for row in rows:
        if set(row) != set(schema.names):
            differing = sorted(set(row) ^ set(schema.names))
            raise InputError(f"results: a row lacks or adds {', '.join(differing)}: {dict(row)}")
    columns = {name: [row[name] for row in rows] for name in schema.names}
    try:
        table = pa.Table.from_pydict(columns, schema=schema)
        metadata = {LEVELS: json.dumps(levels or {})}
        if evaluations:
            metadata[EVALUATIONS] = json.dumps(evaluations, sort_keys=True)
        if registration:
            metadata[REGISTRATION] = registration
        table = table.replace_schema_metadata(metadata)
        table = table.replace_schema_metadata(
            {**table.schema.metadata, CONTENT: content.digest(table)}
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"results: a value is not of its column's type ({error})") from None
    with files.atomic(path) as temporary:
        parquet.write(table, temporary, compression="zstd")


def read(path: str | os.PathLike) -> Results:
    """Reads a results file.

    Raises:
        InputError: if the file is missing, or not a table of results.
        DamagedError: if it is not what was written.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; run the study first")
    try:
        table = parquet.read(path)
    except DamagedError as error:
        raise DamagedError(f"{error}; rebuild it") from None
    if not _is_results(table.schema):
        raise InputError(f"{path}: expected the columns {SCHEMA.names}, got {table.schema.names}")
    metadata = table.schema.metadata or {}
    if CONTENT not in metadata:
        raise DamagedError(f"{path}: {UNSEALED}")
    try:
        intact = metadata[CONTENT] == content.digest(table)
        levels = json.loads(metadata[LEVELS])
        evaluations = json.loads(metadata.get(EVALUATIONS, b"{}"))
    except (pa.ArrowException, LookupError, ValueError, RecursionError):
        intact = False
    if not intact:
        raise DamagedError(f"{path}: damaged (the checksum of its content differs); rebuild it")
    columns = {name: _array(table[name]) for name in table.schema.names}
    return Results(columns, levels, evaluations, metadata.get(REGISTRATION, b"").decode())


def join(parts: Sequence[Results]) -> Results:
    """Returns the rows of several tables of one study as one table.

    Rows of the kind `world`, which every part has, are those of the first.

    Raises:
        InputError: if there are none, or they differ in columns, levels or registration, or share
            a run.
    """
    if not parts:
        raise InputError("results: no parts to be joined")
    first = parts[0]
    for part in parts:
        alike = (list(part.columns), part.levels, part.registration)
        if alike != (list(first.columns), first.levels, first.registration):
            raise InputError("results: the parts are of different studies (columns or levels)")
    runs = [set(part.select(kind="run")["run_id"].tolist()) for part in parts]
    if sum(map(len, runs)) > len(set().union(*runs)):
        raise InputError("results: two parts hold the same run")
    kept = [first, *(part._rows(part["kind"] != "world") for part in parts[1:])]
    columns = {name: np.concatenate([p.columns[name] for p in kept]) for name in first.columns}
    evaluations = {run: how for part in parts for run, how in part.evaluations.items()}
    return dataclasses.replace(first, columns=columns, evaluations=evaluations)


def _is_results(schema: pa.Schema) -> bool:
    fixed, factors = pa.schema(list(schema)[: len(SCHEMA)]), list(schema)[len(SCHEMA) :]
    alike = fixed.equals(SCHEMA) and all(field.type == pa.string() for field in factors)
    return alike and len(set(schema.names)) == len(schema)


def _array(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_list(column.type):
        lists = np.empty(len(column), object)
        lists[:] = [np.array(values or (), np.float64) for values in column.to_pylist()]
        return lists
    if column.null_count:
        column = column.fill_null(math.nan if pa.types.is_floating(column.type) else "")
    return column.to_numpy()


def write_csv(path: str | os.PathLike, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows of the same fields as csv, atomically; NaN is an empty field."""
    rows = list(rows)
    lines = [list(rows[0])] if rows else []
    lines += [[_field(value) for value in row.values()] for row in rows]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    files.write_text(path, text.getvalue())


def _field(value: Any) -> str:
    if not isinstance(value, float | np.floating):
        return str(value)
    return "" if math.isnan(value) else format(value, ".6g")

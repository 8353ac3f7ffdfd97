"""The queries that fold a table and find its faults, as SQL.

The user's columns are picked by their place in each file and renamed at once: whatever they are
called, and in upper or lower case, no name of theirs is part of a query.
"""

import dataclasses
import os
from collections.abc import Sequence

from m4jax.tables import sql
from m4jax.tables.columns import BROKEN, Columns
from m4jax.tables.table import Table

COUNT = "DECIMAL(28, 9)"  # sums of decimals are exact, so the order of the rows plays no role
MOMENT = "DECIMAL(28, 15)"
LARGEST_COUNT = 10**15  # and of all examples together 10¹⁸, which decimals of 38 digits hold
READ_AS = 1e-4  # how far, relatively, the nine decimals of a count may be from it


def rows(table: Table, *, places: bool = False) -> str:
    """Returns the examples as SQL, with the columns that `Columns.roles` names.

    Args:
        table: the examples.
        places: also `file` (the path) and `place` (of the row in its file, from 0).
    """
    if table.view:
        return f"(SELECT *, '' AS file FROM {table.view}) AS examples"  # noqa: S608
    alike: dict[tuple[str, ...], list[str]] = {}
    for path, names in zip(table.paths, table.names, strict=True):
        alike.setdefault(names, []).append(path)
    parts = []
    for names, paths in alike.items():
        chosen = {role: names.index(column) for role, column in table.columns.roles().items()}
        picked = [f"t.c{index} AS {role}" for role, index in chosen.items()]
        options, columns = [], [f"c{index}" for index in range(len(names))]
        if places:  # DuckDB adds the path as a last column, whose name must be none of the file's
            unused = "m4jax_file" + "_" * max(map(len, names))
            options.append(f"filename = {sql.text(unused)}")
            columns.append("file")
            picked += ["t.file AS file", "t.file_row_number AS place"]
        parts.append(
            f"SELECT {', '.join(picked)} "  # noqa: S608
            f"FROM {sql.source(paths, *options)} AS t({', '.join(columns)})"
        )
    return f"({' UNION ALL '.join(parts)}) AS examples"


def keys(table: Table) -> dict[str, str]:
    """Returns key -> expression over `rows`; examples share a pattern where all are equal."""
    columns = table.columns
    expressions = {}
    for role, column in columns.roles().items():
        if role[0] in "ayx" or role == "bits":
            broken, value = table.types[column] in BROKEN, f"examples.{role}"
            nan = f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END"
            expressions[role] = nan if broken else value
    return expressions | ({"level": _level(columns)} if columns.utility else {})


def fold(table: Table) -> str:
    """Returns the query of the distinct patterns, with sums over their examples."""
    columns, count = table.columns, _count(table.columns)
    sums = {"counts": f"CAST(sum({count}) AS DECIMAL(38, 9))"}
    if columns.utility and columns.utility_levels:
        # In units of its level a utility is in [1, 2): no cell's sum loses digits.
        unit = f"pow(2, ({_level(columns)}) / {columns.utility_levels})"
        total = f"sum(TRY_CAST(CAST(examples.utility AS DOUBLE) / {unit} * {count} AS {MOMENT}))"
        sums["total"] = f"CAST({total} AS DECIMAL(38, 15))"
    sums["valid"] = f"bool_and({_count_holds()} IS TRUE)" if columns.counts else "TRUE"
    of = keys(table)
    chosen = [f"{expression} AS {name}" for name, expression in (of | sums).items()]
    return f"SELECT {', '.join(chosen)} FROM {rows(table)} {_by(of)}"  # noqa: S608


def merge(parts: str, names: Sequence[str]) -> str:
    """Returns the query of the fold of all.

    Args:
        parts: SQL of the folds of parts, one below the other.
        names: of their columns.
    """
    sums = {name: digits for name, digits in (("counts", 9), ("total", 15)) if name in names}
    of = [name for name in names if name not in (*sums, "valid")]
    chosen = [f"CAST(sum({name}) AS DECIMAL(38, {digits})) AS {name}"
              for name, digits in sums.items()]  # fmt: skip
    columns = ", ".join([*of, *chosen, "bool_and(valid) AS valid"])
    return f"SELECT {columns} FROM {parts} {_by(of)}"  # noqa: S608


def fold_in_buckets(table: Table, buckets: int) -> str:
    """Returns the query of `fold` in the order of a last column `bucket`, a hash of patterns."""
    bucket = f"CAST(hash({', '.join(keys(table))}) % {buckets} AS INTEGER) AS bucket"
    return f"SELECT *, {bucket} FROM ({fold(table)}) ORDER BY bucket"  # noqa: S608


def to_parquet(query: str, path: str | os.PathLike) -> str:
    """Returns the query that writes what another finds to `path`."""
    return f"COPY ({query}) TO {sql.text(path)} (FORMAT parquet)"


def total(table: Table) -> str:
    """Returns the query of the number of examples, and the sum of their counts."""
    return f"SELECT count(*), sum({_count(table.columns)}) FROM {rows(table)}"  # noqa: S608


def solved(path: str | os.PathLike) -> str:
    """Returns the query that takes patterns with weights into memory, as the table `solved`."""
    return f"CREATE OR REPLACE TEMP TABLE solved AS FROM {sql.source([str(path)])}"


def weights(table: Table, low: int = 0, high: int | None = None) -> str:
    """Returns the query of uid and weight of the examples from `low` to `high`, in their order.

    Args:
        table: with one file, unless all of it is asked for.
        low: the first row.
        high: the row after the last one; None: to the end.
    """
    alike = [f"({code}) IS NOT DISTINCT FROM solved.{key}" for key, code in keys(table).items()]
    piece = "" if high is None else f"WHERE place >= {low} AND place < {high}"
    return (
        "SELECT examples.uid AS uid, solved.weight AS weight "  # noqa: S608
        f"FROM {rows(table, places=True)} "
        f"LEFT JOIN solved ON {' AND '.join(alike)} {piece} ORDER BY file, place"
    )


def no_uid(table: Table) -> str:
    """Returns the query of the number of examples without a uid."""
    return f"SELECT count(*) FROM {rows(table)} WHERE uid IS NULL"  # noqa: S608


def uid_twice(examples: str) -> str:
    """Returns the query of a uid that comes several times in SQL `examples`, and how often."""
    return f"SELECT uid, count(*) FROM {examples} GROUP BY 1 HAVING count(*) > 1 LIMIT 1"  # noqa: S608


def uids_in_buckets(examples: str, buckets: int) -> str:
    """Returns the query of (bucket, uids): a list for each hash of the uids in SQL `examples`."""
    return (
        f"SELECT hash(uid) % {buckets} AS bucket, list(uid) AS uids "  # noqa: S608
        f"FROM {examples} WHERE uid IS NOT NULL GROUP BY 1"
    )


@dataclasses.dataclass(frozen=True)
class Fault:
    """What may be wrong with a column.

    Attributes:
        column: its name.
        expected: what its values should be.
        in_pattern: a condition on patterns.
        in_row: the same on examples.
        role: what the column is called in `rows`.
    """

    column: str
    expected: str
    in_pattern: str
    in_row: str
    role: str

    def wrong(self, fold: str) -> str:
        """Returns the query of the number of patterns that have it; `fold` is SQL of them all."""
        return f"SELECT count(*) FROM {fold} WHERE {self.in_pattern}"  # noqa: S608

    def first(self, table: Table) -> str:
        """Returns the query of uid and value of an example that has it."""
        return f"SELECT uid, {self.role} FROM {rows(table)} WHERE {self.in_row} LIMIT 1"  # noqa: S608

    def told(self, uid: str | int, value: object) -> str:
        """Returns what to say of the example that has it."""
        return (
            f"column {self.column!r} is {value} for the example {uid!r}; expected {self.expected}"
        )


def faults(table: Table) -> list[Fault]:
    """Returns all that may be wrong with the values of a table."""
    columns, of = table.columns, keys(table)
    found = []
    for role, column in columns.roles().items():
        if role == "bits":
            bits = len(columns.attributes) + len(columns.labels)
            expected = f"a whole number of {bits} bits"
            test = f"{{0}} IS NULL OR {{0}} > {2**bits - 1}"
            keys_of = ("bits", of["bits"])
        elif role[0] in "ay":
            attribute = role[0] == "a"
            expected = "0 to 1, or NULL for unknown" if attribute else "0 to 1, never NULL"
            test = "NOT {0} BETWEEN 0 AND 1" if attribute else "({0} BETWEEN 0 AND 1) IS NOT TRUE"
            keys_of = (f"CAST({role} AS DOUBLE)", f"CAST({of[role]} AS DOUBLE)")
        elif role[0] == "x":
            expected, test = "a finite number", "isfinite({0}) IS NOT TRUE"
            keys_of = (f"CAST({role} AS DOUBLE)", f"CAST({of[role]} AS DOUBLE)")
        elif role == "utility":
            expected, test = "a finite number above 0", "{0} IS NULL"
            keys_of = ("level", of["level"])
        elif role == "times":
            expected, test = f"0, or {1e-9:g} to {float(LARGEST_COUNT):g}", "{0} IS NOT TRUE"
            expected += ", with at most nine decimal places that matter"
            keys_of = ("valid", _count_holds())
        else:
            continue
        in_pattern, in_row = map(test.format, keys_of)
        found.append(Fault(column, expected, in_pattern, in_row, role))
    return found


def _by(of: Sequence[str]) -> str:
    """Groups by the first columns, those of `of`, and puts the groups in the order of these."""
    places = [str(index + 1) for index in range(len(of))]
    order = ", ".join(f"{place} NULLS FIRST" for place in places)
    return f"GROUP BY {', '.join(places)} ORDER BY {order}"


def _level(columns: Columns) -> str:
    """Returns the expression of the utility or its level, NULL where it is not above 0."""
    u = "CAST(examples.utility AS DOUBLE)"
    levels = columns.utility_levels
    value = f"CAST(floor(log2({u}) * {levels}) AS INTEGER)" if levels else u
    return f"CASE WHEN {u} > 0 AND isfinite({u}) THEN {value} END"


def _count(columns: Columns) -> str:
    return f"TRY_CAST(examples.times AS {COUNT})" if columns.counts else "1"


def _count_holds() -> str:
    """Tells whether a count is in range, and the decimals that are read are what it is."""
    read = f"CAST(TRY_CAST(examples.times AS {COUNT}) AS DOUBLE)"
    given = "CAST(examples.times AS DOUBLE)"
    return (
        f"({read} BETWEEN 0 AND {LARGEST_COUNT} AND {given} >= 0 "
        f"AND abs({read} - {given}) <= {READ_AS} * {given})"
    )

"""Tables joined by uid: which column tells it, and what several rows of one example say."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from m4jax.audit.inputs import listed
from m4jax.audit.inputs.listed import Columns
from m4jax.audit.inputs.values import text
from m4jax.errors import InputError

CAPTIONS = ("caption", "captions", "text", "texts", "sentence", "sentences", "raw", "title")
# How a uid may be written elsewhere: as it is, without its folders, without the file's ending too.
_FORMS: tuple[Callable[[str], str], ...] = (
    str,
    os.path.basename,
    lambda name: os.path.splitext(os.path.basename(name))[0],
)


@dataclasses.dataclass(frozen=True)
class Rows:
    """What a table says of each of n examples.

    Attributes:
        uids: [n].
        columns: name -> [n] values; None where it says nothing, or its rows disagree.
        captions: [n] lists of texts.
        disagreeing: name -> of how many examples its rows disagree.
        missing: of how many examples the table says nothing.
    """

    uids: tuple[str, ...]
    columns: Mapping[str, list[Any]]
    captions: list[list[str]]
    disagreeing: Mapping[str, int] = dataclasses.field(default_factory=dict)
    missing: int = 0


def alone(table: Columns, path: str, uid: str, caption: str, wanted: Sequence[str]) -> Rows:
    """Returns what a table says of the examples that it names; rows of one uid are one example.

    Args:
        table: its columns.
        path: of the table.
        uid: the column of the uid; "": found by its name, or else each row is an example.
        caption: the column of captions; "": found by its name, or there are none.
        wanted: names of the columns that are needed.
    """
    try:
        key = listed.column(table, uid, listed.UIDS, path)
    except InputError:
        if uid:
            raise
        names = [f"{i:08d}" for i in range(len(next(iter(table.values()))))]
    else:
        names = _named(table[key], path, key)
    uids = tuple(dict.fromkeys(names))
    return _gathered(table, path, names, uids, caption, wanted)


def joined(
    table: Columns, path: str, uids: Sequence[str], uid: str, caption: str, wanted: Sequence[str]
) -> Rows:
    """Returns what a table says of the examples `uids`, in their order; arguments as `alone`.

    Its column of uids is the one that names most of them, folders and file endings aside.

    Raises:
        InputError: if no column names any of them.
    """
    if uid and uid not in table:
        listed.column(table, uid, (), path)  # raises
    best, found_names, wants = 0, [], str
    for form in _FORMS:
        own = {form(x) for x in uids}
        if len(own) < len(set(uids)):
            continue  # two examples would be one
        for key in [uid] if uid else table:
            found = [None if (x := text(value)) is None else form(x) for value in table[key]]
            number = len(own.intersection(found))
            if number > best:
                best, found_names, wants = number, found, form
    if not best:
        raise InputError(
            f"{path}: none of its rows is about one of the examples: no column has {uids[0]!r}; it "
            f"has {', '.join(f'{key} = {values[0]!r}' for key, values in table.items())[:300]}"
        )
    rows = _gathered(table, path, found_names, [wants(x) for x in uids], caption, wanted)
    return dataclasses.replace(rows, uids=tuple(uids))


def names(table: Columns, path: str, uid: str) -> list[str]:
    """Returns the uid of each row of a table; arguments as `alone`."""
    key = listed.column(table, uid, listed.UIDS, path)
    return _named(table[key], path, key)


def _named(values: Sequence[Any], path: str, key: str) -> list[str]:
    names = [text(value) for value in values]
    for row, name in enumerate(names):
        if name is None:
            raise InputError(f"{path}: row {row:,} has no {key!r}")
    return names


def _gathered(
    table: Columns,
    path: str,
    names: Sequence[str | None],
    uids: Sequence[str],
    caption: str,
    wanted: Sequence[str],
) -> Rows:
    place = {uid: i for i, uid in enumerate(uids)}
    rows = [place.get(name, -1) for name in names]
    columns, disagreeing = {}, {}
    for name in wanted:
        values = table[listed.column(table, name, (), path)]
        columns[name], number = _agreed(values, rows, len(uids))
        if number:
            disagreeing[name] = number
    texts: list[list[str]] = [[] for _ in uids]
    key = _caption(table, path, caption)
    for row, value in zip(rows, table[key] if key is not None else (), strict=False):
        if row >= 0:
            texts[row] += [x for one in _every(value) if (x := text(one)) is not None]
    missing = len(uids) - len(set(rows) - {-1})
    return Rows(tuple(uids), columns, texts, disagreeing, missing)


def _caption(table: Columns, path: str, caption: str) -> str | None:
    if caption:
        return listed.column(table, caption, (), path)
    by_case = {name.lower(): name for name in reversed(list(table))}
    return next((by_case[name] for name in CAPTIONS if name in by_case), None)


def _every(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _agreed(values: Sequence[Any], rows: Sequence[int], n: int) -> tuple[list[Any], int]:
    """Returns the one value of each example, None where there are several; and of how many."""
    found: list[Any] = [None] * n
    torn: set[int] = set()
    for row, value in zip(rows, values, strict=True):
        if row < 0 or text(value) is None:
            continue
        if found[row] is None:
            found[row] = value
        elif text(found[row]) != text(value):
            torn.add(row)
    for row in torn:
        found[row] = None
    return found, len(torn)

"""Captions from files as they come: csv, tsv, txt, json, jsonl and parquet, gzipped or not."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from m4jax.data import rows
from m4jax.data.text import decoded
from m4jax.errors import InputError
from m4jax.files import parquet

_ROWS = 1 << 14  # of parquet that are read at once


def read(
    path: str | os.PathLike, *, caption: str = "caption", uid: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yields the uid and the caption of every row of a file, as they stand there.

    What is not UTF-8 comes as bytes, a missing caption as None: `text.decoded` tells what is none.

    Args:
        path: `.csv`, `.tsv`, `.txt` (a caption a line), `.json` (COCO's, or a list), `.jsonl` or
            `.parquet`; the suffix `.gz` may follow.
        caption: the column or field of the caption. "0" is the first column of a csv or tsv file
            without a head, and so on. Text files, and lists of texts in JSON, have none.
        uid: the column or field of the uid, text or whole numbers; "": the file's name and the
            row's number, from 0.

    Raises:
        InputError: if the file is not there, of another kind or damaged, or has no such field, or
            a uid is none, or a row of csv or tsv has more or fewer cells than the first.
    """
    path = Path(path)
    kind = rows.suffix_of(path)
    if kind not in _READERS:
        raise InputError(f"{path}: expected a file {', '.join(_READERS)}, or one with .gz behind")
    if not path.is_file():
        reason = "a folder; name the files in it" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {reason}")
    stem = path.name.partition(".")[0]
    if not uid and stem.encode("utf-8", "replace") != os.fsencode(stem):
        raise InputError(f"{path}: its name is not UTF-8, and uids begin with it; rename it")
    yield from _named(path, _READERS[kind](path, kind, caption, uid), uid)


def read_groups(
    source: BinaryIO, path: str, groups: Sequence[int], first: int, *, caption: str, uid: str
) -> Iterator[tuple[str, Any]]:
    """Yields what `read` does, of some row groups of a parquet file that is open.

    Args:
        source: the file.
        path: where it is from.
        groups: which row groups.
        first: the number of their first row.
        caption: the column of the caption.
        uid: the column of the uid; "": the file's name and the row's number.
    """
    found = _columns(source, path, caption, uid, groups)
    yield from _named(Path(path), found, uid, first)


def _named(
    path: Path, found: Iterator[tuple[Any, Any]], uid: str, first: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yields uid and caption of rows, the first of which has the number `first`."""
    stem = path.name.partition(".")[0]
    for number, (name, text) in enumerate(rows.told(path, found), first):
        yield (_uid(path, number, uid, name) if uid else f"{stem}/{number:010d}"), text


def _uid(path: Path, number: int, column: str, value: Any) -> str:
    """Returns a uid as text: it is text already, or a whole number of which no digit is lost."""
    if value is None or value == "":
        raise InputError(f"{path}: row {number:,} has no {column!r}")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    try:
        return decoded(rows.plain(value) if isinstance(value, str) else value)
    except ValueError as error:
        raise InputError(
            f"{path}: row {number:,}: {column!r}: {error}; expected text or a whole number"
        ) from None


def _lines(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[None, str | bytes]]:
    return ((None, text) for text in rows.lines(path))


def _table(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    """Yields from csv and tsv."""
    cells = rows.cells(path, kind)
    first = next(cells, [])
    place = _places(path, first, caption, uid)
    for row in cells if _has_head(caption, uid) else itertools.chain([first], cells):
        yield (row[place[uid]] if uid else None), rows.plain(row[place[caption]])


def _has_head(caption: str, uid: str) -> bool:
    return not all(name.isdecimal() for name in (caption, uid) if name)


def _hint(name: str, caption: str) -> str:
    """Returns what to do where a column is not there."""
    return f": set config.{'caption' if name == caption else 'uid'} to the name of one"


def _places(path: Path, first: list[str], caption: str, uid: str) -> dict[str, int]:
    """Returns the places of the columns, from the head of the file unless they are numbers."""
    asked = [name for name in (caption, uid) if name]
    if not _has_head(caption, uid):
        for name in asked:
            if first and int(name) >= len(first):
                raise InputError(f"{path}: no column {name}; its first row has {len(first)} cells")
        return {name: int(name) for name in asked}
    head = [name.strip() for name in first]
    for name in asked:
        if head.count(name) != 1:
            number = "several columns" if name in head else "no column"
            raise InputError(f"{path}: {number} {name!r}; it has {head[:20]}{_hint(name, caption)}")
    return {name: head.index(name) for name in asked}


def _json(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    for number, row in rows.json_rows(path):
        yield _fields(path, number, row, caption, uid)


def _jsonl(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    for number, row in rows.jsonl_rows(path):
        yield _fields(path, number, row, caption, uid)


def _fields(path: Path, number: int, row: Any, caption: str, uid: str) -> tuple[Any, Any]:
    if isinstance(row, str) and not uid:
        return None, row
    for name in (caption, uid):
        if name and (not isinstance(row, Mapping) or name not in row):
            has = sorted(row)[:20] if isinstance(row, Mapping) else type(row).__name__
            raise InputError(
                f"{path}: row {number:,} has no field {name!r}; it has {has}{_hint(name, caption)}"
            )
    return (row[uid] if uid else None), row[caption]


def _parquet(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    if path.suffix.lower() == ".gz":
        raise InputError(f"{path}: parquet is compressed by itself; unpack it")
    yield from _columns(path, path, caption, uid)


def _columns(
    source: parquet.Source,
    path: Path | str,
    caption: str,
    uid: str,
    groups: Sequence[int] | None = None,
) -> Iterator[tuple[Any, Any]]:
    names = parquet.groups(source)[0].names
    for name in (caption, uid):
        if name and names.count(name) != 1:
            number = "several columns" if name in names else "no column"
            raise InputError(
                f"{path}: {number} {name!r}; it has {names[:20]}{_hint(name, caption)}"
            )
    for batch in parquet.batches(source, _ROWS, [caption, *([uid] if uid else [])], groups):
        texts = batch.column(0).to_pylist()
        yield from zip(
            batch.column(1).to_pylist() if uid else itertools.repeat(None), texts, strict=False
        )


_READERS: dict[str, Callable[[Path, str, str, str], Iterator[tuple[Any, Any]]]] = {
    ".csv": _table, ".tsv": _table, ".txt": _lines, ".json": _json, ".jsonl": _jsonl,
    ".parquet": _parquet,
}  # fmt: skip

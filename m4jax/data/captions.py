"""Captions from files as they come: csv, tsv, txt, json, jsonl and parquet, gzipped or not."""

import csv
import gzip
import itertools
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from m4jax.errors import InputError
from m4jax.files import parquet

_ROWS = 1 << 14  # of parquet that are read at once
_CSV = {".csv": ",", ".tsv": "\t"}


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
        uid: the column or field of the uid; "": the file's name and the row's number, from 0.

    Raises:
        InputError: if the file is not there, of another kind or damaged, or has no such field.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    if kind not in _READERS:
        raise InputError(f"{path}: expected a file {', '.join(_READERS)}, or one with .gz behind")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    rows = _told(path, _READERS[kind](path, kind, caption, uid))
    for number, (name, text) in enumerate(rows):
        if uid and (name is None or name == ""):
            raise InputError(f"{path}: row {number:,} has no {uid!r}")
        yield (str(name) if uid else f"{path.name.partition('.')[0]}/{number:010d}"), text


def _told(path: Path, rows: Iterator[Any]) -> Iterator[Any]:
    """Yields the rows; what a library raises for a file that is none is an `InputError`."""
    try:
        yield from rows
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: can't be read ({error})") from None
    except (json.JSONDecodeError, RecursionError, UnicodeError) as error:
        raise InputError(f"{path}: not JSON in UTF-8 ({error})") from None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb")


def _plain(text: str) -> str | bytes:
    """Returns a text that was read with `surrogateescape`, or its bytes if it is not UTF-8."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _lines(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[None, str | bytes]]:
    with _open(path) as file:
        for line in file:
            yield None, _plain(line.decode("utf-8-sig", "surrogateescape").rstrip("\r\n"))


def _table(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    """Yields from csv and tsv. In tsv quotes are letters, as Conceptual Captions has it."""
    quoting = csv.QUOTE_NONE if kind == ".tsv" else csv.QUOTE_MINIMAL
    csv.field_size_limit(1 << 30)
    with _open(path) as file:
        text = (line.decode("utf-8", "surrogateescape") for line in file)
        rows = csv.reader(text, delimiter=_CSV[kind], quoting=quoting, strict=True)
        place = _places(path, rows, caption, uid)
        for row in filter(None, rows):
            cells = {name: row[one] if one < len(row) else None for name, one in place.items()}
            text = cells[caption]
            yield cells.get(uid), None if text is None else _plain(text)


def _places(path: Path, rows: Iterator[list[str]], caption: str, uid: str) -> dict[str, int]:
    """Returns the places of the columns, from the head of the file unless they are numbers."""
    asked = [name for name in (caption, uid) if name]
    if all(name.isdecimal() for name in asked):
        return {name: int(name) for name in asked}
    head = [name.removeprefix("\ufeff").strip() for name in next(rows, [])]
    for name in asked:
        if head.count(name) != 1:
            number = "several columns" if name in head else "no column"
            raise InputError(f"{path}: {number} {name!r}; it has {head[:20]}")
    return {name: head.index(name) for name in asked}


def _json(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    with _open(path) as file:
        content = json.load(file)
    rows = content.get("annotations") if isinstance(content, dict) else content  # COCO's
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list, or one called 'annotations' as COCO has it")
    yield from (_fields(path, number, row, caption, uid) for number, row in enumerate(rows))


def _jsonl(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file):
            if line.strip():
                yield _fields(path, number, json.loads(line), caption, uid)


def _fields(path: Path, number: int, row: Any, caption: str, uid: str) -> tuple[Any, Any]:
    if isinstance(row, str) and not uid:
        return None, row
    for name in (caption, uid):
        if name and (not isinstance(row, Mapping) or name not in row):
            has = sorted(row)[:20] if isinstance(row, Mapping) else type(row).__name__
            raise InputError(f"{path}: row {number:,} has no field {name!r}; it has {has}")
    return (row[uid] if uid else None), row[caption]


def _parquet(path: Path, kind: str, caption: str, uid: str) -> Iterator[tuple[Any, Any]]:
    if path.suffix.lower() == ".gz":
        raise InputError(f"{path}: parquet is compressed by itself; unpack it")
    names = parquet.schema(path)[0].names
    for name in (caption, uid):
        if name and name not in names:
            raise InputError(f"{path}: no column {name!r}; it has {names[:20]}")
    for batch in parquet.batches(path, _ROWS, [caption, *([uid] if uid else [])]):
        texts = batch.column(0).to_pylist()
        yield from zip(
            batch.column(1).to_pylist() if uid else itertools.repeat(None), texts, strict=False
        )


_READERS: dict[str, Callable[[Path, str, str, str], Iterator[tuple[Any, Any]]]] = {
    ".csv": _table, ".tsv": _table, ".txt": _lines, ".json": _json, ".jsonl": _jsonl,
    ".parquet": _parquet,
}  # fmt: skip

"""Rows of csv, tsv, txt, json and jsonl files, gzipped or not, as they stand there."""

import codecs
import csv
import gzip
import itertools
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from m4jax.errors import InputError

CSV = {".csv": ",", ".tsv": "\t"}
KINDS = (*CSV, ".txt", ".json", ".jsonl")
_MENDS = {  # of rows with too many or too few cells
    ".csv": 'write captions with commas in quotes, "a man, seated"',
    ".tsv": "take tabs and line ends out of captions, or write a csv: in tsv quotes are letters",
}
_OTHER = re.compile(r"\w+([;,\t|])\w+(?:\1\w+)*")  # a head whose cells are parted otherwise


def records(path: str | os.PathLike, *, head: bool = True) -> Iterator[dict[str, Any]]:
    """Yields every row of a file as field -> value, as they stand there; what isn't UTF-8 is bytes.

    Args:
        path: of a kind in `KINDS`; the suffix `.gz` may follow. A line of `.txt`, and a text in a
            list of JSON, is the field "caption"; of COCO's JSON it is the list "annotations".
        head: whether a csv or tsv file has one; without it the columns are "0", "1" and so on.

    Raises:
        InputError: if the file is damaged or holds something else, a row of csv or tsv has more or
            fewer cells than the first, or two columns have one name.
    """
    path, kind = Path(path), suffix_of(path)
    if kind in CSV:
        rows = _dictionaries(path, kind, head)
    elif kind == ".txt":
        rows = ({"caption": text} for text in lines(path))
    else:
        rows = _mappings(path, json_rows(path) if kind == ".json" else jsonl_rows(path))
    yield from told(path, rows)


def suffix_of(path: str | os.PathLike) -> str:
    """Returns the suffix that tells a file's kind, in lower case and without `.gz` behind."""
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    return (os.path.splitext(stem)[1] or suffix) if suffix == ".gz" else suffix


def told(path: Path, rows: Iterator[Any]) -> Iterator[Any]:
    """Yields the rows; what a library raises for a file that is none is an `InputError`."""
    try:
        yield from rows
    except InputError:
        raise
    except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: can't be read ({error})") from None
    except (ValueError, RecursionError) as error:  # of JSON: numbers of too many digits, too
        raise InputError(f"{path}: not JSON in UTF-8 ({error})") from None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else open(path, "rb")


def _text(path: Path) -> Iterator[str]:
    """Yields the lines of a file without its byte order mark; other bytes are `surrogateescape`."""
    with _open(path) as file:
        for number, line in enumerate(file):
            if number == 0 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{path}: written in UTF-16 or UTF-32; save it as UTF-8")
            yield line.removeprefix(b"" if number else codecs.BOM_UTF8).decode(
                "utf-8", "surrogateescape"
            )


def plain(text: str) -> str | bytes:
    """Returns a text that was read with `surrogateescape`, or its bytes if it is not UTF-8."""
    if text.isascii():
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, of JSON
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def lines(path: Path) -> Iterator[str | bytes]:
    """Yields the lines of a text file, each one text."""
    for number, line in enumerate(_text(path)):
        text = line.rstrip("\r\n")
        if "\r" in text:  # one caption, or several with the line ends of old Macs?
            raise InputError(
                f"{path}: line {number + 1:,} has carriage returns within; end each caption with a "
                "line feed, and write it in one line"
            )
        yield plain(text)


def cells(path: Path, kind: str) -> Iterator[list[str]]:
    """Yields the rows of csv and tsv. In tsv quotes are letters, as Conceptual Captions has it."""
    quoting = csv.QUOTE_NONE if kind == ".tsv" else csv.QUOTE_MINIMAL
    csv.field_size_limit(1 << 30)
    rows = csv.reader(_text(path), delimiter=CSV[kind], quoting=quoting, strict=True)
    width = 0
    for row in filter(None, rows):
        width = width or len(row)
        while len(row) > width and not row[-1]:
            row.pop()  # spreadsheets write empty cells to the right of a table
        if len(row) != width:
            raise InputError(
                f"{path}: line {rows.line_num:,} ends a row of {len(row)} cells, and the first has "
                f"{width}: {_MENDS[kind]}"
            )
        yield row


def _dictionaries(path: Path, kind: str, head: bool) -> Iterator[dict[str, Any]]:
    rows = cells(path, kind)
    first = next(rows, [])
    names = [name.strip() for name in first] if head else list(map(str, range(len(first))))
    names = [_escaped(name) for name in names]
    if head and len(names) == 1 and (between := _OTHER.fullmatch(names[0])):
        raise InputError(
            f"{path}: one column, called {names[0]!r}: its cells are parted by {between[1]!r}, "
            f"expected {CSV[kind]!r}; write it with these"
        )
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two columns have one name: {names[:20]}")
    for row in rows if head else itertools.chain([first], rows):
        yield dict(zip(names, map(plain, row), strict=True))


def _escaped(name: str) -> str:
    name = plain(name)
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name


def json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields number and row of a list in JSON, or of COCO's."""
    with _open(path) as file:
        content = json.load(file)
    rows = content.get("annotations") if isinstance(content, dict) else content  # COCO's
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list, or one called 'annotations' as COCO has it")
    yield from enumerate(rows)


def jsonl_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields number of the line and row of JSON lines; empty lines are none."""
    with _open(path) as file:
        for number, line in enumerate(file):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InputError(
                        f"{path}: line {number + 1:,} is not JSON in UTF-8 ({error})"
                    ) from None
                yield number, row


def _mappings(path: Path, rows: Iterator[tuple[int, Any]]) -> Iterator[dict[str, Any]]:
    for number, row in rows:
        if isinstance(row, str):
            yield {"caption": row}
        elif isinstance(row, Mapping):
            yield dict(row)
        else:
            raise InputError(f"{path}: row {number:,} is no object but {type(row).__name__}")

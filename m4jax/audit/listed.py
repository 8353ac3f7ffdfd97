"""Tables that people keep beside pictures or embeddings: csv, tsv, txt, json, jsonl, parquet."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.files import parquet
from m4jax.files.sealed import parse

MOST = 2**31  # bytes of a file that is read at once
UIDS = ("uid", "uids", "id", "ids", "key", "keys", "image", "images", "image_id", "image_ids",
        "file", "files", "file_name", "file_names", "filename", "filenames", "name", "names",
        "path", "paths", "image_path", "image_paths")  # fmt: skip
TEXTS = ("text", "texts", "caption", "captions", "prompt", "prompts", "sentence", "sentences",
         "label", "labels", "class", "classes", "class_name", "class_names", "name",
         "names")  # fmt: skip
Columns = dict[str, list[Any]]


def read(path: str | Path) -> Columns:
    """Returns the columns of a table, each as plain values; all of one length.

    Of text files, and of lists of texts in JSON, the one column is called "".

    Args:
        path: `.csv`, `.tsv`, `.txt` (one a line), `.json` (a list of records or of texts, or an
            object of lists), `.jsonl` or `.parquet`; the suffix `.gz` may follow.

    Raises:
        InputError: if the file is not there, of another kind or damaged, or its rows don't fit.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    if kind not in _READERS:
        raise InputError(f"{path}: expected a table, one of {', '.join(_READERS)}")
    if not path.is_file():
        raise InputError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    if kind == ".parquet":
        return parquet.read(path).to_pydict()
    found = _READERS[kind](path, _text(path))
    if not found or not next(iter(found.values())):
        raise InputError(f"{path}: has no rows")
    return found


def beside(path: Path) -> Path | None:
    """Returns the table that lies beside a file and is called as it is; None: there is none.

    Raises:
        InputError: if there are several.
    """
    there = [path.with_suffix(f"{kind}{gz}") for kind in _READERS for gz in ("", ".gz")]
    found = [one for one in there if one != path and one.is_file()]
    if len(found) > 1:
        raise InputError(
            f"{path}: {', '.join(one.name for one in found)} lie beside it, and each could tell "
            "what its rows are; leave one of them"
        )
    return found[0] if found else None


def column(found: Columns, name: str, usual: Sequence[str], path: str | Path) -> str:
    """Returns the name of the column that is meant.

    Args:
        found: the table.
        name: as somebody asked for it; "": the first of the `usual` ones that there is.
        usual: names, the likeliest first.
        path: of the table.

    Raises:
        InputError: if there is none.
    """
    if name:
        if name not in found:
            raise InputError(f"{path}: no column {name!r}; {nearest(name, found)}")
        return name
    if len(found) == 1:
        return next(iter(found))
    by_case = {one.strip().lower(): one for one in reversed(list(found))}
    for one in usual:
        if one in by_case:
            return by_case[one]
    raise InputError(
        f"{path}: which of its columns {', '.join(list(found)[:20])} is it? Expected one called "
        f"{', '.join(usual[:6])} or so; name it in the configuration"
    )


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if path.suffix.lower() == ".gz":
            with gzip.open(io.BytesIO(raw)) as file:
                raw = file.read(MOST)
                if file.read(1):
                    raise InputError(f"{path}: more than {MOST:,} bytes when unpacked")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start:,}; save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: can't be read ({error})") from None


def _lines(path: Path, text: str) -> Columns:
    return {"": text.splitlines()}


def _table(path: Path, text: str) -> Columns:
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    csv.field_size_limit(1 << 30)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",", strict=True)
    try:
        filled = [row for row in rows if row]
    except csv.Error as error:
        raise InputError(f"{path}: line {rows.line_num:,}: {error}") from None
    if not filled:
        return {}
    head = [name.strip() for name in filled[0]]
    if len(set(head)) < len(head):
        raise InputError(f"{path}: two columns have one name; it has {head[:20]}")
    for number, row in enumerate(filled[1:], 2):
        if len(row) != len(head):
            raise InputError(
                f"{path}: row {number:,} has {len(row)} cells, and its head {len(head)}; "
                'write texts with commas in quotes, "a man, seated"'
            )
    return {name: [row[i] for row in filled[1:]] for i, name in enumerate(head)}


def _json(path: Path, text: str) -> Columns:
    try:
        content = parse(text.encode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    lists = isinstance(content, dict) and all(isinstance(x, list) for x in content.values())
    if lists and len({len(x) for x in content.values()}) == 1:
        return dict(content)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of records or of texts, or lists of one length")
    return _records(path, content)


def _jsonl(path: Path, text: str) -> Columns:
    def rows() -> Iterator[Any]:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{path}: line {number:,}: not JSON ({error})") from None

    return _records(path, list(rows()))


def _records(path: Path, rows: list[Any]) -> Columns:
    if all(isinstance(row, str) for row in rows):
        return {"": rows}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(
                f"{path}: row {number:,} is {type(row).__name__}, expected a record or a text"
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


_READERS: dict[str, Callable[[Path, str], Columns]] = {
    ".csv": _table, ".tsv": _table, ".txt": _lines, ".json": _json, ".jsonl": _jsonl,
    ".parquet": lambda path, text: {},
}  # fmt: skip

"""Tables that people keep beside pictures or embeddings: csv, tsv, txt, json, jsonl, parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m4jax.data import rows
from m4jax.errors import InputError, nearest
from m4jax.files import parquet

PARQUET = ".parquet"
KINDS = (*rows.KINDS, PARQUET)
UIDS = ("uid", "uids", "id", "ids", "key", "keys", "image", "images", "image_id", "image_ids",
        "file", "files", "file_name", "file_names", "filename", "filenames", "name", "names",
        "path", "paths", "image_path", "image_paths")  # fmt: skip
TEXTS = ("text", "texts", "caption", "captions", "prompt", "prompts", "sentence", "sentences",
         "label", "labels", "class", "classes", "class_name", "class_names", "name",
         "names")  # fmt: skip
Columns = dict[str, list[Any]]


def read(path: str | Path) -> Columns:
    """Returns the columns of a table, each as plain values; all of one length.

    Of text files, and of lists of texts in JSON, the one column is called "caption".

    Args:
        path: `.csv`, `.tsv`, `.txt` (one a line), `.json` (a list of records or of texts),
            `.jsonl` or `.parquet`; but for parquet the suffix `.gz` may follow.

    Raises:
        InputError: if the file is not there, of another kind or damaged, or its rows don't fit.
    """
    path = Path(path)
    kind = rows.suffix_of(path)
    if kind not in KINDS:
        raise InputError(f"{path}: expected a table, one of {', '.join(KINDS)}")
    if not path.is_file():
        raise InputError(f"{path}: {'a folder, not a table' if path.is_dir() else 'no such file'}")
    if kind == PARQUET:
        found = parquet.read(path).to_pydict()
    else:
        every = list(rows.records(path))
        names = dict.fromkeys(name for row in every for name in row)
        found = {name: [row.get(name) for row in every] for name in names}
    if not found or not next(iter(found.values())):
        raise InputError(f"{path}: has no rows")
    return found


def beside(path: Path) -> Path | None:
    """Returns the table that lies beside a file and is called as it is; None: there is none.

    Raises:
        InputError: if there are several.
    """
    there = [path.with_suffix(f"{kind}{gz}") for kind in KINDS for gz in ("", ".gz")]
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

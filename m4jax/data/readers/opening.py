"""What a path holds, and the reader of it."""

import os
import re
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from m4jax.data import prepared, rows
from m4jax.data.readers import coco, fields, folder, hugging_face, shards, tabular, walking
from m4jax.data.readers.collection import Collection
from m4jax.data.readers.parquet_files import ParquetFiles
from m4jax.data.readers.plain import Captions
from m4jax.data.readers.tfds import Prepared
from m4jax.errors import InputError

KINDS = (
    "a folder of pictures, tar shards, parquet, COCO's JSON, captions (.txt .csv .tsv .json "
    ".jsonl), a folder of Hugging Face's datasets, or the name or folder of a TFDS dataset"
)
TAR, PARQUET = ".tar", ".parquet"
_SPLIT = re.compile(r"(.+?)-\d{5}-of-\d{5}")  # of a file's name, as the hub has it
_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"}
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_OF_PICTURES = (*(f".{suffix}" for suffix in fields.SUFFIXES), ".txt", ".json")
_MOST = 1_000_000  # files that a pattern may stand for


def open_collection(
    path: str | os.PathLike, *, image: str = "", caption: str = "", uid: str = "", split: str = ""
) -> Collection:
    """Opens what somebody has; what it is, is told by its name and what lies in it.

    Args:
        path: a file or folder; a pattern of shards or parquet files, "s/*.tar" or
            "s/{00000..00012}.tar"; the name of a TFDS dataset.
        image: field or suffix of the picture; "": found by itself; "none": none, a table's captions
            alone, whether their pictures are there or not.
        caption: field or suffix of the captions; "": found by itself.
        uid: field of the uid; "contents": made from contents, see `uids.made`; "": the field "uid"
            or the name that an example has, and where there is neither, from contents.
        split: which, where there are several.

    Raises:
        InputError: if there is nothing such, it can't be read, or has several fields or splits of
            which one has to be named.
    """
    path = os.fspath(path)
    asked = {"image": image, "caption": caption, "uid": uid}
    if os.path.isdir(path) and image != fields.NONE:
        return _open_folder(path, asked, split)
    if not os.path.exists(path) and not is_pattern(path) and prepared.locate(path):
        return Prepared(path, split=split, **asked)
    found = expand(path)
    suffixes = {_suffix(one) for one in found}
    if suffixes == {PARQUET}:
        return _open_parquet(found, path, asked, split)
    hugging_face.choose_split(path, split, [""])
    if suffixes == {TAR} and image != fields.NONE:
        return shards.Shards(found, path, **asked)
    if len(found) == 1 and suffixes <= set(rows.KINDS):
        return _open_table(found[0], asked)
    raise _no_table(path) if image == fields.NONE else InputError(f"{path}: expected {KINDS}")


def _open_folder(path: str, asked: dict[str, str], split: str) -> Collection:
    names = sorted(filter(_may_tell, os.listdir(path)))
    if hugging_face.is_folder(path):
        return hugging_face.open_saved(path, asked, split)
    if prepared.INFO in names:
        return Prepared(path, split=split, **asked)
    if tars := [name for name in names if _suffix(name) == TAR]:
        hugging_face.choose_split(path, split, [""])
        return shards.Shards([os.path.join(path, name) for name in tars], path, **asked)
    if tables := _parquets(path, names):
        return _open_parquet(tables, path, asked, split)
    if split:
        folders = [x for x in names if (Path(path) / x).is_dir()]
        if split not in folders and not _SPLITS.intersection(folders):
            folders = []  # of classes, say
        path = os.path.join(path, hugging_face.choose_split(path, split, folders))
    return folder.open_folder(path, **asked)


def _may_tell(name: str) -> bool:
    """Tells whether a name may say what a folder holds: those of pictures and their texts don't."""
    return name == prepared.INFO or (not name.lower().endswith(_OF_PICTURES) and name[0] != ".")


def _parquets(path: str, names: Sequence[str]) -> list[str]:
    """Returns the parquet files of a folder, or of "data" in it, as Hugging Face's hub has them.

    Beside folders of pictures img2dataset writes one of what they show; that is none.
    """
    found = [x for x in names if _suffix(x) == PARQUET and x[: -len(PARQUET)] not in names]
    if not found and "data" in names and os.path.isdir(os.path.join(path, "data")):
        path = os.path.join(path, "data")
        found = sorted(x for x in os.listdir(path) if _suffix(x) == PARQUET)
    return [os.path.join(path, name) for name in found]


def _open_parquet(paths: Sequence[str], name: str, asked: dict[str, str], split: str) -> Collection:
    """Opens parquet files, those of one split if their names tell several."""
    by_split: dict[str, list[str]] = {}
    for path in paths:
        found = _SPLIT.match(os.path.basename(path))
        by_split.setdefault(found[1] if found else "", []).append(path)
    if split or len(by_split) > 1:
        paths = by_split[hugging_face.choose_split(name, split, list(by_split))]
    table = ParquetFiles(paths)
    pictures = [x.name for x in table.schema if tabular.is_picture(x)]
    if asked["image"] == fields.NONE:
        if pictures:
            raise _no_table(name)
        asked = asked | {"image": ""}
    elif not pictures and (asked["image"] or walking.picture_field(paths[0], None)):
        root = os.path.dirname(paths[0]) or "."
        return folder.open_folder(root, table=paths, kind="parquet", **asked)
    return tabular.Tabular("parquet", name, table, random_access=not pictures, **asked)


def _open_table(path: str, asked: dict[str, str]) -> Collection:
    """Opens a table of captions: with pictures, if a column names some beside it."""
    if asked["image"] == fields.NONE:
        return Captions(path, caption=asked["caption"], uid=asked["uid"])
    if rows.suffix_of(path) == ".json":
        found = coco.open_coco(path, **asked)
        if found is not None:
            return found
    beside = os.path.dirname(path) or "."
    if asked["image"] or (rows.suffix_of(path) in folder.TABLES and _names_pictures(path, beside)):
        return folder.open_folder(beside, table=[path], **asked)
    return Captions(path, caption=asked["caption"], uid=asked["uid"])


def _no_table(name: str) -> InputError:
    """Returns the error where captions alone are asked for, and there is no table of them."""
    return InputError(
        f"{name}: image={fields.NONE!r} reads the captions of a table (.csv .tsv .json .jsonl "
        ".txt, or parquet without pictures in it); give the table's path, or leave image out"
    )


def _names_pictures(path: str, beside: str) -> bool:
    """Tells whether the first row of a table names a picture that lies beside it, or below."""
    first = next(rows.records(path), {})
    named = [x for x in first.values() if isinstance(x, str) and walking.is_picture(x)]
    return bool(named) and any(map(walking.Walked(beside).find, named))


def expand(path: str) -> list[str]:
    """Returns the files that a path or pattern stands for, sorted within each pattern.

    Raises:
        InputError: if there are none, or one of a brace pattern is absent.
    """
    if os.path.exists(path):
        return [path]
    found: list[str] = []
    for one in _braces(path):
        matches = sorted(glob(one, recursive=True)) if has_magic(one) else [one]
        absent = [match for match in matches if not os.path.exists(match)]
        if absent:
            rest = absent[0].partition(":")[2]
            hint = f"did you mean {rest!r}?" if os.path.exists(rest) else f"expected {KINDS}"
            raise InputError(f"{absent[0]}: no such file; {hint}")
        found += matches
        if len(found) > _MOST:
            raise InputError(f"{path}: more than {_MOST:,} files")
    if not found:
        raise InputError(f"nothing fits {path!r}; expected {KINDS}")
    return found


def _braces(path: str) -> Iterator[str]:
    """Yields what a pattern with {00..12} and {a,b} stands for, as shells and webdataset do."""
    found = _BRACES.search(path)
    if not found:
        yield path
        return
    before, after = path[: found.start()], path[found.end() :]
    if found[3] is not None:
        values = found[3].split(",")
    else:
        first, last = int(found[1]), int(found[2])
        if abs(last - first) >= _MOST:
            raise InputError(f"{path}: more than {_MOST:,} files")
        width = len(found[1]) if found[1][0] == "0" or len(found[1]) == len(found[2]) else 0
        step = 1 if first <= last else -1
        values = [str(i).zfill(width) for i in range(first, last + step, step)]
    for value in values:
        yield from (f"{before}{value}{rest}" for rest in _braces(after))


def is_pattern(path: str) -> bool:
    """Tells whether a path stands for several files."""
    return has_magic(path) or _BRACES.search(path) is not None


def _suffix(path: str) -> str:
    """Returns the suffix that tells a file's kind, in lower case and without .gz."""
    name = os.path.basename(path).lower()
    for whole in (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"):
        if name.endswith(whole):
            return TAR  # which the reader refuses, saying why
    return rows.suffix_of(path)

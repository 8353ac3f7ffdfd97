"""The files below a folder, and the tables that name its pictures."""

import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from m4jax.data import rows
from m4jax.data.readers import fields
from m4jax.errors import InputError
from m4jax.files import parquet

_KEYS = (("image_id", "photo_id", "picture_id", "key", "uid", "id"),)  # names of such columns
_ENDINGS = tuple(f".{suffix}" for suffix in fields.SUFFIXES)
_ROWS = 1 << 14  # of parquet that are read at once
_LOOKED_AT = 100  # first rows of a table, to find the column of the pictures


class Walked:
    """The files below a folder, by their paths relative to it, sorted.

    Attributes:
        pictures, texts, jsons: paths.
        beside: the texts and JSON files that count.
        left_out: name -> reason.
    """

    def __init__(self, root: str):
        self.root = root
        self.left_out: dict[str, str] = {}
        self.pictures: list[str] = []
        self.texts, self.jsons = set[str](), set[str]()
        for path in _walk(root, "", {os.path.realpath(root)}):
            try:
                path.encode()
            except UnicodeEncodeError:
                told = os.fsencode(path).decode("utf-8", "backslashreplace")
                self.left_out[told] = "a name that is not UTF-8"
                continue
            suffix = os.path.splitext(path)[1][1:].lower()
            if suffix in fields.SUFFIXES:
                self.pictures.append(path)
            elif suffix == "txt":
                self.texts.add(path)
            elif suffix == "json":
                self.jsons.add(path)
        self.beside: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self.pictures)

    def find(self, name: str) -> str | None:
        """Returns the path of the picture that a table names; None if there is none, or several.

        It is named by its path, or its name in whatever folder, with its suffix or without.
        """
        if os.path.isabs(name):
            inside = os.path.relpath(name, os.path.abspath(self.root))
            name = "" if inside.startswith("..") else inside
        path = fields.clean_path(name.replace("\\", "/"))
        if path is None:
            return None
        for spelling in fields.spellings(path):
            if spelling in self._known:
                return spelling
        found = (self._others.get(spelling) for spelling in fields.spellings(path))
        return next(filter(None, found), None)

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.pictures)

    @functools.cached_property
    def _others(self) -> dict[str, str | None]:
        """Other names of pictures -> path; None where they are several pictures'."""
        found: dict[str, str | None] = {}
        for path in self.pictures:
            last = path.rpartition("/")[2]
            for name in {last, fields.key_of(path), fields.key_of(last)} - {path}:
                found[name] = None if name in found else path
        return found


def _walk(root: str, below: str, seen: set[str]) -> Iterator[str]:
    """Yields the files below a folder, sorted; a folder that links name as well comes once."""
    names, folders = list[str](), dict[str, bool]()  # and whether it is a link
    try:
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders[entry.name] = entry.is_symlink()
                if entry.name[0] != "." and (entry.name in folders or entry.is_file()):
                    names.append(entry.name)
    except OSError as error:
        raise InputError(f"{os.path.join(root, below)}: {error.strerror}") from None
    names.sort()
    for name in names:
        path = f"{below}/{name}" if below else name
        if name not in folders:
            yield path
        elif name != "__MACOSX":
            if folders[name]:
                target = os.path.realpath(os.path.join(root, path))
                if target in seen:
                    continue
                seen.add(target)
            yield from _walk(root, path, seen)


def picture_field(path: str, walked: Walked | None, asked: str = "") -> str:
    """Returns the column of a table that names the pictures; "" if none does.

    It is the one of which most of the first values end as pictures' files do, or else the one of a
    known name of which most are pictures of the folder without their suffix, if there is one.

    Raises:
        InputError: if there is no such column, or several do.
    """
    first = list(itertools.islice(records([path]), _LOOKED_AT))
    names = list(dict.fromkeys(name for record in first for name in record))
    if asked:
        return fields.choose(asked, names, (), "image", path)

    def most(name: str, fits: Callable[[str], Any]) -> bool:
        return 2 * sum(bool(fits(text(record.get(name)))) for record in first) > len(first)

    fit = [name for name in names if most(name, is_picture)]
    if len(fit) == 1:
        return fit[0]
    if not fit and walked:
        fit = [name for name in names if most(name, walked.find)]
        return fields.choose("", fit, (*fields.PATHS, *_KEYS), "image", path)
    found = fields.choose("", fit, fields.PATHS, "image", path)
    if fit and not found:
        raise InputError(f"{path}: which column names the pictures? {fields.say('image', fit)}")
    return found


def is_picture(name: str) -> bool:
    """Tells whether a name ends as a picture's file does, and is no address on the web."""
    return name.lower().endswith(_ENDINGS) and "://" not in name


def records(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a table in one or several files, of parquet too."""
    for path in paths:
        if rows.suffix_of(path) == ".parquet":
            for batch in parquet.batches(path, _ROWS):
                yield from batch.to_pylist()
        else:
            yield from rows.records(path)


def text(value: Any) -> str:
    """Returns a cell that names a picture; "" of another."""
    return value if isinstance(value, str) else ""

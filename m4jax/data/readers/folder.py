"""A folder of pictures, with captions in files beside them, or in a table.

Beside: `a/b.jpg` has the caption in `a/b.txt`, one a file, or in a field of `a/b.json`. In a table
(csv, tsv, jsonl) a column names the picture, by its path below the folder or, where that is one
picture's alone, by its name, with its suffix or without. Names are found in either of Unicode's
forms, suffixes in any case; hidden files are passed over.
"""

import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.data import rows
from m4jax.data.readers import fields, uids
from m4jax.data.readers.listed import Listed, Packed, Packer
from m4jax.errors import InputError

TABLES = (".csv", ".tsv", ".jsonl")
FOLDER = "folder"  # the column that says in which folder a picture lies
_KEYS = (("image_id", "photo_id", "picture_id", "key", "uid", "id"),)  # names of such columns
_ENDINGS = tuple(f".{suffix}" for suffix in fields.SUFFIXES)
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
        for path in _walk(root, ""):
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
        self._known = set(self.pictures)
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
    def _others(self) -> dict[str, str | None]:
        """Other names of pictures -> path; None where they are several pictures'."""
        found: dict[str, str | None] = {}
        for path in self.pictures:
            last = path.rpartition("/")[2]
            for name in {last, fields.key_of(path), fields.key_of(last)} - {path}:
                found[name] = None if name in found else path
        return found


def _walk(root: str, below: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(os.path.join(root, below)), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{os.path.join(root, below)}: {error.strerror}") from None
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        elif entry.is_file():
            yield path


def open_folder(
    root: str, *, image: str = "", caption: str = "", uid: str = "", table: str = "", kind="folder"
) -> Listed:
    """Opens a folder of pictures, see above.

    Args:
        root: the folder.
        image: column of the table that names the pictures; "": the one that does.
        caption: "txt", field of the JSON beside, or column of the table; "": found by itself.
        uid: field or column; `fields.CONTENTS`; "": a field "uid", or the pictures' paths without
            suffix.
        table: path of the table; "": the one in the folder, if there is one.
        kind: see `Collection`.

    Raises:
        InputError: if there are no pictures, several tables, or no such field.
    """
    walked = Walked(root)
    table = table or _table(walked, caption)
    asked = {"image": image, "caption": caption, "uid": uid}
    packed = _from_table(walked, table, **asked) if table else _beside(walked, **asked)
    paths = [*([table] if table else []), *(os.path.join(root, p) for p in sorted(walked.beside))]

    def identity() -> str:
        prints = [files.fingerprint(path) for path in paths]
        names = packed.paths.to_pylist()
        shown = [[name, files.fingerprint(os.path.join(root, name))] for name in names]
        return files.digest([kind, asked, prints, shown], 64)

    contents = uid == fields.CONTENTS
    return Listed(kind, root, root, packed, walked.left_out, identity, contents=contents)


def picture_field(path: str, walked: Walked, asked: str = "") -> str:
    """Returns the column of a table that names the pictures; "" if none does.

    It is the one of which most of the first values end as pictures' files do, or else the one of a
    known name of which most are pictures of the folder without their suffix.

    Raises:
        InputError: if there is no such column, or several do.
    """
    first = list(itertools.islice(rows.records(path), _LOOKED_AT))
    names = list(dict.fromkeys(name for record in first for name in record))
    if asked:
        return fields.choose(asked, names, (), "image", path)

    def most(name: str, fits: Callable[[str], Any]) -> bool:
        return 2 * sum(bool(fits(_text(record.get(name)))) for record in first) > len(first)

    fit = [name for name in names if most(name, is_picture)]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        fit = [name for name in names if most(name, walked.find)]
        return fields.choose("", fit, (*fields.PATHS, *_KEYS), "image", path)
    found = fields.choose("", fit, fields.PATHS, "image", path)
    if not found:
        raise InputError(f"{path}: which column names the pictures? Say image= one of {fit}")
    return found


def is_picture(name: str) -> bool:
    """Tells whether a name ends as a picture's file does, and is no address on the web."""
    return name.lower().endswith(_ENDINGS) and "://" not in name


def _table(walked: Walked, caption: str) -> str:
    """Returns the path of the table of captions in a folder; "": there is none."""
    if caption == "txt":
        return ""
    found = [
        os.path.join(walked.root, name)
        for name in sorted(os.listdir(walked.root))
        if rows.suffix_of(name) in TABLES and name[0] != "."
    ]
    named = [path for path in found if picture_field(path, walked)]
    if len(named) > 1:
        raise InputError(
            f"{walked.root}: several tables name pictures; give the path of one: {', '.join(named)}"
        )
    if named and not caption and any(f"{fields.key_of(x)}.txt" in walked.texts for x in walked):
        raise InputError(
            f"{walked.root}: captions both in {named[0]} and in .txt beside the pictures; say "
            "caption='txt', or a column of the table"
        )
    return named[0] if named else ""


def _from_table(walked: Walked, table: str, *, image: str, caption: str, uid: str) -> Packed:
    """Packs the examples that a table names; what it leaves out is told in `walked.left_out`."""
    place, types = picture_field(table, walked, image), fields.Types()
    if not place:
        raise InputError(f"{table}: no column of it names pictures in {walked.root}; say image=")
    for record in rows.records(table):
        types.see(record)
        if rows.suffix_of(table) in rows.CSV:
            break  # all rows have the same columns, of texts
    rest = [name for name in types.names if name != place]
    text = fields.choose(caption, rest, fields.CAPTION, "caption", table)
    name = fields.choose_uid(uid, rest, table)
    packer = Packer(types, fields.others(rest, text, name))
    seen = set[str]()
    for number, record in enumerate(rows.records(table)):
        told = _text(record.get(place))
        path = walked.find(told)
        if path is None:
            walked.left_out[told or f"row {number}"] = f"row {number:,}: no such picture"
            continue
        seen.add(path)
        own = fields.uid_text(record.get(name), f"{table}: row {number:,}") if name else ""
        packer.add(path, fields.texts(record.get(text)) if text else [], record, own)
    for path in walked:
        if path not in seen:
            walked.left_out[path] = f"no row of {os.path.basename(table)} names it"
    packed = packer.packed()
    if name:
        uids.check(lambda: (c.to_pylist() for c in packed.uids.chunks), table, name)
    return packed


def _beside(walked: Walked, *, image: str, caption: str, uid: str) -> Packed:
    """Packs the pictures, with what lies beside them."""
    types, jsons, where = fields.Types(), {}, f"{walked.root} (JSON beside the pictures)"
    if image:
        raise InputError(f"{walked.root}: there is no table with a column {image!r} of pictures")
    keys = {fields.key_of(path): path for path in walked}
    texts = {x: p for p in walked.texts if (x := fields.key_of(p)) in keys}
    for path in sorted(walked.jsons):
        if (key := fields.key_of(path)) in keys:
            record = _json(os.path.join(walked.root, path))
            if record is None:
                walked.left_out[path] = "not a JSON object"
            else:
                jsons[key] = path
                types.see(record)
    for path in walked.texts - set(texts.values()):
        walked.left_out[path] = "a text without a picture of its name"
    every = len(jsons) == len(keys) == len(walked.pictures)
    field = ""
    if caption != "txt" and (caption or not texts):
        field = fields.choose(caption, types.names, fields.CAPTION, "caption", where)
    name = (
        "" if uid == fields.CONTENTS else uid or ("uid" if every and "uid" in types.names else "")
    )
    if name:
        fields.choose(name, types.names, (), "uid", where)
    columns = fields.others([n for n in types.names if n != FOLDER], field, name)
    if any("/" in path for path in walked):
        types.see({FOLDER: ""})
        columns[FOLDER] = FOLDER
    packer = Packer(types, columns)
    for path in walked:
        key = fields.key_of(path)
        record = _json(os.path.join(walked.root, jsons[key])) or {} if key in jsons else {}
        captions = fields.texts(record.get(field)) if field else []
        if not field and key in texts:
            content = Path(walked.root, texts[key]).read_bytes()
            captions = fields.texts(fields.without_ends(content))
        own = fields.uid_text(record.get(name), f"{walked.root}: {path}") if name else ""
        packer.add(path, captions, record | {FOLDER: path.rpartition("/")[0]}, own)
    walked.beside = [*texts.values(), *jsons.values()]
    return packer.packed()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _json(path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""A folder of pictures, with captions in files beside them, or in a table.

Beside: `a/b.jpg` has the caption in `a/b.txt`, one a file, or in a field of `a/b.json`. In a table
(csv, tsv, jsonl) a column names the picture, by its path below the folder or, where that is one
picture's alone, by its name, with its suffix or without. Names are found in either of Unicode's
forms, suffixes in any case; hidden files are passed over.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

from m4jax.data import rows
from m4jax.data.readers import fields, uids, walking
from m4jax.data.readers.listed import Listed, Packed, Packer
from m4jax.errors import InputError

TABLES = (".csv", ".tsv", ".jsonl")
_SHOWN = 8  # files in an error
_LARGEST = 1 << 24  # bytes of a text that are read
FOLDER = "folder"  # the column that says in which folder a picture lies


def open_folder(
    root: str,
    *,
    image: str = "",
    caption: str = "",
    uid: str = "",
    table: Sequence[str] = (),
    kind: str = "folder",
) -> Listed:
    """Opens a folder of pictures, see above.

    Args:
        root: the folder.
        image: column of the table that names the pictures; "": the one that does.
        caption: "txt", field of the JSON beside, or column of the table; "": found by itself.
        uid: field or column; `fields.CONTENTS`; "": a field "uid", or the pictures' paths without
            suffix.
        table: the files of the table; (): the one in the folder, if there is one.
        kind: see `Collection`.

    Raises:
        InputError: if there are no pictures, several tables, or no such field.
    """
    walked = walking.Walked(root)
    if not walked.pictures:
        found = ", ".join(sorted(os.listdir(root))[:_SHOWN]) or "nothing"
        raise InputError(
            f"{root}: no examples, since no pictures lie below it; it has {found}; to read "
            "captions alone, name their file"
        )
    table = table or _table(walked, caption)
    asked = {"image": image, "caption": caption, "uid": uid}
    packed = _from_table(walked, table, **asked) if table else _beside(walked, **asked)
    beside = [*table, *(os.path.join(root, path) for path in sorted(walked.beside))]
    return Listed(
        kind, root, root, packed, walked.left_out, about=list(asked.values()), beside=beside,
        contents=uid == fields.CONTENTS, table=table[0] if table else "",
    )  # fmt: skip


def _table(walked: walking.Walked, caption: str) -> list[str]:
    """Returns the table of captions in a folder; []: there is none."""
    if caption == "txt":
        return []
    found = [
        os.path.join(walked.root, name)
        for name in sorted(os.listdir(walked.root))
        if rows.suffix_of(name) in TABLES and name[0] != "."
    ]
    named = [path for path in found if walking.picture_field(path, walked)]
    if len(named) > 1:
        raise InputError(
            f"{walked.root}: several tables name pictures; give the path of one: {', '.join(named)}"
        )
    if named and not caption and any(f"{fields.key_of(x)}.txt" in walked.texts for x in walked):
        raise InputError(
            f"{walked.root}: captions both in {named[0]} and in .txt beside the pictures; say "
            "caption='txt', or a column of the table"
        )
    return named


def _from_table(
    walked: walking.Walked, tables: Sequence[str], *, image: str, caption: str, uid: str
) -> Packed:
    """Packs the examples that a table names; what it leaves out is told in `walked.left_out`."""
    table, types = tables[0], fields.Types()
    place = walking.picture_field(table, walked, image)
    if not place:
        raise InputError(f"{table}: no column of it names pictures in {walked.root}; say image=")
    if walking.is_picture(place):
        raise InputError(
            f"{table}: its first line is a row already ({place!r}); write the columns' names above "
            "it, as in image,caption"
        )
    for record in walking.records(tables):
        types.see(record)
        if rows.suffix_of(table) in rows.CSV:
            break  # all rows have the same columns, of texts
    rest = [name for name in types.names if name != place]
    text = fields.choose(caption, rest, fields.CAPTION, "caption", table)
    name = fields.choose_uid(uid, rest, table)
    packer = Packer(types, fields.others(rest, text, name))
    seen = set[str]()
    for number, record in enumerate(walking.records(tables)):
        told = walking.text(record.get(place))
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


def _beside(walked: walking.Walked, *, image: str, caption: str, uid: str) -> Packed:
    """Packs the pictures, with what lies beside them."""
    if image:
        raise InputError(f"{walked.root}: there is no table with a column {image!r} of pictures")
    types, where = fields.Types(), f"{walked.root} (JSON beside the pictures)"
    texts, jsons = _Beside(walked.texts, ".txt"), _Beside(walked.jsons, ".json")
    found = 0
    for path in walked if walked.jsons else ():
        record = _record(walked, jsons.of(path))
        if record is not None:
            types.see(record)
            found += 1
    named, field = any(map(texts.of, walked)), ""
    if caption != "txt" and (caption or not named):
        field = fields.choose(caption, types.names, fields.CAPTION, "caption", where)
    every = found == len(walked.pictures)
    name = fields.choose_uid(uid, types.names if uid or every else (), where)
    columns = fields.others([n for n in types.names if n != FOLDER], field, name)
    if any("/" in path for path in walked):
        types.see({FOLDER: ""})
        columns[FOLDER] = FOLDER
    packer = Packer(types, columns, alone=True)
    for path in walked:
        record = (found and _record(walked, jsons.of(path))) or {}
        captions = fields.texts(record.get(field)) if field else []
        text = "" if field else texts.of(path)
        if text:
            captions = fields.texts(fields.without_ends(_content(walked, text)))
            walked.beside.append(text)
        own = fields.uid_text(record.get(name), f"{walked.root}: {path}") if name else ""
        if columns:
            record[FOLDER] = path.rpartition("/")[0]
            walked.beside += filter(None, [jsons.of(path)])
        packer.add(path, captions, record, own)
    _tell_lone(walked)
    return packer.packed()


class _Beside:
    """Files of one suffix by the pictures that they lie beside, whatever the suffix' case."""

    def __init__(self, paths: set[str], suffix: str):
        self._paths, self._suffix = paths, suffix
        self._odd = {fields.key_of(x): x for x in paths if not x.endswith(suffix)}

    def of(self, picture: str) -> str:
        """Returns the file beside a picture; "" if there is none."""
        key = fields.key_of(picture)
        path = key + self._suffix
        return path if path in self._paths else self._odd.get(key, "")


def _tell_lone(walked: walking.Walked) -> None:
    """Leaves out the texts that have no picture."""
    if len(set(walked.beside) & walked.texts) < len(walked.texts):
        keys = {fields.key_of(path) for path in walked}
        for path in sorted(walked.texts):
            if fields.key_of(path) not in keys:
                walked.left_out[path] = "a text without a picture of its name"


def _content(walked: walking.Walked, path: str) -> bytes:
    try:
        with open(os.path.join(walked.root, path), "rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise InputError(f"{walked.root}: {path}: {error.strerror}") from None


def _record(walked: walking.Walked, path: str) -> dict[str, Any] | None:
    """Returns the fields of a JSON file; None if there is none, or it is no object, which is told.

    Args:
        walked: the folder.
        path: of the file; "": there is none.
    """
    try:
        found = json.loads(_content(walked, path)) if path else None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    if path:
        walked.left_out[path] = "not a JSON object"
    return None

"""A folder of pictures, with captions in files beside them, or in a table.

Beside: `a/b.jpg` has the caption in `a/b.txt`, one a file, or in a field of `a/b.json`. In a table
(csv, tsv, jsonl) a column names the picture, by its path below the folder or, where that is one
picture's alone, by its name, with its suffix or without. Names are found in either of Unicode's
forms, suffixes in any case; hidden files are passed over.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m4jax.data import rows
from m4jax.data.readers import fields, uids, walking
from m4jax.data.readers.listed import Listed, Packed, Packer
from m4jax.errors import InputError

TABLES = (".csv", ".tsv", ".jsonl")
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
    table = table or _table(walked, caption)
    asked = {"image": image, "caption": caption, "uid": uid}
    packed = _from_table(walked, table, **asked) if table else _beside(walked, **asked)
    beside = [*table, *(os.path.join(root, path) for path in sorted(walked.beside))]
    return Listed(
        kind, root, root, packed, walked.left_out, about=list(asked.values()), beside=beside,
        contents=uid == fields.CONTENTS,
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


def _json(path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""Tar shards as webdataset and img2dataset write them, indexed by their headers.

The members "dir/key.jpg", "dir/key.txt" and "dir/key.json" are the example "dir/key": a suffix
starts at the first dot behind the last stroke, and its case does not count. A picture is reached by
one read. The index holds 4 bytes an example, 8 for each of its parts, and its key.
"""

import array
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers import fields, tar, uids
from m4jax.data.readers.access import Files
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.errors import InputError

TEXTS = ("txt", "text", "caption", "cap")  # suffixes of captions
CLASS = "cls"  # suffix of a class, which is a column
PARTS = ("picture", "text", "json", CLASS)  # of an example
_LARGEST = {"picture": (1 << 31) - 1, "text": 1 << 20, "json": 1 << 24, CLASS: 1 << 10}  # bytes
_SHOWN = 5  # reasons in an error


class Shards:
    """Examples in tar files, see `Collection`; `open_collection` makes it.

    The uid is the field "uid" of the JSON members where all have one, else the key, and where a key
    stands in several shards "shard/key" for all. Left out, with its reason, is every member that
    can't be read, the second of one name, and what has no picture where others have one.

    Args:
        paths: of the shards, in their order.
        name: what to call them in an error.
        image: suffix of the pictures; "": those of `fields.SUFFIXES`.
        caption: suffix of the captions, or field of the JSON members; "": one of `TEXTS`, or a
            field of a known name.
        uid: field of the JSON members, `fields.CONTENTS`, or "".

    Raises:
        InputError: if a shard can't be read, has no examples, or there is no such field.
    """

    random_access: ClassVar[bool] = True
    kind: ClassVar[str] = "shards"

    def __init__(
        self, paths: Sequence[str], name: str, *, image: str = "", caption: str = "", uid: str = ""
    ):
        self.name, self._files, self.left_out = name, Files(list(paths)), {}
        self._image, self._caption = image.lower().lstrip("."), caption
        self._uid, self._types, self._hashes = uid, fields.Types(), array.array("q")
        self._stems = [os.path.basename(path).rsplit(".", 1)[0] for path in paths]
        self._index()
        self._choose(uid)

    def __len__(self) -> int:
        return len(self._shard)

    @property
    def identity(self) -> str:
        """A hash of the shards' contents; their names count where uids begin with them."""
        prints = [files.fingerprint(path) for path in self._files.paths]
        asked = [self.kind, self._image, self._caption, self._uid]
        return files.digest([asked, prints, self._stems if self._prefixed else []], 64)

    @property
    def paths(self) -> tuple[str, ...]:
        """The shards."""
        return tuple(self._files.paths)

    def by_shard(self) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Yields the path of each shard and the keys of its examples, in order."""
        ends = np.searchsorted(self._shard, np.arange(len(self.paths) + 1))
        for path, start, stop in zip(self.paths, ends, ends[1:], strict=False):
            yield path, self._keys.slice(start, stop - start)

    def picture(self, row: int) -> bytes:
        """Returns the bytes of the picture's file."""
        content = self._part("picture", row)
        if not content:
            raise InputError(f"{self.name}: example {self._keys[row]}: has no picture")
        return content

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields all examples in order, see `Collection`."""
        for start in range(0, len(self), rows):
            part = slice(start, min(start + rows, len(self)))
            records = self._records(part)
            captions = [self._texts(row, record) for row, record in records]
            named = {
                UID: pa.array(self._named(part, records), pa.string()),
                CAPTIONS: pa.array(captions, pa.list_(pa.string())),
            }
            for field, column in self._columns.items():
                kind = self._types.kind(field) if field != self._class else pa.string()
                values = [record.get(field) for _, record in records]
                named[column] = fields.column(values, kind)
            yield pa.table(named)

    # ---------------------------------------------------------------- indexing

    def _index(self) -> None:
        shards, keys = [], []
        places: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {part: [] for part in PARTS}
        for number in range(len(self._files.paths)):
            examples = self._shard_index(number)
            keys.append(pa.array(list(examples), pa.string()))
            shards.append(np.full(len(examples), number, np.int32))
            for part, found in places.items():
                place = [example.get(part, ("", 0, 0)) for example in examples.values()]
                block = np.array([offset // tar.BLOCK for _, offset, _ in place], np.uint32)
                found.append((block, np.array([size for *_, size in place], np.int32)))
        self._keys, self._shard = pa.chunked_array(keys, pa.string()), _joined(shards)
        self._places = {}
        for part, found in places.items():
            if any(sizes.any() for _, sizes in found):
                self._places[part] = tuple(map(_joined, zip(*found, strict=True)))
            found.clear()
        self.has_pictures = "picture" in self._places
        if self.has_pictures and not self._places["picture"][1].all():
            self._keep(self._places["picture"][1] > 0)
        if not len(self._shard):
            told = list(self.left_out.items())[:_SHOWN]
            reasons = "; ".join(f"{name}: {reason}" for name, reason in told) or "no members"
            raise InputError(f"{self.name}: no examples in {len(keys):,} shards ({reasons})")

    def _keep(self, found: np.ndarray) -> None:
        """Leaves out the examples without a picture."""
        for row in np.flatnonzero(~found).tolist():
            self._leave_out(self._shard[row], self._keys[row].as_py(), "no picture of this name")
        self._shard = self._shard[found]
        self._keys = self._keys.filter(pa.array(found))
        self._places = {part: (x[found], y[found]) for part, (x, y) in self._places.items()}

    def _shard_index(self, number: int) -> dict[str, dict[str, tuple[str, int, int]]]:
        """Returns key -> part -> suffix, offset and size of a shard's examples."""
        examples: dict[str, dict[str, tuple[str, int, int]]] = {}
        for member, window in tar.members(self._files.paths[number]):
            if member.fault:
                self._leave_out(number, member.name, member.fault)
                continue
            key, suffix = split_name(member.name)
            part = self._part_of(suffix) if key else ""
            if not part:
                continue  # webdataset passes over what has no suffix
            example = examples.setdefault(key, {})
            fault = self._fault(member, part, suffix, example)
            if not fault and part == "json":
                fault = self._see(window.read(member.offset, member.size))
            if fault:
                self._leave_out(number, member.name, fault)
            else:
                example[part] = (suffix, member.offset, member.size)
        return examples

    def _part_of(self, suffix: str) -> str:
        """Returns which part of an example a suffix stands for; "": none."""
        if suffix == self._image or (not self._image and suffix in fields.SUFFIXES):
            return "picture"
        if suffix == self._caption.lower() or (not self._caption and suffix in TEXTS):
            return "text"
        return suffix if suffix in ("json", CLASS) else ""

    def _fault(self, member: tar.Member, part: str, suffix: str, example: dict) -> str:
        if part in example:
            if example[part][0] == suffix:
                return "the second of this name"
            what = "image" if part == "picture" else "caption"
            raise InputError(
                f"{self.name}: {member.name}: which member is the {what}? "
                f"{fields.say(what, (example[part][0], suffix))}"
            )
        if member.size > _LARGEST[part]:
            return f"{member.size:,} bytes, more than {_LARGEST[part]:,}"
        return "" if member.size or part != "picture" else "an empty file"

    def _see(self, content: bytes) -> str:
        """Takes note of the fields of a JSON member; returns why it is none."""
        record = _json(content)
        if record is None:
            return "not a JSON object"
        self._types.see(record)
        uid = record.get(self._uid or UID)
        self._hashes.append(hash(str(uid)) if uid not in (None, "") else 0)
        return ""

    def _leave_out(self, shard: int, name: str, reason: str) -> None:
        file = os.path.basename(self._files.paths[shard])
        self.left_out[f"{file}: {name}" if name else file] = reason

    # ---------------------------------------------------------------- what is what

    def _choose(self, uid: str) -> None:
        """Finds where captions and uids are, and what becomes a column."""
        names, has = self._types.names, self._places
        jsons = has["json"][1] if "json" in has else np.zeros(1)
        self._in_json = ""
        if "text" not in has and (names or self._caption):
            self._in_json = fields.choose(
                self._caption, names, fields.CAPTION, "caption", f"{self.name} (JSON members)"
            )
        self._class = CLASS if CLASS in has and CLASS not in names else ""
        self._uid_field, self._made, self._prefixed = "", None, False
        every = bool(jsons.all()) and 0 not in self._hashes
        if uid and uid != fields.CONTENTS:
            self._uid_field = fields.choose(uid, names, (), "uid", f"{self.name} (JSON members)")
            if not every:
                raise InputError(f"{self.name}: not every example has a JSON field {uid!r}")
        elif not uid and UID in names and every:
            self._uid_field = UID
        found = [*names, *([self._class] if self._class else [])]
        self._columns = fields.others(found, self._in_json, self._uid_field)
        self.columns = tuple(self._columns.values())
        if self._uid_field:
            uids.check(self._uid_blocks, self.name, self._uid_field, np.array(self._hashes))
        elif not uid:
            self._prefixed = uids.repeated(self._uid_blocks) is not None
            if self._prefixed and len(set(self._stems)) < len(self._stems):
                uids.check(self._uid_blocks, self.name, "shard/key")
        self._hashes = array.array("q")

    def _uid_blocks(self) -> Iterator[Sequence[str]]:
        for start in range(0, len(self), 1 << 14):
            part = slice(start, min(start + (1 << 14), len(self)))
            yield self._named(part, self._records(part) if self._uid_field else [])

    def _named(self, part: slice, records: Sequence[tuple[int, dict]]) -> list[str]:
        """Returns the uids of some rows."""
        if self._uid_field:
            return [
                fields.uid_text(record.get(self._uid_field), f"{self.name}: {self._keys[row]}")
                for row, record in records
            ]
        if self._uid == fields.CONTENTS:
            if self._made is None:
                self._made = uids.Made(self._contents())
            return self._made[part]
        keys = self._keys[part].to_pylist()
        if not self._prefixed:
            return keys
        shards = self._shard[part].tolist()
        return [f"{self._stems[shard]}/{key}" for shard, key in zip(shards, keys, strict=True)]

    def _contents(self) -> Iterator[str]:
        for start in range(0, len(self), 1 << 10):
            for row, record in self._records(slice(start, min(start + (1 << 10), len(self)))):
                yield uids.made(self._part("picture", row), self._texts(row, record))

    # ---------------------------------------------------------------- reading

    def _part(self, part: str, row: int) -> bytes:
        if part not in self._places:
            return b""
        blocks, sizes = self._places[part]
        if not sizes[row]:
            return b""
        return self._files.read(
            int(self._shard[row]), tar.BLOCK * int(blocks[row]), int(sizes[row])
        )

    def _records(self, part: slice) -> list[tuple[int, dict[str, Any]]]:
        """Returns the rows with the fields of their JSON and class members."""
        found = []
        for row in range(part.start, part.stop):
            record = _json(self._part("json", row)) or {}
            if self._class:
                text = self._part(CLASS, row)
                record[CLASS] = text.decode("utf-8", "backslashreplace").strip() or None
            found.append((row, record))
        return found

    def _texts(self, row: int, record: dict[str, Any]) -> list[str]:
        if self._in_json:
            return fields.texts(record.get(self._in_json))
        return fields.texts(fields.without_ends(self._part("text", row)))


def split_name(name: str) -> tuple[str, str]:
    """Returns key and suffix of a member; "" if it has none."""
    folder, stroke, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return (folder + stroke + stem, suffix.lower()) if stem and dot else ("", "")


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""Captions without pictures: txt, csv, tsv, json and jsonl files, gzipped or not, read in pieces.

Each row is an example. Its uid is a field that is named or called "uid", else the file's name and
the row's number, as `captions.read` has it.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from m4jax import files
from m4jax.data import rows
from m4jax.data.readers import fields, uids
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.errors import InputError


class Captions:
    """Captions in a file, see `Collection`.

    Args:
        path: of the file.
        caption: column or field; "0", "1", …: of a csv or tsv file without a head; "": one of a
            known name, or the only one.
        uid: column or field, `fields.CONTENTS`, or "".

    Raises:
        InputError: if the file can't be read, or has no such field.
    """

    random_access: ClassVar[bool] = True
    kind: ClassVar[str] = "captions"
    has_pictures: ClassVar[bool] = False

    def __init__(self, path: str, *, caption: str = "", uid: str = ""):
        self.name, self.left_out = path, {}
        asked = [x for x in (caption, uid) if x and x != fields.CONTENTS]
        self._head = not asked or not all(x.isdecimal() for x in asked)
        self._asked, self._types, self._count = [caption, uid], fields.Types(), 0
        alike = rows.suffix_of(path) in rows.CSV  # all rows: the same columns, of texts
        for record in self._records():
            self._count += 1
            if self._count == 1 or not alike:
                self._types.see(record)
        names = self._types.names
        if not self._count:
            raise InputError(f"{path}: no rows")
        self._caption = fields.choose(caption, names, fields.CAPTION, "caption", path)
        if not self._caption and len(names) == 1:
            self._caption = names[0]
        if not self._caption:
            raise InputError(
                f"{path}: which column is the caption? {fields.say('caption', names)}, or its "
                "number ('0') if the first line is no header"
            )
        self._contents, self._made = uid == fields.CONTENTS, None
        known = "" if self._contents else uid
        rest = [name for name in names if name != self._caption]
        self._uid = fields.choose(
            known, rest, () if self._contents else fields.UIDS[:1], "uid", path
        )
        self._columns = fields.others(names, self._caption, self._uid)
        self.columns = tuple(self._columns.values())
        if self._uid:
            uids.check(self._uid_blocks, path, self._uid)

    def __len__(self) -> int:
        return self._count

    @property
    def identity(self) -> str:
        """A hash of the file's content; its name counts where uids begin with it."""
        stem = "" if self._uid or self._contents else self._stem
        return files.digest([self.kind, *self._asked, files.fingerprint(self.name), stem], 64)

    def picture(self, row: int) -> bytes:
        """Raises `InputError`: there are no pictures."""
        raise InputError(f"{self.name}: captions alone, without pictures (row {row:,})")

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields all examples in order, see `Collection`."""
        if self._contents and self._made is None:
            self._made = uids.Made(uids.made(b"", self._texts(x)) for x in self._records())
        records, start = self._records(), 0
        while block := list(itertools.islice(records, rows)):
            named = {
                UID: pa.array(self._named(block, start), pa.string()),
                CAPTIONS: pa.array(map(self._texts, block), pa.list_(pa.string())),
            }
            for field, column in self._columns.items():
                values = [record.get(field) for record in block]
                named[column] = fields.column(values, self._types.kind(field))
            yield pa.table(named)
            start += len(block)

    @property
    def _stem(self) -> str:
        stem = os.path.basename(self.name).partition(".")[0]
        if stem.encode("utf-8", "replace") != os.fsencode(stem):
            raise InputError(f"{self.name}: its name is not UTF-8, and uids begin with it")
        return stem

    def _records(self) -> Iterator[dict[str, Any]]:
        return rows.records(self.name, head=self._head)

    def _texts(self, record: dict[str, Any]) -> list[str]:
        return fields.texts(record.get(self._caption)) if self._caption else []

    def _named(self, block: list[dict[str, Any]], start: int) -> list[str]:
        if self._contents:
            return self._made[start : start + len(block)]
        if not self._uid:
            return [f"{self._stem}/{start + i:010d}" for i in range(len(block))]
        return [
            fields.uid_text(record.get(self._uid), f"{self.name}: row {start + i:,}")
            for i, record in enumerate(block)
        ]

    def _uid_blocks(self) -> Iterator[list[str]]:
        records, start = self._records(), 0
        while block := list(itertools.islice(records, 1 << 14)):
            yield self._named(block, start)
            start += len(block)

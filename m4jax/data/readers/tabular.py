"""Tables of arrow's with a picture in each row, or none: parquet and Hugging Face's arrow files.

A picture is a column of bytes, or of Hugging Face's struct of bytes and a path, which counts where
there are no bytes and is taken below the folder of the files. Read are a few rows at a time; held
are the numbers of the rows that count, where some don't, and 16 bytes of each uid that is made.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m4jax import files
from m4jax.data.readers import fields, uids
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.errors import InputError

_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_SHOWN = 3  # reasons in an error


class Table(Protocol):
    """Files of one schema.

    Attributes:
        schema: of all.
        paths: of the files.
        folder: in which pictures may lie as files.
        classes: field -> the names of the classes whose numbers it holds.
    """

    schema: pa.Schema
    paths: Sequence[str]
    folder: str
    classes: Mapping[str, Sequence[str]]

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yields the columns `names` of all rows, at most so many at a time."""

    def nulls(self, name: str) -> bool:
        """Tells whether a column of pictures may have rows without one."""

    def value(self, name: str, row: int) -> Any:
        """Returns the value of a column in a row."""

    def numbered(self) -> Iterator[tuple[str, int]]:
        """Yields what the rows of each file are called, and how many there are."""

    def identity(self) -> list[str]:
        """Returns what tells the files' contents."""


class Tabular:
    """Examples in the rows of tables, see `Collection`.

    Args:
        kind, name: see `Collection`.
        table: the files.
        image, caption, uid: names of columns, see `open_collection`; "a/b" is the field b of a.
        random_access: see `Collection`.

    Raises:
        InputError: if there is no such column, or several may be it, or no row has a picture.
    """

    def __init__(
        self, kind: str, name: str, table: Table, *, image: str, caption: str, uid: str,
        random_access: bool,
    ):  # fmt: skip
        self.kind, self.name, self._table = kind, name, table
        self.random_access, self._asked = random_access, [image, caption, uid]
        schema, self.left_out = table.schema, {}
        pictures = [x.name for x in schema if is_picture(x)]
        self._image = _picture(image, pictures, schema.names, name)
        self.has_pictures = bool(self._image)
        rest = [x for x in schema.names if x not in pictures or x == caption]
        self._caption = _nested(caption, schema, name) or fields.choose(
            caption, [x for x in rest if _may_be_text(schema.field(x).type)], fields.CAPTION,
            "caption", name,
        )  # fmt: skip
        self._uid = fields.choose_uid(uid, rest, name, known=2)
        self._columns = fields.others(rest, self._caption.partition("/")[0], self._uid)
        self.columns = tuple(self._columns.values())
        self._count = sum(count for _, count in table.numbered())
        self._rows: np.ndarray | None = None
        if self._image and table.nulls(self._image):
            self._leave_out()
        self._made: uids.Made | None = None
        self._contents = uid == fields.CONTENTS or (not self._uid and self.has_pictures)
        if not len(self):
            told = "; ".join(f"{x}: {y}" for x, y in list(self.left_out.items())[:_SHOWN])
            raise InputError(f"{name}: no examples ({told or 'it is empty'})")
        if self._uid:
            uids.check(self._uid_blocks, name, self._uid)

    def __len__(self) -> int:
        return self._count if self._rows is None else len(self._rows)

    @property
    def identity(self) -> str:
        """A hash of the contents of the files."""
        names = []
        if not (self._uid or self._contents):
            names = [name for name, _ in self._table.numbered()]
        return files.digest([self.kind, self._asked, self._table.identity(), names], 64)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files."""
        return tuple(self._table.paths)

    def rows_of_files(self) -> np.ndarray:
        """Returns the row of each example [n], counted through all files."""
        return np.arange(self._count) if self._rows is None else self._rows

    def picture(self, row: int) -> bytes:
        """Returns the bytes of the picture's file."""
        if not self._image:
            raise InputError(f"{self.name}: there are no pictures")
        row = int(row if self._rows is None else self._rows[row])
        found = self._content(self._table.value(self._image, row))
        if isinstance(found, InputError):
            raise InputError(f"{self.name}: row {row:,}: {found}")
        return found

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields all examples in order, see `Collection`."""
        if self._contents and self._made is None:
            self._made = uids.Made(self._hashed())
        asked = dict.fromkeys([*self._columns, self._caption.partition("/")[0], self._uid])
        asked.pop("", None)
        start, names = 0, self._stems()
        for batch in self._batches(list(asked), rows):
            stop = start + len(batch)
            captions = self._texts(batch) if self._caption else [[]] * len(batch)
            found = {
                UID: pa.array(self._named(batch, start, stop, names), pa.string()),
                CAPTIONS: pa.array(captions, pa.list_(pa.string())),
            }
            for field, column in self._columns.items():
                found[column] = _class_names(batch.column(field), self._table.classes.get(field))
            yield pa.table(found)
            start = stop

    # ---------------------------------------------------------------- what counts

    def _leave_out(self) -> None:
        """Finds the rows that have a picture; the others are left out."""
        kept, row = [], 0
        for batch in self._table.batches([self._image], 64):
            for value in batch.column(0):
                told = self._content(value.as_py())
                if isinstance(told, InputError):
                    self.left_out[f"row {row}"] = str(told)
                else:
                    kept.append(row)
                row += 1
        if self.left_out:
            self._rows = np.array(kept, np.int64)

    def _content(self, value: Any) -> bytes | InputError:
        """Returns the bytes of a picture, or why there are none."""
        path = None
        if isinstance(value, Mapping):
            value, path = value.get("bytes"), value.get("path")
        if value:
            return value
        if not path:
            return InputError("no picture")
        clean = fields.clean_path(path)
        if clean is None:
            return InputError(f"{path}: leads out of {self._table.folder}")
        try:
            with open(os.path.join(self._table.folder, clean), "rb") as file:
                return file.read() or InputError(f"{path}: an empty file")
        except OSError as error:
            return InputError(f"{path}: {error.strerror}")

    def _batches(self, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yields columns of the rows that count; where none are asked for, as many empty rows."""
        if not names:
            for start in range(0, len(self), rows):
                size = min(rows, len(self) - start)
                yield pa.RecordBatch.from_arrays([pa.nulls(size)], [""])
            return
        first = 0
        for batch in self._table.batches(names, rows):
            if self._rows is not None:
                low, high = np.searchsorted(self._rows, [first, first + len(batch)])
                first += len(batch)
                batch = batch.take(pa.array(self._rows[low:high] - (first - len(batch))))
            if len(batch):
                yield batch

    # ---------------------------------------------------------------- uids and captions

    def _named(
        self, batch: pa.RecordBatch, start: int, stop: int, stems: Iterator[str]
    ) -> Sequence[str]:
        if self._made is not None:
            return self._made[start:stop]
        if not self._uid:
            return [next(stems) for _ in range(stop - start)]
        where = f"{self.name}: rows from {start:,}"
        return [fields.uid_text(x, where) for x in batch.column(self._uid).to_pylist()]

    def _stems(self) -> Iterator[str]:
        for stem, count in self._table.numbered():
            yield from (f"{stem}/{row:010d}" for row in range(count))

    def _uid_blocks(self) -> Iterator[Sequence[str]]:
        start = 0
        for batch in self._batches([self._uid], 1 << 14):
            yield self._named(batch, start, start + len(batch), iter(()))
            start += len(batch)

    def _texts(self, batch: pa.RecordBatch) -> list[list[str]]:
        top, *below = self._caption.split("/")
        return [fields.texts(_inside(value, below)) for value in batch.column(top).to_pylist()]

    def _hashed(self) -> Iterator[str]:
        names, row = [self._caption.partition("/")[0]] if self._caption else [], 0
        for batch in self._batches(names, 64):
            captions = self._texts(batch) if self._caption else [[]] * len(batch)
            for texts in captions:
                yield uids.made(self.picture(row) if self._image else b"", texts)
                row += 1


def is_picture(field: pa.Field) -> bool:
    """Tells whether a column may be one of pictures: bytes, or Hugging Face's struct.

    Bytes that are called as captions are texts, as some write them.
    """
    kind = field.type
    if pa.types.is_struct(kind):
        return {kind.field(i).name for i in range(kind.num_fields)} == {"bytes", "path"}
    return any(fits(kind) for fits in _BINARY) and field.name.lower() not in sum(fields.CAPTION, ())


def _picture(asked: str, found: Sequence[str], names: Sequence[str], where: str) -> str:
    """Returns the column of the pictures; "": there is none."""
    if asked:
        if asked in names and asked not in found:
            raise InputError(f"{where}: {asked!r} holds no pictures' bytes; those are {found}")
        return fields.choose(asked, found, (), "image", where)
    chosen = fields.choose("", found, fields.IMAGES, "image", where)
    if not chosen and len(found) > 1:
        raise InputError(f"{where}: which column is the image? {fields.say('image', found)}")
    return chosen or (found[0] if found else "")


def _nested(asked: str, schema: pa.Schema, where: str) -> str:
    """Returns a name "a/b" if it is that of a field b within a column a."""
    top, stroke, _ = asked.partition("/")
    if not stroke or asked in schema.names:
        return ""
    fields.choose(top, schema.names, (), "caption", where)
    return asked


def _inside(value: Any, names: Sequence[str]) -> Any:
    """Returns what lies at a path of fields in a value; of lists, a list of it."""
    if not names:
        return value
    if isinstance(value, list):
        return [_inside(one, names) for one in value]
    return _inside(value.get(names[0]), names[1:]) if isinstance(value, Mapping) else None


def _may_be_text(kind: pa.DataType) -> bool:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return any(fits(kind) for fits in _TEXT)


def _class_names(values: pa.Array, names: Sequence[str] | None) -> pa.Array:
    """Returns the names of classes for their numbers; NULL for a number that is none's."""
    if not names or not pa.types.is_integer(values.type):
        return values
    inside = pc.and_(pc.greater_equal(values, 0), pc.less(values, len(names)))
    return pa.array(list(names), pa.string()).take(pc.if_else(inside, values, None))

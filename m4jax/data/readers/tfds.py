"""Datasets that TFDS has prepared, see `prepared`.

An example's uid is its place in its split, as in training (`pairs`), unless a field is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data import prepared
from m4jax.data.readers import fields, uids
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.errors import InputError

_LOOKED_AT = 100  # records, whose values say what columns hold


class Prepared:
    """A split of a TFDS dataset, see `Collection`.

    Columns are the fields that hold texts, numbers, or lists of them; "a/b" is the field b of a.
    Numbers of classes come as their names, where the dataset has them.

    Args:
        dataset: its name or directory.
        split: "train", or "train[:10%]" for a part; "": the only one.
        image, caption, uid: names of fields, see `open_collection`.

    Raises:
        InputError: if there is no such dataset, split or field.
    """

    kind: ClassVar[str] = "tfds"
    random_access: ClassVar[bool] = True

    def __init__(self, dataset: str, *, split: str, image: str, caption: str, uid: str):
        made = prepared.builder(dataset)
        splits = list(made.info.splits)
        if not split and len(splits) != 1:
            raise InputError(f"{dataset}: has several splits; say split= one of {splits}")
        self._split, self._full = split or splits[0], made.info.full_name
        self.name, self.left_out = f"{dataset} {self._split}", {}
        self._dataset, self._asked = dataset, [image, caption, uid, self._split]
        leaves = dict(_leaves(made.info.features))
        pictures = [name for name, x in leaves.items() if type(x).__name__ == "Image"]
        self._image = fields.choose(image, pictures, fields.IMAGES, "image", self.name)
        self._image = self._image or (pictures[0] if len(pictures) == 1 else "")
        self.has_pictures = bool(self._image)
        rest = [name for name in leaves if name not in pictures]
        named = [name for name in rest if name.rpartition("/")[2].lower() in fields.CAPTION[0]]
        self._caption = caption or (named[0] if len(named) == 1 else "")
        if caption or len(named) > 1:
            self._caption = fields.choose(caption, rest, (named,), "caption", self.name)
        self._uid = fields.choose_uid(uid, rest, self.name, known=0)
        self._records = prepared.Records(dataset, self._split, self._image or next(iter(leaves)))
        names = {name: getattr(x, "names", None) for name, x in leaves.items()}
        self._classes = {name: list(found) for name, found in names.items() if found}
        self._types = fields.Types()
        plain = [name for name in rest if name not in (self._caption, self._uid)]
        for row in range(min(len(self._records), _LOOKED_AT)):
            record = self._records[row]
            self._types.see({name: self._value(record, name) for name in plain})
        self._columns = fields.others(self._types.names)
        self.columns = tuple(self._columns.values())
        self._made, self._contents = None, uid == fields.CONTENTS
        if self._uid:
            uids.check(self._uid_blocks, self.name, self._uid)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def identity(self) -> str:
        """A hash of the contents of the dataset's files."""
        return files.digest([self.kind, *self._asked, prepared.identity(self._dataset)], 64)

    def picture(self, row: int) -> bytes:
        """Returns the bytes of the picture's file."""
        if not self._image:
            raise InputError(f"{self.name}: there are no pictures")
        return prepared.value(self._records[row], self._image, self._dataset)

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields all examples in order, see `Collection`."""
        if self._contents and self._made is None:
            self._made = uids.Made(
                uids.made(self.picture(row) if self._image else b"", self._texts(record))
                for row, record in enumerate(self._records)
            )
        for start in range(0, len(self), rows):
            stop = min(start + rows, len(self))
            records = [self._records[row] for row in range(start, stop)]
            captions = [self._texts(record) for record in records]
            found = {
                UID: pa.array(self._named(records, start, stop), pa.string()),
                CAPTIONS: pa.array(captions, pa.list_(pa.string())),
            }
            for field, column in self._columns.items():
                values = [self._value(record, field) for record in records]
                found[column] = fields.column(values, self._types.kind(field))
            yield pa.table(found)

    def _named(self, records: Sequence[Mapping[str, Any]], start: int, stop: int) -> list[str]:
        if self._contents:
            return self._made[start:stop]
        if self._uid:
            return [fields.uid_text(self._value(x, self._uid), self.name) for x in records]
        base = self._split
        return [f"{self._full}/{base}/{row:010d}" for row in range(start, stop)]

    def _uid_blocks(self) -> Iterator[list[str]]:
        for start in range(0, len(self), 1 << 14):
            stop = min(start + (1 << 14), len(self))
            yield self._named([self._records[row] for row in range(start, stop)], start, stop)

    def _texts(self, record: Mapping[str, Any]) -> list[str]:
        return fields.texts(_plain(_find(record, self._caption))) if self._caption else []

    def _value(self, record: Mapping[str, Any], name: str) -> Any:
        value = _plain(_find(record, name))
        classes = self._classes.get(name)
        if classes is None or not isinstance(value, int):
            return value
        return classes[value] if 0 <= value < len(classes) else None


def _leaves(features: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yields name -> feature of all fields, those within others too."""
    for name in features:
        found = features[name]
        found = getattr(found, "feature", found)  # of a sequence
        if hasattr(found, "keys"):
            yield from _leaves(found, f"{before}{name}/")
        else:
            yield f"{before}{name}", found


def _find(record: Mapping[str, Any], field: str) -> Any:
    found: Any = record
    for name in field.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _plain(value: Any) -> Any:
    """Returns a value as Python's own: texts of bytes, lists of arrays."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value

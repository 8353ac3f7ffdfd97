"""Pictures that lie as files below a folder, each with what is known of it: in memory, packed.

The folder, a table of captions, COCO's JSON and parquet with paths all end here. An example takes
the bytes of its path, captions and columns, as arrow holds them.
"""

import array
import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers import fields, uids
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.errors import InputError

ROWS = 1 << 14  # that are packed at once
_SHOWN = 3  # reasons in an error


@dataclasses.dataclass
class Packed:
    """Examples packed in memory; row i of every array is example i.

    Attributes:
        paths: of the pictures, relative to the folder.
        captions: a list of each.
        columns: a table of the other fields.
        uids: as the source has them; None: they are made of the paths.
    """

    paths: pa.ChunkedArray
    captions: pa.ChunkedArray
    columns: pa.Table
    uids: pa.ChunkedArray | None = None


class Listed:
    """Pictures in files, see `Collection`.

    The uid is the one of the source, else the picture's path without its suffix; of pictures whose
    paths differ by their suffix alone, with it.

    Args:
        kind, name: see `Collection`.
        root: the folder of the pictures; "": there are none.
        packed: the examples.
        left_out: name -> reason.
        about: what else the examples follow from: names of fields, say.
        beside: files that they follow from, beside the pictures.
        contents: whether uids are made from contents.
    """

    random_access: ClassVar[bool] = True

    def __init__(
        self,
        kind: str,
        name: str,
        root: str,
        packed: Packed,
        left_out: dict[str, str],
        *,
        about: Sequence[str],
        beside: Sequence[str],
        contents: bool = False,
        table: str = "",
    ):
        self.kind, self.name, self.left_out = kind, name, left_out
        self.table = table  # that names the pictures; "": there is none
        self._root, self._packed = root, packed
        self._about, self._beside = list(about), list(beside)
        self.columns = tuple(packed.columns.column_names)
        self.has_pictures = bool(root)
        self._made: uids.Made | None = None
        self._contents = contents
        if not len(packed.paths):
            told = list(left_out.items())[:_SHOWN]
            reasons = "; ".join(f"{name}: {reason}" for name, reason in told) or "it is empty"
            raise InputError(f"{name}: no examples ({reasons})")
        if packed.uids is None:
            packed.uids = keys(packed.paths)

    def __len__(self) -> int:
        return len(self._packed.paths)

    @property
    def identity(self) -> str:
        """A hash of the files' contents and of the pictures' paths."""
        prints = [files.fingerprint(path) for path in self._beside]
        names = self._packed.paths.to_pylist() if self._root else []
        shown = [[name, files.fingerprint(os.path.join(self._root, name))] for name in names]
        return files.digest([self.kind, self._about, prints, shown], 64)

    def paths_of_pictures(self) -> list[str]:
        """Returns the absolute path of each example's picture."""
        root = os.path.abspath(self._root)
        return [os.path.join(root, path) for path in self._packed.paths.to_pylist()]

    def picture(self, row: int) -> bytes:
        """Returns the bytes of the picture's file."""
        path = self._packed.paths[row].as_py()
        if not self._root:
            raise InputError(f"{self.name}: there are no pictures")
        try:
            with open(os.path.join(self._root, path), "rb") as file:
                return file.read()
        except OSError as error:
            raise InputError(f"{self.name}: {path}: {error.strerror}") from None

    def blocks(self, rows: int = ROWS) -> Iterator[pa.Table]:
        """Yields all examples in order, see `Collection`."""
        if self._contents and self._made is None:
            self._made = uids.Made(self._hashed())
        for start in range(0, len(self), rows):
            size = min(rows, len(self) - start)
            names = self._packed.uids.slice(start, size)
            if self._made is not None:
                names = pa.array(self._made[start : start + size], pa.string())
            block = {UID: names, CAPTIONS: self._packed.captions.slice(start, size)}
            for name in self.columns:
                block[name] = self._packed.columns[name].slice(start, size)
            yield pa.table(block)

    def _hashed(self) -> Iterator[str]:
        for row in range(len(self)):
            picture = self.picture(row) if self._root else b""
            yield uids.made(picture, self._packed.captions[row].as_py())


def keys(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns paths without their suffixes, or with them where two would be equal."""
    chunks = [[fields.key_of(path) for path in chunk.to_pylist()] for chunk in paths.chunks]
    twice = np.zeros(0, np.int64)
    if found := [np.fromiter(map(hash, chunk), np.int64, len(chunk)) for chunk in chunks]:
        every = np.sort(np.concatenate(found))
        twice = np.unique(every[1:][every[1:] == every[:-1]])
    if len(twice):
        again = set(twice.tolist())
        chunks = [
            [path if hash(key) in again else key for path, key in zip(full, short, strict=True)]
            for full, short in zip((c.to_pylist() for c in paths.chunks), chunks, strict=True)
        ]
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


class Packer:
    """Packs rows as they come; several rows of one picture are one example.

    Args:
        types: of the fields.
        columns: field -> column.
        alone: whether each picture has one row, so that none has to be looked for.
    """

    def __init__(self, types: fields.Types, columns: dict[str, str], *, alone: bool = False):
        self._kinds = {field: types.kind(field) for field in columns}
        self._columns = columns
        self._place: dict[str, int] = {}
        self._alone = alone
        self._paths: list[str] = []
        self._records: list[dict[str, Any]] = []
        self._tables: list[pa.Table] = []
        self._owners, self._pending = array.array("q"), list[str]()
        self._texts: list[pa.Array] = []
        self._uids: list[str] = []

    def add(self, path: str, captions: Sequence[str], record: dict[str, Any], uid: str = ""):
        """Takes a row; the first of a picture says its uid and its columns.

        Raises:
            InputError: if two rows of one picture have two uids.
        """
        place = len(self._paths)
        if not self._alone:
            place = self._place.setdefault(path, place)
        if place == len(self._paths):
            self._paths.append(path)
            self._uids.append(uid)
            self._records.append(record)
            if len(self._records) == ROWS:
                self._pack()
        elif self._uids[place] != uid:
            raise InputError(
                f"{path}: rows with the uids {self._uids[place]!r} and {uid!r}; a picture has one: "
                f"name another field, or uid={fields.CONTENTS!r}"
            )
        self._owners.extend([place] * len(captions))
        self._pending += captions
        if len(self._pending) >= ROWS:
            self._pack_texts()

    def packed(self) -> Packed:
        """Returns the examples, in the order in which their pictures came."""
        self._pack()
        self._pack_texts()
        owners = np.frombuffer(self._owners, np.int64)
        order = np.argsort(owners, kind="stable")
        texts = pa.chunked_array(self._texts, pa.string()).take(pa.array(order)).combine_chunks()
        counts = np.bincount(owners, minlength=len(self._paths))
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        named = any(self._uids)
        return Packed(
            paths=pa.chunked_array([pa.array(self._paths, pa.string())]),
            captions=pa.chunked_array([pa.ListArray.from_arrays(offsets, texts)]),
            columns=pa.concat_tables(self._tables),
            uids=pa.chunked_array([pa.array(self._uids, pa.string())]) if named else None,
        )

    def _pack(self) -> None:
        found = {
            column: fields.column([x.get(field) for x in self._records], self._kinds[field])
            for field, column in self._columns.items()
        }
        # A table without columns has no rows: they are counted by the paths alone.
        self._tables.append(pa.table(found))
        self._records = []

    def _pack_texts(self) -> None:
        self._texts.append(pa.array(self._pending, pa.string()))
        self._pending = []

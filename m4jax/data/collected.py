"""Collections as training reads them: which dataset is one, its parts, its records, its content."""

import dataclasses
import functools
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m4jax import files
from m4jax.data import prepared, readers
from m4jax.data.encoded import Records
from m4jax.data.readers import Collection, hugging_face
from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.data.readers.shards import Shards
from m4jax.errors import InputError

TRAIN = "train"  # the split of which collections without splits are said to be
OWN = {"image": "image", "caption": "captions/text"}  # as TFDS has them: found by itself elsewhere
PICTURES = "pictures.tar"  # of a collection whose pictures can't be reached in any order
_PART = re.compile(r"([^\[]*)(?:\[(?:(\d+)(%?))?:(?:(\d+)(%?))?\])?")
_TEXTS = pa.list_(pa.string())
_LONGEST = 1_000  # letters of a path
_PICTURE = "picture"  # suffix in that file


def is_collection(dataset: str) -> bool:
    """Tells whether a dataset is something that `readers` opens, and not one of TFDS."""
    if not dataset or len(dataset) > _LONGEST or "\0" in dataset:
        return False
    if not os.path.isdir(dataset):
        return os.path.exists(dataset) or readers.is_pattern(dataset)
    if hugging_face.is_folder(dataset):
        return True
    if not any(name[0] != "." for name in os.listdir(dataset)):
        return False
    depths = ("", "*/", "*/*/", "*/*/*/")  # where one of TFDS may lie: then it is to be named
    return not any(True for x in depths for _ in Path(dataset).glob(f"{x}{prepared.INFO}"))


def open_part(dataset: str, split: str, image: str, caption: str) -> tuple[Collection, range]:
    """Opens a dataset that is a collection.

    Args:
        dataset: a path, see `readers.open_collection`.
        split: "train", "train[:100]", "train[:10%]"; of what has no splits it is "train" or "".
        image: name of the picture in the collection; what `OWN` has is found by itself.
        caption: name of the caption, likewise.

    Returns:
        The collection and the rows of it that the split names.

    Raises:
        InputError: if it can't be read, or has no such split.
    """
    found = _PART.fullmatch(split)
    if not found:
        raise InputError(f"pairs: {dataset}: expected a split as in 'train[:10%]', got {split!r}")
    name, start, start_unit, stop, stop_unit = found.groups()
    names = {"image": image, "caption": caption}
    asked = {key: "" if value == OWN[key] else value for key, value in names.items()}
    collection = _opened(dataset, name, tuple(asked.items()), _signature(dataset))
    size = len(collection)
    first = _place(start, start_unit, size, 0)
    return collection, range(first, max(first, _place(stop, stop_unit, size, size)))


def identity(dataset: str, split: str, image: str, caption: str) -> str:
    """Returns what tells the content of a dataset, one of TFDS or a collection."""
    if not is_collection(dataset):
        return prepared.identity(dataset)
    return open_part(dataset, split, image, caption)[0].identity


@functools.lru_cache(maxsize=8)
def _opened(
    dataset: str, split: str, asked: tuple[tuple[str, str], ...], signature: int
) -> Collection:
    """Opens a collection once, as long as its files are the same."""
    del signature
    if split not in ("", TRAIN):
        return readers.open_collection(dataset, split=split, **dict(asked))
    try:
        return readers.open_collection(dataset, split=split, **dict(asked))
    except readers.NoSplitError:
        return readers.open_collection(dataset, **dict(asked))


def _signature(dataset: str) -> int:
    """Returns a hash of names, sizes and times of the files that a dataset may consist of."""
    if os.path.isdir(dataset):
        roots = [dataset]
    else:
        roots = sorted({os.path.dirname(path) or "." for path in readers.expand(dataset)})
    return hash(tuple(about for root in roots for about in _walk(root)))


def _walk(root: str) -> Iterator[tuple]:
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif entry.is_file():
            about = entry.stat()
            yield entry.path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _place(number: str | None, unit: str | None, size: int, default: int) -> int:
    if number is None:
        return default
    return min(size, round(size * int(number) / 100) if unit else int(number))


class CollectedRecords:
    """Rows of a collection as records, each with the bytes of its picture as "image".

    Args:
        collection: of which.
        rows: which of its rows, in order.
        values: of a further field "value", one for each of the rows.
    """

    def __init__(
        self, collection: Collection, rows: range | np.ndarray, values: Sequence[Any] | None = None
    ):
        if not collection.has_pictures:
            raise InputError(f"pairs: {collection.name}: has no pictures")
        self._collection, self._rows, self._values = collection, rows, values

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        record: dict[str, Any] = {"image": self._collection.picture(int(self._rows[row]))}
        if self._values is not None:
            record["value"] = self._values[row]
        return record


def blocks(collection: Collection, rows: range) -> Iterator[tuple[int, pa.Table]]:
    """Yields some rows of a collection in pieces, each with the number of its first among them."""
    start = 0
    for block in collection.blocks():
        low, high = max(rows.start, start), min(rows.stop, start + len(block))
        if low < high:
            yield low - rows.start, block.slice(low - start, high - low)
        start += len(block)
        if start >= rows.stop:
            return


def values(collection: Collection, rows: range, field: str) -> tuple[list[Any], list[str] | None]:
    """Returns the values of a column, and the names of its classes if they are texts.

    Texts become the numbers of their names in the alphabet, as TFDS numbers classes.

    Raises:
        InputError: if there is no such column.
    """
    if field not in collection.columns:
        raise InputError(
            f"pairs: {collection.name} has no field {field!r}; it has {sorted(collection.columns)}"
        )
    found = [x for _, block in blocks(collection, rows) for x in block[field].to_pylist()]
    if not any(isinstance(x, str) for x in found):
        return found, None
    told = [x.strip() if isinstance(x, str) else x for x in found]
    names = sorted({str(x) for x in told if x not in (None, "")})
    numbers = {name: i for i, name in enumerate(names)}
    return [None if x in (None, "") else numbers[str(x)] for x in told], names


@dataclasses.dataclass(frozen=True)
class Opened:
    """Training pairs as they are prepared.

    Attributes:
        records: with the bytes of a picture in the field `image`.
        check: raises `InputError` if a record has no caption.
        text, uid: the caption and the uid of a row.
        collection: of which they are; None: of TFDS.
        rows: which of its rows.
    """

    records: Records
    image: str
    check: Callable[[Mapping[str, Any]], Any]
    text: Callable[[int], str]
    uid: Callable[[int], str]
    collection: Collection | None = None
    rows: range = range(0)


def open_pairs(dataset: str, split: str, image: str, caption: str) -> Opened:
    """Opens the pairs of a collection; see `open_part`. Their uids and captions are held, packed.

    Raises:
        InputError: as `open_part` does, or if there are no captions or no pictures.
    """
    collection, rows = open_part(dataset, split, image, caption)
    found = [block for _, block in blocks(collection, rows)]
    first = [pc.list_slice(block[CAPTIONS], 0, 1, return_fixed_size_list=False) for block in found]
    lists = pa.chunked_array([x for column in first for x in column.chunks], _TEXTS)
    names = pa.chunked_array([x for block in found for x in block[UID].chunks], pa.string())
    if len(lists) and not pc.sum(pc.list_value_length(lists)).as_py():
        raise InputError(f"pairs: {collection.name}: has no captions; say pairs.caption")

    def text(row: int) -> str:
        told = lists[row].as_py()
        if not told:
            raise InputError("caption: there is none")
        return told[0]

    return Opened(
        records=CollectedRecords(collection, rows, range(len(rows))),
        image="image",
        check=lambda record: text(record["value"]),
        text=text,
        uid=lambda row: names[row].as_py(),
        collection=collection,
        rows=rows,
    )


def keep_pictures(opened: Opened, left_out: Mapping[int, str], folder: Path) -> dict[str, str]:
    """Copies pictures that can't be reached in any order to a tar file in a folder.

    Returns what `kept_pictures` needs to know; {} if nothing had to be copied.
    """
    if opened.collection is None or opened.collection.random_access:
        return {}
    with open(folder / PICTURES, "wb") as file:
        for number, row in enumerate(opened.rows):
            if number in left_out:
                continue
            content = opened.collection.picture(row)
            member = tarfile.TarInfo(f"{row:010d}.{_PICTURE}")
            member.size = len(content)
            file.write(member.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return {"pictures": files.fingerprint(folder / PICTURES)}


def kept_pictures(folder: Path, mark: str) -> CollectedRecords:
    """Returns the records of what `keep_pictures` wrote; raises `InputError` if it is another."""
    path = folder / PICTURES
    if files.fingerprint(path) != mark:
        raise InputError(f"{path} is damaged; delete {folder} and run again")
    kept = Shards([str(path)], str(path), image=_PICTURE)
    return CollectedRecords(kept, range(len(kept)))

"""Uids: told apart, and made from contents where nothing names an example."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from m4jax.data.readers.fields import CONTENTS
from m4jax.errors import InputError

LETTERS = 32  # of a uid that is made


def made(picture: bytes, captions: Sequence[str]) -> str:
    """Returns the uid of an example of which nothing but its contents is known.

    It is the first 32 hexadecimal digits of the SHA-256 of the picture's file and of the captions,
    each in UTF-8 and after its length in bytes (8 bytes, the lowest first). So the same example has
    the same uid in a folder, in shards, in parquet, and wherever it is moved to.

    Args:
        picture: the bytes of its file; b"" without one.
        captions: in their order.
    """
    found = hashlib.sha256()
    for content in (picture, *(text.encode() for text in captions)):
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()[:LETTERS]


class Made:
    """Uids made from contents, 16 bytes each; the second of equal examples ends in "-2"."""

    def __init__(self, uids: Iterable[str]):
        raw = b"".join(map(bytes.fromhex, uids))
        self._digests = np.frombuffer(raw, np.dtype("V16"))
        _, first, number = np.unique(self._digests, return_index=True, return_inverse=True)
        again = np.setdiff1d(np.arange(len(number)), first)
        seen: dict[int, int] = {}
        self._again: dict[int, int] = {}
        for row in again.tolist():
            seen[number[row]] = seen.get(number[row], 1) + 1
            self._again[row] = seen[number[row]]

    def __len__(self) -> int:
        return len(self._digests)

    def __getitem__(self, rows: slice) -> list[str]:
        start, stop, _ = rows.indices(len(self))
        return [
            f"{self._digests[row].tobytes().hex()}{self._ending(row)}" for row in range(start, stop)
        ]

    def _ending(self, row: int) -> str:
        return f"-{self._again[row]}" if row in self._again else ""


def repeated(
    blocks: Callable[[], Iterator[Sequence[str]]], hashes: np.ndarray | None = None
) -> tuple[str, int, int] | None:
    """Returns a uid that stands twice, and its rows; None if there is none.

    Args:
        blocks: yields all uids in order, each time it is called. 8 bytes of each are held.
        hashes: of all uids, int64, if they are known; they are sorted.
    """
    if hashes is None:
        found = [np.fromiter(map(hash, block), np.int64, len(block)) for block in blocks()]
        hashes = np.concatenate(found) if found else np.empty(0, np.int64)
        del found
    every = hashes
    every.sort()
    twice = set(every[1:][every[1:] == every[:-1]].tolist())
    if not twice:
        return None
    seen: dict[str, int] = {}
    row = 0
    for block in blocks():  # of those with equal hashes: are they equal?
        for uid in block:
            if hash(uid) in twice and seen.setdefault(uid, row) != row:
                return uid, seen[uid], row
            row += 1
    return None


def check(
    blocks: Callable[[], Iterator[Sequence[str]]],
    where: str,
    field: str,
    hashes: np.ndarray | None = None,
) -> None:
    """Raises `InputError` if a uid of a field stands twice, see `repeated`."""
    if found := repeated(blocks, hashes):
        uid, first, second = found
        raise InputError(
            f"{where}: the uid {uid!r} of {field!r} stands twice, in rows {first:,} and "
            f"{second:,}; name a field that tells all apart, or uid={CONTENTS!r}: made of the "
            "picture and the captions"
        )

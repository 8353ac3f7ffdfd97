"""The members of a tar file by their headers: where each lies, and what is wrong with others.

Nothing is unpacked. Read are the formats of ustar, GNU and pax, which are what `tar`, webdataset
and img2dataset write.
"""

import os
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from m4jax.data.readers.fields import clean_path
from m4jax.errors import InputError

BLOCK = 512
GZIP, ZSTD, BZIP2, XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"
_EMPTY = bytes(BLOCK)
_NEAR, _FAR = 1 << 18, 1 << 12  # bytes that are read at once, where headers are near, and else
_LONGEST = 1 << 20  # bytes of a header that holds a long name
_RECORD = re.compile(rb"(\d{1,7}) ")
_KINDS = {
    b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"S": "a sparse file", b"V": "a volume's name", b"M": "a part of a file", b"D": "a directory",
}  # fmt: skip


class Member(NamedTuple):
    """A file in a tar file, or why it is none.

    Attributes:
        name: its path.
        offset, size: where its bytes lie.
        fault: what is wrong with it; "": nothing.
    """

    name: str
    offset: int
    size: int
    fault: str = ""


class _Window:
    """Bytes of a file by their places; what lies near to what was read is read with it."""

    def __init__(self, file: int, size: int):
        self._file, self.size = file, size
        self._start, self._content = 0, b""

    def read(self, offset: int, length: int) -> bytes:
        """Returns `length` bytes from `offset` on, fewer only at the file's end."""
        place = offset - self._start
        if place < 0 or place + length > len(self._content):
            near = 0 <= place <= len(self._content) + _NEAR // 4
            self._content = os.pread(self._file, max(length, _NEAR if near else _FAR), offset)
            self._start, place = offset, 0
        return self._content[place : place + length]


def members(path: str) -> Iterator[tuple[Member, _Window]]:
    """Yields the members of a tar file in order, and what reads near them.

    Directories are passed over. Names that lead out (`..`, absolute ones), links, devices, sparse
    files, and names that are not UTF-8 come with their fault. After a damaged header it goes on at
    the next sound one. A file that is no tar file has one member, of no name, with a fault.

    Raises:
        InputError: if the file can't be read, or is compressed.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        window = _Window(file, os.fstat(file).st_size)
        start = window.read(0, BLOCK)
        _check_packing(path, start)
        if start != _EMPTY and not _is_sound(start) and start[257:262] != b"ustar":
            yield Member("", 0, 0, "not a tar file" if start else "an empty file"), window
            return
        for member in _walk(window):
            yield member, window
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    finally:
        os.close(file)


def _check_packing(path: str, start: bytes) -> None:
    for mark, name in ((GZIP, "gzip"), (ZSTD, "zstd"), (BZIP2, "bzip2"), (XZ, "xz")):
        if start.startswith(mark):
            raise InputError(
                f"{path}: compressed by {name}, so that no picture in it can be reached alone; "
                "unpack it (pictures are compressed themselves), as with gunzip"
            )


def _walk(window: _Window) -> Iterator[Member]:
    offset, long = 0, {}
    while offset < window.size:
        header = window.read(offset, BLOCK)
        if header == _EMPTY:
            yield from _after_the_end(window, offset)
            return
        size = _size(header) if _is_sound(header) else -1
        if size < 0:
            following = _resume(window, offset + BLOCK)
            yield _fault(offset, f"a damaged header; went on at byte {following:,}")
            offset, long = following, {}
            continue
        kind, start = header[156:157], offset + BLOCK
        if kind in b"xgLK" and kind != b"":
            told = _long_name(window, kind, start, size)
            if told is None:
                yield _fault(offset, "a damaged header of a long name")
            elif kind != b"g":  # which tells of no file in particular
                long |= told
            offset = start + _padded(size)
            continue
        size = long.get("size", size)
        yield from _member(header, kind, start, size, long, window.size)
        cut = start + size > window.size  # by its end, or does the header lie?
        offset, long = _resume(window, start) if cut else start + _padded(size), {}


def _member(
    header: bytes, kind: bytes, start: int, size: int, long: dict, end: int
) -> Iterator[Member]:
    """Yields the member of a header, unless it is a directory."""
    raw = long.get("path") or _name(header)
    if kind == b"5" or raw.endswith(b"/"):
        return
    try:
        name, fault = raw.decode(), ""
        clean = clean_path(name)
        if clean is None:
            fault = "a name that leads out of the archive"
        else:
            name = clean
    except UnicodeDecodeError:
        name, fault = raw.decode("utf-8", "backslashreplace"), "a name that is not UTF-8"
    if kind not in (b"0", b"\0", b"7"):
        fault = _KINDS.get(kind, f"of an unknown kind {kind!r}")
    if "sparse" in long:
        fault = _KINDS[b"S"]
    if start + size > end:
        fault = f"cut off: it claims {size:,} bytes, and the file has {max(0, end - start):,} left"
    yield Member(name, start, size, fault)


def _is_sound(header: bytes) -> bool:
    """Tells whether the sum in a header is that of its bytes, of which eight count as spaces."""
    if len(header) < BLOCK:
        return False
    try:
        claimed = int(header[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    # Adler-32 has 1 + the sum of all bytes modulo 65521 in its lower half, and is fast.
    counted = zlib.adler32(header[:148]) & 0xFFFF
    counted += (zlib.adler32(header[156:]) & 0xFFFF) - 2 + 8 * 32
    return (claimed - counted) % 65521 == 0


def _size(header: bytes) -> int:
    """Returns the size of a member's content; −1 if it is no number."""
    field = header[124:136]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    digits = field.strip(b" \0")
    return int(digits or b"0", 8) if digits.isdigit() or not digits else -1


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _long_name(window: _Window, kind: bytes, start: int, size: int) -> dict | None:
    """Returns what a header of long names says; None if it can't be read."""
    if size > _LONGEST:
        return None
    content = window.read(start, size)
    if len(content) < size:
        return None
    if kind in b"LK":
        return {"path": content.partition(b"\0")[0]} if kind == b"L" else {}
    told: dict = {}
    while content.strip(b"\0"):
        found = _RECORD.match(content)
        length = int(found[1]) if found else 0
        record = content[:length]
        if not found or length <= found.end() or record[-1:] != b"\n":
            return None
        name, equals, value = record[found.end() : -1].partition(b"=")
        if not equals or (name == b"size" and not value.isdigit()):
            return None
        if name == b"path":
            told["path"] = value
        elif name == b"size":
            told["size"] = int(value[:30])
        elif name.startswith(b"GNU.sparse."):
            told["sparse"] = True
        content = content[length:]
    return told


def _resume(window: _Window, offset: int) -> int:
    """Returns the place of the next header whose sum is right; the file's size if there is none."""
    while offset < window.size:
        header = window.read(offset, BLOCK)
        if header[257:262] == b"ustar" and _is_sound(header):
            return offset
        offset += BLOCK
    return window.size


def _after_the_end(window: _Window, offset: int) -> Iterator[Member]:
    """Yields a fault if more than zeros follows on the mark of the end: another archive, say."""
    following = offset
    while following < window.size:
        content = window.read(following, 1 << 16)
        if content.strip(b"\0"):
            left = window.size - offset
            yield _fault(offset, f"the archive ends here, and {left:,} bytes follow")
            return
        following += len(content)


def _fault(offset: int, reason: str) -> Member:
    return Member(f"byte {offset}", offset, 0, reason)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK

"""What files are: checksums and fingerprints of their contents."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from m4jax.errors import InputError

IN_FULL = 64 * 2**20  # bytes: files up to this size are read in full
BLOCKS, BLOCK = 64, 2**20  # of a larger file so many blocks of so many bytes are
_CHECKSUMS: dict[tuple, str] = {}


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal; "" if there is no such file.

    A file that this process has read before is not read again while its inode, size and times of
    change are the same.
    """
    try:
        return _remembered(path, _whole)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def fingerprint(path: str | os.PathLike, *, full: bool = False) -> str:
    """Returns what tells a file's content from another: it depends on neither path nor name.

    Up to 64 MiB it is the SHA-256. Above that it is "sampled-" and the SHA-256 of the size, the
    time of the last change and 64 blocks of 1 MiB, evenly spaced from the first to the last: a
    change that leaves size, time and all these blocks as they were goes unnoticed.

    Args:
        path: of the file.
        full: take the SHA-256 whatever the size.

    Raises:
        InputError: if there is no such file, or it is a folder.
    """
    path = Path(path)
    try:
        found = path.is_file()
    except OSError as error:  # a name that no file can have
        raise InputError(f"{str(path)[:60]}…: {error.strerror}") from None
    if not found:
        reason = "a folder, where a file was expected" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {reason}")
    if full or path.stat().st_size <= IN_FULL:
        return sha256(path)
    return f"sampled-{_remembered(path, _sampled)}"


def fingerprint_stream(file: BinaryIO, size: int, changed: int, *, full: bool = False) -> str:
    """Returns the fingerprint of an open file that lies in no folder of this machine.

    Args:
        file: that can be read from any place.
        size: in bytes.
        changed: the time of its last change, in nanoseconds.
        full: see `fingerprint`.
    """
    if full or size <= IN_FULL:
        found = hashlib.sha256()
        while block := file.read(BLOCK):
            found.update(block)
        return found.hexdigest()
    return f"sampled-{_blocks(file, size, changed)}"


def fingerprint_folder(
    path: str | os.PathLike, pattern: str = "**/*", *, full: bool = False
) -> str:
    """Returns what tells the content of a folder from another's, in hexadecimal.

    It is the SHA-256 of the names below the folder and of the fingerprints of these files; where
    the folder lies plays no role. Hidden files are left out, as unfinished ones are.

    Args:
        path: of the folder.
        pattern: which files count.
        full: see `fingerprint`.

    Raises:
        InputError: if there is no such folder, or no such file in it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    names = sorted(x.relative_to(folder).as_posix() for x in folder.glob(pattern) if x.is_file())
    names = [name for name in names if not any(part[0] == "." for part in name.split("/"))]
    if not names:
        raise InputError(f"{folder}: has no files {pattern}")
    return digest([[name, fingerprint(folder / name, full=full)] for name in names], 64)


def digest(value: Any, length: int = 12) -> str:
    """Returns the first hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _remembered(path: str | os.PathLike, digest_of: Callable[[BinaryIO], str]) -> str:
    about = os.stat(path)
    times = (about.st_mtime_ns, about.st_ctime_ns)  # the latter can't be set by hand
    key = (digest_of, os.fspath(path), about.st_ino, about.st_size, *times)
    if key not in _CHECKSUMS:
        with open(path, "rb") as file:
            _CHECKSUMS[key] = digest_of(file)
    return _CHECKSUMS[key]


def _whole(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _sampled(file: BinaryIO) -> str:
    about = os.fstat(file.fileno())
    return _blocks(file, about.st_size, about.st_mtime_ns)


def _blocks(file: BinaryIO, size: int, changed: int) -> str:
    found = hashlib.sha256(f"{size} {changed} ".encode())
    for i in range(BLOCKS):
        file.seek((size - BLOCK) * i // (BLOCKS - 1))
        found.update(file.read(BLOCK))
    return found.hexdigest()

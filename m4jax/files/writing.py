"""Files that are whole or absent: atomic writes, locks, and what the killed left behind."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from m4jax.errors import InputError


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place when the block succeeds.

    The content is flushed to the disk before the rename, so that a reader sees the old file or
    the new one, whole. If the block raises (a full disk, say), the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(target: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary directory beside `target` that takes its place when the block succeeds.

    A directory that was there is replaced. If the block raises, the temporary one is removed.
    """
    target = Path(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: str | os.PathLike, *, deep: bool = True) -> None:
    """Removes what `atomic` left in `folder`, and below it if `deep`, by a process that was killed.

    Only for a folder in which no other process writes.
    """
    for path in Path(folder).glob("**/.*.tmp" if deep else ".*.tmp"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: str | os.PathLike, *, wait: bool = True) -> Iterator[None]:
    """Holds an exclusive lock on the file `path`; it ends with the process, however that ends.

    Raises:
        InputError: if another process holds the lock and `wait` is False.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(
                f"another process is at work and holds {path}; wait for it, or choose another "
                "--workdir"
            ) from None
        yield


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

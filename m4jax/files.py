"""Files that are whole or absent, and what they were: atomic writes, JSON lines, checksums."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from m4jax.errors import InputError

MANIFEST = "manifest.json"
_CHECKSUMS: dict[tuple, str] = {}


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


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file; raises `InputError` naming the file if it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error}); restore or delete it") from None


def append_jsonl(path: str | os.PathLike, record: Mapping[str, Any]) -> None:
    """Appends one record as a line; a kill in mid-write tears at most this last line."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read_jsonl(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the records of a JSON-lines file, or `[]`; a torn last line is left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    records = []
    for number, line in enumerate(lines[:-1], start=1):  # a whole line ends in \n: the last is torn
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
    return records


def write_jsonl(path: str | os.PathLike, records: list[dict[str, Any]]) -> None:
    """Writes all records at once, atomically."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal; "" if there is no such file.

    A file that this process has read before is not read again while its inode, size and time of
    change are the same.
    """
    try:
        about = os.stat(path)
    except FileNotFoundError:
        return ""
    key = (os.fspath(path), about.st_ino, about.st_mtime_ns, about.st_size)
    if key not in _CHECKSUMS:
        with open(path, "rb") as file:
            _CHECKSUMS[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _CHECKSUMS[key]


def write_manifest(folder: str | os.PathLike, **facts: Any) -> None:
    """Writes `manifest.json`: size and SHA-256 of every file in `folder`, and some facts."""
    paths = sorted(path for path in Path(folder).iterdir() if path.name != MANIFEST)
    entries = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths}
    write_json(Path(folder) / MANIFEST, facts | {"files": entries})


def intact(folder: str | os.PathLike, name: str) -> Path:
    """Returns the path of a file of `folder` that is what its manifest says.

    Raises:
        InputError: if the manifest or the file is missing, or the file is not what it was.
    """
    path = Path(folder) / name
    entry = read_json(Path(folder) / MANIFEST)["files"].get(name)
    if entry is None:
        raise InputError(f"{folder}: its manifest has no file {name!r}")
    actual = sha256(path)
    # Entries of before were the checksum alone.
    if actual != (entry if isinstance(entry, str) else entry["sha256"]):
        reason = "damaged (its SHA-256 differs)" if actual else "missing"
        raise InputError(f"{path} is {reason}; delete {folder} and run again: it is made anew")
    return path


def digest(value: Any, length: int = 12) -> str:
    """Returns the first hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]

"""Files that workers read and write: on a disk that all of them see, or in a bucket.

A path with `://` is of one of Beam's file systems (gs://, s3://, hdfs://), any other one is local.
"""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.tables import table

BLOCK = 1 << 20


def is_remote(path: str) -> bool:
    """Tells whether a path is of one of Beam's file systems."""
    return "://" in path


def join(folder: str, *names: str) -> str:
    """Returns the path of a file in a folder."""
    return FileSystems.join(folder, *names) if is_remote(folder) else os.path.join(folder, *names)


def find(patterns: Sequence[str]) -> list[str]:
    """Returns the files that match any of the patterns, each once, sorted by name."""
    remote = [pattern for pattern in patterns if is_remote(pattern)]
    local = [pattern for pattern in patterns if not is_remote(pattern)]
    found = set(table.find(local) if local or not remote else ())
    for pattern in remote:
        try:
            (matches,) = FileSystems.match([pattern])
        except BeamIOError as error:
            raise InputError(f"files: {pattern!r}: {error}") from None
        if not matches.metadata_list:
            raise InputError(f"config.files: no file matches {pattern!r}")
        found.update(x.path for x in matches.metadata_list)
    return sorted(found)


def open_file(path: str) -> BinaryIO:
    """Opens a file for reading, from any place in it.

    Raises:
        InputError: if there is no such file.
    """
    try:
        if not is_remote(path):
            return open(path, "rb")
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except (FileNotFoundError, BeamIOError) as error:
        raise InputError(f"{path}: can't be read ({error})") from None


def put(local: Path, path: str) -> str:
    """Copies a file of this worker to `path`, where it appears whole; returns its SHA-256.

    A bundle that runs twice writes the same file twice.
    """
    if is_remote(path):
        with (
            open(local, "rb") as source,
            FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as target,
        ):
            shutil.copyfileobj(source, target, BLOCK)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = os.path.join(
            os.path.dirname(path), f".{os.path.basename(path)}.{uuid.uuid4().hex}.tmp"
        )
        try:
            shutil.copyfile(local, temporary)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return files.sha256(local)


def get(path: str, local: Path, sha256: str) -> Path:
    """Copies a file to this machine, unless it is there already; returns where it is.

    Raises:
        InputError: if there is none.
        DamagedError: if it is not what was written.
    """
    local = fetch(path, local) if is_remote(path) else Path(path)
    if files.sha256(local) != sha256:
        raise DamagedError(f"{path}: damaged (its SHA-256 differs); delete it and run again")
    return local


def fetch(path: str, local: Path) -> Path:
    """Copies a file to this machine, and returns where it is."""
    with (
        open_file(path) as source,
        files.atomic(local) as temporary,
        open(temporary, "wb") as target,
    ):
        shutil.copyfileobj(source, target, BLOCK)
    return local


def sha256(path: str) -> str:
    """Returns the SHA-256 of a file, "" if there is none."""
    if not is_remote(path):
        return files.sha256(path)
    if not FileSystems.exists(path):
        return ""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: str, *, full: bool) -> str:
    """Returns what tells a file's content from another; see `files.fingerprint`."""
    if not is_remote(path):
        return files.fingerprint(path, full=full)
    try:
        (match,) = FileSystems.match([path])
        (about,) = match.metadata_list
    except (BeamIOError, ValueError) as error:
        raise InputError(f"{path}: no such file ({error})") from None
    changed = int(about.last_updated_in_seconds * 10**9)
    with open_file(path) as file:
        return files.fingerprint_stream(file, about.size_in_bytes, changed, full=full)


def remove(paths: Sequence[str]) -> None:
    """Removes files, if they are there."""
    for path in paths:
        if not is_remote(path):
            Path(path).unlink(missing_ok=True)
        elif FileSystems.exists(path):
            FileSystems.delete([path])


def remove_folder(path: str) -> None:
    """Removes a folder if it is local and empty; in a bucket there are none without files."""
    if not is_remote(path):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def matching(folder: str, pattern: str) -> list[str]:
    """Returns the files of a folder whose names match, sorted."""
    if not is_remote(folder):
        return sorted(map(str, Path(folder).glob(pattern)))
    (match,) = FileSystems.match([FileSystems.join(folder, pattern)])
    return sorted(x.path for x in match.metadata_list)

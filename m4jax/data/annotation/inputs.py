"""Which files are annotated: those of captions, and collections of pictures with captions."""

import collections
import os
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from m4jax.data import readers
from m4jax.data.readers import uids
from m4jax.data.readers.opening import KINDS
from m4jax.data.readers.tabular import is_picture
from m4jax.errors import InputError
from m4jax.files import parquet

_ROWS = 1 << 14  # of a table that are read at once


def matching(patterns: Sequence[str]) -> list[str]:
    """Returns the files, in the order of the patterns. A pattern of tar shards stays one.

    Raises:
        InputError: if there is none of a pattern.
    """
    first: dict[str, str] = {}  # a file that links name as well is one
    for pattern in patterns:
        if is_shards(pattern):
            first[pattern] = pattern
            continue
        matches = [pattern] if Path(pattern).exists() else sorted(glob(pattern, recursive=True))
        if not matches:
            raise InputError(
                f"config.files: nothing fits {pattern!r} in {Path.cwd()}; expected {KINDS}"
            )
        for match in matches:
            first.setdefault(os.path.realpath(match), match)
    return list(first.values())


def is_shards(pattern: str) -> bool:
    """Tells whether a pattern stands for tar shards, whose keys are told apart together."""
    return readers.is_pattern(pattern) and pattern.lower().endswith(".tar")


def is_collection(path: str) -> bool:
    """Tells whether a path is one of pictures with captions: what `readers` opens as a whole."""
    lower = path.lower()
    if is_shards(path) or lower.endswith((".tar", ".tgz")) or os.path.isdir(path):
        return True
    return lower.endswith(".parquet") and any(map(is_picture, parquet.schema(path)[0]))


def prefixes(paths: Sequence[str]) -> list[str]:
    """Returns what makes the numbers of each file's rows unique among all."""
    stems = [os.path.basename(path).partition(".")[0] for path in paths]
    many = collections.Counter(stems)
    return [f"{number}/" if many[stem] > 1 else "" for number, stem in enumerate(stems)]


def check_uids(path: str | os.PathLike, where: str) -> None:
    """Raises `InputError` if a uid stands twice in a table: in two collections, say."""

    def blocks() -> Iterator[list[str]]:
        for batch in parquet.batches(path, _ROWS, ["uid"]):
            yield batch.column(0).to_pylist()

    uids.check(blocks, where, "uid")

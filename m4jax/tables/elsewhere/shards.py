"""Tar shards with the kept examples alone: for webdataset, open_clip, img2dataset's readers.

Each shard is written whole or not at all, under its own name, with the members of kept examples in
their order; what is interrupted goes on with the next shard. `sizes.json` tells open_clip the
number of examples of each.
"""

import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from m4jax import files
from m4jax.data.readers import tar
from m4jax.data.readers.shards import Shards, split_name
from m4jax.errors import DamagedError, InputError
from m4jax.progress import Progress
from m4jax.tables.elsewhere.chosen import Chosen

SIZES = "sizes.json"


def rewrite(
    collection: Shards, found: Chosen, folder: Path, progress: Progress | None = None
) -> dict[str, int]:
    """Writes the shards with kept examples; returns the number of examples of each by its name.

    A shard of which nothing is kept is not written. Members that can't be read (links, names that
    lead out) are left out, as the reader does.

    Args:
        collection: the shards.
        found: who is kept.
        folder: where to, another than theirs.
        progress: told of the shards done.

    Raises:
        InputError: if two shards have one name, or the folder is theirs.
    """
    paths = list(collection.paths)
    names = [os.path.basename(path) for path in paths]
    if len(set(names)) < len(names):
        raise InputError(f"{collection.name}: two shards have one name; write them one by one")
    for path in paths:
        if os.path.realpath(os.path.dirname(path) or ".") == os.path.realpath(folder):
            raise InputError(f"{folder}: the shards lie there; choose another --workdir")
    sizes = {}
    for number, (path, keys) in enumerate(_kept_keys(collection, found)):
        if progress:
            progress("write shards", number, len(paths))
        target = folder / names[number]
        if not keys:
            target.unlink(missing_ok=True)
            target.with_suffix(".json").unlink(missing_ok=True)
            continue
        wanted = {"source": files.fingerprint(path), "kept": files.digest(sorted(keys), 64)}
        if not _is_done(target, wanted):
            with files.atomic(target) as temporary:
                _copy(path, keys, temporary)
            files.seal_file(target, **wanted, examples=len(keys))
        sizes[target.name] = len(keys)
    files.write_json(folder / SIZES, sizes)
    return sizes


def pattern(names: Sequence[str]) -> str:
    """Returns what stands for the shards in webdataset and open_clip: "{00000..00012}.tar"."""
    stems = sorted(name.removesuffix(".tar") for name in names)
    if len(stems) < 2:
        return f"{''.join(stems)}.tar"
    found = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in stems]
    if all(found) and len({(x[1], len(x[2])) for x in found}) == 1:
        first, last = found[0][2], found[-1][2]
        if int(last) - int(first) == len(stems) - 1:
            return f"{found[0][1]}{{{first}..{last}}}.tar"
    return f"{{{','.join(stems)}}}.tar"


def _kept_keys(collection: Shards, found: Chosen) -> Iterator[tuple[str, set[str]]]:
    """Yields the path of each shard and the keys of its examples that are kept."""
    start = 0
    for path, keys in collection.by_shard():
        mask = found.kept[start : start + len(keys)]
        yield path, {keys[i].as_py() for i in np.flatnonzero(mask)}
        start += len(keys)


def _is_done(path: Path, wanted: dict[str, str]) -> bool:
    try:
        return wanted.items() <= files.sealed_file(path).items()
    except (InputError, DamagedError):
        return False


def _copy(path: str, keys: set[str], target: Path) -> None:
    """Writes the members of examples, in their order; times and owners are none."""
    seen: set[str] = set()
    with open(path, "rb") as source, open(target, "wb") as out:
        for member, _ in tar.members(path):
            if member.fault or member.name in seen or split_name(member.name)[0] not in keys:
                continue
            seen.add(member.name)
            info = tarfile.TarInfo(member.name)
            info.size = member.size
            out.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))
            source.seek(member.offset)
            out.write(source.read(member.size))
            out.write(bytes(-member.size % tarfile.BLOCKSIZE))
        out.write(bytes(2 * tarfile.BLOCKSIZE))
        out.write(bytes(-out.tell() % tarfile.RECORDSIZE))

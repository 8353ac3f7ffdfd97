"""Checksums: of arrays, on the devices that hold them, and of the files of a directory."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from m4jax import files
from m4jax.errors import InputError

_LANES = (0x9E3779B9, 0x85EBCA6B)  # two sums of 32 bits: one of 64


class DamagedError(Exception):
    """What was read is not what was written."""


def of_leaves(tree: Any) -> dict[str, list]:
    """Returns leaf path ↦ [type, shape, checksum], the same on any number of devices.

    The checksum of the 32-bit words w_i of a leaf is, for two constants c (derived):

        Σ_i mix(w_i xor mix(i xor c))  mod 2³²

    `mix` is a bijection, so that a change of a single word is always noticed, and any other but
    once in 2⁶⁴. It is computed where the array lies: nothing is gathered, or copied to the host.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    sums = np.asarray(_sums([leaf for _, leaf in leaves]))
    return {
        jax.tree_util.keystr(path): [str(leaf.dtype), list(leaf.shape), f"{high:08x}{low:08x}"]
        for (path, leaf), (high, low) in zip(leaves, sums, strict=True)
    }


@jax.jit
def _sums(leaves: list[jax.Array]) -> jax.Array:
    return jnp.stack([_sum(leaf) for leaf in leaves])


def _sum(leaf: jax.Array) -> jax.Array:
    words = _words(jnp.asarray(leaf))
    index = jnp.zeros(words.shape, jnp.uint32)
    for axis, size in enumerate(words.shape):
        index = index * np.uint32(size) + jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis)
    lanes = [jnp.sum(_mix(words ^ _mix(index ^ np.uint32(c))), dtype=jnp.uint32) for c in _LANES]
    return jnp.stack(lanes)


def _words(x: jax.Array) -> jax.Array:
    """Returns the bits of x as unsigned words of 32 bits; an eight-byte number is two words."""
    if x.dtype == bool:
        return x.astype(jnp.uint32)
    unsigned = {1: jnp.uint8, 2: jnp.uint16}.get(x.dtype.itemsize, jnp.uint32)
    return jax.lax.bitcast_convert_type(x, unsigned).astype(jnp.uint32)


def _mix(x: jax.Array) -> jax.Array:
    """Scatters the bits of 32-bit words; one to one. Source: MurmurHash3's finaliser (Appleby)."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def seal(directory: str | os.PathLike, path: str | os.PathLike) -> None:
    """Writes the SHA-256 of every file in the folders of `directory` to the JSON file `path`.

    Files at the top of `directory` are left out: Orbax changes them afterwards, and needs nothing
    of them to restore.
    """
    directory = Path(directory)
    names = sorted(p for p in directory.glob("*/**/*") if p.is_file())
    sums = {p.relative_to(directory).as_posix(): files.sha256(p) for p in names}
    files.write_json(path, {"files": sums, "digest": files.digest(sums)})


def check_seal(directory: str | os.PathLike, path: str | os.PathLike) -> None:
    """Raises `DamagedError` if a file of `directory` is not as it was when it was sealed.

    Without the file `path` there is nothing to compare with.
    """
    if not Path(path).exists():
        return
    try:
        sealed = files.read_json(path)
        sums = sealed["files"]
        intact = sealed["digest"] == files.digest(sums)
    except (InputError, KeyError, TypeError):
        intact = False
    if not intact:
        raise DamagedError(f"its list of checksums, {path}, is damaged itself")
    for name, expected in sums.items():
        file = Path(directory) / name
        if not file.is_file():
            raise DamagedError(f"{name} is missing")
        if files.sha256(file) != expected:
            raise DamagedError(f"the checksum of the file {name} does not match")

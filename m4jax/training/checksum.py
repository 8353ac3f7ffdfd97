"""Checksums of arrays, on the devices that hold them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_LANES = (0x9E3779B9, 0x85EBCA6B)  # two sums of 32 bits: one of 64


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

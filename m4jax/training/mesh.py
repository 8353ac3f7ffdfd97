"""Arrays on devices: where they lie, and checksums of them.

The devices form one mesh with a data axis and a model axis.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from m4jax.errors import InputError

DATA, MODEL = "data", "model"
SMALLEST_SHARDED = 2**16  # elements; gathering a smaller leaf costs more than it saves in memory
_LANES = (0x9E3779B9, 0x85EBCA6B)  # two sums of 32 bits: one of 64


def make_mesh(devices: Sequence[jax.Device] | None = None, *, model: int = 1) -> Mesh:
    """Returns the mesh ("data", "model") over `devices`.

    Args:
        devices: all devices of all processes by default.
        model: size of the model axis, over which matrices are split; the rest is the data axis.

    Raises:
        InputError: if `model` doesn't divide the number of devices.
    """
    devices = jax.devices() if devices is None else list(devices)
    if model < 1 or len(devices) % model:
        raise InputError(f"model axis: {model} does not divide the {len(devices)} devices")
    grid = np.array(devices).reshape(-1, model)
    return Mesh(grid, (DATA, MODEL), axis_types=(AxisType.Auto, AxisType.Auto))


def state_shardings(abstract: Any, mesh: Mesh, *, smallest: int = SMALLEST_SHARDED) -> Any:
    """Returns the sharding of every leaf of a tree: large ones are split, small ones replicated.

    The last dimension that the model axis divides is split over it, then the largest remaining one
    that the data axis divides over that (fully sharded data parallelism; XLA gathers a layer's
    parameters where they are needed).

    Args:
        abstract: a tree of arrays or of their shapes.
        mesh: see `make_mesh`.
        smallest: leaves with fewer elements are replicated.
    """
    return jax.tree.map(
        lambda leaf: NamedSharding(mesh, _partition(leaf.shape, mesh, smallest)), abstract
    )


def _partition(shape: tuple[int, ...], mesh: Mesh, smallest: int) -> PartitionSpec:
    axes: list[str | None] = [None] * len(shape)
    if math.prod(shape) < smallest:
        return PartitionSpec()
    for name, order in ((MODEL, lambda i: i), (DATA, lambda i: shape[i])):
        size = mesh.shape[name]
        free = [i for i, n in enumerate(shape) if axes[i] is None and n % size == 0]
        if size > 1 and free:
            axes[max(free, key=order)] = name
    return PartitionSpec(*axes)


def split_rows(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: its rows are split over the data axis."""
    return NamedSharding(mesh, PartitionSpec(DATA))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device holds."""
    return NamedSharding(mesh, PartitionSpec())


def like(abstract: Any, shardings: Any) -> Any:
    """Returns the shapes of `abstract` with their shardings: what a checkpoint is restored to."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        abstract,
        shardings,
    )


def place(tree: Any, shardings: Any) -> Any:
    """Returns host arrays as arrays on the mesh; each process copies what its devices hold."""
    return jax.tree.map(
        lambda x, sharding: jax.make_array_from_callback(
            np.shape(x), sharding, lambda part: np.asarray(x)[part]
        ),
        tree,
        shardings,
    )


def checksums(tree: Any) -> dict[str, list]:
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

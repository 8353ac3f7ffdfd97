"""The constraints as a linear operator over patterns, applied chunk by chunk.

The rows are z = (s − κπ) ⊗ [1, y] / scale, of length K = m(c+1), with κ = 0 (and s = 0) where the
attribute is unknown. The full `[p, K]` matrix never exists. Patterns may be in single precision
and spread over devices; sums over them are always in the precision of `scale`, and over all.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array

# Rows at a time. On CPUs z of one chunk, up to 3 MB with 200 constraints in float64, should stay
# in a core's cache; labels alone are narrower. Accelerators want few and large pieces of work.
CHUNK = {"cpu": 2048}
LABELS_CHUNK = {"cpu": 16_384}
LARGE_CHUNK = 131_072
EXACT = lax.Precision.HIGHEST  # accelerators would otherwise round the factors of products


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["attributes", "known", "labels", "share", "target", "scale"],
    meta_fields=["axis"],
)
@dataclasses.dataclass(frozen=True)
class Operator:
    """What the rows are made of.

    attributes: `[p, m]` s, 0 where unknown.
    known: `[p, m]` κ.
    labels: `[p, c]` y, of any type.
    share: `[p]` of each pattern: E[·] is a sum with these factors.
    target: `[m, c+1]` π.
    scale: `[m, c+1]` divisors of the columns.
    axis: the name of the mesh axis that the patterns are spread over, if any.
    """

    attributes: Array
    known: Array
    labels: Array
    share: Array
    target: Array
    scale: Array
    axis: str | None = None


def mean(rows: Operator, values: Array) -> Array:
    """Returns E[values], a sum over all patterns, for values `[p]`."""
    return _everywhere(rows, jnp.sum(rows.share * values, dtype=rows.scale.dtype))


def scores(rows: Operator, *multipliers: Array) -> Array:
    """Returns z·w `[p]` for multipliers w `[K]`; for j of them, in one pass, `[j, p]`."""
    w = jnp.stack(multipliers).reshape(-1, *rows.scale.shape) / rows.scale  # [j, m, c+1]
    both = jnp.concatenate([w, w * rows.target], axis=1).astype(rows.known.dtype)  # [j, 2m, c+1]
    first = both[:, :, 0]
    others = both[:, :, 1:].reshape(first.size, w.shape[2] - 1)

    def one(chunk: tuple[Array, ...]) -> Array:
        attributes, known, labels = chunk
        sides = jnp.matmul(labels.astype(known.dtype), others.T, precision=EXACT)
        sides = sides.reshape(len(labels), *first.shape) + first
        return jnp.sum(sides * _signed(attributes, known)[:, None, :], axis=2)  # [b, j]

    result = lax.map(one, _chunks(rows)).reshape(-1, len(w))
    return result[:, 0] if len(multipliers) == 1 else result.T


def moments(rows: Operator, values: Array) -> Array:
    """Returns E[values z] `[K]` for values `[p]`."""
    m, width = rows.scale.shape

    def part(attributes: Array, known: Array, labels: Array, mass: Array) -> Array:
        signed = (_signed(attributes, known) * mass[:, None]).T
        return jnp.matmul(signed, _extended(labels, known.dtype), precision=EXACT)

    total = _sum(rows, part, (2 * m, width), rows.share * values)
    return ((total[:m] + total[m:] * rows.target) / rows.scale).reshape(-1)


def second_moments(rows: Operator) -> Array:
    """Returns E[z²] `[m, c+1]`."""

    def part(attributes: Array, known: Array, labels: Array, mass: Array) -> Array:
        z = _rows(rows, attributes, known, labels)
        return jnp.einsum("b,bk->k", mass, z**2, precision=EXACT)

    return _sum(rows, part, (rows.scale.size,), rows.share).reshape(rows.scale.shape)


def add_gram(rows: Operator, gram: Array, change: Array) -> Array:
    """Returns gram + Σ_p change_p [1, z_p] [1, z_p]ᵀ `[K+1, K+1]`.

    Only the patterns whose change is not zero cost anything, so a Newton step late in the solve,
    when few weights enter or leave their bounds, is nearly free.
    """
    size = len(change)
    width = _width(size, CHUNK)
    order = jnp.nonzero(change, size=size)[0]
    changed = jnp.count_nonzero(change)

    def add(i: Array, total: Array) -> Array:
        place = i * width + jnp.arange(width)
        index = lax.dynamic_slice(order, (i * width,), (width,))
        factor = jnp.where(place < changed, change[index], 0.0)
        z = _rows(rows, *(x[index] for x in (rows.attributes, rows.known, rows.labels)))
        z = jnp.concatenate([jnp.ones((width, 1), z.dtype), z], axis=1)
        part = jnp.matmul(z.T, factor[:, None] * z, precision=EXACT)
        return total + part.astype(total.dtype)

    chunks = (changed + width - 1) // width
    return gram + _everywhere(rows, lax.fori_loop(0, chunks, add, jnp.zeros_like(gram)))


def padded(size: int) -> int:
    """Returns the least number of rows, at least `size`, that divides into whole chunks."""
    widest = max(_width(size, CHUNK), _width(size, LABELS_CHUNK))
    return -(-size // widest) * widest if size > widest else 1 << max(size - 1, 0).bit_length()


def _width(size: int, chunks: dict[str, int]) -> int:
    return min(size, chunks.get(jax.default_backend(), LARGE_CHUNK))


def _everywhere(rows: Operator, total: Array) -> Array:
    return total if rows.axis is None else lax.psum(total, rows.axis)


def _sum(rows: Operator, part: Callable, shape: tuple[int, ...], mass: Array) -> Array:
    """Returns the sum of part(attributes, known, labels, mass) over chunks and devices.

    Within a chunk the sum has the patterns' precision, over the chunks that of `scale`: an error
    grows with the chunk, not with the number of patterns.
    """

    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        return total + part(*chunk).astype(total.dtype), None

    chunks = _chunks(rows)
    zero = jnp.zeros(shape, rows.scale.dtype)
    total, _ = lax.scan(add, zero, (*chunks, mass.reshape(chunks[0].shape[:2])))
    return _everywhere(rows, total)


def _chunks(rows: Operator) -> tuple[Array, ...]:
    width = _width(len(rows.known), LABELS_CHUNK)
    parts = (rows.attributes, rows.known, rows.labels)
    return tuple(x.reshape(len(x) // width, width, x.shape[1]) for x in parts)


def _extended(labels: Array, dtype: jnp.dtype) -> Array:
    """Returns [1, y] `[b, c+1]`."""
    return jnp.concatenate([jnp.ones((len(labels), 1), dtype), labels.astype(dtype)], axis=1)


def _signed(attributes: Array, known: Array) -> Array:
    """Returns [s, −κ] `[b, 2m]`: the rows of s − κπ, before π is known."""
    return jnp.concatenate([attributes, -known], axis=1)


def _rows(rows: Operator, attributes: Array, known: Array, labels: Array) -> Array:
    """Returns z `[b, K]`."""
    dtype = known.dtype
    factor, offset = (x.astype(dtype) for x in (1 / rows.scale, rows.target / rows.scale))
    centred = attributes[:, :, None] * factor - known[:, :, None] * offset
    return (centred * _extended(labels, dtype)[:, None, :]).reshape(len(labels), -1)

"""The dual problem: constraint rows z, sums over the examples, the values of primal and dual.

The rows are z = (s − κπ) ⊗ [1, y] / scale, of length K = m(c+1), with κ = 0 (and s = 0) where the
attribute is unknown. The full `[p, K]` matrix never exists: everything goes chunk by chunk. Rows
may be in single precision and spread over devices; sums over them are always in the precision of
`scale`, and over all devices.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from m4jax.balance.devices import Axis, PerRow, Shared

Array = jax.Array

# Rows at a time. On CPUs z of one chunk, up to 3 MB with 200 constraints in float64, should stay
# in a core's cache; labels alone are narrower. Accelerators want few and large pieces of work.
CHUNK = {"cpu": 2048}
LABELS_CHUNK = {"cpu": 16_384}
LARGE_CHUNK = 131_072
EXACT = lax.Precision.HIGHEST  # accelerators would otherwise round the factors of products
# |E[q (s − π) y]| is at most 1, so that a wider bound is none; infinity would meet 0 in products.
WIDEST = 2.0


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["attributes", "known", "labels", "share", "target", "scale"],
    meta_fields=["axis"],
)
@dataclasses.dataclass(frozen=True)
class Rows:
    """What the rows z are made of: the examples, or those that differ."""

    attributes: PerRow  # [p, m] s, 0 where unknown
    known: PerRow  # [p, m] κ
    labels: PerRow  # [p, c] y, of any type
    share: PerRow  # [p] of each row: E[·] is a sum with these factors
    target: Shared  # [m, c+1] π
    scale: Shared  # [m, c+1] divisors of the columns
    axis: Axis = None  # the mesh axis that the rows are spread over, if any


class Dual(NamedTuple):
    """The dual problem: maximise g(w, μ), see `values`, over |w| ≤ V."""

    rows: Rows  # z; all constraints are in its scale
    base: PerRow  # [p] b = ηu
    keep_rate: Shared  # η
    eps: Shared  # [K] ε
    penalty: Shared  # [K] V
    tolerance: Shared  # of the duality gap


class Values(NamedTuple):
    """What `values` returns."""

    primal: Shared  # at q
    dual: Shared  # at (w, μ)
    gap: Shared  # primal − dual, at most


def scaled(dual: Dual) -> Dual:
    """Returns the problem with columns of unit second moment."""
    size = second_moments(dual.rows)
    scale = jnp.where(size > 0, jnp.sqrt(size), 1.0)
    flat = scale.reshape(-1)
    rows = dataclasses.replace(dual.rows, scale=scale)
    return dual._replace(rows=rows, eps=dual.eps / flat, penalty=dual.penalty * flat)


def violation(moments: Array, eps: Array) -> Array:
    """Returns [|r| − ε]₊ for r = E[q z], elementwise, of JAX's arrays or NumPy's."""
    return (abs(moments) - eps).clip(0.0)


def penalties(moments: Array, eps: Array, penalty: Array) -> Array:
    """Returns V [|r| − ε]₊, elementwise; 0 where V is infinite, as such constraints must hold."""
    hard = jnp.isinf(penalty)
    return jnp.where(hard, 0.0, jnp.where(hard, 0.0, penalty) * violation(moments, eps))


def primal_value(moments: Array, cost: Array, eps: Array, penalty: Array) -> Array:
    """Returns E[ψ(q)] + Σ V [|r| − ε]₊ for r `[..., K]` and E[ψ(q)] `[...]`."""
    return cost + jnp.sum(penalties(moments, eps, penalty), axis=-1)


def values(
    multipliers: Array,
    moments: Array,
    cost: Array,
    rates: tuple[Array, Array],
    *,
    eps: Array,
    penalty: Array,
) -> Values:
    """Returns the values at w and μ, and at the weights q that minimise ψ(q; b) + q (z·w + μ).

    With r = E[q z] the dual value is
    g(w, μ) = E[min_q ψ(q; b) + q (z·w + μ)] − ε·|w| − μη = E[ψ(q)] + w·r − ε·|w| + μ (E[q] − η).
    The gap is the sum of V [|r| − ε]₊ − w r + ε |w| over the constraints: each term is at least 0,
    so that even a tiny gap is computed without cancellation. It is that of the cost
    ψ + μ⁰ (q − η), which is no other where E[q] = η: without the shift, the rounding of E[q] would
    be multiplied by a μ that large utilities make large. Source: derived.

    Args:
        multipliers: `[K]` w.
        moments: `[K]` r.
        cost: E[ψ(q)].
        rates: μ (E[q] − η) and (μ − μ⁰)(E[q] − η), where μ⁰ is the best μ at w = 0.
        eps: `[K]` ε.
        penalty: `[K]` V.
    """
    price = penalties(moments, eps, penalty)
    size = jnp.abs(multipliers)
    return Values(
        primal=primal_value(moments, cost, eps, penalty),
        dual=cost + multipliers @ moments - eps @ size + rates[0],
        gap=jnp.sum(jnp.abs(price - multipliers * moments + eps * size)) + jnp.abs(rates[1]),
    )


def mean(rows: Rows, values: Array) -> Array:
    """Returns E[values], a sum over all rows, for values `[p]`."""
    return _everywhere(rows, jnp.sum(rows.share * values, dtype=rows.scale.dtype))


def scores(rows: Rows, *multipliers: Array) -> Array:
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


def moments(rows: Rows, values: Array) -> Array:
    """Returns E[values z] `[K]` for values `[p]`."""
    m, width = rows.scale.shape

    def part(attributes: Array, known: Array, labels: Array, mass: Array) -> Array:
        signed = (_signed(attributes, known) * mass[:, None]).T
        return jnp.matmul(signed, _extended(labels, known.dtype), precision=EXACT)

    total = _sum(rows, part, (2 * m, width), rows.share * values)
    return ((total[:m] + total[m:] * rows.target) / rows.scale).reshape(-1)


def second_moments(rows: Rows) -> Array:
    """Returns E[z²] `[m, c+1]`."""

    def part(attributes: Array, known: Array, labels: Array, mass: Array) -> Array:
        z = _rows(rows, attributes, known, labels)
        return jnp.einsum("b,bk->k", mass, z**2, precision=EXACT)

    return _sum(rows, part, (rows.scale.size,), rows.share).reshape(rows.scale.shape)


def add_gram(rows: Rows, gram: Array, change: Array) -> Array:
    """Returns gram + Σ change [1, z] [1, z]ᵀ `[K+1, K+1]`.

    Only the rows whose change is not zero cost anything, so a Newton step late in the solve,
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


def _everywhere(rows: Rows, total: Array) -> Array:
    return total if rows.axis is None else lax.psum(total, rows.axis)


def _sum(rows: Rows, part: Callable, shape: tuple[int, ...], mass: Array) -> Array:
    """Returns the sum of part(attributes, known, labels, mass) over chunks and devices.

    Within a chunk the sum has the rows' precision, over the chunks that of `scale`: an error
    grows with the chunk, not with the number of rows.
    """

    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        return total + part(*chunk).astype(total.dtype), None

    chunks = _chunks(rows)
    zero = jnp.zeros(shape, rows.scale.dtype)
    total, _ = lax.scan(add, zero, (*chunks, mass.reshape(chunks[0].shape[:2])))
    return _everywhere(rows, total)


def _chunks(rows: Rows) -> tuple[Array, ...]:
    width = _width(len(rows.known), LABELS_CHUNK)
    parts = (rows.attributes, rows.known, rows.labels)
    return tuple(x.reshape(len(x) // width, width, x.shape[1]) for x in parts)


def _extended(labels: Array, dtype: jnp.dtype) -> Array:
    """Returns [1, y] `[b, c+1]`."""
    return jnp.concatenate([jnp.ones((len(labels), 1), dtype), labels.astype(dtype)], axis=1)


def _signed(attributes: Array, known: Array) -> Array:
    """Returns [s, −κ] `[b, 2m]`: the rows of s − κπ, before π is known."""
    return jnp.concatenate([attributes, -known], axis=1)


def _rows(rows: Rows, attributes: Array, known: Array, labels: Array) -> Array:
    """Returns z `[b, K]`."""
    dtype = known.dtype
    factor, offset = (x.astype(dtype) for x in (1 / rows.scale, rows.target / rows.scale))
    centred = attributes[:, :, None] * factor - known[:, :, None] * offset
    return (centred * _extended(labels, dtype)[:, None, :]).reshape(len(labels), -1)

"""The dual problem: constraint rows a, sums over the examples, the values of primal and dual.

The rows are a = L φ / scale of features φ_gr = S_g Y_r (see `features`), of length J; those on
targets are (s − κπ) y. Row j is made as Σ_t (S · mix_tj) Y_part(t,j): most have one part, some a
few. The full `[p, J]` matrix never exists: everything goes chunk by chunk. Rows may be in single
precision and spread over devices; sums over them are always in the precision of `scale`, and over
all devices.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from m4jax.balance import bounds as limits
from m4jax.balance.bounds import Bounds
from m4jax.balance.device.devices import Axis, PerRow, Shared

Array = jax.Array

# Rows at a time. On CPUs a of one chunk, up to 3 MB with 200 constraints in float64, should stay
# in a core's cache; parts alone are narrower. Accelerators want few and large pieces of work.
CHUNK = {"cpu": 2048}
PARTS_CHUNK = {"cpu": 16_384}
LARGE_CHUNK = 131_072
EXACT = lax.Precision.HIGHEST  # accelerators would otherwise round the factors of products


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["sides", "parts", "share", "mix", "part", "scale"],
    meta_fields=["axis"],
)
@dataclasses.dataclass(frozen=True)
class Rows:
    """What the rows a are made of: the examples, or those that differ."""

    sides: PerRow  # [p, G] S
    parts: PerRow  # [p, R] Y, of any type
    share: PerRow  # [p] of each row: E[·] is a sum with these factors
    mix: Shared  # [T, G, J] coefficients of the sides, before scaling
    part: Shared  # [T, J] which part they are multiplied by
    scale: Shared  # [J] divisors of the columns
    axis: Axis = None  # the mesh axis that the rows are spread over, if any


class Dual(NamedTuple):
    """The dual problem: maximise g(w, μ), see `values`, over w in the box of the bounds."""

    rows: Rows  # a; all constraints are in its scale
    base: PerRow  # [p] b = ηu
    keep_rate: Shared  # η
    bounds: Bounds
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
    rows = dataclasses.replace(dual.rows, scale=scale)
    return dual._replace(rows=rows, bounds=limits.scaled(dual.bounds, scale))


def primal_value(moments: Array, cost: Array, bounds: Bounds) -> Array:
    """Returns E[ψ(q)] + Σ V_upper [r − upper]₊ + V_lower [lower − r]₊.

    Args:
        moments: `[..., J]` r.
        cost: `[...]` E[ψ(q)].
        bounds: of the constraints.
    """
    return cost + jnp.sum(limits.penalties(moments, bounds), axis=-1)


def values(
    multipliers: Array, moments: Array, cost: Array, rates: tuple[Array, Array], bounds: Bounds
) -> Values:
    """Returns the values at w and μ, and at the weights q that minimise ψ(q; b) + q (a·w + μ).

    With r = E[q a] the dual value is
    g(w, μ) = E[min_q ψ(q; b) + q (a·w + μ)] − σ(w) − μη = E[ψ(q)] + w·r − σ(w) + μ (E[q] − η),
    where σ(w) sums upper · w⁺ − lower · w⁻ over the constraints. The gap is the sum of
    V_upper [r − upper]₊ + V_lower [lower − r]₊ − w r + σ(w): each term is at least 0,
    so that even a tiny gap is computed without cancellation. It is that of the cost
    ψ + μ⁰ (q − η), which is no other where E[q] = η: without the shift, the rounding of E[q] would
    be multiplied by a μ that large utilities make large. Source: derived.

    Args:
        multipliers: `[J]` w.
        moments: `[J]` r.
        cost: E[ψ(q)].
        rates: μ (E[q] − η) and (μ − μ⁰)(E[q] − η), where μ⁰ is the best μ at w = 0.
        bounds: of the constraints.
    """
    price = limits.penalties(moments, bounds)
    support = limits.support(multipliers, bounds)
    return Values(
        primal=primal_value(moments, cost, bounds),
        dual=cost + multipliers @ moments - jnp.sum(support) + rates[0],
        gap=jnp.sum(jnp.abs(price - multipliers * moments + support)) + jnp.abs(rates[1]),
    )


def mean(rows: Rows, values: Array) -> Array:
    """Returns E[values], a sum over all rows, for values `[p]`."""
    return _everywhere(rows, jnp.sum(rows.share * values, dtype=rows.scale.dtype))


def scores(rows: Rows, *multipliers: Array) -> Array:
    """Returns a·w `[p]` for multipliers w `[J]`; for i of them, in one pass, `[i, p]`."""
    w, (groups, width) = jnp.stack(multipliers) / rows.scale, _shape(rows)
    chosen = jax.nn.one_hot(rows.part, width, dtype=w.dtype)
    # Of side g and part r, the coefficient in a·w.
    both = jnp.einsum("ij,tgj,tjr->igr", w, rows.mix, chosen, precision=EXACT)
    both = both.reshape(-1, width).T.astype(rows.sides.dtype)

    def one(chunk: tuple[Array, ...]) -> Array:
        sides, parts = chunk
        mixed = jnp.matmul(parts.astype(sides.dtype), both, precision=EXACT)
        mixed = mixed.reshape(len(parts), len(w), groups)
        return jnp.sum(mixed * sides[:, None, :], axis=2)  # [b, i]

    result = lax.map(one, _chunks(rows)).reshape(-1, len(w))
    return result[:, 0] if len(multipliers) == 1 else result.T


def moments(rows: Rows, values: Array) -> Array:
    """Returns E[values a] `[J]` for values `[p]`."""

    def part(sides: Array, parts: Array, mass: Array) -> Array:
        weighted = (sides * mass[:, None]).T
        return jnp.matmul(weighted, parts.astype(sides.dtype), precision=EXACT)

    features = _sum(rows, part, _shape(rows), rows.share * values)
    found = features[:, rows.part]  # [G, T, J]
    return jnp.einsum("tgj,gtj->j", rows.mix, found, precision=EXACT) / rows.scale


def second_moments(rows: Rows) -> Array:
    """Returns E[a²] `[J]`."""

    def part(sides: Array, parts: Array, mass: Array) -> Array:
        a = _dense(rows, sides, parts)
        return jnp.einsum("b,bj->j", mass, a**2, precision=EXACT)

    return _sum(rows, part, rows.scale.shape, rows.share)


def add_gram(rows: Rows, gram: Array, change: Array) -> Array:
    """Returns gram + Σ change [1, a] [1, a]ᵀ `[J+1, J+1]`.

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
        a = _dense(rows, rows.sides[index], rows.parts[index])
        a = jnp.concatenate([jnp.ones((width, 1), a.dtype), a], axis=1)
        part = jnp.matmul(a.T, factor[:, None] * a, precision=EXACT)
        return total + part.astype(total.dtype)

    chunks = (changed + width - 1) // width
    return gram + _everywhere(rows, lax.fori_loop(0, chunks, add, jnp.zeros_like(gram)))


def padded(size: int) -> int:
    """Returns the least number of rows, at least `size`, that divides into whole chunks."""
    widest = max(_width(size, CHUNK), _width(size, PARTS_CHUNK))
    return -(-size // widest) * widest if size > widest else 1 << max(size - 1, 0).bit_length()


def _width(size: int, chunks: dict[str, int]) -> int:
    return min(size, chunks.get(jax.default_backend(), LARGE_CHUNK))


def _everywhere(rows: Rows, total: Array) -> Array:
    return total if rows.axis is None else lax.psum(total, rows.axis)


def _sum(rows: Rows, part: Callable, shape: tuple[int, ...], mass: Array) -> Array:
    """Returns the sum of part(sides, parts, mass) over chunks and devices.

    Within a chunk the sum has the rows' precision, over the chunks that of `scale`: an error
    grows with the chunk, not with the number of rows.
    """

    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        return total + part(*chunk).astype(total.dtype), None

    chunks = _chunks(rows)
    zero = jnp.zeros(shape, rows.scale.dtype)
    total, _ = lax.scan(add, zero, (*chunks, mass.reshape(chunks[0].shape[:2])))
    return _everywhere(rows, total)


def _chunks(rows: Rows) -> tuple[Array, Array]:
    width = _width(len(rows.share), PARTS_CHUNK)
    return tuple(x.reshape(len(x) // width, width, x.shape[1]) for x in (rows.sides, rows.parts))


def _shape(rows: Rows) -> tuple[int, int]:
    """Returns G and R."""
    return rows.sides.shape[1], rows.parts.shape[1]


def _dense(rows: Rows, sides: Array, parts: Array) -> Array:
    """Returns the rows a `[b, J]` of some examples."""
    mix = (rows.mix / rows.scale).astype(sides.dtype)

    def piece(t: int | Array) -> Array:
        chosen = parts.at[:, rows.part[t]].get(mode="promise_in_bounds").astype(sides.dtype)
        return jnp.matmul(sides, mix[t], precision=EXACT) * chosen

    return lax.fori_loop(1, len(mix), lambda t, total: total + piece(t), piece(0))

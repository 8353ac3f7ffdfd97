"""The constraints as a linear operator over patterns, applied chunk by chunk.

The rows are z = (s − κπ) ⊗ [1, y] / scale, of length K = m(c+1), with κ = 0 (and s = 0) where the
attribute is unknown. The full `[p, K]` matrix never exists.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array

CHUNK = 2048  # rows at a time: 2048 × 200 constraints in float64 are 3 MB, about a core's cache


class Operator(NamedTuple):
    """What the rows are made of.

    attributes: `[p, m]` s, 0 where unknown.
    known: `[p, m]` κ.
    labels: `[p, c]` y, of any type.
    target: `[m, c+1]` π.
    scale: `[m, c+1]` divisors of the columns.
    """

    attributes: Array
    known: Array
    labels: Array
    target: Array
    scale: Array


def scores(operator: Operator, multipliers: Array) -> Array:
    """Returns z·w `[p]` for multipliers w `[K]`."""
    w = (multipliers.reshape(operator.scale.shape) / operator.scale).T
    both = jnp.concatenate([w, w * operator.target.T], axis=1)  # [c+1, 2m]

    def one(chunk: tuple[Array, ...]) -> Array:
        attributes, known, labels = chunk
        return jnp.sum(_extended(labels) @ both * _signed(attributes, known), axis=1)

    return lax.map(one, _chunks(operator)).reshape(-1)


def moments(operator: Operator, mass: Array) -> Array:
    """Returns Σ_p mass_p z_p `[K]` for mass `[p]`."""

    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        attributes, known, labels, mass = chunk
        return total + (_signed(attributes, known) * mass[:, None]).T @ _extended(labels), None

    m, width = operator.scale.shape
    rows = _chunks(operator)
    total, _ = lax.scan(add, jnp.zeros((2 * m, width)), (*rows, mass.reshape(rows[0].shape[:2])))
    return ((total[:m] + total[m:] * operator.target) / operator.scale).reshape(-1)


def second_moments(operator: Operator, mass: Array) -> Array:
    """Returns Σ_p mass_p z_p² `[m, c+1]`."""

    def add(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        *rows, mass = chunk
        return total + jnp.einsum("b,bk->k", mass, _rows(operator, *rows) ** 2), None

    rows = _chunks(operator)
    zero = jnp.zeros(operator.scale.size)
    total, _ = lax.scan(add, zero, (*rows, mass.reshape(rows[0].shape[:2])))
    return total.reshape(operator.scale.shape)


def add_gram(operator: Operator, gram: Array, change: Array) -> Array:
    """Returns gram + Σ_p change_p [1, z_p] [1, z_p]ᵀ `[K+1, K+1]`.

    Only the patterns whose change is not zero cost anything, so a Newton step late in the solve,
    when few weights enter or leave their bounds, is nearly free.
    """
    size = len(change)
    width = _width(size)
    order = jnp.nonzero(change, size=size)[0]
    changed = jnp.count_nonzero(change)

    def add(i: Array, gram: Array) -> Array:
        place = i * width + jnp.arange(width)
        index = lax.dynamic_slice(order, (i * width,), (width,))
        factor = jnp.where(place < changed, change[index], 0.0)
        rows = (x[index] for x in (operator.attributes, operator.known, operator.labels))
        z = _rows(operator, *rows)
        z = jnp.concatenate([jnp.ones((width, 1)), z], axis=1)
        return gram + z.T @ (factor[:, None] * z)

    return lax.fori_loop(0, (changed + width - 1) // width, add, gram)


def _width(size: int) -> int:
    return min(size, CHUNK)


def _chunks(operator: Operator) -> tuple[Array, ...]:
    rows = (operator.attributes, operator.known, operator.labels)
    width = _width(len(operator.known))
    return tuple(x.reshape(len(x) // width, width, x.shape[1]) for x in rows)


def _extended(labels: Array) -> Array:
    """Returns [1, y] `[b, c+1]`."""
    return jnp.concatenate([jnp.ones((len(labels), 1)), labels.astype(float)], axis=1)


def _signed(attributes: Array, known: Array) -> Array:
    """Returns [s, −κ] `[b, 2m]`: the rows of s − κπ, before π is known."""
    return jnp.concatenate([attributes, -known], axis=1)


def _rows(operator: Operator, attributes: Array, known: Array, labels: Array) -> Array:
    """Returns z `[b, K]`."""
    centred = attributes[:, :, None] - known[:, :, None] * operator.target
    z = centred * _extended(labels)[:, None, :] / operator.scale
    return z.reshape(len(labels), -1)

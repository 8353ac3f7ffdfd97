"""The linear algebra of one batch of examples, z = (s − κπ) ⊗ [1, y], without ever forming z."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from m4jax.balance.operator import EXACT

Array = jax.Array


@jax.jit
def scores(target: Array, multipliers: Array, attributes: Array, labels: Array) -> Array:
    """Returns z·w `[b]`.

    Args:
        target: `[m, c+1]` π.
        multipliers: `[m, c+1]` w.
        attributes: `[b, m]` s, NaN where unknown (κ = 0).
        labels: `[b, c]` y.
    """
    w = multipliers
    s, known, extended = _parts(attributes, labels, w.dtype)
    return jnp.sum(s * _times(extended, w.T) - known * _times(extended, (w * target).T), axis=1)


@jax.jit
def sums(target: Array, mass: Array, attributes: Array, labels: Array) -> Array:
    """Returns Σ mass z `[m, c+1]` over the batch, for mass `[b]`."""
    s, known, extended = _parts(attributes, labels, target.dtype)
    extended = mass[:, None] * extended
    return _times(s.T, extended) - target * _times(known.T, extended)


@jax.jit
def mean_squares(target: Array, attributes: Array, labels: Array) -> Array:
    """Returns the mean of z² `[m, c+1]` over the batch."""
    s, known, extended = _parts(attributes, labels, target.dtype)
    even, mixed, square = (_times(x.T, extended**2) for x in (known, s, s**2))
    return (square - 2 * target * mixed + target**2 * even) / len(labels)


def _parts(attributes: Array, labels: Array, dtype: Any) -> tuple[Array, Array, Array]:
    """Returns s `[b, m]`, 0 where unknown; κ `[b, m]`, whether known; and [1, y] `[b, c+1]`."""
    known = ~jnp.isnan(attributes)
    s = jnp.where(known, attributes, 0.0).astype(dtype)
    extended = jnp.concatenate([jnp.ones((len(labels), 1)), labels], axis=1)
    return s, known.astype(dtype), extended.astype(dtype)


_times = functools.partial(jnp.matmul, precision=EXACT)

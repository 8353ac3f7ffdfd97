"""Bounds on constraints, lower ≤ r ≤ upper, in the dual: their support function, box and prices.

With w⁺ and w⁻ the multipliers of the upper and the lower bound and w = w⁺ − w⁻, of which one is 0,
the support function is σ(w) = upper · w⁺ − lower · w⁻, and w lies in [−V_lower, V_upper].
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance.device.devices import Shared

Array = jax.Array


class Bounds(NamedTuple):
    """Bounds and what it costs to be beyond them. A side of V = 0 is closed: w is never there."""

    lower: Shared  # [J]
    upper: Shared  # [J]
    penalty: Shared  # [2, J] V of the lower and of the upper bound, infinite where hard


def make_bounds(lower: np.ndarray, upper: np.ndarray, penalty: np.ndarray) -> Bounds:
    """Returns bounds that are all finite: infinity would meet 0 in products.

    Where there is no bound the side is closed, and the other one's bound stands there, which
    changes nothing.
    """
    no = ~np.isfinite(np.stack([lower, upper]))
    low = np.where(no[0], np.where(no[1], 0.0, upper), lower)
    return Bounds(low, np.where(no[1], low, upper), np.where(no, 0.0, penalty))


def scaled(bounds: Bounds, scale: Array) -> Bounds:
    """Returns the bounds of r / scale: V is a price per unit."""
    return Bounds(bounds.lower / scale, bounds.upper / scale, bounds.penalty * scale)


def box(bounds: Bounds, w: Array) -> Array:
    """Returns the nearest w in [−V_lower, V_upper]."""
    return jnp.clip(w, -bounds.penalty[0], bounds.penalty[1])


def violation(moments: Array, bounds: Bounds) -> Array:
    """Returns by how much r `[..., J]` is below and above its bounds, `[2, ..., J]`."""
    return jnp.stack([bounds.lower - moments, moments - bounds.upper]).clip(0.0)


def penalties(moments: Array, bounds: Bounds) -> Array:
    """Returns V_upper [r − upper]₊ + V_lower [lower − r]₊ `[..., J]`, of hard bounds nothing."""
    price = jnp.where(jnp.isinf(bounds.penalty), 0.0, bounds.penalty)
    below, above = violation(moments, bounds)
    return price[0] * below + price[1] * above


def most(bounds: Bounds) -> Array:
    """Returns what soft bounds cost at most, where rows have unit size and |r| is at most 1."""
    price = jnp.where(jnp.isinf(bounds.penalty), 0.0, bounds.penalty)
    return jnp.sum(price * (1 + jnp.abs(jnp.stack([bounds.lower, bounds.upper]))))


def slope(w: Array, bounds: Bounds) -> Array:
    """Returns σ'(w): upper where w > 0, lower where w < 0, and 0 at its kink."""
    return jnp.where(w > 0, bounds.upper, jnp.where(w < 0, bounds.lower, 0.0))


def support(w: Array, bounds: Bounds) -> Array:
    """Returns σ(w), elementwise."""
    return w * slope(w, bounds)


def shrink(x: Array, bounds: Bounds, step: Array) -> Array:
    """Returns argmin_w ½ (w − x)² + step · σ(w) over the box, elementwise."""
    return box(bounds, x - jnp.clip(x, step * bounds.lower, step * bounds.upper))

"""One-dimensional searches of the dual: the offset μ, and the length of a step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array

ROUNDS = 100  # halvings, more than float64 resolves


def root(excess: Callable[[Array], tuple[Array, Array]], guess: Array, *, accuracy: float) -> Array:
    """Returns μ with |excess(μ)| ≤ accuracy, or the nearest that float64 resolves.

    Newton's method within a bracket; every third round halves the bracket.

    Args:
        excess: μ -> (value, slope); the value does not increase with μ and changes its sign.
        guess: where to begin.
        accuracy: see above; the rounding of the excess.
    """
    low, high = _bracket(excess, guess, accuracy)

    def unfinished(state: tuple[Array, ...]) -> Array:
        low, high, _, value, step = state
        return (jnp.abs(value) > accuracy) & (low < high) & (step < ROUNDS)

    def narrow(state: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, here, _, step = state
        value, slope = excess(here)
        low, high = jnp.where(value > 0, here, low), jnp.where(value > 0, high, here)
        middle = 0.5 * (low + high)
        newton = here - value / slope
        inside = (low < newton) & (newton < high) & (step % 3 != 2)
        there = jnp.where(inside, newton, middle)
        resolved = (low < middle) & (middle < high)
        there = jnp.where(jnp.abs(value) > accuracy, there, here)
        return low, jnp.where(resolved, high, low), there, value, step + 1

    begin = (low, high, jnp.where(low == guess, high, low), jnp.inf, 0)
    return lax.while_loop(unfinished, narrow, begin)[2]


def _bracket(excess: Callable, guess: Array, accuracy: float) -> tuple[Array, Array]:
    """Returns two points with the root between them, one of them the guess."""

    def wrong(state: tuple[Array, Array, Array]) -> Array:
        _, width, direction = state
        return (direction != 0) & jnp.isfinite(width)

    def further(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        here, width, direction = state
        value, _ = excess(here)
        sign = jnp.where(jnp.abs(value) > accuracy, jnp.sign(value), 0.0)
        first = jnp.isnan(direction)
        ahead = first | (sign == direction)
        step = jnp.where(first, sign, direction) * width
        there = jnp.where(ahead, here + step, here)
        return there, 4.0 * width, jnp.where(ahead, sign, 0.0)

    far = lax.while_loop(wrong, further, (guess, 1.0, jnp.nan))[0]
    return jnp.minimum(guess, far), jnp.maximum(guess, far)


def step_length(slope: Callable[[Array], Array], first: Array, limit: Array) -> Array:
    """Returns α > 0 at which a concave function has risen well, given its slope.

    α = 1 is tried first. Where the slope is still more than half of what it was at 0, α grows
    fourfold, up to `limit`; where the function falls by more than rounding, bisection leads back.

    Args:
        slope: α -> derivative of the function, from the left.
        first: its derivative at 0, from the right.
        limit: largest α, at least 1.
    """

    def unfinished(state: tuple[Array, ...]) -> Array:
        low, high, value, step = state
        rising = (value > 0.5 * first) & (low < limit)
        return (rising | (low == 0)) & (step < ROUNDS) & (low < high)

    def further(state: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, value, step = state
        grown = jnp.minimum(limit, jnp.where(low == 0, 1.0, 4.0 * low))
        here = jnp.where(jnp.isinf(high), grown, 0.5 * (low + high))
        there = slope(here)
        rises = there >= -1e-3 * jnp.abs(first)
        low, high = jnp.where(rises, here, low), jnp.where(rises, high, here)
        return low, high, jnp.where(rises, there, value), step + 1

    return lax.while_loop(unfinished, further, (0.0, jnp.inf, first, 0))[0]

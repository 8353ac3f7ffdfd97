"""The small problems inside a Newton step: its model, the offset μ, the length of the step."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from m4jax.balance import bounds as limits
from m4jax.balance.bounds import Bounds

Array = jax.Array

STEPS = 100  # of `minimise_model`
ACCURACY = 1e-14
TRIALS = 0.5 ** np.arange(12)  # step lengths that are compared
ROUNDS = 100  # halvings, more than float64 resolves


def minimise_model(a: Array, slope: Array, start: Array, bounds: Bounds) -> Array:
    """Returns the x that minimises ½ (x−w)ᵀA(x−w) − r·(x−w) + σ(x) over the box of the bounds.

    A step of the proximal gradient method finds the face (which coordinates are 0, at a bound, or
    free), a Cholesky solve finds the best point of that face, and the best of some projected
    points on the way there is taken. The model never increases. Derived.

    Args:
        a: `[J, J]` A, positive definite.
        slope: `[J]` r.
        start: `[J]` w, within the box.
        bounds: what σ and the box are made of.

    Returns:
        `[J]` x. After `STEPS` rounds it is what has been reached by then.
    """
    lipschitz = jnp.max(jnp.sum(jnp.abs(a), axis=1), initial=0.0)
    sizes = (jnp.max(jnp.abs(x), initial=0.0) for x in (slope, bounds.lower, bounds.upper))
    enough = ACCURACY * functools.reduce(jnp.maximum, sizes)

    def descend(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, _, step = state
        gradient = a @ (x - start) - slope
        near = limits.shrink(x - gradient / lipschitz, bounds, 1 / lipschitz)
        residual = lipschitz * jnp.max(jnp.abs(near - x), initial=0.0)
        gradient = a @ (near - start) - slope + limits.slope(near, bounds)
        return _best_of_face(a, gradient, near, bounds.penalty), residual, step + 1

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        _, residual, step = state
        return (residual > enough) & (step < STEPS)

    return lax.while_loop(unfinished, descend, (start, jnp.inf, 0))[0]


def _best_of_face(a: Array, gradient: Array, x: Array, penalty: Array) -> Array:
    """Returns a point with a lower model value, on the face of x or on its border."""
    below, above = -penalty[0], penalty[1]
    free = (x != 0) & (below < x) & (x < above)
    masked = jnp.where(free[:, None] & free, a, jnp.diag(jnp.where(free, 0.0, 1.0)))
    factor = jnp.linalg.cholesky(masked)
    newton = -jax.scipy.linalg.cho_solve((factor, True), jnp.where(free, gradient, 0.0))
    newton = jnp.where(free & jnp.isfinite(newton), newton, 0.0)
    low = jnp.where(x > 0, 0.0, below)
    high = jnp.where(x > 0, above, 0.0)
    trials = jnp.clip(x + TRIALS[:, None] * newton, low, high)
    moves = jnp.where(free, trials, x) - x
    change = moves @ gradient + 0.5 * jnp.einsum("tk,kl,tl->t", moves, a, moves)
    best = jnp.argmin(change)
    return x + jnp.where(change[best] < 0, moves[best], 0.0)


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
        low, high, offset, _, step = state
        value, slope = excess(offset)
        low, high = jnp.where(value > 0, offset, low), jnp.where(value > 0, high, offset)
        middle = 0.5 * (low + high)
        newton = offset - value / slope
        inside = (low < newton) & (newton < high) & (step % 3 != 2)
        following = jnp.where(inside, newton, middle)
        resolved = (low < middle) & (middle < high)
        following = jnp.where(jnp.abs(value) > accuracy, following, offset)
        return low, jnp.where(resolved, high, low), following, value, step + 1

    begin = (low, high, jnp.where(low == guess, high, low), jnp.inf, 0)
    return lax.while_loop(unfinished, narrow, begin)[2]


def _bracket(excess: Callable, guess: Array, accuracy: float) -> tuple[Array, Array]:
    """Returns two points with the root between them, one of them the guess."""

    def wrong(state: tuple[Array, Array, Array]) -> Array:
        _, width, direction = state
        return (direction != 0) & jnp.isfinite(width)

    def further(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        offset, width, direction = state
        value, _ = excess(offset)
        sign = jnp.where(jnp.abs(value) > accuracy, jnp.sign(value), 0.0)
        first = jnp.isnan(direction)
        ahead = first | (sign == direction)
        step = jnp.where(first, sign, direction) * width
        offset = jnp.where(ahead, offset + step, offset)
        return offset, 4.0 * width, jnp.where(ahead, sign, 0.0)

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
        length = jnp.where(jnp.isinf(high), grown, 0.5 * (low + high))
        new = slope(length)
        rises = new >= -1e-3 * jnp.abs(first)
        low, high = jnp.where(rises, length, low), jnp.where(rises, high, length)
        return low, high, jnp.where(rises, new, value), step + 1

    return lax.while_loop(unfinished, further, (0.0, jnp.inf, first, 0))[0]

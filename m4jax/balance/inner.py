"""The convex model that each Newton step minimises: a quadratic, |x| and a box."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = jax.Array

STEPS = 100
ACCURACY = 1e-14
TRIALS = 0.5 ** np.arange(12)  # step lengths that are compared


def minimise(a: Array, slope: Array, start: Array, eps: Array, bound: Array) -> Array:
    """Returns the x that minimises ½ (x−w)ᵀA(x−w) − r·(x−w) + ε·|x| over |x| ≤ V.

    A step of the proximal gradient method finds the face (which coordinates are 0, at a bound, or
    free), a Cholesky solve finds the best point of that face, and the best of some projected
    points on the way there is taken. The model never increases. Derived.

    Args:
        a: `[K, K]` A, positive definite.
        slope: `[K]` r.
        start: `[K]` w, within the box.
        eps: `[K]` ε ≥ 0.
        bound: `[K]` V > 0, may be infinite.

    Returns:
        `[K]` x. After `STEPS` rounds it is what has been reached by then.
    """
    lipschitz = jnp.max(jnp.sum(jnp.abs(a), axis=1))
    enough = ACCURACY * jnp.maximum(jnp.max(jnp.abs(slope)), jnp.max(eps, initial=0.0))

    def descend(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, _, step = state
        gradient = a @ (x - start) - slope
        near = _shrink(x - gradient / lipschitz, eps / lipschitz, bound)
        residual = lipschitz * jnp.max(jnp.abs(near - x))
        gradient = a @ (near - start) - slope + eps * jnp.sign(near)
        return _face(a, gradient, near, bound), residual, step + 1

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        _, residual, step = state
        return (residual > enough) & (step < STEPS)

    return lax.while_loop(unfinished, descend, (start, jnp.inf, 0))[0]


def _shrink(x: Array, eps: Array, bound: Array) -> Array:
    """Returns argmin_y ½ (y−x)² + ε|y| over |y| ≤ V, elementwise."""
    return jnp.clip(jnp.sign(x) * jnp.maximum(jnp.abs(x) - eps, 0.0), -bound, bound)


def _face(a: Array, gradient: Array, x: Array, bound: Array) -> Array:
    """Returns a point with a lower model value, on the face of x or on its border."""
    free = (x != 0) & (jnp.abs(x) < bound)
    masked = jnp.where(free[:, None] & free, a, jnp.diag(jnp.where(free, 0.0, 1.0)))
    factor = jnp.linalg.cholesky(masked)
    newton = -jax.scipy.linalg.cho_solve((factor, True), jnp.where(free, gradient, 0.0))
    newton = jnp.where(free & jnp.isfinite(newton), newton, 0.0)
    low = jnp.where(x > 0, 0.0, -bound)
    high = jnp.where(x > 0, bound, 0.0)
    trials = jnp.clip(x + TRIALS[:, None] * newton, low, high)
    moves = jnp.where(free, trials, x) - x
    change = moves @ gradient + 0.5 * jnp.einsum("tk,kl,tl->t", moves, a, moves)
    best = jnp.argmin(change)
    return x + jnp.where(change[best] < 0, moves[best], 0.0)

"""The small problems inside a Newton step on the host: its model, the offset μ, its length."""

from collections.abc import Callable

import numpy as np
import scipy  # loads its linalg when first asked for: small problems are solved sooner

from m4jax.balance.host.dual import Bounds

STEPS = 100  # of `minimise_model`
ACCURACY = 1e-14
TRIALS = 0.5 ** np.arange(12)  # step lengths that are compared
LARGE = 128  # rows of a matrix for which half the work counts
ROUNDS = 100  # halvings, more than float64 resolves
NEAREST = 0.1  # of a bracket: how near to its ends interpolation may lead
TRUSTED = 8  # Newton steps towards a root that may be nowhere
FARTHEST = 1e300


def minimise_model(
    a: np.ndarray, slope: np.ndarray, start: np.ndarray, bounds: Bounds
) -> np.ndarray:
    """Returns the x that minimises ½ (x−w)ᵀA(x−w) − r·(x−w) + σ(x) over the box.

    A step of the proximal gradient method finds the face (which coordinates are 0, at a border, or
    free), a Cholesky solve finds the best point of that face, and the best of some projected
    points on the way there is taken. The model never increases. Derived.

    Args:
        a: `[J, J]` A, positive definite.
        slope: `[J]` r.
        start: `[J]` w, within the box.
        bounds: of σ, and the box.

    Returns:
        `[J]` x. After `STEPS` rounds it is what has been reached by then.
    """
    lipschitz = np.abs(a).sum(axis=1).max(initial=0.0)
    enough = ACCURACY * max(_size(slope), _size(bounds.lower), _size(bounds.upper))
    smooth = bounds.lower == bounds.upper
    x = start
    for _ in range(STEPS):
        gradient = a @ (x - start) - slope
        near = bounds.shrink(x - gradient / lipschitz, 1 / lipschitz)
        residual = lipschitz * np.abs(near - x).max(initial=0.0)
        otherwise = np.where(smooth, 1.0, 0.0)
        gradient = a @ (near - start) - slope + bounds.sides(near, otherwise)
        x = _best_of_face(a, gradient, near, bounds, smooth)
        if not residual > enough:
            break
    return x


def _size(values: np.ndarray) -> float:
    return np.abs(values[np.isfinite(values)]).max(initial=0.0)


def _best_of_face(
    a: np.ndarray, gradient: np.ndarray, x: np.ndarray, bounds: Bounds, smooth: np.ndarray
) -> np.ndarray:
    """Returns a point with a lower model value, on the face of x or on its border."""
    free = np.flatnonzero(((x != 0) | smooth) & (-bounds.below < x) & (x < bounds.above))
    if not len(free):
        return x
    inner, pull, here = a[np.ix_(free, free)], gradient[free], x[free]
    newton = _solved(inner, -pull)
    if not float(pull @ newton) < 0:  # rounding: no way down
        return x
    crosses = smooth[free]
    low = np.where((here > 0) & ~crosses, 0.0, -bounds.below[free])
    high = np.where((here < 0) & ~crosses, 0.0, bounds.above[free])
    goal = here + newton
    if not ((low <= goal) & (goal <= high)).all():
        moves = np.clip(here + TRIALS[:, None] * newton, low, high) - here
        change = moves @ pull + 0.5 * ((moves @ inner) * moves).sum(axis=1)
        best = int(np.argmin(change))
        if not change[best] < 0:
            return x
        goal = here + moves[best]
    moved = x.copy()
    moved[free] = goal
    return moved


def _solved(a: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns A⁻¹ b of a positive definite A, NaN where rounding left it none."""
    if len(a) > LARGE:
        found, failed = scipy.linalg.lapack.dposv(a, right)[1:]
        return np.full_like(right, np.nan) if failed else found
    try:
        return np.linalg.solve(a, right)
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)


def root(
    excess: Callable[[float], float],
    slope: Callable[[float], float],
    guess: float,
    *,
    accuracy: float,
) -> float:
    """Returns μ with |excess(μ)| ≤ accuracy, or the nearest that float64 resolves.

    Newton's method, within a bracket as soon as there is one; every third round then halves it.

    Args:
        excess: of μ, does not increase with it and changes its sign.
        slope: its derivative, asked for only where the excess was asked for just before.
        guess: where to begin.
        accuracy: see above; the rounding of the excess.
    """
    low, high, x, width = -np.inf, np.inf, guess, 1.0
    trials = halvings = 0
    while True:
        value = excess(x)
        if not abs(value) > accuracy:
            return x
        low, high = (x, high) if value > 0 else (low, x)
        rate = slope(x)
        newton = x - value / rate if rate < 0 else np.inf
        if np.isfinite(low) and np.isfinite(high):
            middle = 0.5 * (low + high)
            if not low < middle < high or halvings >= ROUNDS:
                return x
            x = newton if low < newton < high and halvings % 3 != 2 else middle
            halvings += 1
        else:
            trusted = abs(newton - x) <= width and trials < TRUSTED
            x = newton if trusted else x + np.sign(value) * width
            width, trials = 4.0 * width, trials + 1
            if not abs(x) < FARTHEST:
                return x


def step_length(
    slope: Callable[[float], float], first: float, limit: float, *, interpolate: bool = False
) -> float:
    """Returns α > 0 at which a concave function has risen well, given its slope.

    α = 1 is tried first. Where the slope is still more than half of what it was at 0, α grows
    fourfold, up to `limit`; where the function falls by more than rounding, bisection leads back.

    Args:
        slope: α -> derivative of the function, from the left.
        first: its derivative at 0, from the right.
        limit: largest α, at least 1.
        interpolate: whether the way back leads to where a straight slope would be 0: a step that
            is a little too long is then not halved.
    """
    low, high, value, fall = 0.0, np.inf, first, 0.0
    for _ in range(ROUNDS):
        rising = value > 0.5 * first and low < limit
        if not ((rising or low == 0) and low < high):
            break
        part = value / (value - fall) if interpolate and value > 0 > fall else 0.5
        part = min(max(part, NEAREST), 1 - NEAREST)
        grown = min(limit, 1.0 if low == 0 else 4.0 * low)
        length = grown if np.isinf(high) else low + part * (high - low)
        new = slope(length)
        if new >= -1e-3 * abs(first):
            low, value = length, new
        else:
            high, fall = length, new
    return low

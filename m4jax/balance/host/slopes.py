"""The derivatives of an objective's cost by the weight, found from its other functions.

Where 0 < q(t) < 1, the minimiser of ψ(q) + q t has ψ'(q) = −t and ψ''(q) = 1 / (−dq/dt).
"""

from collections.abc import Callable

import numpy as np

from m4jax.balance.objectives import Objective, on_host

Array = np.ndarray

FARTHEST = 1e12  # scores at which all weights are at their bounds
STEEPEST = 1e12  # ψ'' of costs with a corner, where q(t) stands still
HALVINGS = 80


def slopes(objective: Objective) -> Callable[[Array, Array], tuple[Array, Array]]:
    """Returns (q, b) -> ψ', ψ'', elementwise, for 0 < q < 1."""
    if objective.slopes is not None:
        return objective.slopes
    own = on_host(objective)

    def found(weight: Array, base: Array) -> tuple[Array, Array]:
        score = _score(own, weight, base)
        return -score, 1 / np.maximum(own.curvature(score, base), 1 / STEEPEST)

    return found


def _score(objective: Objective, weight: Array, base: Array) -> Array:
    """Returns the t at which q(t) is the weight, by bisection from an interval that grows."""
    low, high = np.full_like(weight, -1.0), np.full_like(weight, 1.0)
    for end, sign in ((low, 1.0), (high, -1.0)):
        while (short := sign * (objective.weight(end, base) - weight) < 0).any():
            if abs(end[short]).min() >= FARTHEST:
                break
            end[short] *= 4.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        more = objective.weight(middle, base) >= weight
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return 0.5 * (low + high)

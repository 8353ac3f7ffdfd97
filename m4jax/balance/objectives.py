"""What a change of the weights costs: an objective is a record of three functions.

NumPy's arrays in, NumPy's out; JAX's in, JAX's out.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from m4jax.balance import own

Array = Any  # of NumPy or JAX

# keep_most: the smaller, the nearer to |q − b|, and the more steps. On 100,000 examples with 62
# constraints κ = 1 took 9 steps and touched 52%, 0.1 took 17 and 48%, 0.01 took 40 and 47%.
NEARLY_UNTOUCHED = 0.01  # δ: weights this near to b count as untouched
EVENNESS = 0.1  # κ: what decides between weights of equal |q − b|


@dataclasses.dataclass(frozen=True)
class Objective:
    """A convex cost ψ(q; b) of keeping an example with probability q in [0, 1], where b = ηu > 0.

    With the multipliers' score t = w·z + μ of an example, the dual needs the minimiser of
    ψ(q; b) + q t over [0, 1] and how fast it moves. All functions work elementwise, under
    `jax.jit`, in the precision of their arguments; those of one's own may be written with
    `jax.numpy` alone. `conformance.check` tests all that is said here.

    Attributes:
        name: what `solve` knows it by.
        cost: (q, b) -> ψ(q; b), convex and finite on [0, 1]; 0 at q = b.
        weight: (t, b) -> q(t), the minimiser, continuous and non-increasing in t.
        curvature: (t, b) -> −dq/dt ≥ 0; at a kink of q(t), any value between the two slopes.
        slopes: (q, b) -> ψ' and ψ'' by q in (0, 1), of NumPy's arrays; None: they are found from
            `weight` and `curvature`, with more work.
    """

    name: str
    cost: Callable[[Array, Array], Array]
    weight: Callable[[Array, Array], Array]
    curvature: Callable[[Array, Array], Array]
    slopes: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None


def namespace(array: Array) -> Any:
    """Returns `numpy` for its arrays and numbers, `jax.numpy` for others; only these load JAX."""
    if isinstance(array, np.ndarray | np.generic | float | int):
        return np
    import jax.numpy as jnp

    return jnp


def _quadratic_curvature(score: Array, base: Array) -> Array:
    free = base - score
    return ((free > 0) & (free < 1)).astype(score.dtype)


# The paper's objective: the change in squares. Weights move by the same amount whatever b is, and
# can reach 0: some examples are dropped for good. Linear calibration, truncated.
# ψ = ½ (q − b)², q = clip(b − t, 0, 1). Source: "CLIP the Bias", M4; derived.
QUADRATIC = Objective(
    name="quadratic",
    cost=lambda weight, base: 0.5 * (weight - base) ** 2,
    weight=lambda score, base: (base - score).clip(0.0, 1.0),
    curvature=_quadratic_curvature,
    slopes=lambda weight, base: (weight - base, np.ones_like(weight)),
)


def _kl_cost(weight: Array, base: Array) -> Array:
    xp, change = namespace(base), weight - base
    # Near b, log q − log b would lose the digits that log1p keeps; near 0, the other way round.
    near = xp.log1p(xp.maximum(change, -0.5 * base) / base)
    far = xp.log(xp.where(weight > 0, weight, 1.0)) - xp.log(base)
    return weight * xp.where(2 * weight > base, near, far) - change


def _kl_weight(score: Array, base: Array) -> Array:
    xp = namespace(base)
    return xp.exp(xp.minimum(xp.log(base) - score, 0.0))


def _kl_curvature(score: Array, base: Array) -> Array:
    xp = namespace(base)
    return xp.where(xp.log(base) > score, 0.0, _kl_weight(score, base))


# Entropy balancing, raking: weights change by factors, and no example is dropped for good.
# ψ = q log(q/b) − q + b, q = min(1, b exp(−t)). Source: Hainmueller (2012), "Entropy Balancing for
# Causal Effects", Political Analysis 20(1); the upper bound of 1 derived.
KL = Objective(
    name="kl",
    cost=_kl_cost,
    weight=_kl_weight,
    curvature=_kl_curvature,
    slopes=lambda weight, base: (np.log(weight / base), 1 / weight),
)


def _hellinger_root(score: Array, base: Array) -> tuple[Array, Array]:
    """Returns √q and 1 + t/2, the latter no less than where q = 1."""
    xp = namespace(base)
    root = xp.sqrt(base)
    level = xp.maximum(1 + 0.5 * score, root)
    return root / level, level


def _hellinger_curvature(score: Array, base: Array) -> Array:
    xp = namespace(base)
    root, level = _hellinger_root(score, base)
    return xp.where(1 + 0.5 * score > xp.sqrt(base), root**2 / level, 0.0)


def _hellinger_cost(weight: Array, base: Array) -> Array:
    xp = namespace(base)
    return 2 * (xp.sqrt(weight) - xp.sqrt(base)) ** 2


# Hellinger distance: between quadratic and kl in spirit. Weights change by factors, large scores
# shrink them by 1/t² only, so single examples are hit less hard than by kl.
# ψ = 2 (√q − √b)², q = b/(1 + t/2)² where 1 + t/2 > √b, else 1. Source: Deville and Särndal (1992),
# "Calibration Estimators in Survey Sampling", JASA 87(418), case 3; the upper bound derived.
HELLINGER = Objective(
    name="hellinger",
    cost=_hellinger_cost,
    weight=lambda score, base: _hellinger_root(score, base)[0] ** 2,
    curvature=_hellinger_curvature,
    slopes=lambda weight, base: (2 - 2 * np.sqrt(base / weight), np.sqrt(base / weight) / weight),
)


def _keep_most_cost(weight: Array, base: Array) -> Array:
    size = abs(weight - base)
    inner = size.clip(None, NEARLY_UNTOUCHED)
    outer = size - inner
    return 0.5 * inner**2 / NEARLY_UNTOUCHED + outer + 0.5 * EVENNESS * outer**2


def _keep_most_weight(score: Array, base: Array) -> Array:
    inner = score.clip(-1.0, 1.0)
    change = NEARLY_UNTOUCHED * inner + (score - inner) / EVENNESS
    return (base - change).clip(0.0, 1.0)


def _keep_most_curvature(score: Array, base: Array) -> Array:
    xp = namespace(base)
    weight = _keep_most_weight(score, base)
    slope = xp.where(abs(score) < 1, NEARLY_UNTOUCHED, 1 / EVENNESS)
    return xp.where((weight > 0) & (weight < 1), slope, 0.0).astype(score.dtype)


def _keep_most_slopes(weight: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    change = weight - base
    inner = change.clip(-NEARLY_UNTOUCHED, NEARLY_UNTOUCHED)
    bend = np.where(change == inner, 1 / NEARLY_UNTOUCHED, EVENNESS)
    return inner / NEARLY_UNTOUCHED + EVENNESS * (change - inner), bend


# As few examples touched as possible: most stay within δ of b, a few are dropped or taken whole.
# ψ = d²/2δ for |d| ≤ δ, else |d| − δ/2 + κ/2 (|d| − δ)², with d = q − b: a smoothed |d|.
# d = −δt for |t| ≤ 1, beyond with slope 1/κ, clipped to 0 ≤ q ≤ 1. Source: derived.
KEEP_MOST = Objective(
    name="keep_most",
    cost=_keep_most_cost,
    weight=_keep_most_weight,
    curvature=_keep_most_curvature,
    slopes=_keep_most_slopes,
)


def added_cost(objective: Objective, weight: Array, before: Array, base: Array) -> Array:
    """Returns ψ(q) − ψ(q⁰), less its rounding, elementwise.

    Utilities that are large make ψ large, whatever the weights: what balancing changes is this
    alone. Where both terms are so large that they cancel to nothing, the result is too low, never
    too high.
    """
    xp = namespace(base)
    costs = objective.cost(weight, base), objective.cost(before, base)
    rounding = 4 * xp.finfo(base.dtype).eps * (costs[0] + costs[1])
    return xp.where(weight == before, 0.0, costs[0] - costs[1] - rounding)


def on_host(objective: Objective) -> Objective:
    """Returns the objective for NumPy's float64 arrays; one written with JAX is compiled."""
    one = np.full(1, 0.5)
    own = (objective.cost, objective.weight, objective.curvature)
    if objective in OBJECTIVES.values() or all(_by_numpy(function, one) for function in own):
        return objective
    cost, weight, curvature = map(_compiled, own)
    return Objective(objective.name, cost, weight, curvature, objective.slopes)


def _by_numpy(function: Callable, one: np.ndarray) -> bool:
    try:
        return isinstance(function(one, one), np.ndarray)
    except Exception:  # whatever JAX's functions say to NumPy's arrays
        return False


def _compiled(function: Callable) -> Callable:
    import jax

    compiled = jax.jit(function)

    def on_numpy(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(compiled(first, second))

    return on_numpy


OBJECTIVES = {objective.name: objective for objective in (QUADRATIC, KL, HELLINGER, KEEP_MOST)}


def find(objective: str | Objective) -> Objective:
    """Returns the objective of that name or import path, or the record itself.

    Raises:
        ValueError: for an unknown name (listing all), or an import path without an objective.
    """
    if isinstance(objective, Objective):
        return objective
    if own.is_path(objective):
        found = own.load(objective, "objective")
        if not isinstance(found, Objective):
            raise ValueError(
                f"objective {objective!r}: expected a balance.Objective, got {found!r}"
            )
        return found
    if objective not in OBJECTIVES:
        raise ValueError(
            f"objective {objective!r} is not known; known: {', '.join(OBJECTIVES)}, or an import "
            "path, as in my_module:MY_OBJECTIVE"
        )
    return OBJECTIVES[objective]

"""What a change of the weights costs: an objective is a record of three functions."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Objective:
    """A convex cost ψ(q; b) of keeping an example with probability q in [0, 1], where b = ηu.

    With the multipliers' score t = w·z + μ of an example, the dual needs the minimiser of
    ψ(q; b) + q t over [0, 1] and how fast it moves. All three functions work elementwise.

    Args:
        name: what `solve` knows it by.
        cost: (q, b) -> ψ(q; b), finite on [0, 1].
        weight: (t, b) -> q(t), the minimiser, continuous and non-increasing in t.
        curvature: (t, b) -> −dq/dt ≥ 0; at a kink of q(t), any value between the two slopes.
    """

    name: str
    cost: Callable[[Array, Array], Array]
    weight: Callable[[Array, Array], Array]
    curvature: Callable[[Array, Array], Array]


def _quadratic_curvature(score: Array, base: Array) -> Array:
    free = base - score
    return ((free > 0) & (free < 1)).astype(score.dtype)


QUADRATIC = Objective(
    name="quadratic",  # ψ = ½ (q − b)²; "CLIP the Bias", M4, derived
    cost=lambda weight, base: 0.5 * (weight - base) ** 2,
    weight=lambda score, base: jnp.clip(base - score, 0.0, 1.0),
    curvature=_quadratic_curvature,
)

OBJECTIVES = {objective.name: objective for objective in (QUADRATIC,)}


def find(objective: str | Objective) -> Objective:
    """Returns the objective of that name, or the record itself; an unknown name lists all."""
    if isinstance(objective, Objective):
        return objective
    if objective not in OBJECTIVES:
        raise ValueError(f"objective {objective!r} is not known; known: {', '.join(OBJECTIVES)}")
    return OBJECTIVES[objective]

"""First- and second-order bias of data, with or without weights."""

import dataclasses
from typing import Any

import numpy as np

from m4jax.balance.problem import ProblemError, nonnegative_vector, unit_matrix


@dataclasses.dataclass(frozen=True, eq=False)
class Bias:
    """What `bias` found; what cannot be estimated is NaN, in the summaries too.

    Args:
        representation: `[m]` E_w[s_k | known] − π_k.
        association: `[m, c]` E_w[y_r | s_k=1] − E_w[y_r | s_k=0].
        representation_max: max |representation|.
        association_max: max |association|.
        association_mean: mean |association|.
        known: `[m]` share of the weight on examples whose attribute is known.
        group_sizes: `[m, 2]` examples of positive weight with s_k < 1 (column 0) and s_k > 0
            (column 1): for attributes that are 0 or 1, the sizes of the two groups.
    """

    representation: np.ndarray
    association: np.ndarray
    representation_max: float
    association_max: float
    association_mean: float
    known: np.ndarray
    group_sizes: np.ndarray


def bias(attributes: Any, labels: Any, weights: Any = None, target: Any = 0.5) -> Bias:
    """Returns representation bias and association bias of weighted examples.

    E_w is the weighted mean over the examples whose attribute is known; a soft s counts with s in
    the group s_k = 1 and with 1 − s in the other. Source: "CLIP the Bias", first- and second-order
    bias.

    Args:
        attributes: `[n, m]` s in [0, 1], NaN where unknown.
        labels: `[n, c]` y in [0, 1].
        weights: `[n]` at least 0; ones by default.
        target: π, a number or `[m]`; of a `[m, c+1]` target, column 0.

    Returns:
        A `Bias`.

    Raises:
        ProblemError: if a shape or a value is not as above.
    """
    s, y = unit_matrix("attributes", attributes, unknown=True), unit_matrix("labels", labels)
    if len(s) != len(y):
        raise ProblemError(f"attributes has {len(s)} rows and labels has {len(y)}; expected equal")
    weights = nonnegative_vector("weights", weights, len(s))
    known = ~np.isnan(s)
    present = weights[:, None] > 0
    ones = weights[:, None] * np.where(known, s, 0.0)
    zeros = weights[:, None] * np.where(known, 1 - s, 0.0)
    mass = np.stack([zeros.sum(0), ones.sum(0)], axis=1)
    total = mass.sum(1)
    y = y.astype(float)
    association = _divide(ones.T @ y, mass[:, 1:]) - _divide(zeros.T @ y, mass[:, :1])
    representation = _divide(mass[:, 1], total) - _overall(target, s.shape[1])
    sizes = np.stack([(present & (s < 1)).sum(0), (present & (s > 0)).sum(0)], axis=1)
    return Bias(
        representation=representation,
        association=association,
        representation_max=float(np.abs(representation).max(initial=0.0)),
        association_max=float(np.abs(association).max()) if association.size else float("nan"),
        association_mean=float(np.abs(association).mean()) if association.size else float("nan"),
        known=total / weights.sum(),
        group_sizes=sizes,
    )


def _divide(total: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Returns total / mass, NaN where the mass is 0."""
    return np.divide(total, mass, out=np.full(total.shape, np.nan), where=mass > 0)


def _overall(target: Any, m: int) -> np.ndarray:
    target = np.asarray(target, dtype=float)
    if target.ndim == 2:
        target = target[:, 0]
    if target.shape not in ((), (m,)):
        raise ProblemError(f"target has shape {target.shape}; expected a number or ({m},)")
    if not ((target >= 0) & (target <= 1)).all():
        raise ProblemError(f"target is {target}; expected prevalences in [0, 1]")
    return np.broadcast_to(target, (m,))

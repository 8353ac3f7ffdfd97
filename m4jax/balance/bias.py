"""First- and second-order bias of data, with or without weights."""

import dataclasses
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError, nonnegative_vector, unit_matrix
from m4jax.balance.sparse_labels import unit_matrix as unit_labels

CHUNK = 8192  # rows at a time: a hundred labels in float64 are 6.5 MB, about a core's cache
SPARSE_CHUNK = 262_144


@dataclasses.dataclass(frozen=True, eq=False)
class Bias:
    """What `bias` returns; what cannot be estimated is NaN, in the summaries too.

    Attributes:
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
        labels: `[n, c]` y in [0, 1], may be sparse.
        weights: `[n]` at least 0; ones by default.
        target: π, a number or `[m]`; of a `[m, c+1]` target, column 0.

    Returns:
        A `Bias`.

    Raises:
        ProblemError: if a shape or a value is not as above.
    """
    s, y = unit_matrix("attributes", attributes, unknown=True), unit_labels("labels", labels)
    if len(s) != y.shape[0]:
        raise ProblemError(
            f"attributes has {len(s)} rows and labels has {y.shape[0]}; expected equal"
        )
    weights = nonnegative_vector("weights", weights, len(s))
    present = weights[:, None] > 0
    sums = group_sums(s, y, weights)
    zeros, ones = divide(sums[:, :, 1:], sums[:, :, :1])
    total = sums[:, :, 0].sum(0)
    association = ones - zeros
    representation = divide(sums[1, :, 0], total) - _overall(target, s.shape[1])
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


def group_sums(attributes: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the weight of either group, alone and with each label.

    Σ_i w_i (1 − s_ik) [1, y_ir] and Σ_i w_i s_ik [1, y_ir] over the examples whose s_k is known.

    Args:
        attributes: `[n, m]` s in [0, 1], NaN where unknown.
        labels: `[n, c]` y, dense or CSR.
        weights: `[n]` w.

    Returns:
        `[2, m, c+1]`.
    """
    m, c = attributes.shape[1], labels.shape[1]
    sums = np.zeros((2, m, c + 1))
    wide = sparse.issparse(labels)
    step = SPARSE_CHUNK if wide else CHUNK
    for start in range(0, len(weights), step):
        rows = slice(start, start + step)
        s, w = attributes[rows].astype(float), weights[rows, None]
        both = np.concatenate([1 - s, s], axis=1)
        mass = np.where(np.isnan(both), 0.0, both * w)
        sums[:, :, 0] += mass.sum(0).reshape(2, m)
        some = labels[rows]
        found = (some.T @ mass).T if wide else mass.T @ some.astype(float)
        sums[:, :, 1:] += np.asarray(found).reshape(2, m, c)
    return sums


def divide(total: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Returns total / mass, NaN unless the mass is above 0."""
    mass = np.broadcast_to(mass, total.shape)
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

"""First- and second-order bias of data, with or without weights."""

import dataclasses
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance import checks, inputs, sparse_labels
from m4jax.balance.checks import ProblemError, nonnegative_vector, unit_matrix

SPAN = 1 << 19  # labels' numbers that are checked and summed while they are in cache
# BLAS forms products up to this size (rows × columns × depth) in the thread that asks for them. For
# matrices as flat as these its threads wait for each other: 100 times slower on a busy machine.
PRODUCT = 1 << 18
FLAT = 16  # rows of a product: each number that is converted serves so many
DEPTH = (192, 8192)  # examples of a product
SPARSE_SPAN = 262_144  # examples whose sparse labels are summed at once
EXACT = 1 << 24  # float32 holds every whole number up to this


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
        attributes: `[n, m]` s in [0, 1], NaN where unknown; an array or a frame, as for `Problem`.
        labels: `[n, c]` y in [0, 1], may be sparse.
        weights: `[n]` at least 0; ones by default.
        target: π, a number or `[m]`; of a `[m, c+1]` target, column 0.

    Returns:
        A `Bias`.

    Raises:
        ProblemError: if a shape or a value is not as above.
    """
    attributes = inputs.table("attributes", attributes, text=True)[0]
    labels, wide = inputs.table("labels", labels)[0], sparse.issparse(labels)
    s = unit_matrix("attributes", attributes, unknown=True)
    y = (sparse_labels.unit_matrix if wide else checks.matrix)("labels", labels)
    if len(s) != y.shape[0]:
        raise ProblemError(
            f"attributes has {len(s)} rows and labels has {y.shape[0]}; expected equal"
        )
    weights = nonnegative_vector("weights", weights, len(s))
    present = weights[:, None] > 0
    sums = _group_sums(s, y, weights, check=not wide)
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


def group_sums(attributes: np.ndarray, labels: Any, weights: np.ndarray) -> np.ndarray:
    """Returns the weight of either group, alone and with each label.

    Σ_i w_i (1 − s_ik) [1, y_ir] and Σ_i w_i s_ik [1, y_ir] over the examples whose s_k is known.

    Args:
        attributes: `[n, m]` s in [0, 1], NaN where unknown.
        labels: `[n, c]` y, dense or CSR.
        weights: `[n]` w.

    Returns:
        `[2, m, c+1]`.
    """
    return _group_sums(attributes, labels, weights, check=False)


def _group_sums(
    attributes: np.ndarray, labels: Any, weights: np.ndarray, check: bool
) -> np.ndarray:
    """Returns `group_sums`; looks at each label first if asked to, while it is in cache."""
    m, c = attributes.shape[1], labels.shape[1]
    sums = np.zeros((2, m, c + 1))
    wide = sparse.issparse(labels)
    exact = not wide and labels.dtype.kind != "f" and _are_whole(attributes, weights)
    step = SPARSE_SPAN if wide else max(512, SPAN // max(1, c))
    for start in range(0, len(weights), step):
        rows = slice(start, start + step)
        y, s, w = labels[rows], attributes[rows].T, weights[rows]
        y = y if wide else np.ascontiguousarray(y)  # frames are stored column by column
        if check and not _within(y):
            checks.unit_interval("labels", labels)  # says which one is wrong
        sums += _counts(s, y, w) if exact else _sums(s, y, w)
    return sums


def _are_whole(attributes: np.ndarray, weights: np.ndarray) -> bool:
    """Tells whether float32 is exact for sums of w and w s over `DEPTH[1]` examples."""
    if not (weights.max(initial=0) < EXACT / DEPTH[1] and (np.rint(weights) == weights).all()):
        return False
    some = slice(64), slice(None)  # tells most soft ones at once
    return attributes.dtype.kind != "f" or all(
        bool(((x == 0) | (x == 1) | np.isnan(x)).all()) for x in (attributes[some], attributes)
    )


def _counts(s: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns `group_sums` of whole numbers: those of s = 0 are what is left of all that are known.

    Args:
        s: `[m, b]` attributes, NaN where unknown.
        labels: `[b, c]`.
        weights: `[b]`.
    """
    m, known = len(s), np.isfinite(s)
    unknown = not known.all()
    both = np.where(known, weights, 0.0) if unknown else weights[None]
    inside = np.where(known, s, 0.0) * weights if unknown else s * weights
    mass = np.concatenate([inside, both])
    found = np.insert(_product(mass.astype(np.float32), labels), 0, mass.sum(1), axis=1)
    return np.stack([found[m:] - found[:m], found[:m]])


def _sums(s: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns `group_sums`; arguments as for `_counts`."""
    s = s.astype(float, order="C")
    mass = np.concatenate([1 - s, s]) * weights
    mass[np.isnan(mass)] = 0.0
    wide = sparse.issparse(labels)
    product = np.asarray(labels.T @ mass.T).T if wide else _product(mass, labels)
    found = np.insert(product, 0, mass.sum(1), axis=1)
    return found.reshape(2, len(s), -1)


def _within(values: np.ndarray) -> bool:
    """Tells whether all values are in [0, 1]; NaN is not."""
    if values.dtype.kind == "b":
        return True
    return bool(
        values.max(initial=0) <= 1 and (values.dtype.kind == "u" or values.min(initial=0) >= 0)
    )


def _product(mass: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns mass @ labels in float64 `[k, c]`.

    Args:
        mass: `[k, b]`; in float32 only where every sum over `DEPTH[1]` examples is exact in it.
        labels: `[b, c]`.
    """
    total = np.zeros((len(mass), labels.shape[1]))
    flat = max(1, min(FLAT, len(mass)))
    width = max(1, min(labels.shape[1], PRODUCT // (DEPTH[0] * flat)))
    depth = min(DEPTH[1], PRODUCT // (flat * width))
    for start in range(0, len(labels), depth):
        y = labels[start : start + depth].astype(mass.dtype, copy=False)
        w = mass[:, start : start + depth]
        for k in range(0, len(mass), flat):
            for r in range(0, labels.shape[1], width):
                total[k : k + flat, r : r + width] += w[k : k + flat] @ y[:, r : r + width]
    return total


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

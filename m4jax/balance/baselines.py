"""What others do instead of solving: MetaCLIP's balancing of concepts, to compare with.

Source: Xu et al. (2023), "Demystifying CLIP Data", arXiv:2309.16671, algorithm 1.
"""

from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError
from m4jax.balance.sparse_labels import unit_matrix

ROUNDS = 200  # halvings, more than float64 resolves


def metaclip(labels: Any, threshold: float) -> np.ndarray:
    """Returns the probability with which MetaCLIP keeps each example.

    A label with count_r examples is drawn with p_r = min(1, t / count_r) for each of them, and an
    example is kept if any of its labels is drawn: with 1 − Π_r (1 − p_r). Examples without labels
    are never kept. In expectation no label is drawn for more than t examples, but more than t may
    be kept with it, as it comes along with other labels.

    Args:
        labels: `[n, c]` 0 or 1, dense or sparse.
        threshold: t > 0, in examples.

    Returns:
        `[n]` in [0, 1].

    Raises:
        ProblemError: if a label is neither 0 nor 1, or t is not above 0.
    """
    if not threshold > 0:
        raise ProblemError(f"threshold is {threshold}; expected a number of examples above 0")
    matrix = _matrix(labels)
    return _kept(matrix, np.asarray(matrix.sum(axis=0)).ravel(), threshold)


def metaclip_threshold(labels: Any, size: float) -> float:
    """Returns the t with which MetaCLIP keeps `size` examples in expectation.

    Args:
        labels: as in `metaclip`.
        size: Σ of the probabilities, above 0 and at most the number of examples with labels.

    Raises:
        ProblemError: if no t keeps as many.
    """
    matrix = _matrix(labels)
    counts = np.asarray(matrix.sum(axis=0)).ravel()
    most = int((np.diff(matrix.indptr) > 0).sum())
    if not 0 < size <= most:
        raise ProblemError(f"size is {size}; expected above 0 and at most {most}, the examples "
                           "that have a label")  # fmt: skip
    low, high = 0.0, float(counts.max())
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        if not low < middle < high or high - low <= 1e-9 * high:
            break
        if _kept(matrix, counts, middle).sum() < size:
            low = middle
        else:
            high = middle
    return high


def _matrix(labels: Any) -> sparse.csr_array:
    matrix = sparse.csr_array(unit_matrix("labels", labels))
    matrix.eliminate_zeros()
    if not (matrix.data == 1).all():
        raise ProblemError("labels has values between 0 and 1; MetaCLIP's rule knows 0 and 1 only")
    return sparse.csr_array((matrix.data.astype(float), matrix.indices, matrix.indptr),
                            shape=matrix.shape)  # fmt: skip


def _kept(matrix: sparse.csr_array, counts: np.ndarray, threshold: float) -> np.ndarray:
    chance = np.minimum(1.0, threshold / np.maximum(counts, 1.0))
    sure = chance >= 1
    missed = np.log1p(-np.where(sure, 0.0, chance))
    return np.where(matrix @ sure.astype(float) > 0, 1.0, -np.expm1(matrix @ missed))

"""The quality filter: pairs whose picture and caption don't fit are left out."""

from typing import NamedTuple

import numpy as np

from m4jax.errors import InputError


class Detection(NamedTuple):
    """How well a filter finds wrong captions.

    Attributes:
        precision: share of the dropped pairs whose caption is wrong; NaN if none is dropped.
        recall: share of the wrong captions that are dropped; NaN if there are none.
        prevalence: share of wrong captions among all pairs.
    """

    precision: float
    recall: float
    prevalence: float


def keep(similarity: np.ndarray, *, drop: float) -> np.ndarray:
    """Returns which pairs stay when the share `drop` of the lowest similarity is left out.

    Exactly floor(drop · n) pairs are left out; of equal similarities the later ones.

    Args:
        similarity: [n] of picture and caption, the cosine of their embeddings say.
        drop: share in [0, 1).

    Returns:
        bool [n].

    Raises:
        InputError: if a similarity is not finite, or `drop` not in [0, 1).

    Source: "CLIP the Bias", data-quality filter (low image–text similarity removed).
    """
    similarity = np.asarray(similarity, np.float64)
    if similarity.ndim != 1 or not np.isfinite(similarity).all():
        raise InputError("similarity: expected finite numbers [n], one for each pair")
    if not 0 <= drop < 1:
        raise InputError(f"drop: expected in [0, 1), got {drop}")
    n = len(similarity)
    order = np.lexsort((-np.arange(n), similarity))  # lowest first; later ones first among equals
    kept = np.ones(n, bool)
    kept[order[: int(drop * n)]] = False
    return kept


def detection(kept: np.ndarray, wrong: np.ndarray) -> Detection:
    """Compares what a filter left out with what was wrong; both bool [n]."""
    dropped, wrong = ~np.asarray(kept, bool), np.asarray(wrong, bool)
    hits = (dropped & wrong).sum()
    return Detection(
        precision=float(hits / dropped.sum()) if dropped.any() else float("nan"),
        recall=float(hits / wrong.sum()) if wrong.any() else float("nan"),
        prevalence=float(wrong.mean()),
    )

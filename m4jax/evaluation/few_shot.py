"""Few-shot classification: a linear probe in closed form on a few labelled pictures."""

import numpy as np

from m4jax.evaluation import zero_shot

RIDGE = 0.1  # λ, for embeddings of unit length


def probe(
    shots: np.ndarray, shot_labels: np.ndarray, pictures: np.ndarray, *, classes: int
) -> np.ndarray:
    """Returns the scores [n, c] of ridge regression onto the classes.

        W = (X̃ᵀX̃ + λI)⁻¹ X̃ᵀỸ,    score = (x − x̄) W + ȳ

    X̃ and Ỹ are the embeddings and the one-hot labels of the shots, centred.

    Args:
        shots: [k, d] embeddings of unit length.
        shot_labels: [k] int, the class of each.
        pictures: [n, d] embeddings of unit length.
        classes: c.

    Source: the closed-form probe of big_vision's few-shot evaluator (Zhai et al. 2022), with λ for
    embeddings of unit length.
    """
    x, one_hot = shots.astype(np.float64), np.eye(classes)[shot_labels]
    centre, mean = x.mean(0), one_hot.mean(0)
    x, y = x - centre, one_hot - mean
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return (pictures - centre) @ weights + mean


def ranks(
    shots: np.ndarray, shot_labels: np.ndarray, pictures: np.ndarray, target: np.ndarray, c: int
) -> np.ndarray:
    """Returns how many wrong classes [n] the probe finds at least as likely as the right one.

    Shots and pictures of class −1 belong to none: the shots are passed over, the ranks are −1.
    """
    known = shot_labels >= 0
    scores = probe(shots[known], shot_labels[known], pictures, classes=c)
    return zero_shot.ranks(scores, target)

"""Bias of a model: what it prefers without a reason, and how far occupations depend on gender."""

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation.ranks import TIE
from m4jax.evaluation.resampling import Draws, Resampler


def preference(man: np.ndarray, woman: np.ndarray) -> np.ndarray:
    """Returns 1 where sim("man") > sim("woman"), 0 where it is less, NaN for a tie.

    A tie is no answer; counted as half it would make a collapsed model look fair. Any two classes
    can take the place of "man" and "woman".

    Args:
        man: [n, ...] similarity of each picture to "man".
        woman: of the same shape, similarity to "woman".

    Returns:
        float32, of the same shape.
    """
    gap = np.asarray(man, np.float64) - np.asarray(woman, np.float64)
    return np.where(np.abs(gap) <= TIE, np.nan, gap > 0).astype(np.float32)


def mean_preference(man: np.ndarray, woman: np.ndarray) -> float:
    """Returns the share of pictures that prefer "man", minus ½, without ties; NaN if all tie."""
    answers = preference(man, woman)
    answers = answers[~np.isnan(answers)].astype(np.float64)
    return float(answers.mean() - 0.5) if answers.size else float("nan")


def class_probability(similarity: np.ndarray, logit_scale: float) -> np.ndarray:
    """Returns softmax(logit_scale · similarity) over classes, [n, c] -> [n, c] float32.

    Raises:
        InputError: if the scale is not a positive number.
    """
    if not (np.isfinite(logit_scale) and logit_scale > 0):
        raise InputError(f"logit_scale: expected a positive number (after exp), got {logit_scale}")
    logits = np.asarray(similarity, np.float64) * logit_scale
    likelihood = np.exp(logits - logits.max(1, keepdims=True))
    return (likelihood / likelihood.sum(1, keepdims=True)).astype(np.float32)


def representation_bias(resampler: Resampler, prefers_man: np.ndarray) -> Draws:
    """Returns the draws of RB = share of pictures that prefer "man" − ½, in [−½, ½].

    Args:
        resampler: of the pictures, which show no person.
        prefers_man: [runs, n] 1, 0 or NaN, see `preference`.

    Returns:
        Draws of estimate [runs].

    Source: "CLIP the Bias", representation bias of a model.
    """
    return resampler.mean(np.asarray(prefers_man, np.float64) - 0.5, bounds=(-0.5, 0.5))


def association_bias(resampler: Resampler, probability: np.ndarray, man: np.ndarray) -> Draws:
    """Returns the draws of AB_r = mean P_r over pictures of men − mean P_r over those of women.

    Args:
        resampler: of the pictures; its strata should be the genders.
        probability: [runs, n, c] zero-shot probabilities of the occupations; or answers about c
            pairs of them, 1 for the first, 0 for the second: AB is then that of the preference.
        man: [n] 1 for a man, 0 for a woman.

    Returns:
        Draws of estimate [runs, c], signed.

    Source: "CLIP the Bias", association bias of a model.
    """
    probability = np.asarray(probability, np.float64)
    c = probability.shape[-1]
    shown = np.stack([man == 1, man == 0], axis=-1).astype(np.float64)  # [n, 2]
    sums = [probability * shown[:, :1], probability * shown[:, 1:]]
    shown = np.broadcast_to(shown, (*probability.shape[:2], 2))
    data = np.concatenate([shown, *sums], axis=-1)

    def gap(total: np.ndarray) -> np.ndarray:
        men, women = total[..., 2 : 2 + c], total[..., 2 + c :]
        return men / total[..., :1] - women / total[..., 1:2]

    return resampler.draws(gap, data)

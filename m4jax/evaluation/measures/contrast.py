"""How far two groups of pictures, or of words, lie apart in some score, in standard deviations."""

from itertools import combinations
from math import comb

import numpy as np

from m4jax.evaluation.resampling import Draws, Resampler

EXACT = 20_000  # divisions up to which all are gone through
SHUFFLES = 10_000
_COLUMNS = 16  # scores at a time, to bound the memory
_NUMBERS = 4_000_000  # of one array, likewise
_ROUNDING = 1e-9  # of the scores' size: less is no difference


def standardised(total: np.ndarray) -> np.ndarray:
    """Returns the difference of two groups' means in standard deviations of both together.

        d = (mean_X s − mean_Y s) / sd_{X ∪ Y} s,    with n − 1 below the sd

    Args:
        total: [..., 2 + 3 c]: numbers of X and of Y, then Σ_X s, Σ_Y s and Σ_{X∪Y} s² of c scores.

    Returns:
        [..., c]; NaN where a score does not vary.
    """
    x, y = total[..., :1], total[..., 1:2]
    first, second, square = np.split(total[..., 2:], 3, axis=-1)
    n = x + y
    deviations = square - (first + second) ** 2 / n
    flat = deviations <= _ROUNDING**2 * n
    variance = np.where(flat, np.nan, deviations) / (n - 1)
    return (first / x - second / y) / np.sqrt(variance)


def contrast(resampler: Resampler, scores: np.ndarray, first: np.ndarray) -> Draws:
    """Returns the draws of `standardised` of c scores, estimate [1, c].

    Args:
        resampler: of the n pictures; its strata should be the two groups.
        scores: [n, c].
        first: bool [n], those in X; the others are in Y.
    """
    centred = np.asarray(scores, np.float64) - np.mean(scores, 0, np.float64)
    numbers = np.stack([first, ~first], -1).astype(np.float64)
    parts = []
    for start in range(0, centred.shape[1], _COLUMNS):
        s = centred[:, start : start + _COLUMNS]
        data = np.concatenate([numbers, s * numbers[:, :1], s * numbers[:, 1:], s**2], -1)
        parts.append(resampler.draws(standardised, data[None]))
    one = parts[0]
    return Draws(
        np.concatenate([part.estimate for part in parts], -1),
        np.concatenate([part.samples for part in parts], -1),
        one.n, one.groups, one.tail,
    )  # fmt: skip


def permutation_p(
    scores: np.ndarray,
    first: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    two_sided: bool = True,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> np.ndarray:
    """Returns the probability [c] of such a difference of means if belonging to X is by lot.

        T = mean_X s − mean_Y s,    p = share of divisions with |T*| ≥ |T| (one-sided: T* ≥ T)

    All divisions are gone through where they are few and no pictures belong together; else as many
    as `shuffles` are drawn, and the one there is counts as one more, so that p is never 0. Pictures
    of one group stay together; within a group that has pictures in X and in Y, these are exchanged.

    Args:
        scores: [n, c].
        first: bool [n], those in X.
        groups: [n] ids; None: all are independent.
        two_sided: whether differences of both signs count.
        shuffles: how many divisions are drawn.
        seed: of the drawing.

    Source: Caliskan et al. 2017, with divisions into parts of the sizes there are (one-sided and
    exact: `p_val_permutation_test` of W4ngatang/sent-bias); groups: derived.
    """
    scores = np.asarray(scores, np.float64) - np.mean(scores, 0, np.float64)
    first = np.asarray(first, bool)
    n, x = first.size, int(first.sum())
    alone = groups is None or np.unique(groups).size == n
    exact = alone and comb(n, x) <= EXACT
    side = np.abs if two_sided else np.asarray
    there = side(_difference(first[None], scores))[0]
    least = there - _ROUNDING * np.abs(scores).max(0)
    at_least = np.zeros(scores.shape[1])
    divisions = 0
    for drawn in _all(n, x) if exact else _shuffled(first, groups, shuffles, seed):
        at_least += (side(_difference(drawn, scores)) >= least).sum(0)
        divisions += len(drawn)
    return at_least / divisions if exact else (1 + at_least) / (1 + divisions)


def _difference(first: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns T [b, c] of divisions [b, n]."""
    x = first.sum(1, keepdims=True)
    total = first.astype(np.float64) @ scores
    return total / x - (scores.sum(0) - total) / (first.shape[1] - x)


def _all(n: int, x: int):
    rows = np.array(list(combinations(range(n), x)))
    drawn = np.zeros((len(rows), n), bool)
    np.put_along_axis(drawn, rows, True, axis=1)
    yield drawn


def _shuffled(first: np.ndarray, groups: np.ndarray | None, shuffles: int, seed: int):
    """Yields divisions [b, n] by lot: values of groups of one value, and pictures within others."""
    generator = np.random.default_rng(seed)
    rows = max(1, _NUMBERS // first.size)
    sizes = [min(rows, shuffles - start) for start in range(0, shuffles, rows)]
    groups = np.arange(first.size) if groups is None else groups
    _, cluster = np.unique(groups, return_inverse=True)
    number = np.bincount(cluster)
    inside = np.bincount(cluster, first)
    pure = (inside == 0) | (inside == number)
    label = inside[pure] > 0  # of each group of one value
    mixed = np.flatnonzero(~pure[cluster])
    where = np.flatnonzero(pure[cluster])
    place = np.cumsum(pure) - 1
    by_group = mixed[np.argsort(cluster[mixed], kind="stable")]
    of = cluster[by_group]
    start = np.concatenate([[0], np.flatnonzero(np.diff(of)) + 1]) if of.size else of
    rank = np.arange(of.size) - np.repeat(start, np.diff(np.append(start, of.size)))
    for b in sizes:
        drawn = np.zeros((b, first.size), bool)
        shuffled = generator.permuted(np.broadcast_to(label, (b, label.size)).copy(), axis=1)
        drawn[:, where] = shuffled[:, place[cluster[where]]]
        if of.size:
            keys = np.argsort(of + generator.random((b, of.size)), axis=1)
            np.put_along_axis(drawn, by_group[keys], (rank < inside[of])[None], axis=1)
        yield drawn

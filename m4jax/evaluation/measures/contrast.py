"""How far each group of pictures, or of words, lies from the others, in standard deviations."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from m4jax.evaluation.resampling import Draws, Resampler

EXACT = 20_000  # divisions up to which all are gone through
SHUFFLES = 10_000
_COLUMNS = 64  # sums of scores at a time, to bound the memory
_NUMBERS = 4_000_000  # of one array, likewise
_ROUNDING = 1e-9  # of the scores' size: less is no difference


def standardised(total: np.ndarray, values: int) -> np.ndarray:
    """Returns how far each group's mean is from that of all others, in standard deviations of all.

        d_v = (mean_v s − mean_{others} s) / sd s,    with n − 1 below the sd

    Args:
        total: [..., v + v c + c]: numbers of each group, then Σ_v s of c scores, then Σ s².
        values: v, how many groups there are.

    Returns:
        [..., v, c]; NaN where a score does not vary.
    """
    number = total[..., :values, None]
    c = (total.shape[-1] - values) // (values + 1)
    inside = total[..., values : values + values * c].reshape(*total.shape[:-1], values, c)
    square = total[..., None, values + values * c :]
    n, whole = number.sum(-2, keepdims=True), inside.sum(-2, keepdims=True)
    deviations = square - whole**2 / n
    flat = deviations <= _ROUNDING**2 * n
    variance = np.where(flat, np.nan, deviations) / (n - 1)
    return (inside / number - (whole - inside) / (n - number)) / np.sqrt(variance)


def contrast(resampler: Resampler, scores: np.ndarray, codes: np.ndarray) -> Draws:
    """Returns the draws of `standardised`, estimate [1, v, c].

    Args:
        resampler: of the n pictures; its strata should be the groups.
        scores: [n, c].
        codes: int [n], the group of each, from 0.
    """
    centred = np.asarray(scores, np.float64) - np.mean(scores, 0, np.float64)
    values = int(codes.max()) + 1
    member = np.eye(values)[codes]
    parts = []
    for start in range(0, centred.shape[1], max(1, _COLUMNS // values)):
        s = centred[:, start : start + max(1, _COLUMNS // values)]
        of_each = (member[:, :, None] * s[:, None, :]).reshape(len(s), -1)
        data = np.concatenate([member, of_each, s**2], -1)
        parts.append(resampler.draws(lambda t: standardised(t, values), data[None]))
    one = parts[0]
    return Draws(
        np.concatenate([part.estimate for part in parts], -1),
        np.concatenate([part.samples for part in parts], -1),
        one.n, one.groups, one.tail,
    )  # fmt: skip


def permutation_p(
    scores: np.ndarray,
    codes: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    two_sided: bool = True,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> np.ndarray:
    """Returns the probability [v, c] of such differences of means if who is in which is by lot.

        T_v = mean_v s − mean_{others} s,    p = share of divisions with |T*| ≥ |T|

    All divisions are gone through where they are few, into two parts, and nothing belongs together;
    else as many as `shuffles` are drawn, and the one there is counts as one more, so that p is
    never 0. What is of one group stays together; within a group of several values, these are
    exchanged.

    Args:
        scores: [n, c].
        codes: int [n], the part of each, from 0.
        groups: [n] ids; None: all are independent.
        two_sided: whether differences of both signs count; else T* ≥ T.
        shuffles: how many divisions are drawn.
        seed: of the drawing.

    Source: Caliskan et al. 2017, with divisions into parts of the sizes there are (one-sided and
        exact: `p_val_permutation_test` of W4ngatang/sent-bias); groups: derived.
    """
    scores = np.asarray(scores, np.float64) - np.mean(scores, 0, np.float64)
    codes = np.asarray(codes).astype(np.int16)
    number = np.bincount(codes)
    alone = groups is None or np.unique(groups).size == codes.size
    exact = alone and number.size == 2 and comb(codes.size, number[0]) <= EXACT
    side = np.abs if two_sided else np.asarray
    there = side(_differences(codes[None], scores, number.size))[0]
    least = there - _ROUNDING * np.abs(scores).max(0)
    at_least, divisions = np.zeros(there.shape), 0
    drawn = _all(number) if exact else _shuffled(codes, groups, shuffles, seed)
    for part in drawn:
        at_least += (side(_differences(part, scores, number.size)) >= least).sum(0)
        divisions += len(part)
    return at_least / divisions if exact else (1 + at_least) / (1 + divisions)


def _differences(codes: np.ndarray, scores: np.ndarray, values: int) -> np.ndarray:
    """Returns T [b, v, c] of divisions [b, n]."""
    found = []
    for v in range(values):
        member = (codes == v).astype(np.float64)
        inside, number = member @ scores, member.sum(1, keepdims=True)
        others = (scores.sum(0) - inside) / np.maximum(codes.shape[1] - number, 1)
        found.append(inside / np.maximum(number, 1) - others)
    return np.stack(found, 1)


def _all(number: np.ndarray) -> Iterator[np.ndarray]:
    """Yields all divisions into two parts of these sizes at once."""
    rows = np.array(list(combinations(range(number.sum()), number[0])))
    drawn = np.ones((len(rows), number.sum()), np.int16)
    np.put_along_axis(drawn, rows, 0, axis=1)
    yield drawn


def _shuffled(
    codes: np.ndarray, groups: np.ndarray | None, shuffles: int, seed: int
) -> Iterator[np.ndarray]:
    """Yields divisions [b, n] by lot: groups of one value exchange it, others do within."""
    generator = np.random.default_rng(seed)
    _, cluster = np.unique(np.arange(codes.size) if groups is None else groups,
                           return_inverse=True)  # fmt: skip
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    most = np.maximum.reduceat(codes[order], starts)
    pure = most == np.minimum.reduceat(codes[order], starts)
    place = np.cumsum(pure)[cluster] - 1  # of a picture's group among those of one value
    whole, mixed = np.flatnonzero(pure[cluster]), order[~pure[cluster[order]]]
    rows = max(1, _NUMBERS // codes.size)
    for start in range(0, shuffles, rows):
        b = min(rows, shuffles - start)
        drawn = np.empty((b, codes.size), codes.dtype)
        labels = np.tile(most[pure], (b, 1))
        drawn[:, whole] = generator.permuted(labels, axis=1)[:, place[whole]]
        if mixed.size:
            moved = np.argsort(cluster[mixed] + generator.random((b, mixed.size)), axis=1)
            np.put_along_axis(drawn, mixed[moved], codes[mixed][None], axis=1)
        yield drawn

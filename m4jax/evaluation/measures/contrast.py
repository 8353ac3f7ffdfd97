"""How far each group of pictures, or of words, lies from the others, in standard deviations."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from m4jax.evaluation.resampling import Draws, Resampler

EXACT = 20_000  # divisions up to which all are gone through
SHUFFLES = 10_000
_COLUMNS = 64  # sums of scores at a time, to bound the memory
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
    codes = np.asarray(codes)
    number = np.bincount(codes)
    whole = np.append(scores.sum(0), codes.size)
    with_one = np.append(scores, np.ones((codes.size, 1)), axis=1)
    alone = groups is None or np.unique(groups).size == codes.size
    exact = alone and number.size == 2 and comb(codes.size, number[0]) <= EXACT
    side = np.abs if two_sided else np.asarray
    there = side(_differences(np.eye(number.size)[codes].T @ with_one, whole))
    least = there - _ROUNDING * np.abs(scores).max(0)
    sums = (
        _all(with_one, number) if exact
        else _shuffled(with_one, codes, np.arange(codes.size) if groups is None else groups,
                       shuffles, np.random.default_rng(seed))
    )  # fmt: skip
    at_least, divisions = np.zeros(there.shape), 0
    for part in sums:
        at_least += (side(_differences(part, whole)) >= least).sum(0)
        divisions += len(part)
    return at_least / divisions if exact else (1 + at_least) / (1 + divisions)


def _differences(inside: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns T [..., v, c] of sums of scores and of ones, [..., v, c + 1], and of all, [c + 1]."""
    others = whole - inside
    at_least_one = np.maximum(inside[..., -1:], 1), np.maximum(others[..., -1:], 1)
    return inside[..., :-1] / at_least_one[0] - others[..., :-1] / at_least_one[1]


def _all(scores: np.ndarray, number: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the sums [b, 2, c] of all divisions into two parts of these sizes at once."""
    rows = np.array(list(combinations(range(number.sum()), number[0])))
    first = scores[rows].sum(1)
    yield np.stack([first, scores.sum(0) - first], 1)


def _shuffled(
    scores: np.ndarray,
    codes: np.ndarray,
    groups: np.ndarray,
    shuffles: int,
    generator: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yields the sums [1, v, c] of divisions by lot.

    Groups of one value exchange it with one another; in each of the others, pictures do.
    """
    _, cluster = np.unique(groups, return_inverse=True)
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    most = np.maximum.reduceat(codes[order], starts)
    pure = most == np.minimum.reduceat(codes[order], starts)
    units = np.add.reduceat(scores[order], starts, axis=0)[pure]
    values, sizes = np.unique(most[pure], return_counts=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    mixed = order[~pure[cluster[order]]]
    one_hot = np.eye(codes.max() + 1)[codes[mixed]].T
    for _ in range(shuffles):
        inside = np.zeros((codes.max() + 1, scores.shape[1]))
        if len(units):
            inside[values] = np.add.reduceat(units[generator.permutation(len(units))], ends, axis=0)
        if mixed.size:
            moved = mixed[np.argsort(cluster[mixed] + generator.random(mixed.size))]
            inside += one_hot @ scores[moved]
        yield inside[None]

"""Whether many numbers differ between groups: a permutation test that knows how many there are."""

import numpy as np

from m4jax.evaluation.measures.cells import Cells

CHUNK = 1 << 25  # entries of the largest array at a time


def corrected(cells: Cells, values: np.ndarray) -> np.ndarray:
    """Returns the probability that there is nothing, of each value's contrast, for each column.

    With m_v the mean of value v and s_v² its variance over independent groups, the statistic is

        t_v = |m_v − mean_{u≠v} m_u| / √(s_v² + Σ_{u≠v} s_u²/(k − 1)²)

    The null hypothesis: who is shown makes no difference, that is, the values of the attribute can
    be exchanged between independent groups of pictures (within a group, where it has several)
    without changing the joint distribution of all columns. Since t is studentised, the test is
    also right for very large samples if the means alone are equal; of lognormal values with equal
    means it rejects one of 30 true hypotheses with probability 0.12 (100 and 300 pictures, spreads
    1 to 2) to 0.5 (12 and 100, 1 to 3) in place of 0.05. For all columns and values together,
    the probability that even one true null hypothesis is rejected is held by the step-down maxT:
    p of the i-th largest t is the share of permutations in which the largest of this and all
    smaller ones reaches it. It can't be less than 1/(B + 1), however many columns there are, where
    Holm's correction of permutation p could not be less than their number times that.

    Args:
        cells: k values or more of an attribute.
        values: [m, c] of the pictures in `cells.rows`, finite.

    Returns:
        [k, c]; with two values both rows are the same.

    Source: Westfall and Young 1993 (free step-down maxT); studentised: Chung and Romano 2013; over
        clusters: derived.
    """
    sums, sizes, value, cluster = _units(cells, values)
    k, draws = len(cells), cells.resampler.settings.resamples
    assigned = _permutations(value, cluster, draws, cells.resampler.settings.seed)
    shown = 1 if k == 2 else k
    found = np.empty((draws + 1, shown, values.shape[1]), np.float32)
    rows = max(1, CHUNK // max(len(value), shown * values.shape[1]))
    for start in range(0, draws + 1, rows):
        part = slice(start, start + rows)
        found[part] = _statistics(assigned[part], sums, sizes, k)[:, :shown]
    p = _step_down(found.reshape(draws + 1, -1)).reshape(shown, -1)
    return np.broadcast_to(p, (k, values.shape[1]))


def _units(cells: Cells, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns, of each value in each independent group, its sums [u, c], size, value, group."""
    key = cells.cluster.astype(np.int64) * len(cells) + cells.codes
    order = np.argsort(key, kind="stable")
    found, starts, sizes = np.unique(key[order], return_index=True, return_counts=True)
    centred = values - values.mean(0)
    sums = np.add.reduceat(centred[order].astype(np.float64), starts, axis=0)
    return sums.astype(np.float32), sizes.astype(np.float32), *(
        np.asarray(x) for x in (found % len(cells), found // len(cells)))  # fmt: skip


def _permutations(value: np.ndarray, cluster: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Returns the value of each unit, as it is and in each permutation, [1 + draws, u]."""
    generator = np.random.default_rng([seed, 1])
    _, place, count = np.unique(cluster, return_inverse=True, return_counts=True)
    alone = count[place] == 1
    result = np.tile(value.astype(np.int16), (draws + 1, 1))
    result[1:, alone] = generator.permuted(result[1:, alone], axis=1)
    for mixed in np.flatnonzero(count > 1):
        members = np.flatnonzero(place == mixed)
        result[1:, members] = generator.permuted(result[1:, members], axis=1)
    return result


def _statistics(assigned: np.ndarray, sums: np.ndarray, sizes: np.ndarray, k: int) -> np.ndarray:
    """Returns t [b, k, c] of assignments [b, u]."""
    means, variances = [], []
    for v in range(k):
        member = (assigned == v).astype(np.float32)
        n = np.maximum(member @ sizes, 1)[:, None]
        mean = (member @ sums) / n
        square = member @ sums**2 - 2 * mean * (member @ (sums * sizes[:, None]))
        square += mean**2 * (member @ sizes**2)[:, None]
        means.append(mean)
        variances.append(np.maximum(square, 0) / n**2)
    mean, variance = np.stack(means, 1), np.stack(variances, 1)
    total, spread = mean.sum(1, keepdims=True), variance.sum(1, keepdims=True)
    contrast = np.abs(mean - (total - mean) / (k - 1))
    error = np.sqrt(variance + (spread - variance) / (k - 1) ** 2)
    nothing = contrast <= 1e-7 * np.abs(sums).max(0, initial=0)
    return np.where(nothing, 0, contrast / np.maximum(error, 1e-30))


def _step_down(found: np.ndarray) -> np.ndarray:
    """Returns the corrected p [h] of statistics [1 + B, h], of which the first row is the data."""
    order = np.argsort(-found[0], kind="stable")
    largest = found[1:][:, order[::-1]]
    np.maximum.accumulate(largest, axis=1, out=largest)
    reached = largest[:, ::-1] >= found[0, order] * (1 - 1e-5)  # float32 must not decide
    p = np.maximum.accumulate((1 + reached.sum(0)) / len(found))
    result = np.empty(len(order))
    result[order] = p
    return result

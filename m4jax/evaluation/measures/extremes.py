"""The worst group and the largest gap among many, with intervals that know they were searched for.

The least of many noisy numbers lies below the least of the true ones, the more so the more there
are and the smaller they are, and a bootstrap only repeats that. What holds is made of bounds of
each group, with `a` the true accuracies, v⁻ the worst and v⁺ the best group of V:

    min_v L_v ≤ a(v⁻)   fails only if L fails for v⁻ itself: L needs no correction
    a(v⁻) ≤ min_v U_v   may fail for each group: U is one of V (Bonferroni)

and so for the largest. Each bound is Clopper and Pearson's, with the number of pictures that
independent ones would need for the same variance (Korn and Graubard): exact where pictures are
independent, and wide where a group is small, since small groups may be worse than they look.
"""

import numpy as np
from scipy import stats

from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.resampling import Draws


def worst(cells: Cells, draws: Draws, level: float) -> Interval:
    """Returns the least of the shares of the cells, with n and groups of that cell.

    Args:
        cells: v of them.
        draws: of shares, estimate [1, v, 1].
        level: of the interval.

    Source: derived; the bounds of one share: Korn and Graubard 1998.
    """
    shares, tail = draws.estimate[0, :, 0], (1 - level) / 2
    low, _ = _bounds(cells, draws, tail)
    _, high = _bounds(cells, draws, tail / len(cells))
    v = int(shares.argmin())
    return Interval(
        float(shares[v]), float(low.min()), float(high.min()),
        int(cells.sizes[v]), int(cells.clusters[v]),
    )  # fmt: skip


def disparity(cells: Cells, draws: Draws, level: float) -> Interval:
    """Returns the largest share of the cells minus the least, with n and groups of all.

    Args:
        cells: v of them.
        draws: of shares, estimate [1, v, 1].
        level: of the interval.

    Source: the measure: Wang et al. 2025, "Scaling Pre-training to One Hundred Billion Data for
        Vision Language Models"; the interval: derived.
    """
    shares, tail = draws.estimate[0, :, 0], (1 - level) / 4
    low, high = _bounds(cells, draws, tail)
    sure_low, sure_high = _bounds(cells, draws, tail / len(cells))
    return Interval(
        float(np.ptp(shares)),
        max(float(sure_low.max() - sure_high.min()), 0.0),
        float(high.max() - low.min()),
        int(cells.sizes.sum()), int(cells.clusters.min()),
    )  # fmt: skip


def _bounds(cells: Cells, draws: Draws, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and the upper bound [v] of each share, each missed with `tail`."""
    share, n, groups = draws.estimate[0, :, 0], cells.sizes, cells.clusters
    effective = n.astype(np.float64)
    clustered = groups < n
    if clustered.any():
        variance = draws.samples[:, 0, :, 0].var(0)
        inside = (variance > 0) & (share > 0) & (share < 1)
        of_independent = share * (1 - share) / np.where(inside, variance, 1)
        effective = np.where(clustered, np.where(inside, of_independent, groups), effective)
        fewer = stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, groups - 1)
        effective = np.minimum(np.where(clustered, effective * fewer**2, effective), n)
    hits, misses = share * effective, (1 - share) * effective
    low = np.where(hits > 0, stats.beta.ppf(tail, np.maximum(hits, 1e-9), misses + 1), 0)
    high = np.where(misses > 0, stats.beta.isf(tail, hits + 1, np.maximum(misses, 1e-9)), 1)
    return low, high

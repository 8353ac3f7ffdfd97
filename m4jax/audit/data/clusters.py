"""Rates of examples that come in groups: intervals, tests and resamples from sums by group.

An example with its value k and label r counts in T_gk (of group g, with value k) and in Y_gkr (and
with the label). All that is told of rates p = Σ_g part_g / Σ_g whole_g follows from such sums. They
are sparse where labels are rare: a million examples × 236 labels take seconds.

**Interval.** The error of p is Σ_g e_g with e_g = (part_g − p whole_g) / Σ whole, so its variance
is v = G/(G−1) Σ_g e_g² over the G groups that have any of the whole (linearisation; Cochran,
*Sampling Techniques*, 6.3). p(1−p)/v is then as many independent examples as the n are worth, and
Wilson's interval of that number, with Student's t of G−1 degrees in place of z, is that of p. Where
all agree v is 0: each group then counts once, since nothing tells how alike they are within. Of a
difference p − p' Newcombe's interval is taken, with the correlation of the errors, as he does for
pairs.

**Test.** That a label ignores the value: of the m examples with the label, x have the value, where
the share s̄ of all would be expected. The tail of the binomial distribution at x, of as many
independent examples as these are worth: m / (d (1 − ȳ)), with d the factor by which groups make the
variance of the score Σ_g Σ_{i in g} (s_i − s̄)(y_i − ȳ) larger than single examples would, and 1 − ȳ
since the examples are drawn from a finite number (of a frequent label the others are looked at). A
normal score with the variance that is seen rejects far too often where labels are rare and values
uneven: if ten of ten are of a value that nine tenths have, nothing varies. Derived.

**Resamples** draw groups with replacement. Beyond `BINS` groups they draw as many bins of groups,
which a seed fills evenly and at random: their sums are as independent as those of groups, and the
variance of a total is estimated from BINS − 1 degrees of freedom, that is, a standard deviation to
1/√(2 BINS) = 1.1%, less than the 2.2% which 1,000 resamples leave anyway. Derived.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import sparse, special

from m4jax.evaluation.paired import binomial
from m4jax.evaluation.resampling import Draws, Resampler, Settings, tail_probability

BINS = 4096


@dataclasses.dataclass(frozen=True)
class Rates:
    """Rates of c labels with what their intervals are made of; all [c].

    Attributes:
        value: p; NaN where nothing is of the whole.
        variance: v.
        n: examples of the whole.
        groups: of these.
    """

    value: np.ndarray
    variance: np.ndarray
    n: np.ndarray
    groups: np.ndarray

    @property
    def effective(self) -> np.ndarray:
        """How many independent examples the rate is worth; between 1 and n."""
        spread = self.value * (1 - self.value)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.where(self.variance > 0, spread / self.variance, self.groups)
        return np.clip(np.where(spread > 0, found, self.groups), 1, np.maximum(self.n, 1))

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns both ends of Wilson's interval."""
        n, p = self.effective, self.value
        z = special.stdtrit(np.maximum(self.groups - 1, 1), (1 + level) / 2)
        center, scale = p + z**2 / (2 * n), 1 + z**2 / n
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        low, high = (center - half) / scale, (center + half) / scale
        return np.minimum(low, p).clip(0, 1), np.maximum(high, p).clip(0, 1)


class Groups:
    """Groups of examples, and sums over them.

    Args:
        groups: [n] ids.
        settings: of resampling.
        sample: what tells their resamples from others'.
    """

    def __init__(self, groups: np.ndarray, settings: Settings, sample: str = ""):
        ids, self.index = np.unique(groups, return_inverse=True)
        self.number, self.settings, self.sample = len(ids), settings, sample

    def sums(self, matrix: sparse.sparray, weights: np.ndarray) -> sparse.csr_array:
        """Returns Σ_{i in g} weights_i matrix_i, [G, c], of a matrix [n, c]."""
        n = len(self.index)
        kept = np.flatnonzero(weights)
        by_group = sparse.csr_array(
            (weights[kept].astype(float), (self.index[kept], kept)), shape=(self.number, n)
        )
        return sparse.csr_array(by_group @ sparse.csr_array(matrix).astype(float))

    def draws(
        self, statistic: Callable[[np.ndarray], np.ndarray], sums: sparse.sparray, n: int
    ) -> Draws:
        """Returns the draws of a function of totals [..., k] -> [..., s] of sums [G, k]."""
        bins = self._bins()
        size = int(bins.max()) + 1
        fill = sparse.csr_array(
            (np.ones(self.number), (bins, np.arange(self.number))), shape=(size, self.number)
        )
        resampler = Resampler(np.arange(size), settings=self.settings)
        found = resampler.draws(statistic, (fill @ sums).toarray()[None], n=n)
        tail = tail_probability(self.settings.level, self.number)
        return dataclasses.replace(found, groups=self.number, tail=tail)

    def _bins(self) -> np.ndarray:
        """Returns the bin of each group [G]: its own, or one of `BINS` that are filled evenly."""
        if self.number <= BINS:
            return np.arange(self.number)
        order = np.random.default_rng(self.settings.seed).permutation(self.number)
        bins = np.empty(self.number, int)
        bins[order] = np.arange(self.number) % BINS
        return bins


def rates(part: sparse.sparray, whole: sparse.sparray) -> Rates:
    """Returns the rates Σ part / Σ whole of c labels.

    Args:
        part: [G, c] sums by group.
        whole: [G, c], or [G, 1]: the same of all labels.
    """
    total, mass = _column(part), _column(whole)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = total / mass
        cross = _column(part.multiply(whole))
        square = _column(part.power(2)) - 2 * value * cross + value**2 * _column(whole.power(2))
        groups = np.broadcast_to(_column(whole > 0), total.shape).astype(int)
        variance = np.maximum(square, 0) / mass**2 * groups / np.maximum(groups - 1, 1)
    n = np.broadcast_to(mass, total.shape).astype(int)
    return Rates(value, np.where(variance > 1e-15, variance, 0), n, groups)


def difference(
    first: Rates, second: Rates, correlation: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both ends of the interval of first − second.

    d ∓ √(a² − 2ρab + b²) with a, b the lengths of Wilson's intervals on the sides in question.
    Source: Newcombe (1998), methods 10 and, with ρ, as for paired differences.

    Args:
        first: rates [c].
        second: likewise.
        correlation: ρ [c] of their errors, see `correlated`.
        level: of the interval.
    """
    (low, high), (low_2, high_2) = first.interval(level), second.interval(level)
    value = first.value - second.value

    def length(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(a**2 - 2 * correlation * a * b + b**2, 0))

    below = length(first.value - low, high_2 - second.value)
    above = length(high - first.value, second.value - low_2)
    return value - below, value + above


def correlated(
    first: tuple[sparse.sparray, sparse.sparray, Rates],
    second: tuple[sparse.sparray, sparse.sparray, Rates],
) -> np.ndarray:
    """Returns the correlation [c] of the errors of two rates, each as (part, whole, rates).

    It is 0 where no group has examples of both.
    """
    (part, whole, one), (part_2, whole_2, two) = first, second
    cross = _column(part.multiply(part_2))
    cross = cross - one.value * _column(part_2.multiply(whole))
    cross = cross - two.value * _column(part.multiply(whole_2))
    cross = cross + one.value * two.value * _column(whole.multiply(whole_2))
    covariance = cross / (_column(whole) * _column(whole_2))
    deviation = np.sqrt(one.variance * two.variance)
    found = np.zeros(len(cross))
    np.divide(covariance, deviation, out=found, where=deviation > 0)
    return np.clip(found, -1, 1)


def independence(
    part: sparse.sparray, known: sparse.sparray, value: np.ndarray, whole: np.ndarray
) -> np.ndarray:
    """Returns p [c] of the test that labels ignore a value; NaN where they do not vary.

    Args:
        part: [G, c] Σ s y over examples with the attribute known.
        known: [G, c] Σ y over these.
        value: [G] Σ s.
        whole: [G] Σ 1.
    """
    total, valued = max(whole.sum(), 1), value.sum()
    share = valued / total
    alone = value - share * whole  # Σ (s − s̄)
    both = sparse.csr_array(part - share * known)  # Σ (s − s̄) y
    hits, labelled = _column(part), _column(known)
    label = labelled / total
    variance = _column(both.power(2)) - 2 * label * (both.T @ alone) + label**2 * (alone @ alone)
    single = (1 - label) ** 2 * ((1 - share) ** 2 * hits + share**2 * (labelled - hits))
    rest = total - valued - labelled + hits  # neither value nor label
    single += label**2 * ((1 - share) ** 2 * (valued - hits) + share**2 * rest)
    frequent = label > 0.5
    hits = np.where(frequent, valued - hits, hits)
    labelled = np.where(frequent, total - labelled, labelled)
    with np.errstate(invalid="ignore", divide="ignore"):
        worth = 1 / (np.maximum(variance / single, 1) * (1 - labelled / total))
        p = binomial(hits * worth, labelled * worth, share)
    return np.where(variance > 1e-12, p, np.nan)


def parity(part: sparse.sparray, known: sparse.sparray) -> np.ndarray:
    """Returns p [c] of the score test that half of a label's examples have a value.

    Args:
        part: [G, c] Σ s y.
        known: [G, c] Σ y.
    """
    score = sparse.csr_array(part - 0.5 * known)
    return _two_sided(_column(score), _column(score.power(2)))


def _two_sided(score: np.ndarray, variance: np.ndarray) -> np.ndarray:
    found = np.full(len(score), np.nan)
    np.divide(score, np.sqrt(np.maximum(variance, 0)), out=found, where=variance > 1e-12)
    return 2 * special.ndtr(-np.abs(found))


def _column(matrix: sparse.sparray) -> np.ndarray:
    """Returns the sums of columns."""
    return np.asarray(matrix.sum(axis=0), float).ravel()

"""Bootstrap over pictures that are not independent: clusters, strata, several runs at once."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import sparse

from m4jax.errors import InputError

_DRAWN = 1 << 15  # groups drawn at a time: what a core keeps at hand
_COUNTED = 1 << 24  # counts that are float64 at a time
_SPARSE = 0.02  # share of totals that are not 0, below which the others are passed over
MINIMUM = 10  # below this many independent groups an interval says nothing


@dataclass(frozen=True)
class Draws:
    """A statistic of the data and of B resamples.

    Attributes:
        estimate: [runs, *s].
        samples: [B, runs, *s].
        n: number of pictures.
        groups: number of independent groups, in the smallest stratum.
        tail: probability to be left out on each side.
        bounds: least and largest possible value, for a mean of picture-wise values of range 1.
    """

    estimate: np.ndarray
    samples: np.ndarray
    n: int
    groups: int
    tail: float
    bounds: tuple[float, float] | None = None

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Draws":
        """Returns the draws of a function of the statistic, [..., *s] -> [..., *t]."""
        return Draws(
            function(self.estimate), function(self.samples), self.n, self.groups, self.tail
        )


@dataclass(frozen=True)
class Settings:
    """How to resample.

    Attributes:
        resamples: B, number of bootstrap resamples.
        seed: of the resampling; the same pictures and seed give the same resamples, which pairs the
            draws of two models.
        level: coverage of the two-sided intervals.
        minimum: least number of groups, in every stratum; with fewer the answer is NaN.
    """

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95
    minimum: int = MINIMUM

    def __post_init__(self):
        if self.resamples < 100:
            raise InputError(f"resamples: expected at least 100, got {self.resamples}")
        if not 0.5 <= self.level < 1:
            raise InputError(f"level: expected a number in [0.5, 1), got {self.level}")
        if self.minimum < 2:
            raise InputError(f"minimum: expected at least 2 groups, got {self.minimum}")


def tail_probability(level: float, groups: int) -> float:
    """Returns the probability of each tail, made smaller where the groups are few.

    A bootstrap over G groups has a spread too small by √((G − 1)/G) and normal where Student's t
    with G − 1 degrees of freedom would be right. Cutting at Φ(−t √(G/(G − 1))) makes up for both
    (Hesterberg's expanded percentile interval); t is expanded around the normal quantile.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    free = max(groups - 1, 1)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * np.sqrt((free + 1) / free))


class Resampler:
    """Draws groups of pictures with replacement, once, for all metrics of a split.

    Args:
        groups: [n] ids; pictures of one group (of one emoji, say) are kept together.
        strata: [n] ids or None. Groups are drawn within their stratum, so that every resample has
            as many men and women, say, as the data. A group that spans several strata is drawn
            among those that span the same ones.
        settings: number of resamples, seed, level, least number of groups.
    """

    def __init__(self, groups: np.ndarray, strata: np.ndarray | None = None, *, settings: Settings):
        groups = np.asarray(groups)
        strata = np.zeros(groups.shape, int) if strata is None else np.asarray(strata)
        if groups.ndim != 1 or strata.shape != groups.shape or not groups.size:
            raise InputError(
                "groups and strata: expected one id for each picture, "
                f"got shapes {groups.shape} and {strata.shape}"
            )
        _, self._index = np.unique(groups, return_inverse=True)
        self._order = np.argsort(self._index, kind="stable")
        self._starts = np.searchsorted(self._index[self._order], np.arange(self._index.max() + 1))
        presence = _presence(self._index, strata)
        self.groups = int(presence.sum(0).min())  # in the smallest stratum
        self.settings = settings
        self._counts = _multinomial(presence, settings)

    def draws(
        self, statistic: Callable[[np.ndarray], np.ndarray], data: np.ndarray, **about
    ) -> Draws:
        """Returns the statistic of the data and of all resamples, for every run.

        Args:
            statistic: function of totals, [..., k] -> [..., *s]; vectorised over what leads.
            data: [runs, n, k], the columns to be summed over pictures.
            **about: n or bounds of the `Draws`, where they are not those of all the pictures.
        """
        if data.ndim != 3 or data.shape[1] != self._index.size:
            raise InputError(
                f"data: expected shape [runs, {self._index.size}, k], got {data.shape}"
            )
        totals = np.add.reduceat(np.asarray(data, np.float64)[:, self._order], self._starts, axis=1)
        if self.groups < self.settings.minimum:
            totals = np.full_like(totals, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            estimate = statistic(totals.sum(1))
            samples = statistic(np.moveaxis(self._resampled(totals), 0, 1))
        tail = tail_probability(self.settings.level, self.groups)
        return Draws(
            estimate, samples, groups=self.groups, tail=tail, **{"n": data.shape[1], **about}
        )

    def _resampled(self, totals: np.ndarray) -> np.ndarray:
        """Returns the totals [runs, B, k] of every resample, given those of groups [runs, g, k]."""
        rows = max(1, _COUNTED // len(self._counts[0]))
        if len(totals) == 1 and np.count_nonzero(totals) < _SPARSE * totals.size:
            totals = sparse.csc_array(totals[0])  # many strata: each group has few of the columns
        parts = [
            self._counts[start : start + rows].astype(np.float64) @ totals
            for start in range(0, len(self._counts), rows)
        ]
        found = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)
        return found if found.ndim == 3 else found[None]

    def mean(self, values: np.ndarray, bounds: tuple[float, float] | None = None) -> Draws:
        """Returns the draws of the mean of `values` [runs, n]; NaN stands for: does not count."""
        values = np.asarray(values, np.float64)
        counts = ~np.isnan(values)
        data = np.stack([counts, np.where(counts, values, 0)], axis=-1).astype(np.float64)
        data[[not self._enough(run) for run in counts]] = np.nan
        n = int(counts.sum(1).min())
        return self.draws(lambda t: t[..., 1] / t[..., 0], data, n=n, bounds=bounds)

    def multiplicities(self, places: np.ndarray, part: slice = slice(None)) -> np.ndarray:
        """Returns how often the resamples of `part` hold the pictures at `places` [k], [b, k]."""
        return np.take(self._counts[part], self._index[places], axis=1).astype(np.float64)

    def _enough(self, counted: np.ndarray) -> bool:
        return np.unique(self._index[counted]).size >= self.settings.minimum


def _presence(index: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Returns [groups, strata]: whether a group has pictures in a stratum."""
    ids, stratum = np.unique(strata, return_inverse=True)
    presence = np.zeros((index.max() + 1, ids.size), bool)
    presence[index, stratum] = True
    return presence


def _multinomial(presence: np.ndarray, settings: Settings) -> np.ndarray:
    """Returns [B, groups]: how often each resample holds each group, drawn within strata."""
    generator = np.random.default_rng(settings.seed)
    counts = np.zeros((settings.resamples, presence.shape[0]), np.uint16)  # 50,000: 100 MB
    packed = np.packbits(presence, axis=1)  # many strata: an eighth to be sorted
    _, first, kind = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    # in the order of appearance, so that renaming the strata changes no draw
    for chosen in np.argsort(first):
        members = np.flatnonzero(kind.reshape(-1) == chosen)
        rows = max(1, _DRAWN // members.size)
        for start in range(0, settings.resamples, rows):  # the draws are those of one call
            part = slice(start, min(start + rows, settings.resamples))
            drawn = generator.integers(members.size, size=(part.stop - start, members.size))
            drawn += np.arange(len(drawn))[:, None] * members.size
            flat = np.bincount(drawn.ravel(), minlength=drawn.size)
            counts[part, members] = flat.reshape(drawn.shape)
    return counts

"""Pictures by the value of an attribute, or by values of several at once, and their resamples."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.measures.asked import sample
from m4jax.evaluation.measures.pictures import PictureSet
from m4jax.evaluation.resampling import Draws, Resampler, Settings, tail_probability

SHARE = (0.0, 1.0)  # bounds
ENTRIES = 1 << 24  # of the largest array at a time, in numbers of eight bytes


class Cells:
    """The pictures of each value, those of too few independent groups left out.

    Every resample has as many pictures of each value as there are.

    Args:
        pictures: the set.
        codes: int [n], the value of each picture; −1: it has none.
        names: of the values.
        settings: of the resampling; a value of fewer independent groups than its minimum is left
            out.

    Attributes:
        names: [v] of the values that are left.
        small: value that is left out -> its number of independent groups.
        rows: int [m], the pictures of the values that are left.
        codes: int [m], the place of each picture's value among `names`.
        cluster: int [m], the independent group of each picture.
        clusters: int [v], how many independent groups a value has.
        sizes: int [v], how many pictures.
    """

    def __init__(
        self, pictures: PictureSet, codes: np.ndarray, names: Sequence[str], settings: Settings
    ):
        self._pictures, self._settings = pictures, settings
        cluster = np.unique(pictures.groups, return_inverse=True)[1].reshape(-1)
        has = np.flatnonzero(codes >= 0)
        pairs = np.unique(np.stack([codes[has], cluster[has]]), axis=1)
        clusters = np.bincount(pairs[0], minlength=len(names))
        kept = np.flatnonzero(clusters >= settings.minimum)
        self.names = tuple(names[v] for v in kept)
        self.small = {
            name: int(count)
            for name, count in zip(names, clusters, strict=True)
            if count < settings.minimum
        }
        place = np.full(len(names) + 1, -1)
        place[kept] = np.arange(kept.size)
        self.rows = np.flatnonzero(place[codes] >= 0)
        self.codes = place[codes[self.rows]]
        self.cluster = cluster[self.rows]
        self.clusters = clusters[kept]
        self.sizes = np.bincount(self.codes, minlength=kept.size)

    @classmethod
    def whole(cls, pictures: PictureSet, chosen: np.ndarray, settings: Settings) -> "Cells":
        """Returns all the pictures of `chosen`, bool [n], as one cell; its name is ""."""
        return cls(pictures, np.where(chosen, 0, -1), ("",), settings)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def note(self) -> str:
        """Which values are left out; "": none."""
        told = [
            f"{name or 'pictures'}: {count} independent groups"
            for name, count in self.small.items()
        ]
        least = f"fewer than {self._settings.minimum}"
        return f"{'; '.join(told[:5])}{' …' if len(told) > 5 else ''} ({least})" if told else ""

    @functools.cached_property
    def sample(self) -> str:
        """What tells how the pictures are resampled."""
        return sample(self._pictures, self.rows, self.codes, self._settings)

    @functools.cached_property
    def resampler(self) -> Resampler:
        """Of the pictures in `rows`."""
        return Resampler(self._pictures.groups[self.rows], self.codes, settings=self._settings)

    def means(self, values: np.ndarray, weights: np.ndarray | None = None) -> Draws:
        """Returns the draws of the mean of each value's pictures.

            mean_v = Σ_i w_i x_i / Σ_i w_i    over the pictures i of value v

        Args:
            values: [m, c] of the pictures in `rows`; NaN: does not count.
            weights: [m, c] or [m, 1], w; None: 1.

        Returns:
            Draws of estimate [1, v, c].
        """
        values = np.asarray(values, np.float64)
        weights = np.where(np.isnan(values), 0.0, 1.0 if weights is None else weights)
        sums = weights * np.nan_to_num(values)
        enough, some = self._enough(weights > 0), max(1, ENTRIES // (2 * values.size))
        parts = [
            self._means(weights, sums, start, enough[start : start + some])
            for start in range(0, len(self), some)
        ]
        return (
            parts[0]
            if len(parts) == 1
            else dataclasses.replace(
                parts[0],
                estimate=np.concatenate([part.estimate for part in parts], -2),
                samples=np.concatenate([part.samples for part in parts], -2),
            )
        )

    def _means(
        self, weights: np.ndarray, sums: np.ndarray, first: int, enough: np.ndarray
    ) -> Draws:
        """Returns the draws of the means of some values, from the one of number `first` on."""
        v, c = enough.shape
        of_these = np.flatnonzero((self.codes >= first) & (self.codes < first + v))
        data = np.zeros((len(sums), 2, v, c))
        data[of_these, 0, self.codes[of_these] - first] = weights[of_these]
        data[of_these, 1, self.codes[of_these] - first] = sums[of_these]

        def ratio(total: np.ndarray) -> np.ndarray:
            total = total.reshape(*total.shape[:-1], 2, v, c)
            return np.where(enough, total[..., 1, :, :] / total[..., 0, :, :], np.nan)

        return self.resampler.draws(ratio, data.reshape(1, len(sums), -1))

    def _enough(self, counted: np.ndarray) -> np.ndarray:
        """Returns [v, c]: whether enough independent groups count, given [m, c] or [m, 1]."""
        if counted.all():
            return np.ones((len(self), counted.shape[1]), bool)
        groups = np.zeros((len(self), self.cluster.max() + 1, counted.shape[1]), bool)
        np.logical_or.at(groups, (self.codes, self.cluster), counted)
        return groups.sum(1) >= self._settings.minimum

    def of(self, draws: Draws, v: int, column: int = 0, **about) -> Draws:
        """Returns the draws of one value's mean, with n and the number of groups of its own.

        Args:
            draws: of estimate [1, v, c].
            v: place of the value.
            column: of the c.
            **about: bounds of the `Draws`.
        """
        groups = int(self.clusters[v])
        return dataclasses.replace(
            draws,
            estimate=draws.estimate[:, v, column],
            samples=draws.samples[:, :, v, column],
            n=int(self.sizes[v]),
            groups=groups,
            tail=tail_probability(self._settings.level, groups),
            **about,
        )

    def both(self, draws: Draws, column: int = 0) -> tuple[Draws, Draws]:
        """Returns the draws of the shares of two values, whose gap `gap` tells."""
        first, second = (self.of(draws, v, column, bounds=SHARE) for v in range(2))
        return first, second


def gap(first: Draws, second: Draws) -> tuple[Interval, np.ndarray]:
    """Returns the interval of first − second, two shares of one set of resamples, and its samples.

    Where all pictures of one of them agree, no resample shows how sure that is: the interval is
    then as much wider as its own share's would be; see `intervals.percentile`.
    """
    interval = intervals.percentile(first, second)
    interval = dataclasses.replace(interval, n=first.n + second.n)
    return interval, first.samples[:, 0] - second.samples[:, 0]

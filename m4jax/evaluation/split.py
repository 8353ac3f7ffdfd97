"""The answers of some runs on one split of the pictures, and what resamples these."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from m4jax.evaluation import bias
from m4jax.evaluation.resampling import Draws, Resampler, Settings


class Split:
    """The predictions of some runs on one split of the pictures, and the resamples of these.

    Args:
        runs: predictions of each run; see `predictions.predict`.
        name: of the split.
        settings: of the bootstrap.
    """

    def __init__(
        self, runs: Sequence[Mapping[str, np.ndarray]], name: str, settings: Settings
    ) -> None:
        self._runs, self._name, self._settings = runs, name, settings

    def __contains__(self, field: str) -> bool:
        return f"{self._name}/{field}" in self._runs[0]

    def __getitem__(self, field: str) -> np.ndarray:
        """Returns a field of the split for all runs, [runs, ...]."""
        return self.stack(f"{self._name}/{field}")

    def stack(self, key: str) -> np.ndarray:
        """Returns any array of the predictions for all runs, [runs, ...]."""
        return np.stack([run[key] for run in self._runs])

    def resampler(self, rows: np.ndarray | slice = slice(None)) -> Resampler:
        """Returns what resamples the pictures in `rows`."""
        return Resampler(self["group"][0][rows], settings=self._settings)

    @functools.cached_property
    def everyone(self) -> Resampler:
        """Of all pictures."""
        return self.resampler()

    @functools.cached_property
    def within_gender(self) -> Resampler:
        """Of all pictures, so that every resample has as many men as the pictures."""
        return Resampler(self["group"][0], self["gender"][0], settings=self._settings)

    @functools.cached_property
    def at_work(self) -> tuple[np.ndarray, Resampler | None]:
        """Which pictures show an occupation, [n] bool, and what resamples them."""
        rows = self["occupation"][0] >= 0
        return rows, self.resampler(rows) if rows.any() else None

    @functools.cached_property
    def association(self) -> Draws:
        """The draws of AB by occupation."""
        probability = self["occupation_probability"]
        return bias.association_bias(self.within_gender, probability, self["gender"][0])

    @functools.cached_property
    def representation(self) -> Draws:
        """The draws of RB."""
        return bias.representation_bias(self.everyone, self["prefers_man"])

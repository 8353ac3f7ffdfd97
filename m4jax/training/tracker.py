"""What the stream of examples has been so far, and how fast it went."""

import time
from typing import Any, NamedTuple

import numpy as np

from m4jax import balance
from m4jax.data.sampling import Sampler
from m4jax.training.config import TrainData


def duplicates(caption_id: np.ndarray) -> float:
    """Returns the share of the captions [B] of a batch that occur in it more than once."""
    _, inverse, counts = np.unique(caption_id, return_inverse=True, return_counts=True)
    return float(np.mean(counts[inverse] > 1))


class StreamTracker:
    """Counts how often each example was drawn; on resume the counts follow from (seed, step).

    Args:
      data: the examples.
      sampler: of the run.
      step: number of batches drawn so far.
    """

    def __init__(self, data: TrainData, sampler: Sampler, *, step: int):
        self._data = data
        self._counts = np.zeros(len(data.images), np.int64)
        for earlier in range(step):
            self.add(sampler.indices(earlier))
        bias = self._bias(sampler.probability)
        self._target = {
            "target_rb": _number(bias.representation_max),
            "target_ab": _number(bias.association_max),
        }

    def add(self, indices: np.ndarray) -> None:
        """Counts one batch of examples [B]."""
        np.add.at(self._counts, indices, 1)

    def record(self) -> dict[str, Any]:
        """Returns the moments of all examples drawn so far beside those that sampling aims at."""
        examples, unique = int(self._counts.sum()), int(np.count_nonzero(self._counts))
        bias = self._bias(self._counts)
        return {
            "unique_examples": unique,
            "repeats": examples - unique,
            "stream_rb": _number(bias.representation_max),
            "stream_ab": _number(bias.association_max),
            **self._target,
        }

    def _bias(self, weights: np.ndarray) -> balance.Bias:
        data = self._data
        weights = np.asarray(weights, np.float64)
        return balance.bias(data.attributes, data.labels, weights, target=data.target)


def _number(value: float) -> float | None:
    """Returns a JSON number, or None for what could not be estimated (an empty group)."""
    return float(value) if np.isfinite(value) else None


class Interval(NamedTuple):
    """Times of an interval between two records, in seconds."""

    seconds: float
    waited: float


class Clock:
    """Measures the time since the last reading, and how much of it was spent waiting for data."""

    def __init__(self):
        self._start, self._waited = time.perf_counter(), 0.0

    def wait(self, iterator: Any) -> Any:
        """Returns the next item, and counts the time that took."""
        start = time.perf_counter()
        item = next(iterator)
        self._waited += time.perf_counter() - start
        return item

    def read(self) -> Interval:
        """Returns the times since the last reading and starts anew."""
        now = time.perf_counter()
        interval = Interval(now - self._start, self._waited)
        self._start, self._waited = now, 0.0
        return interval

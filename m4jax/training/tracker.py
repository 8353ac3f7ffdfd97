"""What the stream of examples has been so far, and how fast it went."""

import time
from typing import Any, NamedTuple

import numpy as np

from m4jax import balance
from m4jax.training.config import TrainData
from m4jax.training.stream import Draw


def duplicates(caption_id: np.ndarray) -> float:
    """Returns the share of the captions [B] of a batch that occur in it more than once."""
    _, inverse, counts = np.unique(caption_id, return_inverse=True, return_counts=True)
    return float(np.mean(counts[inverse] > 1))


class StreamTracker:
    """Counts how often each example was drawn; on resume the counts follow from (seed, step).

    Args:
        data: the examples.
        draw: of the run.
        step: number of batches drawn so far.
    """

    def __init__(self, data: TrainData, draw: Draw, *, step: int):
        self._data, self._draw, self._stage = data, draw, 0
        self._seen, self._drawn = np.zeros(len(data.images), bool), 0
        self._begin(0)
        for earlier in range(step):
            self.add(earlier, draw.indices(earlier))

    def add(self, step: int, indices: np.ndarray) -> None:
        """Counts batch `step`, made of the examples [B]."""
        stage = self._draw.stage(step)
        if stage != self._stage:
            self._begin(stage)
        factor = self._draw.factor(step, indices)
        np.add.at(self._counts, indices, 1 if factor is None else factor)
        self._seen[indices] = True
        self._drawn += len(indices)

    def record(self) -> dict[str, Any]:
        """Returns the examples drawn so far, and this stage's moments beside those aimed at.

        `unique_examples` and `repeats` are of the whole run, `stream_*` and `target_*` of the
        stage.
        """
        unique, bias = int(np.count_nonzero(self._seen)), self._bias(self._counts)
        return {
            "stage": self._stage,
            "unique_examples": unique,
            "repeats": self._drawn - unique,
            "stream_rb": _number(bias.representation_max),
            "stream_ab": _number(bias.association_max),
            **self._target,
        }

    def _begin(self, stage: int) -> None:
        """Starts the counts of a stage."""
        self._stage, self._counts = stage, np.zeros(len(self._data.images))
        bias = self._bias(self._draw.probability(stage))
        self._target = {
            "target_rb": _number(bias.representation_max),
            "target_ab": _number(bias.association_max),
        }

    def _bias(self, weights: np.ndarray) -> balance.Bias:
        data = self._data
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

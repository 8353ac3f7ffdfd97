"""Which examples make up a batch: a pure function of (seed, step)."""

import numpy as np

from m4jax.errors import InputError


class Sampler:
    """Draws batches with replacement, example i with a probability proportional to its weight.

    Each batch inverts the cumulative distribution at `batch_size` uniform numbers that come from
    a counter-based generator keyed by (seed, step). There is no state: the position in the data
    is the step, on any machine and in any order of calls. Every data version of a study is drawn
    this way, the unweighted one too, so that versions differ in their weights alone.

    Args:
        weights: [n] non-negative, or None for equal weights.
        n: number of examples.
        batch_size: B.
        seed: of the stream.

    Raises:
        InputError: if the weights don't fit the data or have no positive sum.
    """

    def __init__(self, weights: np.ndarray | None, *, n: int, batch_size: int, seed: int):
        if weights is None:
            weights = np.ones(n)
        weights = np.asarray(weights, np.float64)
        if weights.shape != (n,):
            raise InputError(f"weights: expected shape [{n}] (examples), got {weights.shape}")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise InputError("weights: expected finite, non-negative numbers with a positive sum")
        self.probability = weights / weights.sum()
        self._edges = np.cumsum(weights)
        self._last = np.flatnonzero(weights)[-1]
        self._batch_size = batch_size
        self._seed = seed

    def indices(self, step: int) -> np.ndarray:
        """Returns the example ids [B] (int64) of batch `step`."""
        generator = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        uniform = generator.random(self._batch_size) * self._edges[-1]
        # side="right" never lands on an example of weight 0; the last edge itself is out of reach
        # but for rounding, hence the minimum.
        position = np.searchsorted(self._edges, uniform, side="right")
        return np.minimum(position, self._last)

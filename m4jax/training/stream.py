"""Batches that are gathered while the step before is computed."""

import collections
import concurrent.futures
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from m4jax.data.sampling import Sampler
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.step import Batch


class Drawn(NamedTuple):
    """A batch on the device and the examples [B] that it is made of."""

    indices: np.ndarray
    batch: Batch


def make_sampler(config: TrainConfig, data: TrainData) -> Sampler:
    """Returns the draw of a run: a pure function of (seed, step)."""
    return Sampler(
        data.probability, n=len(data.images), batch_size=config.batch_size, seed=config.seed
    )


def trim(tokens: np.ndarray) -> np.ndarray:
    """Drops the columns that are padding in every text [n, L]: nobody has to compute them."""
    used = np.flatnonzero((tokens != 0).any(axis=0))
    return tokens[:, : max(used[-1] + 1 if used.size else 1, 1)]


def gather(data: TrainData, tokens: np.ndarray, indices: np.ndarray) -> Drawn:
    """Returns the examples `indices` [B] as a batch on the device."""
    return Drawn(indices, jax.device_put(Batch(data.images[indices], tokens[indices])))


def batches(
    data: TrainData, sampler: Sampler, *, start: int, stop: int, depth: int = 2
) -> Iterator[Drawn]:
    """Yields the batches of steps `start` to `stop` − 1, up to `depth` of them ready in advance.

    A thread gathers them; an error in it is raised here.
    """
    tokens = np.ascontiguousarray(trim(data.tokens), np.int32)
    ready: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        for step in range(start, stop + depth):
            if step < stop:
                ready.append(pool.submit(gather, data, tokens, sampler.indices(step)))
            if step >= start + depth and ready:
                yield ready.popleft().result()

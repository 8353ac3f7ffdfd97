"""Which examples make up a batch, and batches that are gathered while the device computes."""

import collections
import concurrent.futures
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.data.sampling import Sampler
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.mesh import split_rows
from m4jax.training.step import Batch


class Drawn(NamedTuple):
    """A batch on the devices and the examples [B] that it is made of."""

    indices: np.ndarray
    batch: Batch


class Draw:
    """The examples of every batch of a run: a pure function of (seed, step).

    There is no state. The position in the data is the step, on any number of devices, also where
    one stage (data version) follows another.

    Args:
      config: of the run.
      data: its examples and stages.

    Raises:
      InputError: if the weights of a stage don't fit the data.
    """

    def __init__(self, config: TrainConfig, data: TrainData):
        n = len(data.images)
        self._config, self._starts = config, [stage.start for stage in data.stages]
        shape = {"n": n, "batch_size": config.batch_size, "seed": config.seed}
        weighted = [Sampler(stage.weights, **shape) for stage in data.stages]
        self._probability = [sampler.probability for sampler in weighted]
        in_loss = config.weighting == "loss"
        self._samplers = [Sampler(None, **shape)] * len(weighted) if in_loss else weighted
        self._factor = [n * p if in_loss else None for p in self._probability]

    def stage(self, step: int) -> int:
        """Returns the number of the stage of batch `step`."""
        return int(np.searchsorted(self._starts, step, side="right")) - 1

    def start(self, stage: int) -> int:
        """Returns the first step of a stage."""
        return self._starts[stage]

    def probability(self, stage: int) -> np.ndarray:
        """Returns the weights [n] of a stage, their sum 1."""
        return self._probability[stage]

    def indices(self, step: int) -> np.ndarray:
        """Returns the example ids [B] (int64) of batch `step`."""
        return self._samplers[self.stage(step)].indices(step)

    def factor(self, step: int, indices: np.ndarray) -> np.ndarray | None:
        """Returns the weights [B] in the loss, mean 1 over the data; None: they act by drawing."""
        factor = self._factor[self.stage(step)]
        return None if factor is None else factor[indices].astype(np.float32)

    def fingerprint(self) -> dict[str, Any]:
        """Returns what tells this stream of examples from another, as JSON."""
        weights = [hashlib.sha256(p.tobytes()).hexdigest() for p in self._probability]
        return {
            "seed": self._config.seed,
            "batch_size": self._config.batch_size,
            "weighting": self._config.weighting,
            "examples": len(self._probability[0]),
            "stages": [[start, sum_] for start, sum_ in zip(self._starts, weights, strict=True)],
        }


def trim(tokens: np.ndarray) -> np.ndarray:
    """Drops the columns that are padding in every text [n, L]: nobody has to compute them."""
    used = np.flatnonzero((tokens != 0).any(axis=0))
    return tokens[:, : max(used[-1] + 1 if used.size else 1, 1)]


def gather(
    data: TrainData, tokens: np.ndarray, indices: np.ndarray, factor: np.ndarray | None, mesh: Mesh
) -> Drawn:
    """Returns the examples `indices` [B] as a batch whose rows are split over the data axis.

    Each process reads the rows of its own devices only.
    """
    sharding = split_rows(mesh)

    def place(array: np.ndarray, rows: np.ndarray) -> jax.Array:
        shape = (len(rows), *array.shape[1:])
        return jax.make_array_from_callback(shape, sharding, lambda part: array[rows[part[0]]])

    weight = None if factor is None else place(factor, np.arange(len(factor)))
    return Drawn(indices, Batch(place(data.images, indices), place(tokens, indices), weight))


def batches(
    data: TrainData,
    draw: Draw,
    mesh: Mesh,
    *,
    start: int,
    stop: int,
    trimmed: bool = True,
    depth: int = 2,
) -> Iterator[Drawn]:
    """Yields the batches of steps `start` to `stop` − 1, up to `depth` of them ready in advance.

    A thread gathers them; an error in it is raised here. `trimmed`: see `trim`.
    """
    tokens = np.ascontiguousarray(trim(data.tokens) if trimmed else data.tokens, np.int32)

    def fetch(step: int) -> Drawn:
        indices = draw.indices(step)
        return gather(data, tokens, indices, draw.factor(step, indices), mesh)

    ready: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        for step in range(start, stop + depth):
            if step < stop:
                ready.append(pool.submit(fetch, step))
            if step >= start + depth and ready:
                yield ready.popleft().result()

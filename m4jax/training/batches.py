"""Which examples make up a batch, and batches that are gathered while the device computes."""

import collections
import concurrent.futures
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.data.encoded import decoded
from m4jax.training.config import TrainConfig, TrainData, check_weights, tokens_for_model
from m4jax.training.mesh import split_rows
from m4jax.training.step import Batch


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
        check_weights(weights, n)
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


class Drawn(NamedTuple):
    """A batch on the devices and the examples [B] that it is made of."""

    indices: np.ndarray
    batch: Batch


class Draw:
    """The examples of every batch of a run: a pure function of (seed, step).

    There is no state. The position in the data is the step, on any number of devices, also where
    one stage (data version) follows another. `probability` holds the weights [n] of each stage,
    their sum 1.

    Args:
        config: of the run.
        data: its examples and stages.

    Raises:
        InputError: if the weights of a stage don't fit the data.
    """

    def __init__(self, config: TrainConfig, data: TrainData):
        n = len(data.images)
        self._config, self._starts = config, [stage.start for stage in data.stages]
        self.batch_size = config.batch_size
        shape = {"n": n, "batch_size": config.batch_size, "seed": config.seed}
        weighted = [Sampler(stage.weights, **shape) for stage in data.stages]
        self.probability = [sampler.probability for sampler in weighted]
        in_loss = config.weighting == "loss"
        self._samplers = [Sampler(None, **shape)] * len(weighted) if in_loss else weighted
        self._factor = [n * p if in_loss else None for p in self.probability]

    def stage(self, step: int) -> int:
        """Returns the number of the stage of batch `step`."""
        return int(np.searchsorted(self._starts, step, side="right")) - 1

    def indices(self, step: int) -> np.ndarray:
        """Returns the example ids [B] (int64) of batch `step`."""
        return self._samplers[self.stage(step)].indices(step)

    def factor(self, step: int, indices: np.ndarray) -> np.ndarray | None:
        """Returns the weights [B] in the loss, mean 1 over the data; None: they act by drawing."""
        factor = self._factor[self.stage(step)]
        return None if factor is None else factor[indices].astype(np.float32)


def batches(
    data: TrainData,
    draw: Draw,
    mesh: Mesh,
    *,
    start: int,
    stop: int,
    trimmed: bool = True,
    workers: int = 0,
    depth: int = 2,
) -> Iterator[Drawn]:
    """Yields the batches of steps `start` to `stop` − 1, up to `depth` of them ready in advance.

    A thread gathers them and copies them to the devices; an error in it is raised here. Pictures in
    memory are gathered, encoded ones (`data.encoded`) decoded: the batches are the same. Each
    process reads the rows of its own devices only.

    Args:
        data: the examples.
        draw: which of them make up a batch.
        mesh: the rows are split over its data axis.
        start: first step.
        stop: the step after the last one.
        trimmed: whether columns that are padding in every text are left out.
        workers: processes that decode encoded pictures; 0: threads of this one.
        depth: number of batches.
    """
    tokens = tokens_for_model(data, trimmed)
    sharding, mine = split_rows(mesh), local_rows(mesh, draw.batch_size)

    def place(local: np.ndarray) -> jax.Array:
        def part(index: tuple[slice, ...]) -> np.ndarray:
            begin, end, _ = index[0].indices(draw.batch_size)
            return local[begin - mine.start : end - mine.start]

        shape = (draw.batch_size, *local.shape[1:])
        return jax.make_array_from_callback(shape, sharding, part)

    def assemble(step: int, pictures: Iterator[np.ndarray]) -> Drawn:
        indices = draw.indices(step)
        factor = draw.factor(step, indices)
        images, texts = place(next(pictures)), place(tokens[indices[mine]])
        return Drawn(indices, Batch(images, texts, None if factor is None else place(factor[mine])))

    rows = _Rows(draw, mine)
    if isinstance(data.images, np.ndarray):
        pictures = (data.images[rows(step)] for step in range(start, stop))
    else:
        pictures = decoded(data.images, rows, start=start, stop=stop, workers=workers)
    ready: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        for step in range(start, stop + depth):
            if step < stop:
                ready.append(pool.submit(assemble, step, pictures))
            if step >= start + depth and ready:
                yield ready.popleft().result()


class _Rows(NamedTuple):
    """Maps a step to the examples of it that this process reads; it can be pickled."""

    draw: Draw
    mine: slice

    def __call__(self, step: int) -> np.ndarray:
        return self.draw.indices(step)[self.mine]


def local_rows(mesh: Mesh, rows: int) -> slice:
    """Returns the range of a batch's rows that the devices of this process hold."""
    places = split_rows(mesh).addressable_devices_indices_map((rows,)).values()
    ranges = [place[0].indices(rows) for place in places]
    return slice(min(r[0] for r in ranges), max(r[1] for r in ranges))

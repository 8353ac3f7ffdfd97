"""Which examples make up a batch, and batches that are gathered while the device computes."""

import collections
import concurrent.futures
import functools
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.data.encoded import decoded
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

    @property
    def batch_size(self) -> int:
        """B, pairs a step."""
        return self._config.batch_size

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

    @functools.cached_property
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
        trimmed: see `trim`.
        workers: processes that decode encoded pictures; 0: threads of this one.
        depth: number of batches.
    """
    tokens = np.ascontiguousarray(trim(data.tokens) if trimmed else data.tokens, np.int32)
    sharding = split_rows(mesh)

    def place(local: np.ndarray, rows: int, first: int) -> jax.Array:
        def part(index: tuple[slice, ...]) -> np.ndarray:
            begin, end, _ = index[0].indices(rows)
            return local[begin - first : end - first]

        return jax.make_array_from_callback((rows, *local.shape[1:]), sharding, part)

    def assemble(step: int, pictures: Iterator[np.ndarray]) -> Drawn:
        indices = draw.indices(step)
        rows, mine = len(indices), local_rows(mesh, len(indices))
        factor = draw.factor(step, indices)
        return Drawn(
            indices,
            Batch(
                place(next(pictures), rows, mine.start),
                place(tokens[indices[mine]], rows, mine.start),
                None if factor is None else place(factor[mine], rows, mine.start),
            ),
        )

    pictures = _pictures(data, _Rows(draw, mesh), start=start, stop=stop, workers=workers)
    ready: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        for step in range(start, stop + depth):
            if step < stop:
                ready.append(pool.submit(assemble, step, pictures))
            if step >= start + depth and ready:
                yield ready.popleft().result()


class _Rows:
    """Maps a step to the examples of it that this process reads; it can be pickled."""

    def __init__(self, draw: Draw, mesh: Mesh):
        self._draw, self._mine = draw, local_rows(mesh, draw.batch_size)

    def __call__(self, step: int) -> np.ndarray:
        return self._draw.indices(step)[self._mine]


def local_rows(mesh: Mesh, rows: int) -> slice:
    """Returns the range of a batch's rows that the devices of this process hold."""
    places = split_rows(mesh).addressable_devices_indices_map((rows,)).values()
    ranges = [place[0].indices(rows) for place in places]
    return slice(min(r[0] for r in ranges), max(r[1] for r in ranges))


def _pictures(
    data: TrainData, rows: _Rows, *, start: int, stop: int, workers: int
) -> Iterator[np.ndarray]:
    if isinstance(data.images, np.ndarray):
        return (data.images[rows(step)] for step in range(start, stop))
    return decoded(data.images, rows, start=start, stop=stop, workers=workers)

"""What a run writes to `metrics.jsonl`: metrics, the stream of examples so far, and speed."""

import collections
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from m4jax import balance, files
from m4jax.errors import DamagedError, NonFiniteError
from m4jax.training import identity
from m4jax.training.batches import Draw
from m4jax.training.config import TrainConfig, TrainData, schedule
from m4jax.training.losses import LOSSES


class DamageWarning(UserWarning):
    """A file of a run is not what was written; the message names it and what is done."""


class Journal:
    """The metrics of one run since its last record, and the records; the first process writes.

    Args:
        config: of the run.
        data: its examples.
        run_dir: of the run.
        on_progress: called with each record.
        what: it is made of; see `identity`.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        run_dir: Path,
        on_progress: Callable[[dict[str, Any]], None] | None,
        what: Mapping[str, Any],
    ):
        self._what = what
        self._config, self._data, self._run_dir = config, data, run_dir
        self._on_progress, self._learning_rate = on_progress, schedule(config)
        self._path = None if jax.process_index() else run_dir / "metrics.jsonl"
        self.draw, self.clock, self.pending = Draw(config, data), Clock(), []

    def check(self, position: Mapping[str, Any]) -> None:
        """Raises `InputError` if the position is that of another run, naming what differs."""
        identity.check_same(position.get("identity"), self._what, self._run_dir)

    def open(self, position: dict[str, Any] | None) -> int:
        """Begins, or goes on at a `position`; later records are dropped, to be made again.

        Returns:
            The number of steps taken before.
        """
        position = position or {"step": 0, "pending": []}
        step, self.pending = position["step"], list(position["pending"])
        self._tracker = StreamTracker(self._data, self.draw)
        told = position.get("records")
        records = self._told_anew(told or [], step)
        if self._path:
            files.write_jsonl(self._path, self.records(step) if told is None else records)
        self.clock = Clock()
        return step

    def records(self, step: int) -> list[dict[str, Any]]:
        """Returns the records up to `step`."""
        return [record for record in self._earlier() if record["step"] <= step]

    def _told_anew(self, records: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
        """Counts the first `step` batches; returns another run's records of them as this one's.

        The steps are the same; what they are measured by, the data's annotation, need not be.
        """
        own, left = [], collections.deque(records)
        for number in range(1, step + 1):
            self._tracker.add(number - 1, self.draw.indices(number - 1))
            if left and left[0]["step"] == number:
                own.append(left.popleft() | self._tracker.record())
        return own

    def _earlier(self) -> list[dict[str, Any]]:
        """Returns the records so far; a log that is damaged is put aside, with a warning."""
        try:
            return files.read_jsonl(self._path)
        except DamagedError as error:
            aside = self._run_dir / "damaged" / self._path.name
            aside.parent.mkdir(exist_ok=True)
            self._path.replace(aside)
            warnings.warn(
                f"the log is damaged ({error}); it is now {aside}, and another one begins here",
                DamageWarning,
                stacklevel=3,
            )
            return []

    def add(self, step: int, indices: np.ndarray, metrics: dict[str, Any]) -> None:
        """Takes note of the step number `step` (the first is 1), made of the examples [B].

        The metrics may still be on their way from the device.
        """
        self._tracker.add(step - 1, indices)
        shared = duplicates(self._data.caption_id[indices])
        self.pending.append({**metrics, "duplicate_captions": shared})
        if step == self._config.steps or step % self._config.log_every == 0:
            self._write(step)

    def position(self, step: int) -> dict[str, Any]:
        """Returns what goes into the checkpoint of `step`, as JSON; raises `NonFiniteError`.

        `pending` are the metrics of the steps that are in no record yet.
        """
        self.pending = fetch(self.pending, step)
        return {"step": step, "pending": self.pending, "identity": self._what}

    def _write(self, step: int) -> None:
        """Appends the record of the interval that ends at `step`."""
        rows, (seconds, waited) = fetch(self.pending, step), self.clock.read()
        batch_size, self.pending = self._config.batch_size, []
        if self._path is None:
            return
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        mean["logit_scale"] = rows[-1]["logit_scale"]
        record = {
            "step": step,
            "examples": step * batch_size,
            **mean,
            "loss_chance": LOSSES[self._config.loss].chance(batch_size),
            "learning_rate": float(self._learning_rate(step - 1)),
            **self._tracker.record(),
            "examples_per_second": len(rows) * batch_size / seconds,
            "wait_share": waited / seconds,
        }
        files.append_jsonl(self._path, record)
        if self._on_progress:
            self._on_progress(record)


def fetch(pending: list[dict[str, Any]], step: int) -> list[dict[str, float]]:
    """Brings the metrics of the steps up to `step` from the device and checks them.

    Raises:
        NonFiniteError: naming the first step whose loss or gradient is not finite.
    """
    rows = [{name: float(x) for name, x in row.items()} for row in jax.device_get(pending)]
    for number, row in enumerate(rows, start=step - len(rows) + 1):
        if not (math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"])):
            raise NonFiniteError(
                f"step {number}: loss {row['loss']}, gradient norm {row['grad_norm']}. Try a lower "
                "learning_rate, a longer warmup_steps or a smaller clip_norm, in a new directory; "
                "the last good checkpoint is kept"
            )
    return rows


def duplicates(caption_id: np.ndarray) -> float:
    """Returns the share of the captions [B] of a batch that occur in it more than once."""
    _, inverse, counts = np.unique(caption_id, return_inverse=True, return_counts=True)
    return float(np.mean(counts[inverse] > 1))


class StreamTracker:
    """Counts how often each example was drawn; on resume the counts follow from (seed, step).

    Args:
        data: the examples.
        draw: of the run.
    """

    def __init__(self, data: TrainData, draw: Draw):
        self._data, self._draw, self._stage = data, draw, 0
        self._seen, self._drawn = np.zeros(len(data.images), bool), 0
        self._begin(0)

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
        unique = int(np.count_nonzero(self._seen))
        counted = {"unique_examples": unique, "repeats": self._drawn - unique}
        return {
            "stage": self._stage,
            **counted,
            **self._moments("stream", self._counts),
        } | self._target

    def _begin(self, stage: int) -> None:
        """Starts the counts of a stage."""
        self._stage, self._counts = stage, np.zeros(len(self._data.images))
        self._target = self._moments("target", self._draw.probability[stage])

    def _moments(self, kind: str, weights: np.ndarray) -> dict[str, float | None]:
        """Returns the bias of weighted data; None for what can't be estimated (an empty group)."""
        data = self._data
        bias = balance.bias(data.attributes, data.labels, weights, target=data.target)
        values = {"rb": bias.representation_max, "ab": bias.association_max}
        return {f"{kind}_{k}": float(x) if np.isfinite(x) else None for k, x in values.items()}


class Clock:
    """Measures the time since the last reading, and how much of it was spent waiting for data."""

    def __init__(self):
        self._start, self._waited = time.perf_counter(), 0.0

    def wait(self, iterator: Iterator[Any]) -> Any:
        """Returns the next item, and counts the time that took."""
        start = time.perf_counter()
        item = next(iterator)
        self._waited += time.perf_counter() - start
        return item

    def read(self) -> tuple[float, float]:
        """Returns both in seconds, and starts anew."""
        now = time.perf_counter()
        seconds, waited = now - self._start, self._waited
        self._start, self._waited = now, 0.0
        return seconds, waited

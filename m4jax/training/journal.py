"""What a run writes to `metrics.jsonl`, and the position that goes with a checkpoint."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from m4jax import files
from m4jax.errors import NonFiniteError
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.losses import LOSSES
from m4jax.training.stream import Draw
from m4jax.training.tracker import Clock, StreamTracker, duplicates


class Journal:
    """The metrics of one run since its last record, and the records.

    Args:
        config: of the run.
        data: its examples.
        draw: which of them make up a batch.
        learning_rate: step ↦ rate.
        path: of `metrics.jsonl`; None: nothing is written (all processes but the first).
        on_progress: called with each record.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: TrainData,
        draw: Draw,
        learning_rate: optax.Schedule,
        path: Path | None,
        on_progress: Callable[[dict[str, Any]], None] | None,
    ):
        self._config, self._data, self._draw = config, data, draw
        self._learning_rate, self._path, self._on_progress = learning_rate, path, on_progress
        self.clock, self.pending = Clock(), []

    def open(self, step: int, pending: list[dict[str, float]]) -> None:
        """Begins, or goes on, after `step`; records of later steps are dropped and made again.

        `pending`: metrics of the steps up to `step` that are in no record yet.
        """
        self.pending = list(pending)
        self._tracker = StreamTracker(self._data, self._draw, step=step)
        self.clock = Clock()
        if self._path:
            records = files.read_jsonl(self._path)
            files.write_jsonl(self._path, [x for x in records if x["step"] <= step])

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
        """Returns what goes into the checkpoint of `step`, as JSON; raises `NonFiniteError`."""
        self.pending = fetch(self.pending, step)
        return {"step": step, "pending": self.pending, "draw": self._draw.fingerprint}

    def _write(self, step: int) -> None:
        """Appends the record of the interval that ends at `step`."""
        config, rows, times = self._config, fetch(self.pending, step), self.clock.read()
        self.pending = []
        if self._path is None:
            return
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        mean["logit_scale"] = rows[-1]["logit_scale"]
        record = {
            "step": step,
            "examples": step * config.batch_size,
            **mean,
            "loss_chance": LOSSES[config.loss].chance(config.batch_size),
            "learning_rate": float(self._learning_rate(step - 1)),
            **self._tracker.record(),
            "examples_per_second": len(rows) * config.batch_size / times.seconds,
            "wait_share": times.waited / times.seconds,
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

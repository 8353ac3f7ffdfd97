"""Training from the first step, or from the newest checkpoint, to the last step."""

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

from m4jax import files
from m4jax.errors import InputError
from m4jax.training import stream
from m4jax.training.augment import augment
from m4jax.training.checkpoint import Checkpoints
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.losses import LOSSES
from m4jax.training.optimizer import adamw, schedule
from m4jax.training.step import TrainState, init_state, make_train_step
from m4jax.training.tracker import Clock, StreamTracker, duplicates


class NonFiniteError(RuntimeError):
    """The loss or the gradient is no longer finite; the message says at which step."""


def train(
    config: TrainConfig,
    data: TrainData,
    run_dir: str | os.PathLike,
    *,
    model: nn.Module,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
) -> Any:
    """Trains `model` on `data` and returns its parameters.

    Called again with the same arguments after an interruption at any point, it continues from the
    newest sound checkpoint, and parameters and metrics (but for timings) equal those of an
    uninterrupted run bit for bit on the same machine. On a finished run it returns at once.

    Args:
      config: the settings.
      data: the examples.
      run_dir: `metrics.jsonl` and `checkpoints/` are written there.
      model: a two-tower model of `models.create`.
      on_progress: called with each record of `metrics.jsonl` when it is written.

    Returns:
      The parameters after the last step.

    Raises:
      NonFiniteError: if the loss or the gradient becomes infinite or NaN; the last good checkpoint
        stays.
      OSError: if the directory can't be written.
      InputError: if the model doesn't fit the data or the loss, or the directory is another run's.
    """
    _check_model(config, data, model)
    run_dir = Path(run_dir)
    run = _Run(config, data, run_dir / "metrics.jsonl", model, on_progress or (lambda record: None))
    with Checkpoints(run_dir / "checkpoints") as checkpoints:
        restored = checkpoints.restore_latest(jax.eval_shape(run.init))
        state, position = restored or (None, {"pending": []})
        if state is None:
            # It runs once: compiling it fast is worth more than running it fast.
            quickly = {"xla_backend_optimization_level": 0}
            state = jax.jit(run.init, compiler_options=quickly)()
        return run.finish(state, position["pending"], checkpoints).params


class _Run:
    """One run: its step function, its stream and what it writes."""

    def __init__(self, config, data, metrics_path, model, on_progress):
        self._config, self._data, self._on_progress = config, data, on_progress
        self._metrics_path = metrics_path
        self._learning_rate = schedule(
            learning_rate=config.learning_rate,
            warmup_steps=config.warmup_steps,
            steps=config.steps,
        )
        self._optimizer = make_optimizer(config, self._learning_rate)
        self._sampler = stream.make_sampler(config, data)
        self._model = model
        self._step = jax.jit(
            make_train_step(
                model=model,
                optimizer=self._optimizer,
                loss=LOSSES[config.loss].function,
                augment=functools.partial(
                    augment,
                    shift_pixels=config.shift_pixels,
                    mirror=config.flip,
                    jitter_strength=config.jitter,
                ),
            ),
            donate_argnums=0,
        )

    def init(self) -> TrainState:
        """Returns the state before the first step."""
        return init_state(self._model, self._optimizer, seed=self._config.seed)

    def finish(
        self, state: TrainState, pending: list[dict[str, float]], checkpoints: Checkpoints
    ) -> TrainState:
        """Takes the steps that are left; `pending`: metrics of steps that are not yet recorded."""
        config, start = self._config, int(state.step)
        _cut(self._metrics_path, start)
        if start == config.steps:
            return state
        tracker = StreamTracker(self._data, self._sampler, step=start)
        clock = Clock()
        batches = stream.batches(self._data, self._sampler, start=start, stop=config.steps)
        for step in range(start + 1, config.steps + 1):
            drawn = clock.wait(batches)
            if pending:  # one step ahead of the device at most: waiting then means an idle device
                jax.block_until_ready(pending[-1]["loss"])
            state, metrics = self._step(state, drawn.batch)
            tracker.add(drawn.indices)
            shared = duplicates(self._data.caption_id[drawn.indices])
            pending.append({**metrics, "duplicate_captions": shared})
            last = step == config.steps
            if last or step % config.log_every == 0:
                self._log(step, fetch(pending, step), tracker, clock)
                pending.clear()
            if last or step % config.checkpoint_every == 0:
                pending = fetch(pending, step)
                checkpoints.save(state, {"step": step, "pending": pending})
        return state

    def _log(self, step, pending, tracker: StreamTracker, clock: Clock) -> None:
        """Appends the record of the interval that ends at `step`."""
        config, times = self._config, clock.read()
        mean = {name: float(np.mean([m[name] for m in pending])) for name in pending[0]}
        mean["logit_scale"] = pending[-1]["logit_scale"]
        record = {
            "step": step,
            "examples": step * config.batch_size,
            **mean,
            "loss_chance": LOSSES[config.loss].chance(config.batch_size),
            "learning_rate": float(self._learning_rate(step - 1)),
            **tracker.record(),
            "examples_per_second": len(pending) * config.batch_size / times.seconds,
            "wait_share": times.waited / times.seconds,
        }
        files.append_jsonl(self._metrics_path, record)
        self._on_progress(record)


def make_optimizer(
    config: TrainConfig, learning_rate: optax.Schedule
) -> optax.GradientTransformation:
    """Returns the optimiser of a run."""
    return adamw(
        learning_rate=learning_rate,
        weight_decay=config.weight_decay,
        b1=config.b1,
        b2=config.b2,
        clip_norm=config.clip_norm,
    )


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


def _cut(path: Path, step: int) -> None:
    """Drops the records after `step`, which are made again."""
    records = files.read_jsonl(path)
    files.write_jsonl(path, [record for record in records if record["step"] <= step])


def _check_model(config: TrainConfig, data: TrainData, model: nn.Module) -> None:
    """Raises `InputError` if the model doesn't fit the data or the loss."""
    variant = model.variant
    size = (variant.image_size, variant.image_size, 3)
    if data.images.shape[1:] != size:
        raise InputError(f"the model wants pictures {size}, the data has {data.images.shape[1:]}")
    length, largest = stream.trim(data.tokens).shape[1], int(data.tokens.max(initial=0))
    if length > variant.context:
        raise InputError(
            f"captions of {length} tokens exceed the model's context {variant.context}"
        )
    if largest >= variant.vocab_size:
        raise InputError(
            f"token id {largest} is outside the model's vocabulary of {variant.vocab_size}; "
            "create the model with the tokenizer's vocab_size"
        )
    if (config.loss == "sigmoid") != (variant.logit_bias is not None):
        raise InputError(
            f"loss {config.loss!r} does not go with logit_bias={variant.logit_bias}; create the "
            f"model with {LOSSES['sigmoid'].model} for sigmoid and without a bias for softmax"
        )

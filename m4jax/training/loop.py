"""Training from the first step, or from the newest checkpoint, to the last step."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from m4jax.training import check, stream
from m4jax.training.augment import augment
from m4jax.training.checkpoint import Checkpoints
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.journal import Journal
from m4jax.training.losses import LOSSES, over
from m4jax.training.mesh import like, make_mesh, place, replicated, split_rows, state_shardings
from m4jax.training.optimizer import adamw, schedule
from m4jax.training.step import Batch, TrainState, init_state, make_train_step, new_state
from m4jax.training.stream import Draw


def train(
    config: TrainConfig,
    data: TrainData,
    run_dir: str | os.PathLike,
    *,
    model: nn.Module,
    mesh: Mesh | None = None,
    init: Callable[[], Any] | None = None,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    on_checkpoint: Callable[[int, Any], None] | None = None,
) -> Any:
    """Trains `model` on `data` and returns its parameters.

    Called again with the same arguments after an interruption at any point, it continues from the
    newest sound checkpoint, and parameters and metrics (but for timings) equal those of an
    uninterrupted run bit for bit on the same machine; on another number of devices the examples are
    the same and the parameters equal to rounding. On a finished run it returns at once.

    With several processes (`jax.distributed`) each calls it alike; the first one writes.

    Args:
        config: the settings.
        data: the examples and the stages in which they are drawn.
        run_dir: `metrics.jsonl` and `checkpoints/` are written there.
        model: a two-tower model of `models.create`.
        mesh: of `make_mesh`; all devices by default.
        init: called where a run begins, it returns the parameters to start from, those of
            `load_params(another_run, model)` say; by default they are random and follow from the
            seed.
        on_progress: called with each record of `metrics.jsonl` when it is written.
        on_checkpoint: called with the step and the parameters before each checkpoint is written, so
            that what it has done is never behind: after an interruption it may be called again.

    Returns:
        The parameters after the last step, spread over the mesh.

    Raises:
        NonFiniteError: if the loss or the gradient becomes infinite or NaN; the last good
            checkpoint stays.
        OSError: if the directory can't be written.
        InputError: if the model doesn't fit the data, the loss or `init`, the batch doesn't fit the
            mesh, or the directory is another run's.
    """
    mesh = make_mesh() if mesh is None else mesh
    check.run(config, data, model, mesh)
    run_dir = Path(run_dir)
    run = _Run(config, data, run_dir / "metrics.jsonl", model, mesh, on_progress)
    run.on_checkpoint = on_checkpoint
    with Checkpoints(run_dir / "checkpoints") as checkpoints:
        restored = checkpoints.restore_latest(run.abstract)
        if restored is None:
            return run.finish(run.begin(init), [], checkpoints).params
        state, position = restored
        check.same_stream(position["draw"], run.draw.fingerprint, run_dir)
        return run.finish(state, position["pending"], checkpoints).params


class _Run:
    """One run: its step function, its stream and what it writes."""

    def __init__(self, config, data, metrics_path, model, mesh, on_progress):
        self._config, self._data, self._model, self._mesh = config, data, model, mesh
        self.on_checkpoint: Callable[[int, Any], None] | None = None
        rate = make_schedule(config)
        self._optimizer = make_optimizer(config, rate)
        self.draw = Draw(config, data)
        path = None if jax.process_index() else metrics_path
        self._journal = Journal(config, data, self.draw, rate, path, on_progress)
        shapes = jax.eval_shape(self._init, np.uint32(config.seed))
        self._shardings = state_shardings(shapes, mesh)
        self.abstract = like(shapes, self._shardings)
        self._step = jax.jit(
            train_step(config, model, self._optimizer, mesh),
            donate_argnums=0,
            in_shardings=(self._shardings, split_rows(mesh)),
            out_shardings=(self._shardings, replicated(mesh)),
        )

    def _init(self, seed: jax.Array) -> TrainState:
        return init_state(self._model, self._optimizer, seed=seed)

    def begin(self, init: Callable[[], Any] | None) -> TrainState:
        """Returns the state before the first step; see `train`."""
        # It runs once: compiling it fast is worth more than running it fast.
        options = {
            "out_shardings": self._shardings,
            "compiler_options": {"xla_backend_optimization_level": 0},
        }
        if init is None:
            # The seed is an argument: runs that differ in it share the compiled program.
            return jax.jit(self._init, **options)(np.uint32(self._config.seed))
        params = init()
        check.same_model(params, self.abstract.params)
        start = functools.partial(new_state, optimizer=self._optimizer, seed=self._config.seed)
        return jax.jit(start, **options)(place(params, self._shardings.params))

    def finish(
        self, state: TrainState, pending: list[dict[str, float]], checkpoints: Checkpoints
    ) -> TrainState:
        """Takes the steps that are left; `pending`: metrics of steps that are not yet recorded."""
        config, journal, start = self._config, self._journal, int(state.step)
        journal.open(start, pending)
        batches = stream.batches(
            self._data,
            self.draw,
            self._mesh,
            start=start,
            stop=config.steps,
            workers=config.input_workers,
            trimmed=self._model.variant.text_mask != "none",  # otherwise padding is attended to
        )
        for step in range(start + 1, config.steps + 1):
            if journal.pending:  # from here on the device is idle: waiting for data counts
                jax.block_until_ready(journal.pending[-1]["loss"])
            drawn = journal.clock.wait(batches)
            with jax.transfer_guard("disallow"):
                state, metrics = self._step(state, drawn.batch)
            if self._simulated():
                jax.block_until_ready(metrics)
            journal.add(step, drawn.indices, metrics)
            if step == config.steps or step % config.checkpoint_every == 0:
                position = journal.position(step)  # raises if the loss is not finite
                if self.on_checkpoint:
                    self.on_checkpoint(step, state.params)
                checkpoints.save(state, position)
        return state

    def _simulated(self) -> bool:
        """Whether several devices share a CPU: their collectives hang with two steps under way."""
        return self._mesh.size > 1 and self._mesh.devices.flat[0].platform == "cpu"


def make_schedule(config: TrainConfig) -> optax.Schedule:
    """Returns the learning rate of a run, step ↦ rate."""
    return schedule(
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        steps=config.steps,
        kind=config.schedule,
        cooldown_steps=config.cooldown_steps,
    )


def train_step(
    config: TrainConfig,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns the step of a run on `mesh`, or on one device; see `make_train_step`."""
    return make_train_step(
        model=model,
        optimizer=optimizer,
        loss=over(mesh, LOSSES[config.loss].function) if mesh else LOSSES[config.loss].function,
        augment=functools.partial(
            augment,
            shift_pixels=config.shift_pixels,
            mirror=config.flip,
            jitter_strength=config.jitter,
            mean=model.variant.pixel_mean,
            std=model.variant.pixel_std,
        ),
        microbatches=config.microbatches,
    )


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

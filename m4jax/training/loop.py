"""Training from the first step, or from the newest checkpoint, to the last step."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from m4jax import limits, stopping
from m4jax.errors import InputError
from m4jax.training import identity
from m4jax.training.batches import batches
from m4jax.training.checkpoint import Checkpoints, alone
from m4jax.training.config import TrainConfig, TrainData, check_fit, schedule
from m4jax.training.log import Journal
from m4jax.training.mesh import like, make_mesh, place, replicated, split_rows, state_shardings
from m4jax.training.step import (
    Batch,
    TrainState,
    init_state,
    make_optimizer,
    make_train_step,
    new_state,
)


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

    With several processes (`jax.distributed`) each calls it alike; the first one writes. Asked to
    end (see `stopping`), it writes a checkpoint after the step under way.

    Args:
        config: the settings.
        data: the examples and the stages in which they are drawn.
        run_dir: `metrics.jsonl` and `checkpoints/` are written there.
        model: a two-tower model of `models.create`.
        mesh: of `make_mesh`; all devices by default.
        init: returns the parameters to start from, those of `load_params(another_run, model)` say;
            also called where a run goes on, which must have started from the same ones. By default
            they are random and follow from the seed.
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
            mesh, or the directory is another run's: settings, model, data or what it started from
            differ (all that do are named), or another process trains there.
    """
    mesh = make_mesh() if mesh is None else mesh
    check_fit(config, data, model, mesh)
    limits.check_threads(config.input_workers, "input_workers")
    program, what = _program(shared(config, seed=0), model, mesh), identity.of(config, data, model)
    params = init and program.place(init())
    if init:
        what["start"] = identity.start_of(params)
    journal = Journal(config, data, Path(run_dir), on_progress, what)
    with (
        stopping.later(),
        alone(run_dir),
        Checkpoints(Path(run_dir) / "checkpoints") as checkpoints,
    ):
        restored = checkpoints.restore_latest(program.abstract, check=journal.check)
        state, position = restored or (program.begin(config.seed, params), None)
        start = journal.open(position)
        if start < config.steps:
            checkpoints.get_ready(state)
        run = _finish(program, config, data, state, start, journal, checkpoints, on_checkpoint)
        return run.params


def _finish(program, config, data, state, start, journal, checkpoints, on_checkpoint) -> TrainState:
    """Takes the steps that are left, records them, and writes the checkpoints."""
    stream = batches(
        data,
        journal.draw,
        program.mesh,
        start=start,
        stop=config.steps,
        trimmed=program.trimmed,
        workers=config.input_workers,
    )
    for step in range(start + 1, config.steps + 1):
        if journal.pending:  # from here on the device is idle: waiting for data counts
            jax.block_until_ready(journal.pending[-1]["loss"])
        indices, batch = journal.clock.wait(stream)
        state, metrics = program.step(state, batch)
        journal.add(step, indices, metrics)
        due = step == config.steps or step % config.checkpoint_every == 0
        stop = step < config.steps and _must_stop(step)
        if due or stop:
            position = journal.position(step)  # raises if the loss is not finite
            if due and on_checkpoint:
                on_checkpoint(step, state.params)
            checkpoints.save(state, position)
        if stop:
            raise stopping.Terminated
    return state


def _must_stop(step: int) -> bool:
    """Tells whether the process was asked to end; of several, all are told so at the same step."""
    if jax.process_count() == 1 or not jax.config.jax_enable_preemption_service:
        return stopping.asked()
    return multihost_utils.reached_preemption_sync_point(step)


class _Program:
    """The compiled functions of runs that differ in nothing but the seed: how they begin, the step.

    `abstract` has the shapes, types and shardings of their state.
    """

    def __init__(self, config: TrainConfig, model: nn.Module, mesh: Mesh):
        self.mesh = mesh
        self.trimmed = model.variant.text_mask != "none"  # otherwise padding is attended to
        optimizer = make_optimizer(config, schedule(config))

        def init(seed):
            return init_state(model, optimizer, seed=seed)

        def start(params, seed):
            return new_state(params, optimizer, seed=seed)

        shapes = jax.eval_shape(init, np.uint32(0))
        self._shardings = state_shardings(shapes, mesh)
        self.abstract = like(shapes, self._shardings)
        # They run once: compiling them fast is worth more than running them fast.
        options = {
            "out_shardings": self._shardings,
            "compiler_options": {"xla_backend_optimization_level": 0},
        }
        self._init, self._start = jax.jit(init, **options), jax.jit(start, **options)
        self._step = jax.jit(
            make_train_step(config, model, optimizer, mesh),
            donate_argnums=0,
            in_shardings=(self._shardings, split_rows(mesh)),
            out_shardings=(self._shardings, replicated(mesh)),
        )

    def place(self, params: Any) -> Any:
        """Returns parameters to start from on the mesh; see `train`."""
        _check_same_model(params, self.abstract.params)
        return place(params, self._shardings.params)

    def begin(self, seed: int, params: Any | None) -> TrainState:
        """Returns the state before the first step, of random parameters if none are given."""
        if params is None:
            return self._init(np.uint32(seed))
        return self._start(params, np.uint32(seed))

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        """Takes a step; what it returns may still be on its way."""
        with jax.transfer_guard("disallow"):
            state, metrics = self._step(state, batch)
        if self.mesh.size > 1 and self.mesh.devices.flat[0].platform == "cpu":
            jax.block_until_ready(metrics)  # simulated devices hang with two steps under way
        return state, metrics


_program = functools.lru_cache(maxsize=8)(_Program)  # a grid's worker trains many runs of a shape


def shared(config: TrainConfig, **fixed: Any) -> TrainConfig:
    """Returns the configuration of a compiled program, equal for all runs that may share it."""
    return dataclasses.replace(config, log_every=1, checkpoint_every=1, input_workers=0, **fixed)


def _check_same_model(params: Any, abstract: Any) -> None:
    """Raises `InputError` if the `params` to start from are not those of the model."""
    given, expected = (
        {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(x)}
        for x in (params, abstract)
    )
    for name in sorted(given.keys() | expected.keys()):
        shapes = [tuple(x[name].shape) if name in x else "nothing" for x in (expected, given)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"init: the model has {shapes[0]} at {name}, given was {shapes[1]}; use "
                "parameters of the same model"
            )

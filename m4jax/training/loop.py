"""Training from the first step, or from the newest checkpoint, to the last step."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from m4jax import limits, stopping
from m4jax.training import identity
from m4jax.training.batches import batches
from m4jax.training.checkpoint import Checkpoints, alone
from m4jax.training.config import TrainConfig, TrainData, check_fit
from m4jax.training.forks import Forks
from m4jax.training.log import Journal
from m4jax.training.mesh import make_mesh
from m4jax.training.program import Programs
from m4jax.training.step import TrainState, finished


def train(
    config: TrainConfig,
    data: TrainData,
    run_dir: str | os.PathLike,
    *,
    model: nn.Module,
    mesh: Mesh | None = None,
    init: Callable[[], Any] | None = None,
    forks: str | os.PathLike | None = None,
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
        forks: directory in which runs leave their states at the steps `share_at` (see `forks`).
            Without a checkpoint, and without `on_checkpoint`, which is to see all steps, the run
            begins at the latest state there that it would come to, with the same bits; its records
            up to there have the timings of the run that left it. With several processes it is not
            used.
        on_progress: called with each record of `metrics.jsonl` when it is written.
        on_checkpoint: called with the step and the parameters before each checkpoint is written, so
            that what it has done is never behind: after an interruption it may be called again. It
            is given those of the step, never a mean.

    Returns:
        The parameters after the last step, spread over the mesh; with `average`, their mean after
        each of the last so many steps, which is also what the last checkpoint has as `params`.

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
    programs, what = Programs(config, model, mesh), identity.of(config, data, model)
    params = init and programs.place(init())
    if init:
        what["start"] = identity.start_of(params)
    journal = Journal(config, data, Path(run_dir), on_progress, what)
    alike = Forks(forks, config, what, mesh) if forks and jax.process_count() == 1 else None
    with (
        stopping.later(),
        alone(run_dir),
        Checkpoints(Path(run_dir) / "checkpoints") as checkpoints,
    ):
        restored = checkpoints.restore_latest(programs.abstract, check=journal.check)
        if alike and not restored and not on_checkpoint:
            restored = alike.take(programs.unaveraged)
        state, position = restored or (programs.begin(params), None)
        start = journal.open(position)
        if start < config.steps:
            checkpoints.get_ready(state)
        kept = (journal, checkpoints, alike)
        return _finish(programs, config, data, state, start, *kept, on_checkpoint).params


def _finish(
    programs, config, data, state, start, journal, checkpoints, alike, on_checkpoint
) -> TrainState:
    """Takes the steps that are left, records them, and writes the checkpoints."""
    stream = batches(
        data,
        journal.draw,
        programs.mesh,
        start=start,
        stop=config.steps,
        trimmed=programs.trimmed,
        workers=config.input_workers,
    )
    for step in range(start + 1, config.steps + 1):
        if journal.pending:  # from here on the device is idle: waiting for data counts
            jax.block_until_ready(journal.pending[-1]["loss"])
        indices, batch = journal.clock.wait(stream)
        state, metrics = programs.step(state, batch, step)
        journal.add(step, indices, metrics)
        if alike:
            alike.give(state, step, journal)
        due = step == config.steps or step % config.checkpoint_every == 0
        stop = step < config.steps and _must_stop(step)
        if due or stop:
            position = journal.position(step)  # raises if the loss is not finite
            if due and on_checkpoint:
                on_checkpoint(step, state.params)
            state = finished(state) if step == config.steps else state
            checkpoints.save(state, position)
        if stop:
            raise stopping.Terminated
    return state


def _must_stop(step: int) -> bool:
    """Tells whether the process was asked to end; of several, all are told so at the same step."""
    if jax.process_count() == 1 or not jax.config.jax_enable_preemption_service:
        return stopping.asked()
    return multihost_utils.reached_preemption_sync_point(step)

"""The kinds of work on one run, each a function of its configuration and of where its files lie."""

import dataclasses
import shutil
import time
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from m4jax import files, training
from m4jax.progress import Progress
from m4jax.run import model, weights
from m4jax.run.config import RunConfig
from m4jax.run.evaluate import Tracker, evaluate_run
from m4jax.run.state import Layout, damaged, is_done, mark_done, mark_failed
from m4jax.run.train import stages, train_data, train_run


def prepare_world(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Prepares the run's data."""
    config.source.prepare(layout.data, progress)


def run_cell(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains and evaluates one cell of the grid; `DONE` is written last."""
    if is_done(config, layout):
        return
    started = _Times.now()
    _discard_damaged(config, layout)
    train_run(config, layout, progress)
    _finish(config, layout, progress, started)


def run_fleet(configs: Sequence[RunConfig], layout: Layout, progress: Progress) -> None:
    """Trains cells of one shape in one program, then evaluates each.

    The others are finished where the loss of a member is not finite.

    Raises:
        NonFiniteError: if there is such a member, which is then marked as failed.
    """
    configs = [config for config in configs if not is_done(config, layout)]
    if not configs:
        return
    for config in configs:
        _discard_damaged(config, layout)
    started, trackers = _Times.now(), [Tracker(config, layout) for config in configs]
    shared, members = train_data(configs[0], layout), []
    train = configs[0].source.train(layout.data, configs[0].in_memory_gb)
    for config in configs:
        folder = layout.run(config)
        files.write_sealed(folder / "config.json", config.to_json())
        data = dataclasses.replace(shared, stages=stages(config, layout, train))
        # A fleet takes every step: it begins at no shared state, and leaves none.
        settings = dataclasses.replace(config.train, share_at=None)
        members.append(training.Member(settings, data, folder))
    steps, what = configs[0].train.steps, f"train {len(configs)}"
    results = training.train_fleet(
        members,
        model=model.create(configs[0]),
        on_progress=lambda k, record: k or progress(what, record["step"], steps),
        on_checkpoint=(lambda k, *event: trackers[k].measure(*event)) if configs[0].track else None,
    )
    # Each has a part of the time of all.
    share = _Times(
        *((now - then) / len(configs) for now, then in zip(_Times.now(), started, strict=True))
    )
    failed = []
    for config, result in zip(configs, results, strict=True):
        if isinstance(result, training.NonFiniteError):
            trace = "".join(traceback.format_exception(result))
            mark_failed(config, layout, message=str(result), trace=trace)
            failed.append(f"{config.id}: {result}")
            continue
        begun = _Times(*(now - part for now, part in zip(_Times.now(), share, strict=True)))
        _finish(config, layout, progress, begun)
    if failed:
        raise training.NonFiniteError(f"{len(failed)} of {len(configs)} runs: {'; '.join(failed)}")


def _discard_damaged(config: RunConfig, layout: Layout) -> None:
    """Removes what is not what it was; bias along training can only be measured by training anew.

    Parameters are the same bit for bit, on the same machine.
    """
    folder = layout.run(config)
    for name in damaged(config, layout):
        (folder / name).unlink(missing_ok=True)
    last, whole, every = (
        training.latest_step(folder),
        config.train.steps,
        config.train.checkpoint_every,
    )
    # Where the run was asked to end there is a checkpoint as well, at any step, but no measurement.
    steps = [s for s in range(1, last + 1) if s % every == 0 or s == whole]
    if config.track and not all((folder / "along" / f"{step}.jsonl").exists() for step in steps):
        for name in ("checkpoints", "checksums", "along"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "metrics.jsonl").unlink(missing_ok=True)


class _Times(NamedTuple):
    """Seconds that have passed, and those in which this process computed."""

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "_Times":
        return cls(time.monotonic(), time.process_time())


def _finish(config: RunConfig, layout: Layout, progress: Progress, started: _Times) -> None:
    """Evaluates a trained cell and marks it as done, with the time that this call took for it."""
    evaluate_run(config, layout, progress)
    passed = zip(_Times._fields, started, _Times.now(), strict=True)
    mark_done(config, layout, **{name: round(now - then, 2) for name, then, now in passed})


TASKS = {
    "world": prepare_world,
    "weights": weights.weigh,
    "run": run_cell,
}

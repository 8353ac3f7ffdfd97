"""What a study costs: examples, floating-point operations, and time from rates measured here."""

import dataclasses
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m4jax import files, models
from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.run import model as run_model
from m4jax.run import work as tasks
from m4jax.run.config import RunConfig
from m4jax.run.layout import Layout

EXAMPLES, STEPS, POINTS = 500, 60, 3  # of the short run that is timed
BACKWARD = 3  # a training step costs three forward passes


@dataclasses.dataclass(frozen=True)
class Rate:
    """Seconds of one process, measured on a short run of the same shape.

    Attributes:
        step: of a training step.
        checkpoint: of a checkpoint, and of measuring bias there.
        rest: of everything else in a run: opening the data, evaluation.
        picture: of composing and decoding one picture of the testbed.
    """

    step: float
    checkpoint: float
    rest: float
    picture: float


def shape(config: RunConfig) -> str:
    """Returns the name of what determines how fast a run is."""
    steps = config.train.warmup_steps + 1
    train = dataclasses.replace(config.train, seed=0, steps=steps, cooldown_steps=0)
    resolution = config.source.resolution
    return files.digest(
        [dataclasses.asdict(config.model), dataclasses.asdict(train), resolution, config.track]
    )


def path(layout: Layout, config: RunConfig) -> Path:
    """Returns where the rate of a run's shape lies."""
    return layout.root / "rates" / f"{shape(config)}.json"


def read(layout: Layout, config: RunConfig) -> Rate | None:
    """Returns the rate of a run's shape, if it has been measured."""
    file = path(layout, config)
    if not file.exists():
        return None
    try:
        return Rate(**files.read_json(file)["rate"])
    except (TypeError, KeyError):
        raise InputError(f"{file}: not the rate of a shape; delete it") from None


def measure(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Times a short run of a shape, after another one that compiles what both need."""
    target = path(layout, config)
    if target.exists():
        return
    # A directory of its own: shapes are measured side by side, as runs are trained.
    inner = Layout(layout.root / "rates" / shape(config))
    shutil.rmtree(inner.root, ignore_errors=True)  # of a measurement that was interrupted
    small = dataclasses.replace(config, source=config.source.first(EXAMPLES))
    source = small.source
    started = time.perf_counter()
    source.prepare(inner.data)
    composed = time.perf_counter() - started
    pictures = sum(len(split["images"]) for split in source.evaluation(inner.data).values())
    seconds = {}
    for seed, points in ((0, POINTS), (1, POINTS), (2, 1)):
        short = _short(small, seed, points)
        progress("measure the rate", seed, 3)
        started = time.perf_counter()
        tasks.run_cell(short, inner, lambda *event: None)
        seconds[points, seed] = time.perf_counter() - started
        step = short.train.batch_size / _best_rate(inner.run(short))
    whole, one = seconds[POINTS, 1], seconds[1, 2]
    checkpoint = max(whole - one, 0.0) / (POINTS - 1)
    rate = Rate(
        step=step,
        checkpoint=checkpoint,
        rest=max(one - checkpoint - STEPS * step, 0.0),
        picture=composed / (EXAMPLES + pictures),
    )
    about = {"machine": platform.machine(), "cores": os.cpu_count(), "time": time.time()}
    files.write_json(target, {"rate": dataclasses.asdict(rate), **about})


def seconds(config: RunConfig, rate: Rate) -> float:
    """Returns the estimated time of a run, of one process."""
    points = -(-config.train.steps // config.train.checkpoint_every)
    return rate.rest + points * rate.checkpoint + config.train.steps * rate.step


def flops(config: RunConfig) -> float:
    """Returns the floating-point operations of training a run; see `models.forward_flops`."""
    # Texts are computed up to the longest caption, which for the testbed is the context.
    forward = models.forward_flops(
        run_model.create(config).variant, text_tokens=config.model.context_length
    )
    return float(BACKWARD * forward * config.train.steps * config.train.batch_size)


def totals(
    configs: Sequence[RunConfig], rates: Mapping[str, Rate], flops_per_second: float = 0.0
) -> dict[str, Any]:
    """Returns the number of examples seen, FLOPs and seconds (None if a rate is missing).

    The seconds are those of the rates or, if it is given, of training at `flops_per_second`.
    """
    work = sum(flops(config) for config in configs)
    known = [rates.get(shape(config)) for config in configs]
    time_ = None
    if flops_per_second:
        time_ = work / flops_per_second
    elif all(known):
        time_ = sum(seconds(c, rate) for c, rate in zip(configs, known, strict=True))
    return {
        "examples": sum(c.train.steps * c.train.batch_size for c in configs),
        "flops": work,
        "seconds": time_,
    }


def _short(config: RunConfig, seed: int, points: int) -> RunConfig:
    train = dataclasses.replace(
        config.train,
        seed=seed,
        steps=STEPS,
        warmup_steps=1,
        cooldown_steps=0,
        log_every=STEPS // POINTS,
        checkpoint_every=STEPS // points,
    )
    plain = {"filter": None, "balance": None, "during": (), "init_from": ""}
    return dataclasses.replace(config, train=train, **plain)


def _best_rate(folder: Path) -> float:
    """Returns examples a second, in the best interval between two records but the first."""
    records = files.read_jsonl(folder / "metrics.jsonl")[1:]
    return max(record["examples_per_second"] for record in records)

"""What a study costs (`--action=plan`): examples, FLOPs, and time from rates measured here."""

import dataclasses
import functools
import os
import platform
import shutil
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from m4jax import files, models
from m4jax.errors import InputError
from m4jax.grid import pool
from m4jax.grid.cells import Cell
from m4jax.grid.sharing import begun
from m4jax.progress import Display, Progress
from m4jax.run import model, start, work
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout, is_done
from m4jax.terminal import text
from m4jax.training.forks import plain

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


class Total(NamedTuple):
    """What training some runs costs.

    Attributes:
        examples: seen.
        flops: floating-point operations.
        seconds: of one process or device; None if the rate of a shape is missing.
    """

    examples: int
    flops: float
    seconds: float | None


def show(
    cells: Sequence[Cell],
    layout: Layout,
    *,
    workers: int,
    console: Console,
    flops_per_second: float = 0.0,
) -> int:
    """Prints the cells by study, their cost, and what is done; returns the exit code.

    The rate of every shape that is still needed is measured first, by a short run of it in one of
    `workers` processes; it is kept in the directory. Fleets are faster than that. Where the device
    that is to do the work is not at hand, `flops_per_second` says what it does, sustained.
    """
    missing = [cell for cell in cells if not is_done(cell.config, layout)]
    if not flops_per_second:
        _measure_rates(missing, layout, workers, console)
    rates = {shape(cell.config): read_rate(layout, cell.config) for cell in cells}
    rates = {name: rate for name, rate in rates.items() if rate}
    console.print(_table(cells, missing, rates, flops_per_second))
    left = total([cell.config for cell in missing], rates, flops_per_second).seconds
    if left is None:
        console.print("The rate of some shapes could not be measured; see the workers' logs.")
        return 1
    told = f"{len(missing)} of {len(cells)} runs are to be done: "
    if flops_per_second:
        told += (
            f"{left / 3600:,.0f} hours of a device that does {flops_per_second:.3g} floating-point "
            "operations a second, for training alone."
        )
    else:
        data = {source.id: source for source in (cell.config.source for cell in missing)}
        pictures = sum(s.composed for s in data.values() if not s.is_prepared(layout.data))
        composing = pictures * max((rate.picture for rate in rates.values()), default=0.0)
        hours = (left + composing) / 3600
        told += (
            f"{hours:.2f} hours of one process"
            f" ({composing / 3600:.2f} of them for {pictures:,} training pictures), "
            f"{hours / workers:.2f} hours with {workers} "
            f"{'processes' if workers > 1 else 'process'}."
        )
    console.print(text(told))
    return 0


@functools.cache
def shape(config: RunConfig) -> str:
    """Returns the name of what determines how fast a run is."""
    steps = config.train.warmup_steps + 1
    train = plain(config.train, seed=0, steps=steps, cooldown_steps=0)
    resolution = config.source.resolution
    return files.digest(
        [dataclasses.asdict(config.model), dataclasses.asdict(train), resolution, config.track]
    )


def seconds(config: RunConfig, rate: Rate, skipped: int = 0) -> float:
    """Returns the estimated time of a run, of one process, that skips so many first steps."""
    every = config.train.checkpoint_every
    points = -(-config.train.steps // every) - skipped // every
    return rate.rest + points * rate.checkpoint + (config.train.steps - skipped) * rate.step


def flops(config: RunConfig) -> float:
    """Returns the floating-point operations of training a run; see `models.forward_flops`."""
    # Texts are computed up to the longest caption, which for the testbed is the context.
    forward = models.forward_flops(
        model.create(config).variant, text_tokens=config.model.context_length
    )
    return float(BACKWARD * forward * config.train.steps * config.train.batch_size)


def total(
    configs: Sequence[RunConfig], rates: Mapping[str, Rate], flops_per_second: float = 0.0
) -> Total:
    """Returns what training some runs costs.

    The seconds are those of the rates, by shape, or, if it is given, of training at
    `flops_per_second`.
    """
    operations, duration = sum(flops(config) for config in configs), None
    each = [rates.get(shape(config)) for config in configs]
    if flops_per_second:
        duration = operations / flops_per_second
    elif all(each):
        shared = {run: step for run, (_, step) in begun(configs).items()}
        duration = sum(
            seconds(config, rate, shared.get(config.id, 0))
            for config, rate in zip(configs, each, strict=True)
        )
    examples = sum(config.train.steps * config.train.batch_size for config in configs)
    return Total(examples, operations, duration)


def read_rate(layout: Layout, config: RunConfig) -> Rate | None:
    """Returns the rate of a run's shape, if it has been measured."""
    path = _rate_path(layout, config)
    if not path.exists():
        return None
    try:
        return Rate(**files.read_json(path)["rate"])
    except (TypeError, KeyError):
        raise InputError(f"{path}: not the rate of a shape; delete it") from None


def measure_rate(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Times a short run of a shape, after another one that compiles what both need."""
    target = _rate_path(layout, config)
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
    times = {}
    for seed, points in ((0, POINTS), (1, POINTS), (2, 1)):
        short = _short(small, seed, points)
        progress("measure the rate", seed, 3)
        started = time.perf_counter()
        work.run_cell(short, inner, lambda *event: None)
        times[points, seed] = time.perf_counter() - started
        step = short.train.batch_size / _examples_per_second(inner.run(short))
    whole, one = times[POINTS, 1], times[1, 2]
    checkpoint = max(whole - one, 0.0) / (POINTS - 1)
    rate = Rate(
        step=step,
        checkpoint=checkpoint,
        rest=max(one - checkpoint - STEPS * step, 0.0),
        picture=composed / (EXAMPLES + pictures),
    )
    about = {"machine": platform.machine(), "cores": os.cpu_count(), "time": time.time()}
    files.write_json(target, {"rate": dataclasses.asdict(rate), **about})


def _rate_path(layout: Layout, config: RunConfig) -> Path:
    return layout.root / "rates" / f"{shape(config)}.json"


def _short(config: RunConfig, seed: int, points: int) -> RunConfig:
    train = plain(
        config.train,
        seed=seed,
        steps=STEPS,
        warmup_steps=1,
        cooldown_steps=0,
        log_every=STEPS // POINTS,
        checkpoint_every=STEPS // points,
    )
    alone = {"filter": None, "balance": None, "during": ()}
    if not start.given(config.init_from):  # a folder may bring another model
        alone["init_from"] = ""
    return dataclasses.replace(config, train=train, **alone)


def _examples_per_second(folder: Path) -> float:
    """Returns the rate of a run in the best interval between two records but the first."""
    records = files.read_jsonl(folder / "metrics.jsonl")[1:]
    return max(record["examples_per_second"] for record in records)


def _measure_rates(cells: Sequence[Cell], layout: Layout, workers: int, console: Console) -> None:
    shapes = {shape(cell.config): cell for cell in cells}
    tasks = [
        pool.Task(f"rate-{name}", "rate", f"rate of {', '.join(cell.changes) or 'the default'}",
                  (cell.config.to_json(),))
        for name, cell in shapes.items()
        if read_rate(layout, cell.config) is None
    ]  # fmt: skip
    if not tasks:
        return
    shares, titles = {task.id: 1.0 for task in tasks}, {task.id: task.title for task in tasks}
    display = Display(console, shares, titles)
    with display.live():
        pool.run(
            tasks,
            root=layout.root,
            workers=workers,
            report=lambda task, event: display.show(task.id, event),
        )


def _table(
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    rates: Mapping[str, Rate],
    flops_per_second: float,
) -> Table:
    """Returns a row for each study, and one for all cells."""
    todo = {cell.config.id for cell in missing}
    table = Table("study", "runs", "done", "examples left", "FLOPs left",
                  f"hours of one {'device' if flops_per_second else 'process'}")  # fmt: skip
    studies = dict.fromkeys(name for cell in cells for name in cell.studies)
    for study in studies:
        part = [cell for cell in cells if study in cell.studies]
        table.add_row(text(study), *_row(part, todo, rates, flops_per_second))
    table.add_section()
    table.add_row("all, shared runs once", *_row(cells, todo, rates, flops_per_second))
    return table


def _row(
    cells: Sequence[Cell],
    todo: Container[str],
    rates: Mapping[str, Rate],
    flops_per_second: float,
) -> list[str]:
    """Returns the cost of those of the cells whose ids are in `todo`."""
    configs = [cell.config for cell in cells if cell.config.id in todo]
    cost = total(configs, rates, flops_per_second)
    return [
        str(len(cells)),
        str(len(cells) - len(configs)),
        f"{cost.examples:,}",
        f"{cost.flops:.2e}",
        "–" if cost.seconds is None else f"{cost.seconds / 3600:,.2f}",
    ]

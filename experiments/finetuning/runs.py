"""The runs: the models that are there, their folders, and what is trained from these."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.finetuning.settings import TuneConfig
from m4jax.grid import pool, tasks, working
from m4jax.grid.cells import Cell, expand
from m4jax.run import model
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout, is_done

ORIGINAL, BALANCED, ORACLE = "original", "balanced", "oracle"
CONTROL = "control"  # fine-tuned on the original data
OFFSET = 1_000  # of the seeds of fine-tuning: examples are drawn anew, not again
BASES = (ORIGINAL, BALANCED, ORACLE)


class Bases:
    """The models that are there, by data version and seed."""

    def __init__(self, config: Mapping[str, Any], layout: Layout):
        self.cells = expand(config)
        self.layout = layout
        self._configs = {(cell.version, cell.seed): cell.config for cell in self.cells}
        self.seeds = tuple(dict.fromkeys(cell.seed for cell in self.cells))

    def config(self, version: str, seed: int) -> RunConfig:
        """Returns the run of a model."""
        return self._configs[version, seed]

    def folder(self, seed: int) -> Path:
        """Returns the Hugging Face folder of the original model of a seed, which is written."""
        folder = self.layout.root / "folders" / f"original-{seed}"
        if not (folder / "config.json").exists():
            model.export(self.config(ORIGINAL, seed), self.layout, folder, model.HUGGING_FACE)
        return folder

    def tuned(
        self, seed: int, steps: int, rate: float, tuning: TuneConfig, *,
        data: str = BALANCED, freeze: str | None = None,
    ) -> RunConfig:  # fmt: skip
        """Returns the run that goes on from the folder of a seed, on balanced or original data."""
        base = self.config(ORIGINAL, seed)
        balanced = self.config(BALANCED, seed) if data == BALANCED else base
        train = dataclasses.replace(
            base.train,
            seed=seed + OFFSET,
            steps=steps,
            learning_rate=rate,
            warmup_steps=max(1, round(tuning.warmup * steps)),
            schedule="cosine",
            cooldown_steps=0,
            checkpoint_every=steps,
            freeze=freeze,
        )
        return dataclasses.replace(
            base,
            init_from=str(self.folder(seed)),
            balance=balanced.balance,
            during=balanced.during,
            train=train,
        )


def conditions(bases: Bases, seed: int, rate: float, tuning: TuneConfig) -> dict[str, RunConfig]:
    """Returns the runs of a seed that are reported, by condition."""
    found = {version: bases.config(version, seed) for version in BASES}
    for steps in tuning.steps:
        for data in (BALANCED, CONTROL):
            found[f"{data} {steps}"] = bases.tuned(seed, steps, rate, tuning, data=data)
    for tower in ("image", "text"):
        found[f"frozen {tower} {tuning.tested}"] = bases.tuned(
            seed, tuning.tested, rate, tuning, freeze=tower
        )
    return found


def train(named: Mapping[str, RunConfig], layout: Layout, workers: int, console: Console) -> int:
    """Trains and evaluates what is missing; returns how many runs failed."""
    missing = {name: config for name, config in named.items() if not is_done(config, layout)}
    return len(working.work(
        [
            pool.Task(config.id, "run", name, (config.to_json(),))
            for name, config in missing.items()
        ],
        layout, workers, console,
    ))  # fmt: skip


def train_bases(cells: Iterable[Cell], layout: Layout, workers: int, console: Console) -> int:
    """Prepares data and weights, and trains and evaluates the models that are there."""
    return len(working.work(tasks.pending(list(cells), layout), layout, workers, console))

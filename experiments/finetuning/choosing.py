"""The study's learning rate, chosen with one seed, and what runs have left."""

import json
from typing import Any

from rich.console import Console

from experiments.finetuning import runs, table
from experiments.finetuning.settings import TuneConfig
from m4jax import files
from m4jax.run.config import RunConfig
from m4jax.run.state import RESULTS, Layout

CHOICE = "choice.json"


def results(layout: Layout, run: RunConfig) -> list[dict[str, Any]]:
    """Returns what evaluating a run has found."""
    return files.read_jsonl(layout.run(run) / RESULTS)


def choose(
    bases: runs.Bases, seed: int, tuning: TuneConfig, workers: int, console: Console
) -> float | None:
    """Returns the learning rate by the rule of the study, with one seed; None if a run failed."""
    sweep = {
        (rate, steps): bases.tuned(seed, steps, rate, tuning)
        for rate in tuning.rates
        for steps in tuning.steps
    }
    titles = {f"rate {rate:g}, {steps} steps": run for (rate, steps), run in sweep.items()}
    if runs.train(titles, bases.layout, workers, console):
        return None
    sweep[0.0, 0] = bases.config(runs.ORIGINAL, seed)
    study = table.Study(
        {"condition": f"{rate:g} {steps}", "seed": seed, **row}
        for (rate, steps), run in sweep.items()
        for row in table.shown(results(bases.layout, run))
    )
    told = [judged(study, rate, seed, tuning) for rate in tuning.rates]
    sound = [one for one in told if one["lost"] <= tuning.loss]
    best = min(sound, key=lambda one: one["bias"]) if sound else min(told, key=lambda x: x["lost"])
    files.write_text(
        bases.layout.root / CHOICE,
        json.dumps({"seed": seed, "rates": told, "chosen": best["rate"]}, indent=1) + "\n",
    )
    console.print(f"Learning rate: {best['rate']:g}")
    return best["rate"]


def judged(study: table.Study, rate: float, seed: int, tuning: TuneConfig) -> dict[str, float]:
    """Returns what a rate leaves of bias and quality, means over the numbers of steps."""

    def ratio(name: str, steps: int) -> float:
        return at(name, rate, steps) / at(name, 0, 0)

    def at(name: str, rate: float, steps: int) -> float:
        return study.get(f"{rate:g} {steps}", seed, name).value

    count = len(tuning.steps)
    bias = [ratio("|RB|", steps) + ratio("mean |AB|", steps) for steps in tuning.steps]
    lost = [
        sum(at(name, 0, 0) - at(name, rate, steps) for steps in tuning.steps) / count
        for name in ("gender", "occupations", "things")
    ]
    return {"rate": rate, "bias": sum(bias) / count, "lost": max(lost)}

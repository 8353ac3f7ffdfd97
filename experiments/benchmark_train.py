r"""Measures training: against open_clip, of fleets, of the input, and against the machine.

    python -m experiments.benchmark_train \
        --config=configs/benchmark_train.py --workdir=runs/bench-train

Every measurement runs in a process of its own and is kept in the workdir: the same command does
what is missing and prints all ratios again.
"""

import statistics
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from rich.console import Console

from experiments import command
from experiments.benchmark.measure import measure
from experiments.benchmark.show import show
from experiments.benchmark.towers import SIDES
from m4jax import files, limits
from m4jax.errors import InputError

STEPS = ("size", "side", "workers", "threads", "pairs_per_second", "models_per_hour", "ratio")
INPUT = ("pictures", "pictures_per_second", "share of memory")
TESTBED = "emoji-S/8"
VOCABULARY = 80  # about that of the testbed


def main(console: Console) -> int:
    """Measures what the configuration asks for, and prints and writes the ratios."""
    config, folder = ConfigDict(command.config()), command.workdir()
    if config.what not in (*PARTS, "all"):
        raise InputError(f"config.what is {config.what!r}; expected one of {tuple(PARTS)} or 'all'")
    kept = folder / "measurements"
    kept.mkdir(parents=True, exist_ok=True)
    names = tuple(PARTS) if config.what == "all" else (config.what,)
    for name in names:
        console.print(f"measuring: {name}")
        rows, columns = PARTS[name](config, kept)
        rows = [{key: x for key, x in row.items() if key not in ("asked", "ended")} for row in rows]
        show(console, name, rows, columns)
        files.write_json(folder / f"{name}.json", rows)
    return 0


def _peer(config: ConfigDict, folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    c = config.peer
    model = {"variant": c.variant, "overrides": {}, "batch_size": c.batch_size}
    model |= {"words": c.words, "examples": 4 * c.batch_size}
    return _sides(folder, c.variant, model, [(1, limits.cores())], c.duration, config.rounds), STEPS


def _testbed(config: ConfigDict, folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    c = config.testbed
    ways = sorted({(limits.cores(), 1), (1, limits.cores())})
    rows = _sides(folder, TESTBED, _small(c), ways, c.duration, config.rounds)
    for row in rows:
        if "pairs_per_second" in row:
            row["models_per_hour"] = row["pairs_per_second"] * 3600 / (c.steps * c.batch_size)
    return rows, STEPS


def _small(c: ConfigDict) -> dict[str, Any]:
    """Returns the settings of a model of the testbed's size."""
    overrides = {"context": c.context, "vocab_size": VOCABULARY}
    model = {"variant": TESTBED, "overrides": overrides, "batch_size": c.batch_size}
    return model | {"words": c.words, "examples": 4_096}


def _sides(folder, size, model, ways, duration, rounds) -> list[dict[str, Any]]:
    """Measures both sides in turns; the ratio is of ours to the peer's, each at its best."""
    found: dict[tuple, list] = {}
    for repeat in range(rounds):
        for workers, threads in ways:
            for side in SIDES:
                settings = {"workers": workers, "threads": threads, "duration": duration}
                told = measure(
                    folder, "train_steps", side=side, model=model, repeat=repeat, **settings
                )
                found.setdefault((side, workers, threads), []).append(told)
    rows, best = [], {}
    for (side, workers, threads), all_rounds in found.items():
        row = {"size": size, "side": side, "workers": workers, "threads": threads}
        rates = [told["pairs_per_second"] for told in all_rounds if told["ended"] == "done"]
        if rates:
            row["pairs_per_second"] = statistics.median(rates)
            row["rounds"] = rates
            best[side] = max(best.get(side, 0), row["pairs_per_second"])
        else:
            row["pairs_per_second"] = all_rounds[0].get("error", all_rounds[0]["ended"])
        rows.append(row)
    if len(best) == len(SIDES):
        rows.append({"size": size, "side": "ratio", "ratio": best[SIDES[0]] / best[SIDES[1]]})
    return rows


def _fleet(config: ConfigDict, folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    c = config.fleet
    told = measure(folder, "fleet", members=c.members, steps=c.steps, model=_small(config.testbed))
    columns = ("members", "pairs_per_second_alone", "pairs_per_second_in_fleet", "ratio")
    return [{"members": c.members} | told], columns


def _input(config: ConfigDict, folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    c, rows = config.input, []
    ways = {"in memory": None} | {f"decoded, {w} worker processes": w for w in c.workers}
    for name, workers in ways.items():
        told = measure(
            folder,
            "feed",
            data_dir=str(folder.parent / "data"),
            examples=c.examples,
            batch_size=c.batch_size,
            duration=c.duration,
            workers=workers,
        )
        if told["ended"] != "done":
            raise InputError(f"measuring the input failed: {told.get('error', told['ended'])}")
        share = told["pictures_per_second"] / (rows[0] if rows else told)["pictures_per_second"]
        rows.append({"pictures": name, "share of memory": share} | told)
    return rows, INPUT


def _utilisation(config: ConfigDict, folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    c, cpu = config.utilisation, jax.default_backend() == "cpu"
    told = measure(
        folder,
        "utilisation",
        variant=c.variant,
        overrides={"dtype": "float32" if cpu else c.dtype},
        batch_size=4 if cpu else c.batch_size,
        duration=c.duration,
    )
    columns = ("device", "pictures_per_second", "tokens_per_second", "teraflops")
    return [told], (*columns, "matrix_teraflops", "utilisation")


PARTS = {
    "peer": _peer,
    "testbed": _testbed,
    "fleet": _fleet,
    "input": _input,
    "utilisation": _utilisation,
}

if __name__ == "__main__":
    command.run(main)

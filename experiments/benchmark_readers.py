r"""Measures the readers beside the libraries of their formats: examples a second, and memory.

    python -m experiments.benchmark_readers \
        --config=configs/benchmark_readers.py --workdir=runs/bench-readers

needs `pip install webdataset datasets` for the ratios. The material is synthetic and made in the
workdir. Every measurement runs in a process of its own and is kept: the same command does what is
missing and prints all again. It writes `throughput.json`, `random.json` and `memory.json`.
"""

import importlib.util
import statistics
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from rich.console import Console

from experiments import command
from experiments.benchmark.measure import measure
from experiments.benchmark.reading import FORMS, material, tiny_shards
from experiments.benchmark.show import show
from m4jax import files
from m4jax.errors import InputError

OURS = "ours"
Rows = list[dict[str, Any]]


def main(console: Console) -> int:
    """Measures what the configuration asks for, and prints and writes it."""
    config, folder = ConfigDict(command.config()), command.workdir()
    if config.what not in (*PARTS, "all"):
        raise InputError(f"config.what is {config.what!r}; expected one of {tuple(PARTS)} or 'all'")
    for name in tuple(PARTS) if config.what == "all" else (config.what,):
        console.print(f"measuring: {name}")
        rows, columns = PARTS[name](config, folder)
        show(console, name, rows, columns)
        files.write_json(folder / f"{name}.json", rows)
    return 0


def _throughput(config: ConfigDict, folder: Path) -> tuple[Rows, tuple[str, ...]]:
    c, rows = config.throughput, []
    base = _material(config, folder)
    for form, peers in FORMS.items():
        for decode in (False, True) if form != "captions" else (False,):
            rates: dict[str, float] = {}
            for side in (OURS, *filter(_installed, peers)):
                settings = {"base": base, "form": form, "side": side, "decode": decode}
                told = _median(
                    folder, config.rounds, "read_collection", settings | {"passes": c.passes}
                )
                rates[side] = told["examples_per_second"]
                row = {"form": form, "decoded": "yes" if decode else "", "side": side} | told
                rows.append(row | {"ratio": rates[OURS] / rates[side]})
    columns = ("form", "decoded", "side", "examples_per_second", "with_opening", "ratio")
    return rows, columns


def _random(config: ConfigDict, folder: Path) -> tuple[Rows, tuple[str, ...]]:
    rows, base, rates = [], _material(config, folder), dict[str, float]()
    sides = [("saved", OURS), ("saved", "datasets"), ("shards", OURS), ("folder", OURS)]
    for form, side in sides:
        if side == OURS or _installed(side):
            settings = {"base": base, "form": form, "side": side}
            settings["number"] = config.random.number
            told = _median(folder, config.rounds, "read_at_random", settings)
            rates[form, side] = told["pictures_per_second"]
            row = {"form": form, "side": side} | told
            rows.append(row | {"ratio": rates[form, OURS] / rates[form, side]})
    return rows, ("form", "side", "pictures_per_second", "ratio")


def _memory(config: ConfigDict, folder: Path) -> tuple[Rows, tuple[str, ...]]:
    c, rows = config.memory, []
    base, first = folder / "tiny", dict[str, tuple[int, int]]()
    tiny_shards(str(base), max(c.pairs), c.shard)
    for pairs in sorted(c.pairs):
        for side in (OURS, *filter(_installed, ("webdataset",))):
            settings = {"base": str(base), "shards": -(-pairs // c.shard), "side": side}
            told = _ended(measure(_kept(folder), "go_over", **settings))
            peak = told["peak_bytes"]
            start = first.setdefault(side, (pairs, peak))
            grown = (peak - start[1]) / (pairs - start[0]) if pairs > start[0] else None
            row = {"pairs": told["pairs"], "side": side, "peak_megabytes": peak / 1e6}
            row |= {"bytes_a_pair": grown, "seconds": told["seconds"]}
            rows.append(row | {"pairs_per_second": told["pairs"] / told["seconds"]})
    columns = ("pairs", "side", "peak_megabytes", "bytes_a_pair", "seconds", "pairs_per_second")
    return rows, columns


def _median(folder: Path, rounds: int, job: str, settings: dict[str, Any]) -> dict[str, float]:
    """Returns the medians of what a job found in several rounds."""
    found = [_ended(measure(_kept(folder), job, repeat=i, **settings)) for i in range(rounds)]
    names = [name for name, x in found[0].items() if isinstance(x, int | float)]
    return {name: statistics.median(one[name] for one in found) for name in names}


def _ended(told: dict[str, Any]) -> dict[str, Any]:
    if told["ended"] != "done":
        raise InputError(f"measuring failed: {told.get('error', told['ended'])}")
    return told


def _material(config: ConfigDict, folder: Path) -> str:
    c, base = config.throughput, folder / "material"
    material(str(base), c.examples, c.side, c.shard)
    return str(base)


def _kept(folder: Path) -> Path:
    kept = folder / "measurements"
    kept.mkdir(exist_ok=True)
    return kept


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


PARTS = {"throughput": _throughput, "random": _random, "memory": _memory}

if __name__ == "__main__":
    command.run(main)

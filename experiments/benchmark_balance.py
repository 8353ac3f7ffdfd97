r"""Measures the balance solver against its peers, and its growth up to a billion examples.

    python -m experiments.benchmark_balance \
        --config=configs/benchmark_balance.py --workdir=runs/bench

Every measurement runs in a process of its own and is kept in the workdir: the same command does
what is missing and prints all ratios again.
"""

import shutil
import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from ml_collections import ConfigDict
from rich.console import Console

from experiments import command
from experiments.benchmark import scale
from experiments.benchmark.measure import measure
from experiments.benchmark.show import show
from m4jax import files
from m4jax.errors import InputError
from m4jax.report import style

PARTS = ("solvers", "bias", "wide", "scale")
SOLVERS = ("kind", "n", "patterns", "solver", "ended", "seconds", "ratio", "agrees", "steps")
SCALE = ("n", "patterns", "status", "seconds", "duckdb_group_by_seconds", "ratio", "peak_gigabytes")
COLD = ("kind", "n", "solver", "seconds", "ratio")
BIAS = ("n", "labels", "what", "seconds", "ratio")
WIDE = (
    "problem",
    "n",
    "constraints",
    "keep_rate",
    "ended",
    "relative_gap",
    "steps",
    "seconds",
    "cpu_seconds",
    "peak_gigabytes",
)
WAYS = (
    "kept",
    "way",
    "largest_over_cap",
    "labels_over_cap",
    "mentions_over_cap",
    "share",
    "worst_parity_gap",
    "mean_parity_gap",
)
PASSES = ("solver", "passes", "relative_gap", "reached")
AGREES = 1e-6  # relative difference of two objectives


def main(console: Console) -> int:
    """Measures what the configuration asks for, and prints and writes the ratios."""
    config, folder = ConfigDict(command.config()), command.workdir()
    if config.what not in (*PARTS, "all"):
        raise InputError(f"config.what is {config.what!r}; expected one of {PARTS} or 'all'")
    (folder / "measurements").mkdir(parents=True, exist_ok=True)
    if config.what in ("solvers", "all"):
        rows = _solvers(config, folder / "measurements", console)
        show(console, "Solvers on the same instances", rows, SOLVERS)
        passes = _online(config, folder / "measurements")
        show(console, "Passes over the data", passes, PASSES)
        cold = _cold(config, folder / "measurements")
        show(console, "One solve in a process of its own", cold, COLD)
        tables = {"solvers": rows, "passes": passes, "cold": cold}
        files.write_json(folder / "solvers.json", tables)
    if config.what in ("bias", "all"):
        rows = _bias(config, folder / "measurements")
        show(console, "Bias of data, and reading them once", rows, BIAS)
        files.write_json(folder / "bias.json", rows)
    if config.what in ("wide", "all"):
        rows, ways = _wide(config, folder / "measurements", console)
        show(console, "Many constraints, sparse labels", rows, WIDE)
        show(console, "How far from caps and parity", ways, WAYS)
        files.write_json(folder / "wide.json", {"solves": rows, "ways": ways})
    if config.what in ("scale", "all"):
        rows = _scale(config, folder, console)
        show(console, "From files to certified weights, beside a bare GROUP BY", rows, SCALE)
        files.write_json(folder / "scale.json", rows)
        with style.page({"text.parse_math": True}):  # powers of ten on its axes
            style.draw(_picture(rows, config.scale_repeats), folder / "scale")
    return 0


def _solvers(config: ConfigDict, folder: Path, console: Console) -> list[dict[str, Any]]:
    rows = []
    limits = dict(zip(config.peers, config.peers_up_to, strict=True))
    for kind in config.kinds:
        for n in config.sizes:
            settings = {"kind": kind, "n": n, "seed": config.seed}
            console.print(f"{kind}, n = {n:,}: ours")
            ours = measure(folder, "ours", **settings, repeats=config.repeats)
            told = {"kind": kind, "n": n, "patterns": ours.get("patterns")}
            rows.append(told | {"solver": "m4jax", **_answer(ours, ours)})
            for name in config.peers:
                for folded in (False, True) if name in config.folded_peers else (False,):
                    if n > limits[name]:
                        continue
                    console.print(f"{kind}, n = {n:,}: {name}{' on patterns' * folded}")
                    found = measure(
                        folder,
                        "peer",
                        seconds=config.peer_seconds,
                        gigabytes=config.peer_gigabytes,
                        name=name,
                        folded=folded,
                        **settings,
                    )
                    title = name + " on patterns" * folded
                    rows.append(told | {"solver": title, **_answer(found, ours)})
    return rows


def _answer(found: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Returns time, ratio to ours, and whether the objective is as low as ours to 1e-6."""
    if found["ended"] != "done" or ours["ended"] != "done":
        return {"ended": found.get("error", found["ended"])}
    off = (found["objective"] - ours["objective"]) / ours["objective"]
    good = abs(off) <= AGREES and abs(found["keep_rate_error"]) <= AGREES
    keys = ("fold_seconds", "compile_seconds", "steps", "relative_gap", "compilations_when_hot")
    return {
        "ended": found["status"],
        "seconds": found["seconds"],
        "ratio": found["seconds"] / ours["seconds"],
        "objective off by": off,
        "agrees": good,
        **{key: found[key] for key in keys if key in found},
    }


def _cold(config: ConfigDict, folder: Path) -> list[dict[str, Any]]:
    rows = []
    for kind in config.cold_kinds:
        settings = {"kind": kind, "n": config.cold_size, "seed": config.seed}
        found = measure(folder, "cold", repeats=config.cold_repeats, **settings)
        if found["ended"] != "done":
            rows.append({"kind": kind, "n": config.cold_size, "solver": found["error"]})
            continue
        seconds = {name: x for name, x in found.items() if name.startswith(("m4jax", "piqp"))}
        told = {"kind": kind, "n": config.cold_size}
        rows += [
            told | {"solver": name, "seconds": x, "ratio": x / seconds["m4jax"]}
            for name, x in seconds.items()
        ]
    return rows


def _online(config: ConfigDict, folder: Path) -> list[dict[str, Any]]:
    settings = {"kind": config.kinds[0], "n": config.online_size, "seed": config.seed}
    ours = measure(folder, "ours", **settings, repeats=config.repeats)
    rows = [{"solver": "m4jax", "passes": ours["passes"], "relative_gap": ours["relative_gap"]}]
    for batch in config.online_batches:
        found = measure(
            folder,
            "online",
            batch=batch,
            gap=config.online_gap,
            passes=config.online_passes,
            **settings,
        )
        rows.append({"solver": f"online, batches of {batch}", **found})
    return [
        {key: row.get(key) for key in ("solver", "passes", "relative_gap", "reached")}
        for row in rows
    ]


def _bias(config: ConfigDict, folder: Path) -> list[dict[str, Any]]:
    names = ("n", "attributes", "labels")
    settings = dict(zip(names, config.bias_shape, strict=True)) | {"repeats": config.bias_repeats}
    found = measure(folder, "bias", **settings, seed=config.seed)
    told = {"n": settings["n"], "labels": settings["labels"]}
    if found["ended"] != "done":
        return [told | {"ended": found.get("error", found["ended"])}]
    times = {k: x for k, x in found.items() if isinstance(x, float)}
    return [
        told | {"what": what, "seconds": seconds, "ratio": seconds / times["m4jax"]}
        for what, seconds in times.items()
    ]


def _wide(
    config: ConfigDict, folder: Path, console: Console
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns what is told of wide problems, and how far weights are from caps and parity."""
    seed, rows, ways = {"seed": config.seed}, [], []
    n, common = config.wide_pairs, {"seconds": config.wide_seconds}
    for kind, keep_rate in zip(config.wide_kinds, config.wide_kinds_rates, strict=True):
        console.print(f"40 attributes by 1,000 labels: {kind}, n = {n:,}")
        asked = {"n": n, "kind": kind, "keep_rate": keep_rate}
        rows.append(
            {"problem": kind} | measure(folder, "attributes_by_labels", **asked, **seed, **common)
        )
    n, labels, frequent = config.wide_caps
    pairs = zip(config.wide_thresholds, config.wide_keep_rates, strict=True)
    for threshold, keep_rate in pairs:
        console.print(
            f"caps of {threshold:,} on {labels:,} labels, n = {n:,}, keep rate {keep_rate}"
        )
        asked = {"n": n, "c": labels, "threshold": threshold, "frequent": frequent}
        found = measure(folder, "caps", **asked, keep_rate=keep_rate, **seed, **common)
        rows.append({"problem": f"caps at {threshold}"} | found)
        ways += [{"way": name} | way for name, way in found.get("ways", {}).items()]
    for row in rows:
        if row["ended"] == "done":
            row |= {"ended": row["status"], "peak_gigabytes": row["peak_bytes"] / 1e9}
    return rows, ways


def _scale(config: ConfigDict, folder: Path, console: Console) -> list[dict[str, Any]]:
    rows, n = [], int(config.smallest)
    spill = folder / "spill"
    spill.mkdir(exist_ok=True)
    while n <= int(config.largest):
        console.print(f"n = {n:,}: writing examples")
        paths = scale.write(folder / "data" / str(n), n, config.seed)
        rows.append(
            {"n": n} | _one_size(config, folder / "measurements", paths, str(spill), console)
        )
        if not config.keep_data:
            shutil.rmtree(folder / "data" / str(n))
        n *= 10
    return rows


def _one_size(
    config: ConfigDict, folder: Path, paths: list[str], spill: str, console: Console
) -> dict[str, Any]:
    limits = {"paths": paths, "memory_limit": config.memory_limit, "spill": spill}
    ours, bare, floor = [], {name: [] for name in config.engines}, []
    for repeat in range(config.scale_repeats):
        console.print(f"  round {repeat + 1} of {config.scale_repeats}")
        floor.append(measure(folder, "read", paths=paths, repeat=repeat))
        for engine in config.engines:
            found = measure(folder, "group_by", engine=engine, repeat=repeat, **limits)
            if found["ended"] == "done":
                bare[engine].append(found["seconds"])
        ours.append(measure(folder, "fold_and_solve", repeat=repeat, **limits))
    failed = [x for x in ours if x["ended"] != "done"]
    if failed:
        return {"ended": failed[0].get("error", failed[0]["ended"])}
    middle = {name: statistics.median(x) for name, x in bare.items() if x}
    first, seconds = ours[0], statistics.median(x["seconds"] for x in ours)
    return {
        "patterns": first["patterns"],
        "status": first["status"],
        "relative_gap": first["relative_gap"],
        "seconds": seconds,
        **{f"{x}_seconds": first[f"{x}_seconds"] for x in ("fold", "solve", "compile")},
        **{f"{name}_group_by_seconds": x for name, x in middle.items()},
        "read_seconds": statistics.median(x["seconds"] for x in floor),
        "ratio": seconds / min(middle.values()) if middle else None,
        "peak_gigabytes": max(x["peak_bytes"] for x in ours) / 1e9,
    }


def _picture(rows: list[dict[str, Any]], rounds: int) -> Figure:
    """Draws time and memory against the number of examples."""
    figure = Figure(figsize=(style.WIDTH, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in rows if "seconds" in row]
    n = [row["n"] for row in rows]
    lines = {"seconds": "m4jax: files to certified weights", "read_seconds": "reading the bytes"}
    lines |= {f"{x}_group_by_seconds": f"{x}: GROUP BY alone" for x in ("duckdb", "polars")}
    handles = []
    looks = zip(style.MARKS, ("-", ":", "--", "-."), strict=False)
    for (key, title), (mark, line) in zip(lines.items(), looks, strict=False):
        if rows and key in rows[0]:
            left.plot(n, [row[key] for row in rows], color=mark.color, marker=mark.marker, ls=line,
                      ms=4, markerfacecolor=mark.face)  # fmt: skip
            handles.append(style.handle(title, mark, line=line))
    ours = style.MARKS[0]
    right.plot(n, [row["peak_gigabytes"] for row in rows], color=ours.color, marker=ours.marker)
    for axes, title, kind in (
        (left, "Seconds, without compilation", "log"),
        (right, "Peak memory of m4jax, GB", "linear"),
    ):
        axes.set(xscale="log", yscale=kind, xlabel="examples", title=title)
        axes.grid(color="0.9")
    right.set_ylim(bottom=0)
    style.heading(figure, "From files to certified weights, beside a bare GROUP BY")
    style.foot(
        figure,
        n=f"{rounds} rounds that take turns: seconds are their median, memory the most of them",
        bars="none: rounds of one machine differ by up to a quarter",
        wrong="other disks, cores or tables tell otherwise",
        handles=handles,
        ncols=2,
    )
    return figure


if __name__ == "__main__":
    command.run(main)

"""Registered studies: what was written down before the first run, and results that carry its hash.

A study is run and gathered seed by seed, and nothing of it is shown before all seeds are there.
Every seed has a file of its own, `seeds/<seed>.parquet`, written when its last run is done. It is
kept when the directory of the runs is gone: a seed that has one is not run again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from m4jax import files, stopping
from m4jax.errors import InputError
from m4jax.grid import collect, directory, study
from m4jax.grid.cells import Cell, expand, levels
from m4jax.report import results
from m4jax.report.results import Results
from m4jax.run.state import Layout, is_done

FIELD = "registration"  # of the configuration: the path of the text
LEAST = 12  # seeds of a study that had to end; see the stopping rule of the confirmation's text


def split(config: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Returns a registered grid's configuration without its registration, and the text's hash.

    Raises:
        InputError: if there is no such field or no such file.
    """
    grid = dict(config)
    path = Path(grid.pop(FIELD, "") or "")
    if not path.is_file():
        raise InputError(
            f"config.{FIELD}: expected the file by which the study is registered, got {str(path)!r}"
        )
    return grid, files.sha256(path)


def missing(config: Mapping[str, Any], out: Path) -> list[int]:
    """Returns the seeds of a grid that have no results in `out`."""
    return [seed for seed in config["seeds"] if not part(out, seed).exists()]


def part(out: Path, seed: int) -> Path:
    """Returns where the results of a seed lie."""
    return out / "seeds" / f"{seed}.parquet"


def run(
    config: Mapping[str, Any],
    registration: str,
    layout: Layout,
    out: Path,
    *,
    workers: int,
    console: Console,
) -> int:
    """Does what is missing, seed by seed, and gathers the finished ones; shows no result.

    Args:
        config: of the grid, without its registration.
        registration: hash of the text.
        layout: of the runs.
        out: where the results of each seed are kept.
        workers: number of worker processes.
        console: where progress is shown.

    Returns:
        How many tasks and runs failed.
    """
    todo = missing(config, out)
    if not todo:
        return 0
    cells = expand(dict(config) | {"seeds": tuple(todo)})
    directory.enter(cells, layout)
    try:
        return study.work(cells, layout, workers, console, by_seed=True)
    finally:  # also where it was interrupted: what is whole outlives the workdir
        with stopping.saving():
            gather(cells, levels(config), registration, layout, out)


def gather(
    cells: Sequence[Cell],
    order: Mapping[str, Sequence[str]],
    registration: str,
    layout: Layout,
    out: Path,
) -> list[int]:
    """Writes the results of every seed of which all runs are done; returns these seeds."""
    by_seed: dict[int, list[Cell]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell)
    whole = [
        seed
        for seed, of_seed in by_seed.items()
        if all(is_done(cell.config, layout) for cell in of_seed)
    ]
    for seed in whole:
        rows = collect.rows(by_seed[seed], order, layout, pooled=False)
        rows = [row | {"seed": seed} if row["kind"] == "data" else row for row in rows]
        path = part(out, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        how = dict(study.evaluations(by_seed[seed]))
        results.write(path, rows, order, how, registration)
    return whole


def kept(out: Path, seed: int, registration: str) -> Results:
    """Returns the results of one seed; raises `InputError` if they carry another registration."""
    found = results.read(part(out, seed))
    if found.registration != registration:
        raise InputError(
            f"{part(out, seed)}: its runs were made under another registration "
            f"({found.registration[:12] or 'none'}, not {registration[:12]})"
        )
    return found


def read(
    config: Mapping[str, Any], registration: str, out: Path, *, ended: bool = False
) -> Results:
    """Returns the results of all seeds.

    Args:
        config: of the grid, without its registration.
        registration: hash of the text.
        out: where the results of each seed are kept.
        ended: whether no more seeds can be run, so that `LEAST` of them are enough.

    Raises:
        InputError: if a seed is missing, or its results carry another registration, or are of
            other runs than the configuration's.
    """
    absent = missing(config, out)
    whole = [seed for seed in config["seeds"] if seed not in absent]
    if absent and not (ended and len(whole) >= LEAST):
        rule = f"and {LEAST} at least are needed" if ended else "when all of them are there"
        raise InputError(
            f"{out}: {len(absent)} of {len(config['seeds'])} seeds are missing, {absent[0]} for "
            f"one; a registered study is looked at once, {rule}"
        )
    wanted: dict[int, set[str]] = {}
    for cell in expand(dict(config) | {"seeds": tuple(whole)}):
        wanted.setdefault(cell.seed, set()).add(cell.config.id)
    parts = []
    for seed in whole:
        found = kept(out, seed, registration)
        runs = set(found.select(kind="run")["run_id"].tolist())
        if runs != wanted[seed]:
            raise InputError(
                f"{part(out, seed)}: expected the {len(wanted[seed])} runs of the configuration, "
                f"got {len(runs & wanted[seed])} of them and {len(runs - wanted[seed])} others; "
                "name the configuration that they were made with"
            )
        parts.append(found)
    return results.join(parts)

"""Registered studies: what was written down before the first run, and results that carry its hash.

A study is run and gathered seed by seed, and nothing of it is shown before all seeds are there.
Every seed has a file of its own, `seeds/<seed>.parquet`, written when its last run is done. It is
kept when the directory of the runs is gone: a seed that has one is not run again.
"""

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Registered:
    """A registered study.

    Attributes:
        grid: its configuration, without its registration.
        registration: hash of the text.
        out: where the results of each seed are kept.
    """

    grid: Mapping[str, Any]
    registration: str
    out: Path

    @property
    def missing(self) -> list[int]:
        """The seeds that have no results in `out`."""
        return [seed for seed in self.grid["seeds"] if not self.part(seed).exists()]

    @property
    def whole(self) -> list[int]:
        """The seeds that have."""
        return [seed for seed in self.grid["seeds"] if self.part(seed).exists()]

    def part(self, seed: int) -> Path:
        """Returns where the results of a seed lie."""
        return self.out / "seeds" / f"{seed}.parquet"

    def cells(self, seeds: Sequence[int]) -> list[Cell]:
        """Returns the runs of some of its seeds."""
        return expand(dict(self.grid) | {"seeds": tuple(seeds)}) if seeds else []

    def kept(self, seed: int) -> Results:
        """Returns the results of a seed; raises `InputError` for those of another registration."""
        found = results.read(self.part(seed))
        if found.registration != self.registration:
            raise InputError(
                f"{self.part(seed)}: its runs were made under another registration "
                f"({found.registration[:12] or 'none'}, not {self.registration[:12]})"
            )
        return found


def of(config: Mapping[str, Any], out: Path) -> Registered:
    """Returns the study of a configuration whose field `registration` names the text.

    Raises:
        InputError: if there is no such field or no such file.
    """
    grid = dict(config)
    path = Path(grid.pop(FIELD, "") or "")
    if not path.is_file():
        raise InputError(
            f"config.{FIELD}: expected the file by which the study is registered, got {str(path)!r}"
        )
    return Registered(grid, files.sha256(path), out)


def run(registered: Registered, layout: Layout, *, workers: int, console: Console) -> int:
    """Does what is missing, seed by seed, and gathers the finished ones; shows no result.

    Args:
        registered: the study.
        layout: of its runs.
        workers: number of worker processes.
        console: where progress is shown.

    Returns:
        How many tasks and runs failed.
    """
    cells = registered.cells(registered.missing)
    if not cells:
        return 0
    directory.enter(cells, layout)
    try:
        return study.work(cells, layout, workers, console, by_seed=True)
    finally:  # also where it was interrupted: what is whole outlives the workdir
        with stopping.saving():
            gather(registered, cells, layout)


def gather(registered: Registered, cells: Sequence[Cell], layout: Layout) -> dict[int, int]:
    """Writes the results of every seed of which all runs are done.

    Args:
        registered: the study.
        cells: its runs that are to be looked at, all of a seed.
        layout: where they lie.

    Returns:
        Seed ↦ how many of its runs are still to be done; 0 of those that were written.
    """
    by_seed: dict[int, list[Cell]] = {}
    for cell in cells:
        by_seed.setdefault(cell.seed, []).append(cell)
    left = {
        seed: sum(not is_done(cell.config, layout) for cell in of_seed)
        for seed, of_seed in by_seed.items()
    }
    for seed in (seed for seed in left if not left[seed]):
        rows = collect.rows(by_seed[seed], levels(registered.grid), layout, pooled=False)
        rows = [row | {"seed": seed} if row["kind"] == "data" else row for row in rows]
        path = registered.part(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        how = dict(study.evaluations(by_seed[seed]))
        results.write(path, rows, levels(registered.grid), how, registered.registration)
    return left


def read(registered: Registered, *, ended: bool = False) -> Results:
    """Returns the results of all seeds.

    Args:
        registered: the study.
        ended: whether no more seeds can be run, so that `LEAST` of them are enough.

    Raises:
        InputError: if a seed is missing, or its results carry another registration, or are of
            other runs than the configuration's.
    """
    absent, whole = registered.missing, registered.whole
    if absent and not (ended and len(whole) >= LEAST):
        rule = f"and {LEAST} at least are needed" if ended else "when all of them are there"
        raise InputError(
            f"{registered.out}: {len(absent)} of {len(absent) + len(whole)} seeds are missing, "
            f"{absent[0]} for one; a registered study is looked at once, {rule}"
        )
    wanted: dict[int, set[str]] = {}
    for cell in registered.cells(whole):
        wanted.setdefault(cell.seed, set()).add(cell.config.id)
    parts = []
    for seed in whole:
        found = registered.kept(seed)
        runs = set(found.select(kind="run")["run_id"].tolist())
        if runs != wanted[seed]:
            raise InputError(
                f"{registered.part(seed)}: expected the {len(wanted[seed])} runs of the "
                f"configuration, got {len(runs & wanted[seed])} of them and "
                f"{len(runs - wanted[seed])} others; name the configuration that they were made "
                "with"
            )
        parts.append(found)
    return results.join(parts)

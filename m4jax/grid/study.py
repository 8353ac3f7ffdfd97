"""A study from its configuration to tables and figures; it does what is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from m4jax import files, limits
from m4jax.errors import InputError
from m4jax.grid import collect, cost, directory, pool, tasks, working
from m4jax.grid.cells import Cell, expand, levels
from m4jax.grid.sharing import begun
from m4jax.run import weights
from m4jax.run.config import from_json
from m4jax.run.state import (
    LOG,
    Layout,
    clear_failed,
    evaluation_settings,
    mark_failed,
    state,
    unreadable,
)
from m4jax.terminal import text
from m4jax.training import forks

ACTIONS = ("run", "retry", "status", "figures", "plan")


def main(
    config: Mapping[str, Any],
    *,
    workdir: str,
    action: str,
    workers: int,
    console: Console,
    fleet: int = 1,
    flops: float = 0.0,
) -> int:
    """Carries out an action on a study; returns the exit code: 0 only if every cell is done.

    Several processes may be at work in one directory, on machines that share it; each does what
    none of the others is at.

    Args:
        config: of the grid; see `cells.expand`.
        workdir: the study's directory. More cells may be added to it, but a cell of the same name
            must be the same run.
        action: "run" does what is missing, then shows the results; "retry" does the same and takes
            failed cells up again; "status" lists the cells; "plan" says what the study costs (0 if
            it can be estimated), measuring the rate of each shape; "figures" rebuilds all that is
            shown from `results.parquet` alone.
        workers: number of worker processes.
        console: where to print.
        fleet: how many runs of one shape are trained in one program, at most.
        flops: that a device does a second; the plan then takes this in place of measured rates.

    Raises:
        InputError: for a bad configuration, or a directory of another one.
    """
    if action not in ACTIONS:
        raise InputError(f"--action: expected one of {', '.join(ACTIONS)}, got {action!r}")
    if not workdir or Path(workdir).is_file():
        raise InputError(f"--workdir: expected a directory, got {workdir!r}")
    limits.check_threads(workers, "--workers")
    cells, layout = expand(config), Layout(Path(workdir).absolute())
    if action == "status":
        directory.check(cells, layout)
        _print_status(cells, layout, console)
        return 0 if all(state(cell.config, layout) == "done" for cell in cells) else 1
    if action == "plan":
        directory.check(cells, layout)
        return cost.show(cells, layout, workers=workers, console=console, flops_per_second=flops)
    if action == "figures":
        return _show(config, cells, layout, console)
    others = directory.enter(cells, layout)
    if action == "retry":
        _forget_failures(cells, layout)
    failed = work(cells, layout, workers, console, fleet=fleet)
    missing = _show(config, cells, layout, console, collecting=True)
    if others:
        console.print(f"{others} more runs of the directory are no part of this configuration")
    return 1 if missing or failed else 0


def _forget_failures(cells: Sequence[Cell], layout: Layout) -> None:
    """Makes failed runs pending again, those of the filters' scorers too."""
    for cell in cells:
        for config in filter(None, (cell.config, cell.config.scorer)):
            clear_failed(config, layout)


def work(
    cells: Sequence[Cell],
    layout: Layout,
    workers: int,
    console: Console,
    *,
    fleet: int = 1,
    by_seed: bool = False,
) -> int:
    """Does what is missing, and shows no results; returns the number of failed tasks and runs.

    Once all runs are done, the states of first steps that they shared are deleted.

    `by_seed`: all runs of a seed before those of the next; seeds must share neither data nor runs.
    """

    def mark(task: pool.Task, event: dict[str, Any]) -> None:
        if event["lasting"] and task.kind in ("run", "fleet"):
            _mark_failed(task, event, layout)

    seeds = dict.fromkeys(cell.seed for cell in cells) if by_seed else (None,)
    todo = [
        task
        for seed in seeds
        for task in tasks.pending(
            [cell for cell in cells if seed in (None, cell.seed)], layout, fleet=fleet
        )
    ]
    if todo:
        weights.check_own(cell.config for cell in cells)  # before any run
    if todo and fleet > 1 and begun([cell.config for cell in cells]):
        console.print(
            "Fleets take every step of their runs, also those that runs could share "
            "(train.share_at): the same results, for more work. --fleet=1 shares them."
        )
    failures = working.work(todo, layout, workers, console, on_failure=mark)
    states = [state(cell.config, layout) for cell in cells]
    old = [cell for cell, found in zip(cells, states, strict=True) if found == "failed"]
    if set(states) == {"done"}:
        forks.clear(layout.forks)
    if failures or old:
        now = (f"{len(failures)} tasks failed now", "red")
        console.print(text(now, f", {len(old)} runs stay failed:"))
        for title, message in failures:
            console.print(text(f"  {title}: {message}", lines=True))
        console.print(text(f"What the workers printed is in {layout.logs}. {_mend(len(old))}"))
    return len(failures) + len(old)


def _mend(lasting: int) -> str:
    again = "The same command tries again what failed now and is not marked as failed."
    return "--action=retry takes up failed runs again." if lasting else again


def _mark_failed(task: pool.Task, event: Mapping[str, Any], layout: Layout) -> None:
    """Marks the runs of a task as failed that neither are done nor are so marked already."""
    for value in task.configs:
        config = from_json(value)
        if state(config, layout) not in ("done", "failed"):
            mark_failed(config, layout, message=event["message"], trace=event["trace"])


def _show(
    config: Mapping[str, Any],
    cells: Sequence[Cell],
    layout: Layout,
    console: Console,
    *,
    collecting: bool = False,
) -> int:
    """Shows the results, collected from the finished runs first or as they lie there.

    Returns:
        1 if runs are missing, else 0.

    Raises:
        InputError: if there are no results to be shown, or they are another configuration's.
    """
    from m4jax.report import results, show, studies  # here: importing what draws takes seconds

    if not collecting and not layout.results.exists():
        raise InputError(f"{layout.results}: no such file; run the study first")
    shown = 0
    with files.locked(layout.root / "locks" / "report"):
        done = [cell for cell in cells if state(cell.config, layout) == "done"]
        if collecting and done:
            files.sweep(layout.root, deep=False)
            with console.status("collecting results"):
                order = levels(config)
                found, how = collect.rows(done, order, layout), dict(evaluations(done))
                results.write(layout.results, found, order, how)
            _tell_of_left_out(done, layout, console)
        if done or not collecting:
            told = config.get("claims") or studies.DEFAULT
            shown = show.show(layout.root, console, runs=evaluations(cells), study=told)
    if shown < len(cells):
        console.print(
            f"{len(cells) - shown} of {len(cells)} runs are missing; --action=status lists them"
        )
    return int(shown < len(cells))


def evaluations(cells: Sequence[Cell]) -> set[tuple[str, str]]:
    """Returns the ids of the cells' runs, each with that of how it is to be evaluated."""
    return {(cell.config.id, evaluation_settings(cell.config)) for cell in cells}


def _tell_of_left_out(done: Sequence[Cell], layout: Layout, console: Console) -> None:
    """Says of how many runs bias along training is left out, since it was measured otherwise."""
    left_out = sum(collect.measured_otherwise(cell, layout) for cell in done if cell.config.track)
    if left_out:
        console.print(
            f"Bias along training of {left_out} runs was measured with other evaluation sets, "
            "prompts or resamples: it is left out. To measure it again, delete these runs' "
            "directories and run again."
        )


def _print_status(cells: Sequence[Cell], layout: Layout, console: Console) -> None:
    table = Table("run", "cell", "studies", "state", "step")
    counts: dict[str, int] = {}
    damage: dict[str, list[str]] = {}
    for cell in cells:
        found = unreadable(cell.config, layout)
        if found:
            damage[cell.config.id] = found
        condition = "damaged" if found else state(cell.config, layout)
        step = f"{_step(layout.run(cell.config))} of {cell.config.train.steps}"
        counts[condition] = counts.get(condition, 0) + 1
        table.add_row(
            cell.config.id, text(cell.name), text(", ".join(cell.studies)), condition, step
        )
    console.print(table)
    console.print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    if "trained" in counts:
        console.print(
            "trained: to the end, and to be evaluated as this configuration says; --action=run "
            "does it, without training."
        )
    if "done" not in counts and layout.results.exists():
        _tell_of_results(cells, layout, console)
    for run, names in damage.items():
        console.print(f"{run}: damaged, changed or missing: {', '.join(names)}")
    if damage:
        console.print("--action=run makes it again.")


def _tell_of_results(cells: Sequence[Cell], layout: Layout, console: Console) -> None:
    """Says how many runs there are results of, where the runs themselves aren't here: a copy."""
    from m4jax.report import results  # here: as in `_show`

    kept = set(results.read(layout.results).select(kind="run")["run_id"].tolist())
    count = len(kept & {cell.config.id for cell in cells})
    if count:
        console.print(
            f"results.parquet has the results of {count} of these {len(cells)} runs, without their "
            "folders: --action=figures shows them, --action=run trains them again."
        )


def _step(run_dir: Path) -> int | str:
    """Returns the last step in a run's log."""
    try:
        records = files.read_jsonl(run_dir / LOG)
    except InputError:
        return "?"
    return records[-1]["step"] if records else 0

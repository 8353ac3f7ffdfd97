"""A study from its configuration to tables and figures; it does what is missing."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from m4jax import files, limits
from m4jax.errors import InputError
from m4jax.grid import collect, cost, pool, tasks
from m4jax.grid.cells import Cell, expand, levels
from m4jax.progress import Display
from m4jax.run.config import from_json, looked_at_of
from m4jax.run.state import LOG, Layout, clear_failed, mark_failed, state, unreadable
from m4jax.terminal import text

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
        _check_directory(cells, layout)
        _print_status(cells, layout, console)
        return 0 if all(state(cell.config, layout) == "done" for cell in cells) else 1
    if action == "plan":
        _check_directory(cells, layout)
        return cost.show(cells, layout, workers=workers, console=console, flops_per_second=flops)
    if action == "figures":
        return _show(config, cells, layout, console)
    with files.locked(layout.root / "locks" / "config"):
        _check_directory(cells, layout)
        old = files.read_sealed(layout.config) if layout.config.exists() else {}
        described = _describe(cells)
        files.write_sealed(layout.config, old | described)
        if action == "retry":
            _forget_failures(cells, layout)
    failed = _run(cells, layout, workers, fleet, console)
    missing = _show(config, cells, layout, console, collecting=True)
    others = len(old.keys() - described.keys())
    if others:
        console.print(f"{others} more runs of the directory are no part of this configuration")
    return 1 if missing or failed else 0


def _forget_failures(cells: Sequence[Cell], layout: Layout) -> None:
    """Makes failed runs pending again, those of the filters' scorers too."""
    for cell in cells:
        for config in filter(None, (cell.config, cell.config.scorer)):
            clear_failed(config, layout)


def _run(cells: Sequence[Cell], layout: Layout, workers: int, fleet: int, console: Console) -> int:
    """Does what is missing; returns the number of tasks and runs that failed."""
    pending = tasks.pending(cells, layout, fleet=fleet)
    shares = {task.id: tasks.share(task) for task in pending}
    display = Display(console, shares, {task.id: task.title for task in pending})
    failures = []

    def report(task: pool.Task, event: dict[str, Any]) -> None:
        if event["event"] in ("failed", "skipped"):
            failures.append((task.title, event["message"]))
        if event["event"] == "failed" and event["lasting"] and task.kind in ("run", "fleet"):
            _mark_failed(task, event, layout)
        display.show(task.id, event)

    if pending:
        with display.live():
            pool.run(
                pending,
                root=layout.root,
                workers=workers,
                report=report,
                state=functools.partial(tasks.state_of, layout=layout),
            )
    old = [cell for cell in cells if state(cell.config, layout) == "failed"]
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
    from m4jax.report import results, show  # here: importing what draws takes seconds

    if not collecting and not layout.results.exists():
        raise InputError(f"{layout.results}: no such file; run the study first")
    shown = 0
    with files.locked(layout.root / "locks" / "report"):
        done = [cell for cell in cells if state(cell.config, layout) == "done"]
        if collecting and done:
            files.sweep(layout.root, deep=False)
            with console.status("collecting results"):
                order = levels(config)
                results.write(layout.results, collect.rows(done, order, layout), order)
            _tell_of_left_out(done, layout, console)
        if done or not collecting:
            shown = show.show(layout.root, console, runs={cell.config.id for cell in cells})
    if shown < len(cells):
        console.print(
            f"{len(cells) - shown} of {len(cells)} runs are missing; --action=status lists them"
        )
    return int(shown < len(cells))


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
    for run, names in damage.items():
        console.print(f"{run}: damaged, changed or missing: {', '.join(names)}")
    if damage:
        console.print("--action=run makes it again.")


def _step(run_dir: Path) -> int | str:
    """Returns the last step in a run's log."""
    try:
        records = files.read_jsonl(run_dir / LOG)
    except InputError:
        return "?"
    return records[-1]["step"] if records else 0


def _describe(cells: Sequence[Cell]) -> dict[str, Any]:
    """Returns the resolved grid as JSON values."""
    described = {cell.name: cell.config.to_json() for cell in cells}
    return json.loads(json.dumps(described))


def _check_directory(cells: Sequence[Cell], layout: Layout) -> None:
    """Raises `InputError` if the directory has a cell as another run, naming the differences."""
    if not layout.config.exists():
        return
    old, new = files.read_sealed(layout.config), _describe(cells)
    shared = [name for name in new if name in old]
    old, new = (_flat({name: grid[name] for name in shared}) for grid in (old, new))
    # How runs are evaluated may change: they are then evaluated again.
    looked_at = {
        f"/{c.config.source.kind}/{x}" for c in cells for x in looked_at_of(c.config.source)
    }
    differing = [
        key
        for key in {**old, **new}
        if old.get(key) != new.get(key)
        and "/evaluate/" not in key
        and not any(key.endswith(name) for name in looked_at)
    ]
    if differing:
        lines = "".join(
            f"\n  {key}: {old.get(key)!r} there, {new.get(key)!r} here" for key in differing[:5]
        )
        more = f"\n  and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise InputError(
            f"{layout.root} was made by another configuration; choose another --workdir, or "
            f"delete it.{lines}{more}"
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Returns the leaves of nested mappings by their path."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {k: v for name in value for k, v in _flat(value[name], f"{path}/{name}").items()}

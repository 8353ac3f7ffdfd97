"""A study from its configuration to tables and figures; it does what is missing."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from m4jax import files
from m4jax.data import testbed, weights
from m4jax.errors import InputError
from m4jax.study import pool
from m4jax.study.cells import Cell, expand
from m4jax.study.layout import Layout
from m4jax.study.progress import Display

ACTIONS = ("run", "retry", "status", "figures")
# Rough shares of the work, in examples: composing a picture costs about as much as training on one.
EVALUATION_EXAMPLES = 5_000


def main(
    config: Mapping[str, Any], *, workdir: str, action: str, workers: int, console: Console
) -> int:
    """Carries out an action on a study; returns the exit code: 0 only if every cell is done.

    Args:
      config: of the grid; see `cells.expand`.
      workdir: the study's directory; it belongs to one configuration.
      action: "run" does what is missing, then shows the results; "retry" does the same and takes
        failed cells up again; "status" lists the cells; "figures" rebuilds what is shown.
      workers: number of worker processes.
      console: where to tell about it.

    Raises:
      InputError: for a bad configuration, a directory of another one, or one that is in use.
    """
    if action not in ACTIONS:
        raise InputError(f"--action: expected one of {', '.join(ACTIONS)}, got {action!r}")
    if not workdir or Path(workdir).is_file():
        raise InputError(f"--workdir: expected a directory, got {workdir!r}")
    cells, layout = expand(config), Layout(Path(workdir).absolute())
    if action == "status":
        _check_directory(cells, layout)
        _print_status(cells, layout, console)
        return 0 if all(state(cell, layout) == "done" for cell in cells) else 1
    with files.locked(layout.root / "locks" / "study", wait=False):
        _check_directory(cells, layout)
        files.write_json(layout.config, _describe(cells))
        if action == "retry":
            for cell in cells:
                (layout.run(cell.config) / "FAILED.json").unlink(missing_ok=True)
        failed = 0
        if action != "figures":
            failed = _run(cells, layout, workers, console)
        missing = sum(state(cell, layout) != "done" for cell in cells)
        _report(cells, layout, console)
        if missing and not failed:
            console.print(f"{missing} of {len(cells)} runs are missing; --action=status lists them")
        return 1 if missing or failed else 0


def state(cell: Cell, layout: Layout) -> str:
    """Returns how far a cell is: done, failed, started or pending."""
    folder = layout.run(cell.config)
    # A file that was deleted, because it was damaged say, is made again.
    if all((folder / name).exists() for name in ("DONE", "eval.jsonl", "predictions.npz")):
        return "done"
    for name, meaning in (("FAILED.json", "failed"), ("config.json", "started")):
        if (folder / name).exists():
            return meaning
    return "pending"


def plan(cells: Sequence[Cell], layout: Layout) -> list[pool.Task]:
    """Returns the tasks that are still to be done, with what each needs."""
    tasks: dict[str, pool.Task] = {}
    for cell in cells:
        config, needs = dataclasses.asdict(cell.config), []
        world = f"world-{cell.config.world.id}"
        if not testbed.is_prepared(cell.config.world, layout.data):
            title = f"testbed for {cell.version}"
            tasks.setdefault(world, pool.Task(world, "world", title, config))
            needs.append(world)
        if cell.config.balance and not weights.is_written(layout.weights(cell.config)):
            name = f"weights-{cell.config.weights_id}"
            title = f"weights for {cell.version}"
            tasks.setdefault(name, pool.Task(name, "weights", title, config, tuple(needs)))
            needs.append(name)
        # Worlds and weights are also needed to show the results of runs that are done.
        if state(cell, layout) not in ("done", "failed"):
            name = cell.config.id
            tasks[name] = pool.Task(name, "run", cell.name, config, tuple(needs))
    # The worlds first: all else waits for them.
    return sorted(tasks.values(), key=lambda task: task.kind != "world")


def _run(cells: Sequence[Cell], layout: Layout, workers: int, console: Console) -> int:
    """Does what is missing; returns the number of tasks that failed."""
    tasks = plan(cells, layout)
    display = Display(console, {task.id: _cost(task) for task in tasks})
    by_id = {cell.config.id: cell for cell in cells}
    failures = []

    def report(task: pool.Task, event: dict[str, Any]) -> None:
        if event["event"] in ("failed", "skipped"):
            failures.append((task.title, event["message"]))
        if event["event"] == "failed" and event["lasting"] and task.id in by_id:
            folder = layout.run(by_id[task.id].config)
            files.write_json(folder / "FAILED.json", {k: event[k] for k in ("message", "trace")})
        display.show(task, event)

    if tasks:
        with display.live():
            pool.run(tasks, root=layout.root, workers=workers, report=report)
    old = [cell for cell in cells if state(cell, layout) == "failed"]
    if failures or old:
        console.print(f"[red]{len(failures)} tasks failed now[/], {len(old)} runs stay failed:")
        for title, message in failures:
            console.print(f"  {title}: {message}", markup=False)
        console.print(
            f"What the workers printed is in {layout.logs}; when the cause is mended, the same "
            "command goes on, and --action=retry takes up failed runs again."
        )
    return len(failures) + len(old)


def _cost(task: pool.Task) -> float:
    config = task.config
    if task.kind == "world":
        return config["world"]["examples"] + EVALUATION_EXAMPLES
    if task.kind == "weights":
        return EVALUATION_EXAMPLES / 10
    return config["train"]["steps"] * config["train"]["batch_size"] + EVALUATION_EXAMPLES


def _report(cells: Sequence[Cell], layout: Layout, console: Console) -> None:
    """Writes results.parquet, tables and figures from the finished cells, and prints the gist."""
    done = [cell for cell in cells if state(cell, layout) == "done"]
    if not done:
        return
    from m4jax.study import collect, figures, findings, results, tables  # seconds of imports

    with console.status("collecting results, drawing figures"):
        results.write(layout.results, collect.rows(cells, done, layout))
        table = results.read(layout.results)
        tables.write(table, layout.tables)
        figures.render(table, layout.figures)
    sentences = findings.sentences(table)
    files.write_text(layout.root / "findings.txt", "\n".join(sentences) + "\n")
    tables.show(table, console, done=len(done), total=len(cells))
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    console.print(f"\nFigures: {layout.figures}\nTables:  {layout.tables}", highlight=False)


def _print_status(cells: Sequence[Cell], layout: Layout, console: Console) -> None:
    table = Table("run", "version", "seed", "state", "step")
    for cell in cells:
        records = files.read_jsonl(layout.run(cell.config) / "metrics.jsonl")
        step = f"{records[-1]['step'] if records else 0} of {cell.config.train.steps}"
        condition = state(cell, layout)
        table.add_row(cell.config.id, cell.version, str(cell.seed), condition, step)
    console.print(table)


def _describe(cells: Sequence[Cell]) -> dict[str, Any]:
    """Returns the resolved grid as JSON values."""
    described = {f"{c.version}/seed {c.seed}": dataclasses.asdict(c.config) for c in cells}
    return json.loads(json.dumps(described))


def _check_directory(cells: Sequence[Cell], layout: Layout) -> None:
    """Raises `InputError` if the directory belongs to another configuration, naming differences."""
    if not layout.config.exists():
        return
    old, new = _flat(files.read_json(layout.config)), _flat(_describe(cells))
    differing = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if differing:
        lines = [f"\n  {k}: {old.get(k)!r} there, {new.get(k)!r} here" for k in differing[:5]]
        shown = "".join(lines)
        more = f"\n  and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise InputError(
            f"{layout.root} was made by another configuration; choose another --workdir, or "
            f"delete it.{shown}{more}"
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Returns the leaves of nested mappings by their path."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {k: v for name in value for k, v in _flat(value[name], f"{path}/{name}").items()}

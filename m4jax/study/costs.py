"""`--action=plan`: what a grid consists of, what of it is done, and what the rest will cost."""

import dataclasses
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from m4jax.data import testbed
from m4jax.study import pool, rates
from m4jax.study.cells import Cell
from m4jax.study.layout import Layout
from m4jax.study.progress import Display
from m4jax.study.states import is_done


def show(cells: Sequence[Cell], layout: Layout, *, workers: int, console: Console) -> int:
    """Prints the cells by study, their cost, and what is done; returns the exit code.

    The rate of every shape that is still needed is measured first, by a short run of it in one of
    `workers` processes; it is kept in the directory.
    """
    left = [cell for cell in cells if not is_done(cell.config, layout)]
    _measure(left, layout, workers, console)
    known = {rates.shape(c.config): rates.read(layout, c.config) for c in cells}
    known = {shape: rate for shape, rate in known.items() if rate}
    table = Table("study", "runs", "done", "examples left", "FLOPs left", "hours of one process")
    for study in dict.fromkeys(name for cell in cells for name in cell.studies):
        of_study = [cell for cell in cells if study in cell.studies]
        table.add_row(*_row(study, of_study, left, known))
    table.add_section()
    table.add_row(*_row("all, shared runs once", cells, left, known))
    console.print(table)
    total = rates.totals([cell.config for cell in left], known)
    worlds = {c.config.world.id: c.config.world for c in left}
    pictures = sum(w.examples for w in worlds.values() if not testbed.is_prepared(w, layout.data))
    if total["seconds"] is None:
        console.print("The rate of some shapes could not be measured; see the workers' logs.")
        return 1
    composing = pictures * max((rate.picture for rate in known.values()), default=0.0)
    hours = (total["seconds"] + composing) / 3600
    console.print(
        f"{len(left)} of {len(cells)} runs are to be done: {hours:.2f} hours of one process"
        f" ({composing / 3600:.2f} of them for {pictures:,} training pictures), "
        f"{hours / workers:.2f} hours with {workers} "
        f"{'processes' if workers > 1 else 'process'}.",
        highlight=False,
    )
    return 0


def _measure(left: Sequence[Cell], layout: Layout, workers: int, console: Console) -> None:
    shapes = {rates.shape(cell.config): cell for cell in left}
    tasks = [
        pool.Task(f"rate-{shape}", "rate", f"rate of {', '.join(cell.told) or 'the default'}",
                  (dataclasses.asdict(cell.config),))
        for shape, cell in shapes.items()
        if rates.read(layout, cell.config) is None
    ]  # fmt: skip
    display = Display(console, {task.id: 1.0 for task in tasks})
    if tasks:
        with display.live():
            pool.run(tasks, root=layout.root, workers=workers, report=display.show)


def _row(name: str, cells: Sequence[Cell], left: Sequence[Cell], known) -> list[str]:
    open_ = [cell.config for cell in cells if cell in left]
    total = rates.totals(open_, known)
    hours = "–" if total["seconds"] is None else f"{total['seconds'] / 3600:.2f}"
    return [
        name,
        str(len(cells)),
        str(len(cells) - len(open_)),
        f"{total['examples']:,}",
        f"{total['flops']:.2e}",
        hours,
    ]

"""`--action=plan`: what a grid consists of, what of it is done, and what the rest will cost."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from m4jax.grid import pool, rates
from m4jax.grid.cells import Cell
from m4jax.progress import Display
from m4jax.run.layout import Layout
from m4jax.run.state import is_done


def show(
    cells: Sequence[Cell], layout: Layout, *, workers: int, console: Console, flops: float = 0.0
) -> int:
    """Prints the cells by study, their cost, and what is done; returns the exit code.

    The rate of every shape that is still needed is measured first, by a short run of it in one of
    `workers` processes; it is kept in the directory. Fleets are faster than that. Where the device
    that is to do the work is not at hand, `flops` says what it does: floating-point operations a
    second, sustained.
    """
    left = [cell for cell in cells if not is_done(cell.config, layout)]
    if not flops:
        _measure(left, layout, workers, console)
    known = {rates.shape(c.config): rates.read(layout, c.config) for c in cells}
    known = {shape: rate for shape, rate in known.items() if rate}
    one = "device" if flops else "process"
    table = Table("study", "runs", "done", "examples left", "FLOPs left", f"hours of one {one}")
    for study in dict.fromkeys(name for cell in cells for name in cell.studies):
        of_study = [cell for cell in cells if study in cell.studies]
        table.add_row(*_row(study, of_study, left, known, flops))
    table.add_section()
    table.add_row(*_row("all, shared runs once", cells, left, known, flops))
    console.print(table)
    total = rates.totals([cell.config for cell in left], known, flops)
    if flops:
        console.print(
            f"{len(left)} of {len(cells)} runs are to be done: {total['seconds'] / 3600:,.0f} hours"
            f" of a device that does {flops:.3g} floating-point operations a second, for training "
            "alone.",
            highlight=False,
        )
        return 0
    data = {source.id: source for source in (c.config.source for c in left)}
    pictures = sum(s.composed for s in data.values() if not s.is_prepared(layout.data))
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
                  (cell.config.to_json(),))
        for shape, cell in shapes.items()
        if rates.read(layout, cell.config) is None
    ]  # fmt: skip
    display = Display(console, {task.id: 1.0 for task in tasks})
    if tasks:
        with display.live():
            pool.run(tasks, root=layout.root, workers=workers, report=display.show)


def _row(name: str, cells: Sequence[Cell], left: Sequence[Cell], known, flops: float) -> list[str]:
    open_ = [cell.config for cell in cells if cell in left]
    total = rates.totals(open_, known, flops)
    hours = "–" if total["seconds"] is None else f"{total['seconds'] / 3600:,.2f}"
    return [
        name,
        str(len(cells)),
        str(len(cells) - len(open_)),
        f"{total['examples']:,}",
        f"{total['flops']:.2e}",
        hours,
    ]

r"""The confirmation: a registered study, run seed by seed, shown by none of its actions.

    python -m experiments.confirmation --config=configs/confirmation.py --workdir=runs/confirmation

does what is missing and shows no result. Interrupted, the same command goes on; the results of
every whole seed are kept in `--out`, so that the workdir may go. `--action=gather` keeps those of
the seeds that are whole by now, while runs go on; `--action=plan` says what it costs.

`--action=report`, once all seeds are whole, writes `claims.md`, `figures` and `tables` into `--out`
from the results that are kept there. It refuses results of another registration, and less than all
seeds, but for the one exception of the registration's stopping rule: with `--ended`, which says
that no more seeds can be run, twelve are enough, and the report says how many there are.

`--action=again`, in a workdir of its own, runs ten cells of seeds that are whole once more, drawn
by their ids, and writes `tables/again.csv`: how far each metric is from what is kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.errors import InputError
from m4jax.grid import again, cost, registered
from m4jax.grid.cells import expand, levels
from m4jax.run.state import Layout

_ACTIONS = ("run", "gather", "plan", "report", "again")
_ACTION = flags.DEFINE_enum("action", "run", _ACTIONS, "See above.")
_WORKERS = flags.DEFINE_integer("workers", 0, "Worker processes; 0: one a core.", lower_bound=0)
_ENDED = flags.DEFINE_bool(
    "ended", False, "With --action=report: no more seeds can be run; twelve or more are enough."
)
_CELLS = flags.DEFINE_integer("cells", 10, "With --action=again: how many.", lower_bound=1)
_DRAW = flags.DEFINE_integer("draw", 17, "With --action=again: by which they are drawn.")
_OUT = flags.DEFINE_string("out", "results/confirmation", "Where results and report are kept.")


def main(console: Console) -> int:
    """Carries out the action; 0 only if nothing is missing."""
    grid, registration = registered.split(command.config())
    out = Path(_OUT.value).absolute()
    if _ACTION.value == "report":
        return _report(grid, registration, out, console)
    layout = Layout(command.workdir())
    workers = _WORKERS.value or command.default_workers()
    if _ACTION.value == "again":
        return _again(grid, registration, layout, out, workers=workers, console=console)
    todo = registered.missing(grid, out)
    cells = expand(grid | {"seeds": tuple(todo)}) if todo else []
    if _ACTION.value == "plan":
        if not cells:
            raise InputError(f"{out}: all seeds are there; nothing is left to be planned")
        return cost.show(cells, layout, workers=workers, console=console)
    failed = 0
    if _ACTION.value == "gather":
        registered.gather(cells, levels(grid), registration, layout, out)
    else:
        failed = registered.run(grid, registration, layout, out, workers=workers, console=console)
    absent = registered.missing(grid, out)
    console.print(f"{len(grid['seeds']) - len(absent)} of {len(grid['seeds'])} seeds are whole")
    return int(bool(failed or absent))


def _report(grid: Mapping[str, Any], registration: str, out: Path, console: Console) -> int:
    """Writes the report; returns 0."""
    from m4jax.report import show, studies  # here: importing what draws takes seconds

    whole = registered.read(grid, registration, out, ended=_ENDED.value)
    total, absent = len(grid["seeds"]), len(registered.missing(grid, out))
    part = f"{total - absent} of {total} seeds, no more could be run" if absent else ""
    study = grid.get("claims") or studies.DEFAULT
    show.registered(whole, out, console, study=study, part=part)
    return 0


def _again(
    grid: Mapping[str, Any],
    registration: str,
    layout: Layout,
    out: Path,
    *,
    workers: int,
    console: Console,
) -> int:
    """Runs some cells again and says how far they are from what is kept; returns 0."""
    from m4jax.report import results

    rows = again.run(
        grid, registration, layout, out,
        count=_CELLS.value, draw=_DRAW.value, workers=workers, console=console,
    )  # fmt: skip
    path = out / "tables" / "again.csv"
    results.write_csv(path, rows)
    numbers, equal = (sum(row[name] for row in rows) for name in ("numbers", "equal"))
    worst = max(rows, key=lambda row: row["largest"])
    console.print(
        f"{_CELLS.value} runs again: {equal:,} of {numbers:,} numbers equal; largest difference "
        f"{worst['largest']:.2g}, of {worst['metric']} ({worst['split']}): {path}"
    )
    return 0


if __name__ == "__main__":
    command.run(main)

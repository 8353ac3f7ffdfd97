r"""The confirmation: a registered study, run seed by seed, shown by none of its actions.

    python -m experiments.confirmation --config=configs/confirmation.py --workdir=runs/confirmation

does what is missing and shows no result. Interrupted, the same command goes on; the results of
every whole seed are kept in `--out`, so that the workdir may go. `--action=gather` keeps those of
the seeds that are whole by now, while runs go on; `--action=plan` says what it costs.
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.errors import InputError
from m4jax.grid import cost, registered
from m4jax.grid.cells import expand, levels
from m4jax.run.state import Layout

_ACTION = flags.DEFINE_enum("action", "run", ("run", "gather", "plan"), "See above.")
_WORKERS = flags.DEFINE_integer("workers", 0, "Worker processes; 0: one a core.", lower_bound=0)
_OUT = flags.DEFINE_string("out", "results/confirmation", "Where results and report are kept.")


def main(console: Console) -> int:
    """Carries out the action; 0 only if nothing is missing."""
    grid, registration = registered.split(command.config())
    layout, out = Layout(command.workdir()), Path(_OUT.value).absolute()
    workers = _WORKERS.value or command.default_workers()
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


if __name__ == "__main__":
    command.run(main)

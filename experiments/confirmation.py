r"""The confirmation: a registered study, run seed by seed, shown by none of its actions.

    python -m experiments.confirmation --config=configs/confirmation.py --workdir=runs/confirmation

does what is missing and shows no result. Interrupted, the same command goes on; the results of
every whole seed are kept in `--out`, so that the workdir may go. `--action=gather` keeps those of
the seeds that are whole by now, while runs go on, and says how many runs the others lack.
`--action=plan` says what is still to be done, and what it costs.

`--action=report`, once all seeds are whole, writes `claims.md`, `figures` and `tables` into `--out`
from the results that are kept there. It refuses results of another registration, and less than all
seeds, but for the one exception of the registration's stopping rule: with `--ended`, which says
that no more seeds can be run, twelve are enough, and the report says how many there are.

`--action=again`, in a workdir of its own, runs ten cells of seeds that are whole once more, drawn
by their ids, and writes `tables/again.csv`: how far each metric is from what is kept.
"""

from collections.abc import Mapping
from pathlib import Path

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.errors import InputError
from m4jax.grid import again, cost, registered
from m4jax.grid.registered import Registered
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
    study = registered.of(command.config(), Path(_OUT.value).absolute())
    if _ACTION.value == "report":
        return _report(study, console)
    layout = Layout(command.workdir())
    workers = _WORKERS.value or command.default_workers()
    if _ACTION.value == "again":
        return _again(study, layout, workers, console)
    if _ACTION.value == "plan":
        cells = study.cells(study.missing)
        if not cells:
            raise InputError(f"{study.out}: all seeds are there; nothing is left to be planned")
        return cost.show(cells, layout, workers=workers, console=console)
    failed = 0
    if _ACTION.value == "gather":
        left = registered.gather(study, study.cells(study.missing), layout)
        _tell_of_left(left, console)
    else:
        failed = registered.run(study, layout, workers=workers, console=console)
    console.print(f"{len(study.whole)} of {len(study.grid['seeds'])} seeds are whole")
    return int(bool(failed or study.missing))


def _tell_of_left(left: Mapping[int, int], console: Console) -> None:
    """Says which seeds were not gathered, since runs of them are still to be done."""
    lacking = [f"{seed}: {count}" for seed, count in left.items() if count]
    if lacking:
        console.print(
            "Only whole seeds are gathered. Runs that are still to be done, by seed: "
            f"{', '.join(lacking)}"
        )


def _report(study: Registered, console: Console) -> int:
    """Writes the report; returns 0."""
    from m4jax.report import show, studies  # here: importing what draws takes seconds

    whole = registered.read(study, ended=_ENDED.value)
    there, total = len(study.whole), len(study.grid["seeds"])
    part = f"{there} of {total} seeds, no more could be run" if there < total else ""
    told = study.grid.get("claims") or studies.DEFAULT
    show.registered(whole, study.out, console, study=told, part=part)
    return 0


def _again(study: Registered, layout: Layout, workers: int, console: Console) -> int:
    """Runs some cells again and says how far they are from what is kept; returns 0."""
    from m4jax.report import results

    rows = again.run(
        study, layout, count=_CELLS.value, draw=_DRAW.value, workers=workers, console=console
    )
    path = study.out / "tables" / "again.csv"
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

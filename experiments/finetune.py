r"""The study of a limited retraining, from models that are there to a table before and after.

    python -m experiments.finetune --config=configs/finetune.py --workdir=runs/finetune

Interrupted, the same command does the rest. `--action=show` makes tables and figures from
`results.parquet` alone, `--action=choose` ends after the choice of the learning rate.
"""

from typing import Any

from absl import flags
from rich.console import Console

from experiments import command
from experiments.finetuning import choosing, made, pictures, runs, show, table
from experiments.finetuning.settings import TuneConfig
from m4jax import settings
from m4jax.errors import InputError
from m4jax.evaluation.prompts import load as load_prompts
from m4jax.run import model
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout

_ACTION = flags.DEFINE_enum("action", "run", ("run", "choose", "show"), "What to do; see above.")
_WORKERS = flags.DEFINE_integer("workers", 0, "Worker processes; 0: one a core.", lower_bound=0)
RESULTS_TABLE = "results.parquet"


def main(console: Console) -> int:
    """Carries out the action."""
    config, workdir = command.config(), command.workdir()
    given = config.pop("tuning", {})
    tuning = settings.record(TuneConfig, given, "config.tuning", "configs/finetune.py")
    if _ACTION.value == "show":
        show.write(workdir, table.read(workdir / RESULTS_TABLE), tuning)
        return 0
    layout, workers = Layout(workdir), _WORKERS.value or command.default_workers()
    bases = runs.Bases(config, layout)
    if len(bases.seeds) < 2:
        raise InputError("config.seeds: expected the one that chooses the rate, and others")
    if runs.train_bases(bases.cells, layout, workers, console):
        return 1
    first, *confirming = bases.seeds
    rate = choosing.choose(bases, first, tuning, workers, console)
    if rate is None or _ACTION.value == "choose":
        return int(rate is None)
    by_seed = {seed: runs.conditions(bases, seed, rate, tuning) for seed in confirming}
    # By condition: runs of one shape one after another compile once.
    named = {(name, seed): by_seed[seed][name] for name in by_seed[confirming[0]]
             for seed in confirming}  # fmt: skip
    titles = {f"{name}, seed {seed}": run for (name, seed), run in named.items()}
    if runs.train(titles, layout, workers, console):
        return 1
    with console.status("what is made without training"):
        rows = _rows(bases, named, confirming, tuning)
    table.write(workdir / RESULTS_TABLE, rows)
    _write_for_audit(bases, named[f"{runs.BALANCED} {tuning.tested}", confirming[0]])
    show.write(workdir, table.read(workdir / RESULTS_TABLE), tuning)
    console.print(f"Written: {workdir / 'README.md'}")
    return 0


def _write_for_audit(bases: runs.Bases, tuned: RunConfig) -> None:
    """Writes pictures and the folder of a tuned model: what experiments.audit compares."""
    layout, prompts = bases.layout, load_prompts(tuned.evaluate.prompts)
    pictures.write(layout.root / "pictures", tuned.source.evaluation(layout.data), prompts)
    folder = layout.root / "folders" / "tuned"
    if not (folder / "config.json").exists():
        model.export(tuned, layout, folder, model.HUGGING_FACE)


def _rows(bases: runs.Bases, named, seeds, tuning: TuneConfig) -> list[dict[str, Any]]:
    """Returns the rows of `results.parquet`."""
    rows = []
    for (name, seed), run in named.items():
        found = table.shown(choosing.results(bases.layout, run))
        rows += [{"condition": name, "seed": seed, "run_id": run.id, **row} for row in found]
    longest = f"{runs.BALANCED} {max(tuning.steps)}"
    for seed in seeds:
        for name, results in made.made(bases, seed, named[longest, seed], tuning):
            of = {"condition": name, "seed": seed, "run_id": named[longest, seed].id}
            rows += [of | row for row in table.shown(results)]
    return rows


if __name__ == "__main__":
    command.run(main)

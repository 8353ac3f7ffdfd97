"""Evaluates the model that experiments.train left in the same directory.

    python -m experiments.evaluate --config=configs/base.py --workdir=runs/train

The numbers come with their 95% bootstrap intervals. Prompts, resamples and the pictures to evaluate
on are no part of the run: with other ones the same model is evaluated. Whatever else `train` was
given (fields, `--init_from`) names the run, here too.
"""

import functools

from rich.console import Console
from rich.table import Table

from experiments import command, single
from m4jax import files, progress
from m4jax.run.evaluate import evaluate_run
from m4jax.run.state import RESULTS


def main(console: Console) -> int:
    """Evaluates and prints every number that is not about a single occupation."""
    config, layout = single.run_and_layout()
    stage = functools.partial(evaluate_run, config, layout)
    progress.run_stages(console, {"evaluate": stage})
    table = Table("split", "metric", "value", "95% interval", "n")
    for row in files.read_jsonl(layout.run(config) / RESULTS):
        if not row["label"]:
            value, low, high = (_number(row[name]) for name in ("value", "ci_low", "ci_high"))
            table.add_row(row["split"], row["metric"], value, f"{low} to {high}", str(row["n"]))
    console.print(table)
    return 0


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    command.run(main)

"""Evaluates the model that experiments.train left in the same directory.

    python -m experiments.evaluate --config=configs/base.py --workdir=runs/train

The numbers come with their 95% bootstrap intervals.
"""

from rich.console import Console
from rich.table import Table

from experiments import command, single
from m4jax import files


def main(console: Console) -> int:
    """Evaluates and prints every number that is not about a single occupation."""
    config, layout = single.run(console, "evaluate")
    table = Table("split", "metric", "value", "95% interval", "n")
    for row in files.read_jsonl(layout.run(config) / "eval.jsonl"):
        if not row["label"]:
            value, low, high = (_number(row[name]) for name in ("value", "ci_low", "ci_high"))
            table.add_row(row["split"], row["metric"], value, f"{low} to {high}", str(row["n"]))
    console.print(table)
    return 0


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    command.run(main)

"""Balances a table of examples: parquet in; weights, certificate, tables and pictures out.

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balance

Weights that miss a constraint are refused, with the worst ones named. Interrupted at any point,
the same command goes on. For several machines with one disk: each runs it with --config.shards=K
--config.shard=I (0 to K - 1), which folds its share of the files; the same command without
--config.shard then does the rest.
"""

import functools
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, progress, tables

SHOWN = {
    "examples": "examples",
    "status": "status",
    "objective": "objective",
    "duality_gap": "duality gap",
    "keep_rate": "keep rate asked for",
    "kept": "kept",
    "effective_sample_size": "effective sample size",
    "weight_zero_share": "share of weights at 0",
    "weight_one_share": "share of weights at 1",
    "violation_max": "largest violation",
    "steps": "Newton steps",
    "passes": "exact passes over the examples",
}


def main(console: Console) -> int:
    """Carries out the stages that are not done yet; prints the certificate and where all lies."""
    config = tables.table_config(command.config())
    tell = functools.partial(console.print, soft_wrap=True)
    job = tables.Job(config, command.workdir(), tell)
    stages = {name: functools.partial(tables.STAGES[name], job) for name in tables.stages(config)}
    with files.locked(job.folder / f"lock.{config.shard or 0}", wait=False):
        if config.shards == 1:
            files.sweep(job.folder)
        progress.run_stages(console, stages)
    if config.shard is None:
        _show(console, job.folder)
    return 0


def _show(console: Console, folder: Path) -> None:
    certificate = tables.certificate(folder)
    table = Table("certificate", "")
    for name, title in SHOWN.items():
        if name in certificate:
            table.add_row(title, _text(certificate[name]))
    console.print(table)
    weights, shown = folder / "weights.parquet", f"{folder / 'tables'}, {folder / 'figures'}"
    console.print(f"Weights: {weights}", soft_wrap=True)
    console.print(f"Tables and figures: {shown}", soft_wrap=True)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"{int(value):,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command.run(main)

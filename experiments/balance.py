"""Balances a table of examples: parquet in; weights, certificate, tables and pictures out.

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balance

By default the share of each attribute, among all and within each label, is brought within 5 points
of 50%, and as much of the data is kept as that allows. Exit codes follow the verdicts:

    0  all that was asked for holds
    1  something does not (with --config.allow_violations), or a bound asks for nothing
    2  bad input, or no weights do what was asked; none are written
    3  all holds that the data can decide, but there are labels that it can't (only men among the
       cooks, say): they are left as they are. --config.one_sided=keep accepts that, and =drop
       gives their examples weight 0; the code is 0 then

Interrupted at any point, the same command goes on. On many machines: --config.engine=beam, see
m4jax/tables/beam/README.md.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments import balance_report, command
from m4jax import files, progress, tables
from m4jax.tables import outcome, solving, subgroups
from m4jax.tables.config import TELL

SHOWN = {
    "status": "status",
    "objective": "objective",
    "duality_gap": "duality gap",
    "keep_rate": "keep rate asked for",
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
    job, works = tables.job(config, command.workdir(), tell)
    stages = {name: functools.partial(works[name], job) for name in tables.stages(config)}
    with files.locked(job.folder / "lock", wait=False):
        files.sweep(job.folder)
        progress.run_stages(console, stages)
    certificate = tables.certificate(job.folder)
    if config.subgroups:
        balance_report.show_groups(console, subgroups.rows(job.groups))
    balance_report.show(console, config, certificate, solving.judged(job))
    _show(console, job.folder, certificate, config.beam_folder)
    accepted = config.one_sided != TELL
    return outcome.exit_code(certificate["verdicts"], accepted=accepted)


def _show(console: Console, folder: Path, certificate: Mapping[str, Any], beam_folder: str) -> None:
    table = Table("solver", "")
    for name, title in SHOWN.items():
        if name in certificate:
            table.add_row(title, _text(certificate[name]))
    console.print(table)
    weights, shown = tables.names(certificate), f"{folder / 'tables'}, {folder / 'figures'}"
    more = f" to {weights[-1]}" if len(weights) > 1 else ""
    console.print(f"Weights: {beam_folder or folder}/{weights[0]}{more}", soft_wrap=True)
    console.print(f"Tables and figures: {shown}", soft_wrap=True)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"{int(value):,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command.run(main)

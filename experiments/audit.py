"""Audits one's own pictures, captions, model or embeddings: a page, numbers, and a check.

    python -m experiments.audit --config=configs/audit.py --workdir=runs/audit \
        --config.data=photos --config.model=clip-vit-base-patch32

leaves `report.html`, a page that needs nothing else and can be sent on, `results.parquet`, a row
for every number, `audit.json`, what was measured, and a further entry of `history.parquet`. Of
stored embeddings, without any model:

    python -m experiments.audit --config=configs/audit.py --workdir=runs/audit \
        --config.embeddings=pictures.npz --config.texts="('texts.npz',)" --config.table=shown.csv

To watch, set limits, and name the folder of an earlier audit:

    --config.limits="(('gap', 'nurse', 0.05), ('representation_bias', '', 0.1))" --against=runs/old

Exit codes:

    0  all limits hold, or there are none
    1  one does not: the whole interval of its number is beyond it
    2  bad input
    3  it can't be told whether all hold: too few examples, or nothing is known

What else goes wrong (a full disk) ends with 1, too; `audit.json` has the code of the limits.
Interrupted at any point, the same command goes on.
"""

import functools
import shlex
import sys
from pathlib import Path

from absl import flags
from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, progress
from m4jax.audit.config import audit_config
from m4jax.audit.job import PAGE, Job
from m4jax.audit.outcome import limits
from m4jax.audit.stages import STAGES
from m4jax.errors import InputError
from m4jax.report.page import sentences
from m4jax.report.page.content import OUTSIDE, UNCLEAR, WITHIN, Change, Limit
from m4jax.report.page.numbers import writer
from m4jax.terminal import text

AGAINST = flags.DEFINE_string("against", None, "The --workdir of an earlier audit to compare with.")
COLOURS = {WITHIN: "green", OUTSIDE: "red", UNCLEAR: "yellow"}
MEANING = {
    0: "all limits hold",
    1: "a limit does not hold",
    3: "it can't be told whether all limits hold",
}
SHOWN = 20  # limits, changes


def main(console: Console) -> int:
    """Carries out the audit; prints what matters and where all lies."""
    config = audit_config(command.config())
    folder = command.workdir()
    job = Job(config, folder, _against(), _command(), functools.partial(_tell, console))
    stages = {name: functools.partial(work, job) for name, work in STAGES.items()}
    with files.locked(folder / "lock", wait=False):
        files.sweep(folder)
        progress.run_stages(console, stages)
    _show(console, job)
    code = limits.code(job.limits)
    more = ", with what to do next" if job.page.steps else ""
    console.print(f"Page{more}: {folder / PAGE}", soft_wrap=True)
    meaning = MEANING[code] if job.limits else "no limits were set, so nothing was judged"
    console.print(f"Exit code {code}: {meaning}.")
    return code


def _against() -> Path | None:
    if AGAINST.value is None:
        return None
    path = Path(AGAINST.value)
    if not path.is_dir() and path.absolute() != command.workdir():
        raise InputError(f"--against: {path}: no such folder; name the --workdir of an audit")
    return path.absolute()


def _command() -> str:
    return shlex.join(["python", "-m", "experiments.audit", *sys.argv[1:]])


def _tell(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


def _show(console: Console, job: Job) -> None:
    if job.page.nothing:
        console.print(job.page.nothing)
    for sentence in sentences.headline(job.page):
        console.print(f"• {sentence.text}")
    for sentence in job.data.sentences if job.data else ():
        console.print(f"• {sentence}")
    unknown = sentences.unknown(job.page)
    if unknown:
        console.print(f"Not known: {unknown[0]}" + (f" (and {len(unknown) - 1} more, on the page)"
                                                    if len(unknown) > 1 else ""))  # fmt: skip
    if job.limits:
        table = Table("limit", "of", "now", "")
        order = sorted(job.limits, key=lambda x: (OUTSIDE, UNCLEAR, WITHIN).index(x.outcome))
        for limit in order[:SHOWN]:
            table.add_row(limit.text, _of(limit), _now(limit),
                          text((limit.outcome, COLOURS[limit.outcome])))  # fmt: skip
        console.print(table)
        if len(order) > SHOWN:
            console.print(f"… and {len(order) - SHOWN:,} more, on the page")
    if job.before is not None:
        told = [one for one in job.changes if one.changed]
        console.print(
            f"Since {job.against}: {len(told):,} of {len(job.changes):,} numbers changed."
        )
        for one in told[:SHOWN]:
            console.print(f"  {_change(one)}")


def _of(limit: Limit) -> str:
    one = limit.measure
    return "" if one is None else " / ".join(x for x in (one.source, one.group, one.label) if x)


def _now(limit: Limit) -> str:
    one = limit.measure
    if one is None or not one.told:
        return "–"
    write = writer(one.metric, (one,))
    return f"{write.full(one.value)} ({write.between(one.low, one.high)}), n = {one.n:,}"


def _change(one: Change) -> str:
    write = writer(one.now.metric, (one.now, one.before))
    name = " / ".join(x for x in one.now.key[1:] if x)
    return f"{name}: {write.full(one.before.value)} → {write.full(one.now.value)}"


if __name__ == "__main__":
    command.run(main)

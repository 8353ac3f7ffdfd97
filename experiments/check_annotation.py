"""Checks an annotation by hand: a page with a sample first, then what the answers say.

    python -m experiments.check_annotation --config=configs/check_annotation.py \
        --workdir=runs/annotated

The workdir is that of `experiments.annotate`. Without answers there, it writes `check.html`: 200
examples drawn at random among those whose attribute is known, with what is to be answered of each
(who is shown, which labels apply, or unclear). Open it, answer, save the answers as `answers.csv` in
the workdir, and call the same command: it prints how often the annotation is right, and writes
`confusion.json`, from which `balance.posterior` bounds what is true of the data. The page holds the
pictures of the sample: keep it where they may be.
"""

from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, settings
from m4jax.audit import check_page, hand_check
from m4jax.audit.check_config import CheckConfig
from m4jax.audit.thumbnails import thumbnails
from m4jax.errors import InputError
from m4jax.files import parquet

FEW = 30  # answers, below which a share says little


def main(console: Console) -> int:
    """Writes the page, or reads the answers."""
    config = settings.record(
        CheckConfig, command.config(), "config", "configs/check_annotation.py"
    )
    folder = command.workdir()
    table = parquet.read(folder / "examples.parquet")
    facts = files.read_sealed(folder / "annotation.json")
    items = _sample(config, table, facts)
    path = Path(config.answers) if config.answers else folder / "answers.csv"
    if path.exists() or config.answers:
        return _read(console, folder, path, table, items)
    shown = thumbnails(config.files or tuple(facts.get("files", ())), config.side)
    wanted = {item.uid for item in items}
    pictures = shown(wanted) if config.pictures else {}
    digest = files.digest([[item.uid, [q.name for q in item.questions]] for item in items])
    check_page.write(folder / "check.html", items, pictures, digest=digest)
    console.print(f"To be checked: {folder / 'check.html'}", soft_wrap=True)
    console.print(f"{len(items):,} examples, {len(pictures):,} of them with their picture.")
    console.print(f"Save the answers as {path}, then call this again.", soft_wrap=True)
    return 0


def _sample(config: CheckConfig, table: pa.Table, facts: dict) -> list[hand_check.Item]:
    known = {name: tuple(options) for name, options in facts.get("attributes", {}).items()}
    if not known:
        raise InputError("annotation.json names no attributes; annotate again")
    chosen = config.attributes or tuple(known)
    for name in chosen:
        if name not in known:
            raise InputError(f"config.attributes: no {name!r}; it has {', '.join(known)}")
    others = [name for name in table.column_names if name not in ("uid", "caption", *known)]
    labels = config.labels or tuple(others)
    return hand_check.sample(
        table, {name: known[name] for name in chosen}, labels,
        number=config.sample, seed=config.seed,
    )  # fmt: skip


def _read(
    console: Console, folder: Path, path: Path, table: pa.Table, items: list[hand_check.Item]
) -> int:
    answers = hand_check.read_answers(path, items)
    found = hand_check.checked(table, items, answers)
    hand_check.write_confusion(folder / "confusion.json", found, answers=len(answers))
    shown = Table("column", "right of those annotated", "found of those that are", "unclear")
    attributes = {q.name for item in items for q in item.questions if q.options[1] != "no"}
    for one in found:
        rates = one.rates["sensitivity"] if one.name in attributes else None
        shown.add_row(one.name, _share(one.precision, one.confusion, 0), 
                      _share(rates, one.confusion, None) if rates else "", str(one.unclear))
    console.print(shown)
    complete = sum(all((i.uid, q.name) in answers for q in i.questions) for i in items)
    console.print(f"{complete:,} of {len(items):,} examples are answered in full.")
    console.print(f"Confusion matrices: {folder / 'confusion.json'}", soft_wrap=True)
    return 0

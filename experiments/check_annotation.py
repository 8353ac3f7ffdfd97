"""Checks an annotation by hand: a page with a sample first, then what the answers say.

    python -m experiments.check_annotation --config=configs/check_annotation.py \
        --workdir=runs/annotated

The workdir is that of `experiments.annotate`. Without answers there, it writes `check.html`: 200
examples drawn at random among those whose attribute is known, with what is to be answered of each
(who is shown, which labels apply, or unclear). Open it, answer, save the answers as `answers.csv`
in the workdir, and call the same command: it prints how often the annotation is right, and writes
`confusion.json`, from which `balance.posterior` bounds what is true of the data. The page holds the
pictures of the sample: keep it where they may be.
"""

from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, settings
from m4jax.audit.annotating import check_page, hand_check
from m4jax.audit.annotating.config import CheckConfig
from m4jax.audit.thumbnails import thumbnails
from m4jax.errors import InputError
from m4jax.files import parquet

LABEL = (hand_check.YES, hand_check.NO)
FEW = 30  # answers, below which a share says little


def main(console: Console) -> int:
    """Writes the page, or reads the answers."""
    config = settings.record(CheckConfig, command.config(), "config", "configs/check_annotation.py")
    folder = command.workdir()
    if not (folder / "examples.parquet").is_file():
        raise InputError(
            f"{folder}: no examples.parquet in it; give the --workdir of experiments.annotate"
        )
    table = parquet.read(folder / "examples.parquet")
    facts = files.read_sealed(folder / "annotation.json")
    items = _sample(config, table, facts)
    path = Path(config.answers) if config.answers else folder / "answers.csv"
    if path.exists() or config.answers:
        return _read(console, folder, path, table, items)
    paths = config.files or tuple(facts.get("files", ()))
    pictures = (
        thumbnails(paths, {item.uid for item in items}, config.side) if config.pictures else {}
    )
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
    labels = {q.name for item in items for q in item.questions if q.options == LABEL}
    for one in found:
        sensitivity = "" if one.name in labels else _share(*one.sensitivity)
        shown.add_row(one.name, _share(*one.precision), sensitivity, str(one.unclear))
    console.print(shown)
    complete = sum(all((i.uid, q.name) in answers for q in i.questions) for i in items)
    console.print(f"{complete:,} of {len(items):,} examples are answered in full.")
    console.print(f"Confusion matrices: {folder / 'confusion.json'}", soft_wrap=True)
    return 0


def _share(value: float, low: float, high: float, n: int) -> str:
    few = ", few" if n < FEW else ""
    return f"{value:.1%} [{low:.1%}, {high:.1%}] ({n:,}{few})" if n else "–"


if __name__ == "__main__":
    command.run(main)

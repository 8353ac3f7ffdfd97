"""Annotates captions by their words, pictures by a model: a table for balancing out.

    python -m experiments.annotate --config=configs/annotate.py --workdir=runs/annotated \
        --config.files="('captions_val2017.json',)"

reads csv, tsv, txt, json (COCO's), jsonl and parquet, gzipped or not, and pictures with captions: a
folder ("photos"), tar shards ("shards/*.tar"), parquet with pictures, a folder of Hugging Face's
`datasets`. Several captions of a picture are read as one text there. It writes `examples.parquet`
(uid, caption, a column for each attribute and label) and `annotation.json`, what was found. A model
tells what pictures show, and columns of your own what is known already:

    --config.files="('photos',)" --config.model=clip-vit-base-patch32
    --config.files="('people.parquet',)" --config.columns="(('man', 'sex', 'm'),)"

What any of them tells counts; where they disagree on an attribute it is unknown. A model errs: have
people check a sample by `experiments.check_annotation`. To balance the examples:

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balanced \
        --config.files="('runs/annotated/examples.parquet',)" --config.attributes="('man',)" \
        --config.labels="('occupation: nurse', 'occupation: doctor')"

On many machines (--config.engine=beam) the table is `examples-00000-of-00032.parquet` and so on;
see m4jax/tables/beam/README.md.
"""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, progress, settings
from m4jax.audit.annotating import several
from m4jax.audit.annotating.by_source import options
from m4jax.audit.annotating.config import SeveralConfig
from m4jax.audit.annotating.several import Annotated
from m4jax.data.annotation import Lexicon, load_lexicon
from m4jax.data.annotation.tables import BEAM, Found, annotate_files
from m4jax.errors import InputError
from m4jax.tables import engines

SHOWN = 15  # labels, and vetoes


def main(console: Console) -> int:
    """Annotates the examples, and prints what was found."""
    config = settings.record(SeveralConfig, command.config(), "config", "configs/annotate.py")
    folder = command.workdir()
    path = folder / "examples.parquet"
    with files.locked(folder / "lock", wait=False):
        lexicon = load_lexicon(config.lexicon)
        facts = {"lexicon": lexicon.version, "lexicon_digest": lexicon.digest}
        facts |= {"files": list(config.files), "attributes": options(lexicon)}
        if config.several:
            return _several(console, config, folder, facts)
        if config.engine == BEAM:
            annotate = engines.annotator()
            found, shards = annotate(config, config.beam_folder or str(folder))
            facts |= {"shards": shards}
            path = f"{config.beam_folder or folder}/{shards[0]['name']} to {shards[-1]['name']}"
        else:
            found = annotate_files(config, path)
        files.write_sealed(folder / "annotation.json", facts | found.facts())
    _show(console, found, path)
    return 0


def _several(console: Console, config: SeveralConfig, folder: Path, facts: dict[str, Any]) -> int:
    """Annotates by pictures or columns, with captions or without."""
    if config.engine == BEAM:
        raise InputError("config.engine=beam: annotates by the words of captions alone")
    found: list[Annotated] = []

    def work(step: progress.Progress) -> None:
        found.append(several.annotate_all(config, folder / "embeddings", console.print, step))

    progress.run_stages(console, {"annotate": work})
    path = folder / "examples.parquet"
    several.write(found[0], path)
    files.write_sealed(folder / "annotation.json", facts | found[0].facts())
    _show_several(console, found[0], load_lexicon(config.lexicon), path)
    return 0


def _show_several(console: Console, found: Annotated, lexicon: Lexicon, path: Path) -> None:
    names = options(lexicon)
    table = Table("told by", "attribute", "in examples", "of which")
    for source, told in found.told.items():
        for name, (one, zero) in ((n, told[n]) for n in names if n in told):
            of = f"{names[name][0]} {one:,}, {names[name][1]} {zero:,}"
            table.add_row(source, name, f"{one + zero:,}", of)
    console.print(table)
    for name, pairs in found.agreements.items():
        for (one, other), agreed in pairs.items():
            both = agreed.agree + agreed.differ
            share = f"{agreed.agree / both:.1%}" if both else "–"
            console.print(
                f"{name}: {one} and {other} both tell it of {both:,} and agree on {share}; {one} "
                f"alone {agreed.first:,}, {other} alone {agreed.second:,}"
            )
    labels = {n: x[0] for n, x in found.told_of_all.items() if n not in names}
    table = Table("commonest labels", "examples")
    for name, number in sorted(labels.items(), key=lambda x: -x[1])[:SHOWN]:
        table.add_row(name, f"{number:,}")
    console.print(table)
    for line in found.left_out[:SHOWN]:
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"Table: {path} ({len(found.table):,} examples)", soft_wrap=True)


def _show(console: Console, found: Found, path: Path | str) -> None:
    table = Table("of the captions", "number", "share")
    named = sum(found.values.values()) + sum(found.several.values())
    rows = {"all": found.captions} | {f"name {one} alone": n for one, n in found.values.items()}
    rows |= {f"name several of {one}": n for one, n in found.several.items()}
    if len(found.several) == 1:
        rows["name none"] = found.captions - named
    for name, number in rows.items():
        table.add_row(name, f"{number:,}", f"{number / found.captions:.1%}")
    console.print(table)
    for title, counts in (("labels", found.labels), ("vetoes", found.vetoes)):
        table = Table(f"commonest {title}", "captions")
        for name, number in counts.most_common(SHOWN):
            if number:
                table.add_row(name, f"{number:,}")
        console.print(table)
    console.print(f"Rows left out, for want of a text: {found.left_out:,}")
    for reason in found.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    console.print(f"Table: {path}", soft_wrap=True)


if __name__ == "__main__":
    command.run(main)

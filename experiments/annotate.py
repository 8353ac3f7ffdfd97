"""Annotates captions by their words: files of captions in, a table for balancing out.

    python -m experiments.annotate --config=configs/annotate.py --workdir=runs/annotated \
        --config.files="('captions_val2017.json',)"

reads csv, tsv, txt, json (COCO's), jsonl and parquet, gzipped or not, and pictures with captions: a
folder ("photos"), tar shards ("shards/*.tar"), parquet with pictures, a folder of Hugging Face's
`datasets`. Several captions of a picture are read as one text there. It writes `examples.parquet`
(uid, caption, a column for each attribute and label) and `annotation.json`, what was found. To
balance them:

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balanced \
        --config.files="('runs/annotated/examples.parquet',)" --config.attributes="('man',)" \
        --config.labels="('occupation: nurse', 'occupation: doctor')"

On many machines (--config.engine=beam) the table is `examples-00000-of-00032.parquet` and so on;
see m4jax/tables/beam/README.md.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import files, settings
from m4jax.data.annotation import load_lexicon
from m4jax.data.annotation.tables import BEAM, AnnotateConfig, Found, annotate_files
from m4jax.tables import engines

SHOWN = 15  # labels, and vetoes


def main(console: Console) -> int:
    """Annotates the captions, and prints what was found."""
    config = settings.record(AnnotateConfig, command.config(), "config", "configs/annotate.py")
    folder = command.workdir()
    path = folder / "examples.parquet"
    with files.locked(folder / "lock", wait=False):
        lexicon = load_lexicon(config.lexicon)
        facts = {"lexicon": lexicon.version, "lexicon_digest": lexicon.digest}
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

"""How well the annotator reads: precision, recall and confusion on captions labelled by reading.

    M4JAX_REAL=... python -m experiments.measure_annotation --config=configs/annotate.py \
        --workdir=results/annotation

reads `gold.csv` in the directory (source, row, stratum, and labels of two readings and their
reconciliation; no captions) and the captions below $M4JAX_REAL, see `SOURCES`. Writes `scores.csv`,
`confusion.csv`, `confusion.png` and, between its marks, the table of `README.md`. Within seconds.
"""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from experiments import annotation_scores, command, real_sources
from experiments.annotation_scores import CLASSES, COLUMNS, Row, entry, share
from m4jax import files
from m4jax.data import captions
from m4jax.data.annotation import Lexicon, load_lexicon
from m4jax.data.text import words
from m4jax.errors import InputError
from m4jax.report import style

LANGUAGES = ("de", "fr", "cs")  # translations of captions of Flickr30k: multi30k/dataset
HELD_OUT = 20_000  # the first line that the lexicons of these languages were not written with
MARKS = ("<!-- scores: written by experiments/measure_annotation.py -->", "<!-- end of scores -->")


def main(console: Console) -> int:
    """Measures, writes, and prints the table."""
    folder, lexicon = command.workdir(), load_lexicon(command.config()["lexicon"])
    rows = read(folder / "gold.csv", lexicon)
    scores = [*annotation_scores.scores(rows), *languages(lexicon)]
    confusion = annotation_scores.confusion(rows)
    _write(folder / "scores.csv", scores, COLUMNS)
    _write(folder / "confusion.csv", confusion, ("source", "stratum", "true", "said", "n"))
    with style.page():
        style.draw(draw(rows), folder / "confusion")
    table = markdown(scores, lexicon)
    fill(folder / "README.md", table)
    console.print(table, soft_wrap=True)
    return 0


def languages(lexicon: Lexicon) -> list[dict[str, Any]]:
    """Returns precision and recall of gender in translations, against the annotation in English.

    Line i of the four files tells of one picture. The lexicons were written with the lines before
    `HELD_OUT`.
    """
    folder = real_sources.root() / "captions" / "multi30k"
    english = _genders(real_sources.lines(folder / "train.en.gz"), lexicon)[HELD_OUT:]
    scores = []
    for name in LANGUAGES:
        texts = real_sources.lines(folder / f"train.{name}.gz")
        said = _genders(texts, load_lexicon(f"{name}_v1"))[HELD_OUT:]
        pairs = list(zip(english, said, strict=True))
        for measure, place in (("precision", 1), ("recall", 0)):
            right = share(pair[0] == pair[1] for pair in pairs if pair[place] != "none")
            scores.append(entry("gender", (name, "translated"), "named", measure, right))
    return scores


def _genders(captions: Sequence[str], lexicon: Lexicon) -> list[str]:
    """Returns whom each caption names, of `CLASSES`."""
    counts, _ = lexicon.mentions(captions)
    places = [lexicon.names.index(f"gender: {name}") for name in ("woman", "man")]
    named = counts[:, places] > 0
    return [("none", "woman", "man", "both")[i] for i in named @ [1, 2]]


def _captions(path: Path) -> list[str]:
    return [text for _, text in captions.read(path)]


def _flickr30k(root: Path) -> list[str]:
    """Five captions of a picture stand in five files: row 5 i + k is line i of file k + 1."""
    folder = root / "captions" / "multi30k"
    parts = [real_sources.lines(folder / f"train.{k}.en.gz") for k in range(1, 6)]
    return [text for five in zip(*parts, strict=True) for text in five]


def _coco(root: Path) -> list[str]:
    path = root / "captions" / "coco_captions_val2017.json.gz"
    return [text.strip() for text in _captions(path)]


def _cc(root: Path) -> list[str]:
    path = root / "captions" / "Validation_GCC-1.1.0-Validation.tsv.gz"
    return [text for _, text in captions.read(path, caption="0")]


SOURCES: dict[str, Callable[[Path], list[str]]] = {
    "flickr30k": _flickr30k,  # Flickr30k, training part of multi30k/dataset
    "coco": _coco,  # COCO, captions_val2017.json
    "cc": _cc,  # Conceptual Captions, Validation_GCC-1.1.0-Validation.tsv
}


def read(path: Path, lexicon: Lexicon) -> list[Row]:
    """Returns the labelled captions of a file, annotated.

    Raises:
        InputError: if M4JAX_REAL is not set, or a label is none.
    """
    folder = real_sources.root()
    with open(path, encoding="utf-8", newline="") as file:
        gold = list(csv.DictReader(file))
    texts = {name: SOURCES[name](folder) for name in sorted({one["source"] for one in gold})}
    return [_row(one, texts[one["source"]][int(one["row"])], lexicon) for one in gold]


def _row(gold: dict[str, str], caption: str, lexicon: Lexicon) -> Row:
    if gold["gender"] not in CLASSES:
        raise InputError(f"gold.csv: {gold['source']} {gold['row']}: gender {gold['gender']!r}")
    text = words(caption)
    genders: set[str] = set()
    spans: list[range] = []
    titled = {f"occupation: {name}" for name, title in lexicon.titles.items() if title}
    for match in lexicon.find(text):
        names = set() if match.veto else {lexicon.names[number] for number in match.names}
        genders |= {name.removeprefix("gender: ") for name in names if name.startswith("gender: ")}
        if names & titled:
            spans.append(range(match.start, match.end))
    true = [
        _span(words(phrase), text) for phrase in gold["occupation"].split(";") if phrase.strip()
    ]
    return Row(
        gold["source"], gold["stratum"], (gold["gender_1"], gold["gender_2"]), gold["gender"],
        "both" if len(genders) > 1 else min(genders, default="none"),
        tuple(any(_meet(one, other) for other in spans) for one in true),
        tuple(any(_meet(one, other) for other in true) for one in spans),
    )  # fmt: skip


def _span(phrase: Sequence[str], text: Sequence[str]) -> range:
    """Returns where a phrase stands among the words; nowhere: an empty range."""
    for start in range(len(text) - len(phrase) + 1):
        if tuple(text[start : start + len(phrase)]) == tuple(phrase):
            return range(start, start + len(phrase))
    return range(0)


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)


def draw(rows: Sequence[Row]) -> Figure:
    """Draws the confusion matrix of all captions: shares of each true class, and numbers."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    for row in rows:
        counts[CLASSES.index(row.true), CLASSES.index(row.said)] += 1
    figure = Figure(figsize=(style.WIDTH, 3.6), layout="constrained")
    ax = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.3)
    for (i, j), number in np.ndenumerate(counts):
        shade = "white" if shares[i, j] > 0.5 else "black"
        ax.text(j, i, f"{number}\n{shares[i, j]:.1%}", ha="center", va="center", color=shade)
    ax.set_xticks(range(len(CLASSES)), CLASSES)
    ax.set_yticks(range(len(CLASSES)), CLASSES)
    ax.set_xlabel("annotated")
    ax.set_ylabel("read")
    ax.grid(False)
    style.heading(figure, "Whom captions name: read and annotated")
    style.foot(
        figure,
        n=f"{counts.sum()} captions, read by hand",
        bars="none: numbers of captions and shares of each row; intervals are in the table",
        wrong="the readings are, or other captions are unlike these of three sources",
    )
    return figure


def markdown(scores: Sequence[dict[str, Any]], lexicon: Lexicon) -> str:
    """Returns the table of the README."""
    found = {tuple(one[name] for name in COLUMNS[:5]): one for one in scores}
    translated = [one for one in scores if one["stratum"] == "translated"]
    sources = list(dict.fromkeys(one["source"] for one in scores if one not in translated))
    lines = [f"Lexicon {lexicon.version}, {lexicon.digest[:12]}.", ""]
    lines += ["| | " + " | ".join(sources) + " |", "| --- |" + " --- |" * len(sources)]
    wanted = [("gender", "random", name, m) for name in ("named", *CLASSES) for m in _MEASURES]
    wanted += [("occupation", "all", "any", m) for m in _MEASURES]
    for what, stratum, name, measure in wanted:
        cells = [_cell(found[what, source, stratum, name, measure]) for source in sources]
        lines.append(f"| {_TITLES.get(name, name)}: {measure} | " + " | ".join(cells) + " |")
    kappas = [f"{found['readings', s, 'all', 'gender', 'kappa']['value']:.3f}" for s in sources]
    lines.append("| agreement of the readings (κ of gender) | " + " | ".join(kappas) + " |")
    lines += ["", "| a gender is named | " + " | ".join(LANGUAGES) + " |"]
    lines.append("| --- |" + " --- |" * len(LANGUAGES))
    for measure in _MEASURES:
        cells = [_cell(one) for one in translated if one["measure"] == measure]
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_MEASURES = ("precision", "recall")
_TITLES = {"named": "**a gender is named**", "any": "occupations (mentions, all captions)"}


def _cell(score: dict[str, Any]) -> str:
    if not score["n"]:
        return "–"
    low, high = 100 * score["low"], 100 * score["high"]
    return f"{score['value']:.1%} [{low:.1f}, {high:.1f}] ({score['n']})"


def _write(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        writer.writerow(shown)
    files.write_text(path, file.getvalue())


def fill(path: Path, table: str, marks: tuple[str, str] = MARKS) -> None:
    """Puts the table between the marks of a README, if it has them."""
    text = path.read_text(encoding="utf-8") if path.exists() else "\n".join(marks)
    before, first, rest = text.partition(marks[0])
    _, second, after = rest.partition(marks[1])
    if first and second:
        files.write_text(path, f"{before}{first}\n{table}\n{second}{after}")


if __name__ == "__main__":
    command.run(main)

"""Real captions and labels as tables for balancing: uid, attributes and labels, no captions.

All of it is read below $M4JAX_REAL, as it was published: `captions/multi30k` (multi30k/dataset),
`captions/coco_captions_val2017.json.gz` (COCO), `captions/Validation_GCC-1.1.0-Validation.tsv.gz`
(Conceptual Captions), `fairface/fface_train.csv.gz` (dchen236/FairFace).
"""

import csv
import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax.data import captions
from m4jax.data.annotation import load_lexicon
from m4jax.errors import InputError

VARIABLE = "M4JAX_REAL"
MAN = "man"


def root() -> Path:
    """Returns the folder of real material."""
    given = os.environ.get(VARIABLE)
    if not given or not Path(given).is_dir():
        raise InputError(f"{VARIABLE}: set it to the folder of real captions and labels")
    return Path(given)


def lines(path: Path) -> list[str]:
    """Returns the lines of a gzipped file."""
    return gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")


def _flickr30k(folder: Path) -> list[str]:
    """Five captions of a picture stand in five files."""
    parts = ("train", "val")
    paths = [folder / "captions/multi30k" / f"{x}.{k}.en.gz" for x in parts for k in range(1, 6)]
    return [text for path in paths for text in lines(path)]


def _coco(folder: Path) -> list[str]:
    path = folder / "captions" / "coco_captions_val2017.json.gz"
    return [text for _, text in captions.read(path)]


def _cc(folder: Path) -> list[str]:
    path = folder / "captions" / "Validation_GCC-1.1.0-Validation.tsv.gz"
    return [text for _, text in captions.read(path, caption="0")]


def annotated(texts: Sequence[str], lexicon: str) -> pa.Table:
    """Returns who and what captions name: `man` (NULL: nobody, or both) and labels that come."""
    words = load_lexicon(lexicon)
    (known,), labels = (x.T for x in words.summarize(words.mentions(texts)[0]))
    found = labels[:, known >= 0].any(axis=1)
    columns = {"uid": np.arange(len(texts)), MAN: pa.array(known == 1, mask=known < 0)}
    names = [name for name, any_ in zip(words.label_columns, found, strict=True) if any_]
    return pa.table(columns | dict(zip(names, labels[found].astype(bool), strict=True)))


def _fairface(folder: Path, lexicon: str) -> pa.Table:
    """Returns gender, and each race × age as a label."""
    text = gzip.decompress((folder / "fairface" / "fface_train.csv.gz").read_bytes()).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = {"uid": np.arange(len(rows)), MAN: np.array([x["gender"] == "Male" for x in rows])}
    cells = np.array([f"{row['race']}, {row['age']}" for row in rows])
    return pa.table(columns | {str(cell): cells == cell for cell in np.unique(cells)})


def _read(read: Callable[[Path], list[str]]) -> Callable[[Path, str], pa.Table]:
    return lambda folder, lexicon: annotated(read(folder), lexicon)


SOURCES: dict[str, Callable[[Path, str], pa.Table]] = {
    "flickr30k": _read(_flickr30k),
    "coco": _read(_coco),
    "conceptual-captions": _read(_cc),
    "fairface": _fairface,
}
TITLES = {
    "flickr30k": "Flickr30k, captions",
    "coco": "COCO val2017, captions",
    "conceptual-captions": "Conceptual Captions, validation",
    "fairface": "FairFace, race × age",
}

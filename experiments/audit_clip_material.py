"""What was published of CLIP ViT-B/32, in the form that `experiments.audit` takes."""

import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m4jax.audit.inputs.joining import Rows
from m4jax.audit.inputs.known import Listed
from m4jax.audit.inputs.shown import by_words
from m4jax.errors import InputError

THOUSAND, HUNDRED = "Flickr8k", "Flickr8k, 100 pictures"
DOGS, OTHERS = "Flickr8k, nobody but a dog", "Flickr8k, nobody and no dog"
# Not asked alike, as the answers show: "Black_Male" and thirteen others, "Male" and "Female".
FACES = {
    "FairFace, CLIP of OpenAI, race and gender at once": "faces_openai.csv",
    "FairFace, CLIP L/14 of LAION, gender alone": "faces_laion.csv",
}
_PREDICTED = {
    "faces_openai.csv": "clip_original_paper_preds.csv",
    "faces_laion.csv": "clip_L14_laion2b_raw_gender.csv",
}
_DOG = re.compile(r"\b(dogs?|pupp(y|ies)|hounds?|terriers?|poodles?|greyhounds?)\b", re.IGNORECASE)


def root() -> Path:
    """Returns the folder of the published files.

    Raises:
        InputError: if M4JAX_REAL names none.
    """
    path = Path(os.environ.get("M4JAX_REAL", ""))
    if not os.environ.get("M4JAX_REAL") or not (path / "clip_b32").is_dir():
        raise InputError(
            "set M4JAX_REAL to the folder of the published files, clip_b32 and fairface among "
            "them; results/audit-clip-b32/README.md says where they are from"
        )
    return path


def write(source: Path, folder: Path) -> None:
    """Writes the audit's inputs into a folder."""
    stored = source / "clip_b32"
    _thousand(stored, folder)
    _hundred(stored, folder)
    named = json.loads((stored / "oid_names.json").read_text(encoding="utf-8"))
    _texts(folder / "openimages.npz", stored / "text_oid_clip_a+cname.npy", named)
    lvis = json.loads((stored / "lvis_v1_train_cat_info.json").read_text(encoding="utf-8"))
    named = [one["name"].replace("_", " ") for one in sorted(lvis, key=lambda one: one["id"])]
    _texts(folder / "lvis.npz", stored / "text_lvis_v1_clip_a+cname.npy", named)
    for name, file in _PREDICTED.items():
        (folder / name).write_bytes((source / "fairface" / file).read_bytes())


def _thousand(stored: Path, folder: Path) -> None:
    """Writes 1,000 pictures less those that the publisher marks as ambiguous.

    Of ten pictures that the other publication has as well, nine have the same embedding (cosines
    of 0.99 and more) and one, which is marked, has not: the mark means a wrong picture.
    """
    rows = json.loads((stored / "flickr8k_1000_images.json").read_text(encoding="utf-8"))
    values = np.load(stored / "flickr8k_1000_images.npy")
    kept = [i for i, row in enumerate(rows) if not row["ambiguous"]]
    rows, values = [rows[i] for i in kept], values[kept]
    uids = [row["image"] for row in rows]
    captions = [row["captions"] for row in rows]
    _pictures(folder / "thousand.npz", values, uids)
    _table(folder / "thousand.jsonl", uids, captions)
    nobody = by_words(Listed(THOUSAND, Rows(tuple(uids), {}, captions))).nobody
    dog = np.array([any(map(_DOG.search, texts)) for texts in captions])
    for name, chosen in (("dogs", nobody & dog), ("others", nobody & ~dog)):
        own = np.flatnonzero(chosen).tolist()
        _pictures(folder / f"{name}.npz", values[own], [uids[i] for i in own])
        lines = ["uid,nobody", *(f"{uids[i]},true" for i in own)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hundred(stored: Path, folder: Path) -> None:
    """Writes 100 pictures and their 500 captions."""
    with open(stored / "flickr8k_100x5_metadata.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    uids, texts = [row["image_id"] for row in rows], [row["caption"] for row in rows]
    _pictures(folder / "hundred.npz", np.load(stored / "flickr8k_100x5_images.npy"), uids)
    own = list(dict.fromkeys(uids))
    captions = [[t for u, t in zip(uids, texts, strict=True) if u == uid] for uid in own]
    _table(folder / "hundred.jsonl", own, captions)
    values = np.load(stored / "flickr8k_100x5_texts.npy")
    first = [texts.index(text) for text in dict.fromkeys(texts)]
    np.savez(folder / "captions.npz", embedding=values[first],
             text=np.array([texts[i] for i in first]))  # fmt: skip


def _texts(path: Path, values: Path, names: Sequence[str]) -> None:
    """Writes embeddings of "a {name}"."""
    np.savez(path, embedding=np.load(values), text=np.array([f"a {name}" for name in names]))


def _pictures(path: Path, values: np.ndarray, uids: Sequence[str]) -> None:
    np.savez(path, embedding=values, uid=np.array(uids))


def _table(path: Path, uids: Sequence[str], captions: Sequence[Sequence[str]]) -> None:
    rows: list[dict[str, Any]] = [
        {"uid": uid, "captions": list(texts)} for uid, texts in zip(uids, captions, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

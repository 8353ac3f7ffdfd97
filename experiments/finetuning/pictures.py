"""The testbed's evaluation pictures as anybody has them: a folder, a table, prompts of an audit."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from m4jax import files
from m4jax.data.examples import Splits
from m4jax.evaluation.prompts import Prompts

NOBODY = "objects"  # the split of pictures without a person
SPLITS = ("faces", "workers", NOBODY)
GENDERS = ("woman", "man")
TABLE, PROMPTS = "table.csv", "prompts.json"
COLUMNS = ("image", "split", "gender", "occupation", "thing", "drawing", "nobody")


def write(folder: Path, splits: Splits, prompts: Prompts) -> None:
    """Writes PNG files, `table.csv` (what each shows, its drawing) and `prompts.json`, once."""
    if (folder / PROMPTS).exists():
        return
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for split in SPLITS:
        arrays = splits[split]
        (folder / split).mkdir(parents=True, exist_ok=True)
        for k, picture in enumerate(np.asarray(arrays["images"])):
            name = f"{split}/{k:05d}.png"
            Image.fromarray(picture).save(folder / name)
            table.writerow({"image": name, "split": split, **_shown(arrays, k, split, prompts)})
    files.write_text(folder / TABLE, text.getvalue())
    files.write_json(folder / PROMPTS, _prompts(prompts))


def _shown(arrays: dict[str, Any], k: int, split: str, prompts: Prompts) -> dict[str, Any]:
    """Returns what a picture shows; empty where it shows none."""

    def named(field: str, names: tuple[str, ...]) -> str:
        found = int(arrays[field][k]) if field in arrays else -1
        return names[found] if found >= 0 else ""

    return {
        "gender": "" if split == NOBODY else named("gender", GENDERS),
        "occupation": named("occupation", tuple(prompts.occupation)),
        "thing": named("thing", tuple(prompts.thing)),
        "drawing": int(arrays["group"][k]),
        "nobody": int(split == NOBODY),
    }


def _prompts(prompts: Prompts) -> dict[str, Any]:
    """Returns the testbed's prompts as an audit takes them."""
    return {
        "version": f"audit_{prompts.version}",
        "templates": list(prompts.templates),
        "sensitivity": list(prompts.sensitivity),
        "attributes": {"gender": {name: [prompts.gender[name]] for name in ("man", "woman")}},
        "classes": dict(prompts.occupation),
        "pairs": [],
        "sources": {"classes": "the testbed's occupations, US census 2012"},
    }

"""The sets that models are evaluated on, read of prepared datasets with what these say of them."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from m4jax.data import prepared, truth
from m4jax.data.encoded import read_all
from m4jax.data.text import decoded
from m4jax.errors import InputError


def evaluation_split(
    name: str, of: tuple[str, ...], resolution: int, skip: int
) -> dict[str, np.ndarray | list[str]]:
    """Returns an evaluation split; pictures of which nothing is known are left out, and told.

    Args:
        name: "faces", "objects" or "scenes".
        of: dataset, split, field of the picture, and of the answer.
        resolution: pixels a side.
        skip: how many pictures or captions may be unreadable.

    Raises:
        InputError: if a field is not there or can't be understood, or more can't be read.
    """
    dataset, split, image, field = of
    records, what = prepared.Records(dataset, split, image), f"pairs.{name}: {dataset} {split}"
    if not len(records):
        raise InputError(f"{what}: has no pictures")
    plain = truth.split_field(field)[0] if name == "faces" else field
    names = class_names(dataset, plain)  # raises if there is no such field
    caption = functools.partial(caption_of, field=field, dataset=dataset)
    check = caption if name == "scenes" else None
    rows, pictures = read_all(
        records, resolution=resolution, field=image, skip=skip, what=what, check=check
    )
    unread = np.setdiff1d(np.arange(len(records)), rows)
    left_out = dict.fromkeys(unread.tolist(), "can't be read")
    if not len(rows):
        raise InputError(f"{what}: nothing can be read")
    if name == "scenes":
        prepared.tell_left_out(what, left_out)
        texts = [caption(records[int(i)]) for i in rows]
        return {"images": pictures, "group": rows, "captions": texts}
    values = [prepared.value(records[int(i)], plain, dataset) for i in rows]
    answers = (truth.men if name == "faces" else truth.classes)(values, field, names)
    known = answers != truth.UNKNOWN
    left_out |= dict.fromkeys(rows[~known].tolist(), f"{plain} is unknown")
    prepared.tell_left_out(what, left_out)
    if not known.any():
        raise InputError(f"{what}: {plain} is unknown of all pictures")
    key = "gender" if name == "faces" else "thing"
    return {"images": pictures[known], "group": rows[known], key: answers[known]}


def caption_of(record: Mapping[str, Any], field: str, dataset: str) -> str:
    """Returns the caption of a record; raises `InputError` if it is no text."""
    value = prepared.value(record, field, dataset)
    try:
        return decoded(value)
    except ValueError as error:
        raise InputError(f"caption: {error}") from None


def class_names(dataset: str, field: str) -> list[str] | None:
    """Returns the names of the classes whose numbers a field holds, if TFDS knows them."""
    return getattr(prepared.feature(dataset, field), "names", None)

"""The sets that models are evaluated on, read of datasets with what these say of them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from m4jax.data import collected, prepared, truth
from m4jax.data.encoded import Records, read_all
from m4jax.data.text import decoded
from m4jax.errors import InputError


def evaluation_split(
    name: str,
    of: tuple[str, ...],
    resolution: int,
    skip: int,
    scaling: Mapping[str, Any] | None = None,
) -> dict[str, np.ndarray | list[str]]:
    """Returns an evaluation split; pictures of which nothing is known are left out, and told.

    Args:
        name: "faces", "objects" or "scenes".
        of: dataset, split, field of the picture, and of the answer.
        resolution: pixels a side.
        skip: how many pictures or captions may be unreadable.
        scaling: how pictures become squares, see `EncodedPictures`.

    Raises:
        InputError: if a field is not there or can't be understood, or more can't be read.
    """
    what, field = f"pairs.{name}: {of[0]} {of[1]}", of[3]
    plain = truth.split_field(field)[0] if name == "faces" else field
    shown = _open(name, of, plain)
    if not len(shown.records):
        raise InputError(f"{what}: has no pictures")
    rows, pictures = read_all(
        shown.records, resolution=resolution, field=shown.image, skip=skip, what=what,
        check=shown.caption if name == "scenes" else None, scaling=scaling,
    )  # fmt: skip
    unread = np.setdiff1d(np.arange(len(shown.records)), rows)
    left_out = dict.fromkeys(unread.tolist(), "can't be read")
    if not len(rows):
        raise InputError(f"{what}: nothing can be read")
    if name == "scenes":
        prepared.tell_left_out(what, left_out)
        texts = [shown.caption(shown.records[int(i)]) for i in rows]
        return {"images": pictures, "group": rows, "captions": texts}
    values = [shown.value(shown.records[int(i)]) for i in rows]
    answers = (truth.men if name == "faces" else truth.classes)(values, field, shown.names)
    known = answers != truth.UNKNOWN
    left_out |= dict.fromkeys(rows[~known].tolist(), f"{plain} is unknown")
    prepared.tell_left_out(what, left_out)
    if not known.any():
        raise InputError(f"{what}: {plain} is unknown of all pictures")
    key = "gender" if name == "faces" else "thing"
    return {"images": pictures[known], "group": rows[known], key: answers[known]}


@dataclasses.dataclass(frozen=True)
class _Shown:
    """Records of pictures: the field of the picture, what each says, its caption, class names."""

    records: Records
    image: str
    value: Callable[[Mapping[str, Any]], Any]
    caption: Callable[[Mapping[str, Any]], str]
    names: list[str] | None


def _open(name: str, of: tuple[str, ...], field: str) -> _Shown:
    dataset, split, image, _ = of
    if not collected.is_collection(dataset):
        return _Shown(
            records=prepared.Records(dataset, split, image),
            image=image,
            value=functools.partial(prepared.value, field=field, dataset=dataset),
            caption=functools.partial(caption_of, field=field, dataset=dataset),
            names=class_names((dataset, split, image, field)),  # raises if there is no such field
        )
    if name == "scenes":
        opened = collected.open_pairs(dataset, split, image, field)
        return _Shown(opened.records, opened.image, lambda record: None, opened.check, None)
    collection, rows = collected.open_part(dataset, split, image, "")
    values, names = collected.values(collection, rows, field)
    records = collected.CollectedRecords(collection, rows, values)
    return _Shown(records, "image", lambda record: record["value"], lambda record: "", names)


def caption_of(record: Mapping[str, Any], field: str, dataset: str) -> str:
    """Returns the caption of a record; raises `InputError` if it is no text."""
    value = prepared.value(record, field, dataset)
    try:
        return decoded(value)
    except ValueError as error:
        raise InputError(f"caption: {error}") from None


def class_names(of: tuple[str, ...]) -> list[str] | None:
    """Returns the names of the classes whose numbers a field holds, if they are known.

    Args:
        of: dataset, split, field of the picture, and of the class.
    """
    dataset, split, image, field = of
    if not collected.is_collection(dataset):
        return getattr(prepared.feature(dataset, field), "names", None)
    return collected.values(*collected.open_part(dataset, split, image, ""), field)[1]

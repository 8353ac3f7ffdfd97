"""What `experiments.annotate` has found, joined to examples by uid."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from m4jax.audit.inputs import joining, listed, values
from m4jax.audit.inputs.shown import Shown
from m4jax.data.annotation import Lexicon
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import UNKNOWN, Attribute

PREFIXES = ("occupation: ", "thing: ")


def joined(shown: Shown, path: str, lexicon: Lexicon) -> Shown:
    """Returns what is known of examples with an annotation's attributes and labels in its place.

    Args:
        shown: what was known of them.
        path: of `examples.parquet`, as `experiments.annotate` writes it.
        lexicon: that names its columns.

    Raises:
        InputError: if it has none of these columns, or none of the examples.
    """
    table = listed.read(path)
    single = {
        names[-1]: name for name, x in lexicon.attributes.items() if len(names := list(x)) == 2
    }
    several = {name: [x for x in table if x.startswith(f"{name}: ")] for name in lexicon.attributes}
    labels = [name for name in table if name.startswith(PREFIXES)]
    columns = [
        *(x for x in single if x in table),
        *(x for y in several.values() for x in y),
        *labels,
    ]
    if not columns:
        raise InputError(
            f"{path}: no column of an attribute or a label; expected examples.parquet of "
            f"experiments.annotate, which has {', '.join(lexicon.attribute_names)}"
        )
    rows = joining.joined(table, path, shown.uids.tolist(), "", "", columns)
    attributes = dict(shown.attributes)
    for column, name in single.items():
        if column in table:
            names = tuple(lexicon.attributes[name])
            attributes[name] = values.attribute(rows.columns[column], name, {name: names}, column)
    for name, own in several.items():
        if own:
            attributes[name] = _one_of([rows.columns[x] for x in own], own, name)
    found = {name.partition(": ")[2]: values.truths(rows.columns[name], name) for name in labels}
    return dataclasses.replace(shown, attributes=attributes, labels=dict(shown.labels) | found)


def _one_of(columns: Sequence[Sequence[Any]], names: Sequence[str], name: str) -> Attribute:
    """Returns the attribute of which each value has a column of true and false."""
    flags = np.stack([values.truths(x, own) for x, own in zip(columns, names, strict=True)], axis=1)
    codes = np.where(flags.sum(1) == 1, flags.argmax(1), UNKNOWN)
    return Attribute(tuple(x.removeprefix(f"{name}: ") for x in names), codes)

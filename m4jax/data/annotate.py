"""Annotation: from examples to attributes and labels, as balancing takes them."""

import dataclasses

import numpy as np

from m4jax.data import catalog
from m4jax.errors import InputError

LABEL_SETS = ("occupations", "things")


@dataclasses.dataclass(frozen=True)
class Annotation:
    """`attributes` float [n, m] (NaN: unknown), `labels` float [n, c], and their names."""

    attributes: np.ndarray
    labels: np.ndarray
    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]


def annotate(columns: dict[str, np.ndarray], label_sets: tuple[str, ...]) -> Annotation:
    """Annotates examples with perceived gender and with the labels of the given sets.

    The attribute "man" is 1 or 0 as the picture shows, else as the caption says; NaN where neither
    has a person of known gender. A label is 1 if the picture shows it or the caption names it
    (as in the paper, which detects attributes and labels in both).

    Args:
      columns: of a testbed split, each [n].
      label_sets: any of "occupations" (22) and "things" (60: the proxies).

    Raises:
      InputError: for an unknown label set.
    """
    for name in label_sets:
        if name not in LABEL_SETS:
            raise InputError(f"labels: unknown set {name!r}; known: {', '.join(LABEL_SETS)}")
    gender = np.where(columns["gender"] >= 0, columns["gender"], columns["says_gender"])
    man = np.where(gender >= 0, gender, np.nan).astype(np.float64)[:, None]
    blocks, names = [], []
    if "occupations" in label_sets:
        names += [occupation.name for occupation in catalog.occupations()]
        blocks.append(_either(columns, "occupation", len(catalog.occupations())))
    if "things" in label_sets:
        names += list(catalog.things())
        blocks.append(_either(columns, "thing", len(catalog.things())))
    labels = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(man), 0))
    return Annotation(man, labels, ("man",), tuple(names))


def _either(columns: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """Returns [n, count]: 1 where the picture shows the label or the caption says it."""
    every = np.arange(count)
    shown = columns[name][:, None] == every
    said = columns[f"says_{name}"][:, None] == every
    return (shown | said).astype(np.float64)

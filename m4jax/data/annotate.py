"""Annotation: from examples to attributes and labels, as balancing takes them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from m4jax.data import catalog
from m4jax.errors import InputError

ANY_THING = "any thing"
LABEL_SETS = ("occupations", "any_thing", "things")


@dataclasses.dataclass(frozen=True)
class Annotation:
    """`attributes` float [n, m] (NaN: unknown), `labels` float [n, c], and their names."""

    attributes: np.ndarray
    labels: np.ndarray
    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]

    def rows(self, chosen: np.ndarray) -> "Annotation":
        """Returns the annotation of the chosen examples."""
        return dataclasses.replace(
            self, attributes=self.attributes[chosen], labels=self.labels[chosen]
        )


def annotate(columns: dict[str, np.ndarray], label_sets: tuple[str, ...]) -> Annotation:
    """Annotates examples with perceived gender and with the labels of the given sets.

    The attribute "man" is 1 or 0 as the picture shows, else as the caption says; NaN where neither
    has a person of known gender. A label is 1 if the picture shows it or the caption names it
    (as in the paper, which detects attributes and labels in both). Both are read from the
    generator's columns: this annotation makes no mistakes, unlike that of web data.

    Args:
        columns: of a testbed split, each [n].
        label_sets: any of "occupations" (22 labels), "any_thing" (one: whether there is a thing)
            and "things" (32 kinds: the proxies).

    Raises:
        InputError: for an unknown label set.
    """
    gender = np.where(columns["gender"] >= 0, columns["gender"], columns["says_gender"])
    man = np.where(gender >= 0, gender, np.nan).astype(np.float64)
    occupations, things = catalog.occupations(), catalog.things()
    return assemble(
        man,
        (_either(columns, "occupation", len(occupations)), [job.name for job in occupations]),
        (_either(columns, "thing", len(things)), list(things)),
        label_sets,
    )


def assemble(
    man: np.ndarray,
    occupations: tuple[np.ndarray, Sequence[str]],
    things: tuple[np.ndarray, Sequence[str]],
    label_sets: tuple[str, ...],
) -> Annotation:
    """Returns the annotation of n examples with the labels of the given sets.

    Args:
        man: [n] 1 or 0, NaN where unknown.
        occupations: 0/1 [n, c], and the names of the labels.
        things: likewise; "any_thing" is whether there is one.
        label_sets: see `annotate`.

    Raises:
        InputError: for an unknown label set.
    """
    for name in label_sets:
        if name not in LABEL_SETS:
            raise InputError(f"labels: unknown set {name!r}; known: {', '.join(LABEL_SETS)}")
    blocks = {
        "occupations": occupations,
        "any_thing": (things[0].max(1, keepdims=True), [ANY_THING]),
        "things": things,
    }
    chosen = [blocks[name] for name in label_sets]
    labels = np.concatenate([np.zeros((len(man), 0)), *(block for block, _ in chosen)], axis=1)
    names = [name for _, block_names in chosen for name in block_names]
    return Annotation(man[:, None], labels, ("man",), tuple(names))


def _either(columns: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """Returns [n, count]: 1 where the picture shows the label or the caption says it."""
    every = np.arange(count)
    shown = columns[name][:, None] == every
    said = columns[f"says_{name}"][:, None] == every
    return (shown | said).astype(np.float64)

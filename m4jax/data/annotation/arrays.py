"""What is known of examples: attributes and labels, as balancing takes them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from m4jax.data.text import check_texts
from m4jax.errors import InputError

MAN = "man"  # the attribute whose bias is measured in models, and of which the census tells
ANY_THING = "any thing"
LABEL_SETS = ("occupations", "any_thing", "things")


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What is known of n examples.

    Attributes:
        attributes: float [n, m], NaN where unknown.
        labels: float [n, c].
        attribute_names: m of them.
        label_names: c of them.
    """

    attributes: np.ndarray
    labels: np.ndarray
    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]

    def rows(self, chosen: np.ndarray) -> "Annotation":
        """Returns the annotation of the chosen examples."""
        return dataclasses.replace(
            self, attributes=self.attributes[chosen], labels=self.labels[chosen]
        )

    def only(self, name: str) -> "Annotation":
        """Returns the annotation with one of the attributes alone; raises if it has none such."""
        if name not in self.attribute_names:
            raise InputError(f"no attribute {name!r}; the data have {self.attribute_names}")
        place = self.attribute_names.index(name)
        column = self.attributes[:, place : place + 1]
        return dataclasses.replace(self, attributes=column, attribute_names=(name,))


def assemble(
    attributes: tuple[np.ndarray, Sequence[str]],
    occupations: tuple[np.ndarray, Sequence[str]],
    things: tuple[np.ndarray, Sequence[str]],
    label_sets: tuple[str, ...],
) -> Annotation:
    """Returns the annotation of n examples with the labels of the given sets.

    Args:
        attributes: [n, m] 1 or 0, NaN where unknown, and their names.
        occupations: 0/1 [n, c], and the names of the labels.
        things: likewise; "any_thing" is whether there is one.
        label_sets: any of `LABEL_SETS`.

    Raises:
        InputError: for an unknown label set.
    """
    check_texts(label_sets)
    for name in label_sets:
        if name not in LABEL_SETS:
            raise InputError(f"labels: unknown set {name!r}; known: {', '.join(LABEL_SETS)}")
    blocks = {
        "occupations": occupations,
        "any_thing": (things[0].max(1, keepdims=True), [ANY_THING]),
        "things": things,
    }
    chosen = [blocks[name] for name in label_sets]
    values, names = attributes
    labels = np.concatenate([np.zeros((len(values), 0)), *(block for block, _ in chosen)], axis=1)
    label_names = [name for _, block_names in chosen for name in block_names]
    return Annotation(values, labels, tuple(names), tuple(label_names))


def with_article(noun: str) -> str:
    """Returns the noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

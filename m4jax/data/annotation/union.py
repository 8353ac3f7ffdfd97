"""Several annotations of the same examples made one: of captions, of pictures, of columns."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from m4jax.errors import InputError

UNKNOWN = -1


@dataclasses.dataclass(frozen=True)
class Part:
    """One annotation of n examples.

    Attributes:
        attributes: name -> int [n], 1, 0, or the place of one of several values; −1: unknown.
        labels: name -> bool [n].
    """

    attributes: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]


def united(parts: Sequence[Part]) -> Part:
    """Returns what any of the annotations tells.

    A label is there if one of them has it. An attribute is known if those that know it agree: of a
    picture that shows a woman, with a caption that speaks of a man, it is unknown. Source: "CLIP
    the Bias", section 3 (attributes and labels are those that the picture or the text has); what is
    done where they disagree is ours.

    Args:
        parts: annotations of the same examples; names may differ.

    Raises:
        InputError: if there is none, or their lengths differ.
    """
    columns = [x for part in parts for x in (*part.attributes.values(), *part.labels.values())]
    sizes = {len(column) for column in columns}
    if len(sizes) != 1:
        raise InputError(f"annotations of {sorted(sizes)} examples; expected one number")
    return Part(
        {name: _agreed(found) for name, found in _by_name(parts, "attributes").items()},
        {name: np.any(found, axis=0) for name, found in _by_name(parts, "labels").items()},
    )


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How two annotations of an attribute go together.

    Attributes:
        first: examples in which the first alone knows it.
        second: in which the second alone does.
        agree: in which both do, and agree.
        differ: in which they do not.
    """

    first: int
    second: int
    agree: int
    differ: int


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Returns how two annotations [n] of an attribute go together."""
    one, other = first != UNKNOWN, second != UNKNOWN
    both = one & other
    return Agreement(
        int((one & ~other).sum()),
        int((other & ~one).sum()),
        int((both & (first == second)).sum()),
        int((both & (first != second)).sum()),
    )


def _by_name(parts: Sequence[Part], kind: str) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {}
    for part in parts:
        for name, column in getattr(part, kind).items():
            found.setdefault(name, []).append(np.asarray(column))
    return found


def _agreed(found: Sequence[np.ndarray]) -> np.ndarray:
    most = np.max(found, axis=0)
    least = np.min([np.where(column == UNKNOWN, most, column) for column in found], axis=0)
    return np.where(least == most, most, UNKNOWN).astype(np.int8)

"""What is asked for, apart from the examples: names, targets, bounds."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError

EXPECTED = "a prevalence in [0, 1]"


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Spec:
    """A problem without its examples, for solvers that see them one batch at a time.

    The fields are `attribute_names` and `label_names`, tuples of strings; `target` and `eps`,
    `[m, c+1]`, column 0 for representation; `keep_rate` and `penalty`, numbers. The constructor
    takes the arguments below. Source: "CLIP the Bias", M4.

    Args:
        attributes: the names of the attributes, or their number.
        labels: the names of the labels, or their number.
        intersections: tuples of attribute names; each adds an attribute after the others, named
            like "man × dark skin". Examples then come with that column too.
        target: π, in any form that `Problem` takes.
        keep_rate: η in (0, 1].
        eps_representation: bound on |E[q (s_k − π_k)]|, a number or one per attribute.
        eps_association: bound on |E[q (s_k − π_kr) y_r]|, a number or `[m, c]`.
        penalty: V > 0; infinity makes the constraints hard.

    Raises:
        ProblemError: if a name, a shape or a value is not as above.
    """

    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]
    target: np.ndarray
    keep_rate: float
    eps: np.ndarray
    penalty: float

    def __init__(
        self,
        *,
        attributes: int | Iterable[str],
        labels: int | Iterable[str],
        target: Any,
        intersections: Iterable[Sequence[str]] = (),
        keep_rate: float = 0.9,
        eps_representation: Any = 1e-3,
        eps_association: Any = 1e-3,
        penalty: float = 10.0,
    ):
        own, labels = checks.names("attribute", attributes), checks.names("label", labels)
        if not own:
            raise ProblemError("attributes is empty; expected at least one attribute")
        parts = find_parts(intersections, own)
        every = checks.names("attribute", own + tuple(" × ".join(own[k] for k in p) for p in parts))
        eps = [
            _bound("eps_representation", eps_representation, (every,))[:, None],
            _bound("eps_association", eps_association, (every, labels)),
        ]
        checked = {
            "attribute_names": every,
            "label_names": labels,
            "target": _target(target, every, labels, parts),
            "keep_rate": checks.number("keep_rate", keep_rate, "in (0, 1]", lambda x: 0 < x <= 1),
            "eps": np.concatenate(eps, axis=1),
            "penalty": checks.number("penalty", penalty, "> 0, or infinity", lambda x: x > 0),
        }
        for name, value in checked.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)


def find_parts(intersections: Iterable[Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    """Returns the columns that each intersection multiplies.

    Args:
        intersections: for each, at least two distinct names among `names`.
        names: of the attributes, in the order of their columns.

    Raises:
        ProblemError: if a name is not known, or an intersection comes twice or has fewer than two.
    """
    found: list[list[int]] = []
    for index, parts in enumerate(intersections):
        what = f"intersections[{index}]"
        listed = isinstance(parts, list | tuple)
        if not listed or len(parts) < 2 or any(name in parts[:k] for k, name in enumerate(parts)):
            raise ProblemError(
                f"{what} is {parts!r}; expected at least two different attribute names, as in "
                '(("man", "dark skin"),)'
            )
        for name in parts:
            checks.known(what, name, names)
        found.append([names.index(name) for name in parts])
        if any(set(found[-1]) == set(other) for other in found[:-1]):
            raise ProblemError(f"{what} is {parts!r}, which is there already; expected it once")
    return found


def intersect(attributes: np.ndarray, parts: list[list[int]]) -> np.ndarray:
    """Returns the attributes with the products of their `parts` as further columns.

    A product is 0 where a part is 0, whatever is unknown about the others, and otherwise unknown
    where a part is. Soft parts are multiplied as if they were independent.

    Args:
        attributes: `[n, m]`, NaN where unknown.
        parts: the columns that each of the i products multiplies.

    Returns:
        `[n, m+i]` of the same type.
    """
    columns = [attributes]
    for chosen in parts:
        factors = attributes[:, chosen]
        column = factors.prod(axis=1, dtype=attributes.dtype)
        column[(factors == 0).any(axis=1)] = 0
        columns.append(column[:, None])
    return np.concatenate(columns, axis=1) if parts else attributes


def _target(
    values: Any, names: Sequence[str], labels: Sequence[str], parts: list[list[int]]
) -> np.ndarray:
    """Returns π `[m+i, c+1]`; an intersection without a target gets the product of its parts'."""
    m, width = len(names) - len(parts), len(labels) + 1
    if isinstance(values, Mapping):
        target = _named_target(values, names, m, width)
    else:
        given = checks.numbers("target", values).astype(float)
        wanted = {shape for k in (m, len(names)) for shape in ((k,), (k, width))}
        if given.shape not in {()} | wanted:
            also = f"; with intersections {len(names)} for {m}" if parts else ""
            raise ProblemError(
                f"target has shape {given.shape}; expected a number, ({m},) with one per "
                f"attribute, or ({m}, {width}) with the overall prevalence first, then one per "
                f"label{also}; or a mapping from attribute names"
            )
        wrong = ~((given >= 0) & (given <= 1))
        checks.refuse("target", given, wrong, EXPECTED, (names, ("overall", *labels)))
        target = np.empty((len(given) if given.ndim else m, width))
        target[:] = given[:, None] if given.ndim == 1 else given
    missing = np.full((len(names) - len(target), width), np.nan)
    target = np.concatenate([target, missing])
    for row, chosen in zip(target[m:], parts, strict=True):
        row[:] = np.where(np.isnan(row), target[chosen].prod(axis=0), row)
    return target


def _named_target(values: Mapping, names: Sequence[str], m: int, width: int) -> np.ndarray:
    """Returns π `[m+i, c+1]` from numbers or rows by name, NaN for intersections without."""
    for name in values:
        checks.known("target", name, names)
    target = np.full((len(names), width), np.nan)
    for k, name in enumerate(names):
        if name in values:
            what = f"target[{name!r}]"
            row = checks.numbers(what, values[name]).astype(float)
            if row.shape not in ((), (width,)):
                raise ProblemError(
                    f"{what} has shape {row.shape}; expected a number, or ({width},) with the "
                    "overall prevalence first, then one per label"
                )
            row = np.broadcast_to(row, (width,))
            checks.refuse(what, row, ~((row >= 0) & (row <= 1)), EXPECTED)
            target[k] = row
        elif k < m:
            raise ProblemError(f"target has nothing for {name!r}; expected one per attribute")
    return target


def _bound(name: str, values: Any, axes: tuple[Sequence[str], ...]) -> np.ndarray:
    bound, shape = checks.numbers(name, values).astype(float), tuple(map(len, axes))
    if bound.shape not in ((), shape):
        raise ProblemError(f"{name} has shape {bound.shape}; expected a number or shape {shape}")
    checks.refuse(name, bound, ~(bound >= 0), "a bound of at least 0", axes)
    return np.array(np.broadcast_to(bound, shape))

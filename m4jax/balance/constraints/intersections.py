"""Intersections of attributes, like "man × dark skin": products that are attributes as well."""

from collections.abc import Iterable, Sequence

import numpy as np

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError


def find_parts(intersections: Iterable[Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    """Returns the columns that each intersection multiplies.

    Args:
        intersections: for each, at least two distinct names among `names`.
        names: of the attributes, in the order of their columns.

    Raises:
        ProblemError: if there is no such name, or an intersection comes twice or has fewer than
            two.
    """
    columns: list[list[int]] = []
    for index, parts in enumerate(intersections):
        what = f"intersections[{index}]"
        listed = isinstance(parts, list | tuple)
        if not listed or len(parts) < 2 or any(name in parts[:k] for k, name in enumerate(parts)):
            raise ProblemError(
                f"{what} is {parts!r}; expected at least two different attribute names, as in "
                '(("man", "dark skin"),)'
            )
        for name in parts:
            checks.attribute(what, name, names)
        columns.append([names.index(name) for name in parts])
        if any(set(columns[-1]) == set(other) for other in columns[:-1]):
            raise ProblemError(f"{what} is {parts!r}, which is there already; expected it once")
    return columns


def intersect(
    attributes: np.ndarray, names: Sequence[str], intersections: Iterable[Sequence[str]]
) -> np.ndarray:
    """Returns the attributes with the products of the `intersections` as further columns.

    A product is 0 where a part is 0, whatever is unknown about the others, and otherwise unknown
    where a part is. Soft parts are multiplied as if they were independent.

    Args:
        attributes: `[n, m]`, NaN where unknown.
        names: `[m]` of the columns.
        intersections: tuples of names, i of them.

    Returns:
        `[n, m+i]` of the same type.
    """
    columns = [attributes]
    for parts in find_parts(intersections, names):
        factors = attributes[:, parts]
        column = factors.prod(axis=1, dtype=attributes.dtype)
        column[(factors == 0).any(axis=1)] = 0
        columns.append(column[:, None])
    return np.concatenate(columns, axis=1) if len(columns) > 1 else attributes

"""Who is spoken of: conditions on examples, as in "within nurse and not man"."""

import dataclasses
from typing import Any

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.features import ONE, Expression, Names
from m4jax.balance.constraints.means import Means
from m4jax.errors import nearest


@dataclasses.dataclass(frozen=True)
class No:
    """The examples that are known not to have what `name` says."""

    name: str


def no(name: str) -> No:
    """Returns the negation of an attribute, a label or a column of 0..1: κ − s, or 1 − y."""
    if not isinstance(name, str):
        raise ProblemError(f"no({name!r}): expected a name")
    return No(name)


Condition = str | No | tuple | None


def value(names: Names, condition: Condition, mean: Means | None) -> Expression:
    """Returns 1 where a condition holds and 0 elsewhere, as an expression; soft values are soft.

    A soft value within itself counts once: `share("man", within="man")` is 1 by definition.

    Args:
        names: of the columns.
        condition: a name, `no(name)`, a tuple of these (all must hold), or None: everybody.
        mean: of the data, if there are any: columns must then be within 0..1.

    Raises:
        ProblemError: if a name is not known, or a column has other values.
    """
    if condition is None:
        return ONE
    if isinstance(condition, tuple | list):
        if not condition:
            raise ProblemError("a condition is (); expected names, or None for everybody")
        total = ONE
        for one in condition:
            total = total * value(names, one, mean)
        return total
    negated = isinstance(condition, No)
    name = condition.name if negated else condition
    found = names.value(_checked(names, name, mean))
    return names.known(name) - found if negated else found


def known(names: Names, condition: Condition) -> Expression:
    """Returns whether it is known that a condition holds or does not: every part of it is."""
    if condition is None:
        return ONE
    if isinstance(condition, tuple | list):
        total = ONE
        for one in condition:
            total = total * known(names, one)
        return total
    return names.known(condition.name if isinstance(condition, No) else condition)


def call(condition: Condition) -> str:
    """Returns a condition in words."""
    if isinstance(condition, tuple | list):
        return " and ".join(map(call, condition))
    return f"not {condition.name}" if isinstance(condition, No) else str(condition)


def column(names: Names, name: Any) -> Expression:
    """Returns a column of numbers, or a label, with whatever values it has."""
    if name in names.attributes:
        raise ProblemError(f"{name!r} is an attribute; expected a column of numbers or a label")
    return names.value(_text(name))


def label(names: Names, name: Any) -> str:
    """Returns the name of a label, checked."""
    if name not in names.labels:
        hint = nearest(_text(name), names.labels) if names.labels else "there are no labels"
        raise ProblemError(f"{name!r} is no label; {hint}")
    return name


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise ProblemError(f"{name!r}: expected a name, balance.no(name), or a tuple of these")
    return name


def _checked(names: Names, name: Any, mean: Means | None) -> str:
    """Returns a name whose values are within 0..1."""
    names.value(_text(name))
    if name in names.columns and mean is not None:
        least, most = mean.range(name)
        if least < 0 or most > 1:
            raise ProblemError(
                f"{name!r} has values from {least:g} to {most:g}; expected 0 to 1 of what is a "
                "share or a condition (balance.mean speaks of means, balance.budget of totals)"
            )
    return name

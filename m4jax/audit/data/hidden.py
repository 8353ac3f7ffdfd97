"""Groups that nobody named: where two labels or attributes meet and a share is off."""

import dataclasses
import math

import numpy as np
from scipy import special

from m4jax import balance
from m4jax.audit.data.patterns import Patterns
from m4jax.balance.constraints.conditions import call
from m4jax.report.page.content import GROUPS, Table

WORTH = 40  # rows of the table


@dataclasses.dataclass(frozen=True)
class Hidden:
    """What was found.

    Attributes:
        tables: one with the groups, or none.
        sentences: how many were looked at and found.
        unknown: why none could be looked for.
    """

    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def hidden(
    found: Patterns, *, points: float, least: float, alpha: float = 0.05, independent: float = 1.0
) -> Hidden:
    """Returns meetings of two names that are further off than either alone tells.

    The auditor's search (`balance.audit`) on the data as they are: in each meeting of two labels,
    or of a label and another attribute, the share of an attribute is compared with its target ±
    `points` by a test that is corrected for the number of groups looked at. Told are those that are
    also further off than each of the two by itself, by the same test against the share there, so
    that what labels say by themselves is not told again: whoever is at random among the cooks is
    nearly as often a man as any cook.

    Args:
        found: the data.
        points: half the width of the band.
        least: examples of either kind that a group needs to be looked at.
        alpha: level of the corrected tests.
        independent: the share of the examples that is independent, groups / examples: each counts
            so much. `least` is of whole ones, then, and where the examples of a group are alike
            the tests keep their level.
    """
    try:
        problem = balance.Problem(
            found.attributes,
            found.labels,
            counts=found.counts * independent,
            attribute_names=found.attribute_names,
            label_names=found.label_names,
            keep_rate=1.0,
            target=0.5,
            eps_representation=math.inf,  # nothing is asked: the weights are 1
            eps_association=math.inf,
        )
        looked = balance.audit(
            problem,
            rounds=1,
            depth=3,
            points=points,
            target=found.targets,
            least=least,
            alpha=alpha,
        )
    except balance.ProblemError as error:
        return Hidden(unknown=(f"Groups that nobody named: {error}.",))
    rows = []
    for one in looked.left:
        parts = [_share(found, one.attribute, part) for part in one.within]
        p = max(one.p, _further(one, parts, found.targets[one.attribute]) * looked.looked_at)
        if len(parts) == 2 and p <= alpha and _is_a_meeting(found, one):
            name = " and ".join(map(call, one.within))
            either = " / ".join(f"{100 * part:.0f}%" for part in parts)
            rows.append(
                (one.attribute, name, round(one.examples / independent), either, one.before, p)
            )
    if not looked.looked_at:
        few = f"no group has {least:g} independent examples of either kind"
        return Hidden(unknown=(f"Groups that nobody named were not looked for: {few}.",))
    verb = "is" if len(rows) < 2 else "are"
    told = (
        f"Of {looked.looked_at:,} {'group' if looked.looked_at == 1 else 'groups'} with at least "
        f"{least:g} independent examples of either kind {len(rows) or 'none'} {verb} further from "
        "the target than the labels that meet there tell. A group of one kind alone, or with fewer "
        "of the other, is not among them, however far off it is."
    )
    return Hidden((_table(rows),) if rows else (), (told,))


def _table(rows: list[tuple]) -> Table:
    return Table(
        GROUPS,
        "Groups that nobody named",
        ("attribute", "within", "examples", "share in either alone", "share", "p"),
        tuple(rows[:WORTH]),
        ("", "", "", "", "percent", "plain"),
        "p is corrected for the number of groups looked at.",
    )


def _is_a_meeting(found: Patterns, one: balance.Finding) -> bool:
    """Tells whether what meets are labels and values of different attributes.

    That who is not of one age is oftener of another says nothing; "not of one age" is no group.
    """
    owner = dict(zip(found.attribute_names, found.owners, strict=True))
    names = [getattr(part, "name", part) for part in one.within]
    owners = [owner[name] for name in (*names, one.attribute) if name in owner]
    negated = [owner[part.name] for part in one.within if not isinstance(part, str)]
    return len(set(owners)) == len(owners) and all(found.owners.count(x) == 1 for x in negated)


def _further(one: balance.Finding, parts: list[float], target: float) -> float:
    """Returns p that a group is no further off, on its side of the target, than its parts are."""
    side = 1 if one.before > target else -1
    far = max([side * (part - target) for part in parts] + [0.0])
    middle = min(max(target + side * far, 1e-6), 1 - 1e-6)
    z = side * (one.before - middle) / math.sqrt(middle * (1 - middle) / one.examples)
    return float(special.ndtr(-z))


def _share(found: Patterns, attribute: str, condition) -> float:
    """Returns the share of an attribute where one condition holds."""
    column = found.attributes[:, found.attribute_names.index(attribute)]
    mask = _holds(found, condition) & ~np.isnan(column)
    return float(found.counts[mask] @ column[mask] / found.counts[mask].sum())


def _holds(found: Patterns, condition) -> np.ndarray:
    """Returns bool [p]: where a label or an attribute holds, or an attribute is known not to."""
    if isinstance(condition, str) and condition in found.label_names:
        return found.labels[:, found.label_names.index(condition)] > 0
    name, value = (condition, 1) if isinstance(condition, str) else (condition.name, 0)
    return found.attributes[:, found.attribute_names.index(name)] == value

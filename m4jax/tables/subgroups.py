"""Groups that nobody named: found before the weights are solved for, and kept on disk."""

import dataclasses
from pathlib import Path
from typing import Any

from m4jax import balance, files
from m4jax.balance.constraints.conditions import No, call
from m4jax.errors import InputError


def find(problem: balance.Problem, path: Path, **settings: Any) -> None:
    """Finds groups whose shares are off, each with those before it balanced, and writes them.

    Args:
        problem: of the patterns.
        path: where to.
        settings: of `balance.audit`.

    Raises:
        InputError: if no weights meet all constraints.
    """
    try:
        found = balance.audit(problem, **settings)
    except balance.ProblemError as error:
        raise InputError(f"config.subgroups: {error}") from None
    points, target = settings["points"], settings["target"]
    rows = []
    for one in found.findings:
        middle = target[one.attribute] if isinstance(target, dict) else target
        row = dataclasses.asdict(one) | {"within": [_text(x) for x in one.within]}
        row |= {"after": None if one.after != one.after else one.after}
        rows.append(row | {"lower": middle - points, "upper": middle + points})
    files.write_sealed(path, {"findings": rows, "looked_at": found.looked_at})


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the groups that were found."""
    return files.read_sealed(path)["findings"]


def words(path: Path) -> list[Any]:
    """Returns the constraints on the shares within the groups that were found."""
    return [
        balance.share(
            row["attribute"],
            within=tuple(map(_condition, row["within"])),
            between=(row["lower"], row["upper"]),
        )
        for row in read(path)
    ]


def rows(path: Path) -> list[dict[str, Any]]:
    """Returns the groups as rows of a table."""
    return [
        row | {"within": " and ".join(map(call, map(_condition, row["within"])))}
        for row in read(path)
    ]


def _text(condition: Any) -> Any:
    return [condition.name] if isinstance(condition, No) else condition


def _condition(text: Any) -> Any:
    return balance.no(text[0]) if isinstance(text, list) else text

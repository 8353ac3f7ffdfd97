"""What became of what was asked for: verdicts as rows of a table, in short, and as an exit code."""

import collections
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m4jax import balance
from m4jax.balance import verdicts
from m4jax.tables import shares

Rows = list[dict[str, Any]]

BALANCED, WAS_BALANCED, UNDECIDED = "balanced", "was balanced", "can't be"
VACUOUS, VIOLATED = "vacuous", "violated"
WORST_FIRST = (VIOLATED, VACUOUS, UNDECIDED, BALANCED, WAS_BALANCED)
NUMBERS = ("shares", "values")  # in a certificate: see `numbers`
NAMED = 10  # constraints in a certificate
NOTE = ("name", "verdict", "before_n", "after_effective", "before", "after", "lower", "upper",
        "unit")  # fmt: skip
# As the audit's: within limits, outside, bad input, can't tell.
GOOD, BAD, UNKNOWN = 0, 1, 3


def judge(problem: balance.Problem, weights: np.ndarray, *, least: int) -> Rows:
    """Returns a row for every constraint, the worst first.

    Args:
        problem: what was asked for, with all examples.
        weights: `[n]`.
        least: examples of either group with a label, below which the data can't decide.

    Returns:
        the fields of `balance.verdicts.rows`, what is unknown being NaN or "", and `in_words`:
        whether it is a constraint in words, and not one on targets.
    """
    found = verdicts.verdicts(problem, weights, least=least)
    first = len(found) - len(problem.moments)
    rows = [
        {name: _filled(name, value) for name, value in row.items()} | {"in_words": i >= first}
        for i, row in enumerate(verdicts.rows(found))
    ]
    for row in rows:
        if row["before_n"] == 0:  # a gap of 0 that is of no examples would look fair
            row |= dict.fromkeys([name for name in row if name.startswith("gap_")], math.nan)
    return sorted(rows, key=_order)


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Returns the number of constraints of each verdict, the worst first."""
    found = collections.Counter(row["verdict"] for row in rows)
    return {name: found[name] for name in WORST_FIRST if found[name]}


def facts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what a certificate has to say, as values that JSON can hold."""
    worst = [{name: _plain(row[name]) for name in NOTE} for row in rows[:NAMED]]
    return {"verdicts": counts(rows), "verdicts_worst": worst}


def exit_code(found: Mapping[str, int], *, accepted: bool) -> int:
    """Returns 0 where all that was asked for holds, 1 where not, 3 where the data can't tell.

    A bound that asks for nothing counts as not met: nobody balanced what it is about.

    Args:
        found: see `counts`.
        accepted: whether the user has chosen what is done with labels that can't be decided; only
            where there are no others is the code 3 then.
    """
    if found.get(VIOLATED) or found.get(VACUOUS):
        return BAD
    decided = found.get(BALANCED, 0) + found.get(WAS_BALANCED, 0)
    if not decided or (found.get(UNDECIDED) and not accepted):
        return UNKNOWN
    return GOOD


def numbers(spec: balance.Spec, total: np.ndarray, examples: float) -> dict[str, Any]:
    """Returns what verdicts are about, as plain values; None of nothing.

    Args:
        spec: of the problem.
        total: of `shares.sums`, with the mass counts · q.
        examples: Σ counts.
    """
    m, c = len(spec.attribute_names), len(spec.label_names)
    found = (shares.within(total, m, c), shares.values(spec.moments, total, examples))
    return {
        name: np.where(np.isnan(x), None, x).tolist()
        for name, x in zip(NUMBERS, found, strict=True)
    }


def _filled(name: str, value: Any) -> Any:
    if value is not None:
        return value
    return "" if name in ("attribute", "label") else math.nan


def _order(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Sorts by verdict, then by how far off it is, then by how far off it was."""
    place = WORST_FIRST.index(row["verdict"])
    after, before = _distance(row, "after"), _distance(row, "before")
    if row["verdict"] == UNDECIDED:  # the more examples, the more it matters
        return (place, -row["before_n"], -before)
    return (place, -after if row["verdict"] in (VIOLATED, VACUOUS) else 0.0, -before)


def _distance(row: Mapping[str, Any], when: str) -> float:
    """Returns how far a value is from the middle of the bounds, or beyond the one that there is.

    Of a number other than a share it is relative to the bound.
    """
    lower, upper, value = row["lower"], row["upper"], row[when]
    if math.isnan(value):
        return math.inf
    known = [x for x in (lower, upper) if not math.isnan(x)]
    far = abs(value - sum(known) / len(known)) if len(known) == 2 else 0.0
    if len(known) == 1:
        far = value - upper if math.isnan(lower) else lower - value
    size = max(map(abs, known), default=1.0)
    return far if row["unit"] in verdicts.PROPORTIONS else far / (size or 1.0)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

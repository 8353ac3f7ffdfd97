"""What became of what was asked for: verdicts as rows of a table, in short, and as an exit code."""

import collections
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m4jax import balance
from m4jax.balance import verdicts
from m4jax.balance.judging import judgement, phrases
from m4jax.tables import shares

Rows = list[dict[str, Any]]

BALANCED, WAS_BALANCED, UNDECIDED = "balanced", "was balanced", "can't be"
VACUOUS, VIOLATED = "vacuous", "violated"
WORST_FIRST = (VIOLATED, VACUOUS, UNDECIDED, BALANCED, WAS_BALANCED)
NUMBERS = ("shares", "values")  # in a certificate: see `numbers`
NAMED = 10  # constraints in a certificate
# Of what an even choice would keep of a constraint's examples. Less is rounding: the solver's
# weights near 0 are some 1e-9, and no example is left then.
LEFT = 1e-6
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
    judged = judgement.judge(problem, weights, least=least)
    found = verdicts.told(problem, weights, judged)
    first = len(found) - len(problem.moments)
    rows = [
        {name: _filled(name, value) for name, value in row.items()} | {"in_words": i >= first}
        for i, row in enumerate(verdicts.rows(found))
    ]
    pairs = zip(rows, _gone(judged).tolist(), _enough(judged).tolist(), strict=True)
    for row, gone, enough in pairs:
        # A gap of 0, or a share of rounding, that is of no examples would look fair.
        none = ["gap_before"] if row["before_n"] == 0 else []
        none += ["after", "gap_after"] if gone or math.isnan(row["after"]) else []
        row |= dict.fromkeys([name for name in row if name.startswith(tuple(none))], math.nan)
        if gone and enough and row["verdict"] == UNDECIDED:
            row["text"] = f"can't be: none of its {row['before_n']:,.6g} examples is left"
    return sorted(rows, key=_order)


def lost(problem: balance.Problem, weights: np.ndarray, *, least: int, first: int) -> list[str]:
    """Returns constraints in words, with bounds, that hold since none of their examples is left.

    Those are not among them that the data can't decide anyhow.

    Args:
        problem: what was asked for, without what the user wants dropped.
        weights: `[n]`.
        least: see `judge`.
        first: how many of the constraints in words are looked at.
    """
    judged = judgement.judge(problem, weights, least=least)
    chosen = _gone(judged) & _enough(judged) & judged.moments.imposed
    start = len(chosen) - len(problem.moments)
    return [_asked(judged, i) for i in np.flatnonzero(chosen) if start <= i < start + first]


def _asked(judged: judgement.Judgement, i: int) -> str:
    moments = judged.moments
    limits = (("at least", moments.lower[i]), ("at most", moments.upper[i]))
    told = [f"{word} {phrases.show(x, moments.units[i])}" for word, x in limits if math.isfinite(x)]
    return f"{moments.names[i]} {' and '.join(told)}"


def _gone(judged: judgement.Judgement) -> np.ndarray:
    """Returns of which constraints `[K]` no example is left, though there were some."""
    before, after = judged.tally.whole
    return judged.moments.relative & (before > 0) & (after <= LEFT * judged.tally.kept * before)


def _enough(judged: judgement.Judgement) -> np.ndarray:
    """Returns of which constraints `[K]` there were enough examples of either group."""
    return ~(judged.tally.n[1:] < judged.least).any(axis=0)


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

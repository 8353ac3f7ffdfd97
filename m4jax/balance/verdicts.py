"""Verdicts that can be read: what became of each constraint, in people's units.

"balanced": it is met now. "was balanced": before as well. "violated": by how much. "vacuous": even
the most one-sided data would meet the bound, which so says nothing. "can't be": the data can't
decide, or nothing is left to estimate it from. What can't be estimated never reads as fair.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from m4jax.balance.bias import divide
from m4jax.balance.constraints.bands import LEAST, POINTS
from m4jax.balance.diagnostics import finite
from m4jax.balance.judging.intervals import newcombe, normal, wilson
from m4jax.balance.judging.judgement import KINDS, Judgement, judge
from m4jax.balance.judging.phrases import part_name, show, texts
from m4jax.balance.judging.tallies import PROPORTIONS
from m4jax.balance.problem import Problem


class Estimate(NamedTuple):
    """A value with its interval of 95%; what can't be estimated is NaN.

    Intervals take the weights as given: they say where the share of another sample, as large and
    weighted alike, would lie, and not what weights that were found for that sample would do.

    Attributes:
        value: in the unit of the constraint.
        low: of Wilson's interval with the effective number for shares and rates, of Newcombe's for
            gaps, of the normal one (delta method) for means and totals.
        high: likewise.
        n: examples that it is of.
        effective: Kish's number of these, (Σ q)² / Σ q².
    """

    value: float
    low: float
    high: float
    n: float
    effective: float


class Verdict(NamedTuple):
    """What became of one constraint.

    Attributes:
        name: in words.
        verdict: one of `judgement.KINDS`.
        before: the value without weights.
        after: the value with weights.
        lower: bound, or −infinity; of constraints on targets, π − 5 points.
        upper: bound, or infinity.
        unit: of values and bounds.
        text: the verdict in words, with what it rests on.
        beyond: by how much the value after is beyond the bounds, in the unit; NaN if unknown.
        imposed: whether weights were asked to meet it.
        attribute: whose share within one label it is, or among all; None for other constraints.
        label: None: among all.
        gap_before: P(y | s=1) − P(y | s=0) of such a label; None for other constraints.
        gap_after: likewise.
    """

    name: str
    verdict: str
    before: Estimate
    after: Estimate
    lower: float
    upper: float
    unit: str
    text: str
    beyond: float
    imposed: bool
    attribute: str | None
    label: str | None
    gap_before: Estimate | None
    gap_after: Estimate | None

    def __str__(self) -> str:
        after = self.after
        interval = " to ".join(show(x, self.unit) for x in (after.low, after.high))
        bounds = [show(x, self.unit) for x in (self.lower, self.upper) if np.isfinite(x)]
        word = ("at least " if np.isfinite(self.lower) else "at most ") if len(bounds) == 1 else ""
        return (
            f"{self.name}: {show(self.before.value, self.unit)}, now "
            f"{show(after.value, self.unit)} ({interval}; n = {after.n:,.6g}, effective "
            f"{after.effective:,.6g}), asked for {word}{' to '.join(bounds)}: {self.text}"
        )


def verdicts(
    problem: Problem, weights: Any, *, points: float = POINTS, least: int = LEAST
) -> list[Verdict]:
    """Returns one verdict for each constraint: those on targets, then those in words.

    Args:
        problem: what was asked.
        weights: `[n]` q in [0, 1].
        points: how far from its target a share may be to pass for balanced; see `judge`.
        least: see `judge`.

    Raises:
        ProblemError: if there is not one weight for each example.
    """
    return told(problem, weights, judge(problem, weights, points=points, least=least))


def told(problem: Problem, weights: Any, found: Judgement) -> list[Verdict]:
    """Returns the verdicts of what `judge` found about these weights."""
    moments, names = found.moments, found.moments.recipe.names
    scale = np.where(moments.relative, 1.0, moments.scale)
    before, after = (_estimates(found, when, scale) for when in (0, 1))
    gaps = _gaps(problem, np.asarray(weights, float), found)
    lower, upper = (moments.lower * scale).tolist(), (moments.upper * scale).tolist()
    beyond, parts = (found.beyond[1] * scale).tolist(), found.part.tolist()
    said = texts(found, scale)
    return [
        Verdict(
            name=moments.names[i],
            verdict=KINDS[found.kinds[i]],
            before=before[i],
            after=after[i],
            lower=lower[i],
            upper=upper[i],
            unit=moments.units[i],
            text=said[i],
            beyond=beyond[i],
            imposed=bool(moments.imposed[i]),
            attribute=names.attributes[k] if k >= 0 else None,
            label=part_name(found, parts[i]) if k >= 0 and parts[i] else None,
            gap_before=gaps[0].get(i),
            gap_after=gaps[1].get(i),
        )
        for i, k in enumerate(found.attribute.tolist())
    ]


def _estimates(found: Judgement, when: int, scale: np.ndarray) -> list[Estimate]:
    """Returns the values before (0) or after (1) with their intervals."""
    value, effective = found.value[when], found.tally.effective[when]
    share = np.isin(found.moments.units, PROPORTIONS) & found.moments.relative
    deviation = divide(np.sqrt(np.maximum(found.tally.spread[when], 0)), found.tally.whole[when])
    pairs = zip(
        wilson(np.where(share, value, 0.0), effective), normal(value, deviation), strict=True
    )
    low, high = (np.where(share & ~np.isnan(value), one, two) for one, two in pairs)
    columns = (value * scale, low * scale, high * scale, found.tally.n[0], effective)
    return [Estimate(*row) for row in zip(*(x.tolist() for x in columns), strict=True)]


def _gaps(problem: Problem, weights: np.ndarray, found: Judgement) -> list[dict[int, Estimate]]:
    """Returns P(y | s=1) − P(y | s=0) before and after by the place of the constraint."""
    chosen = np.flatnonzero(found.part > 0)
    if not chosen.size:
        return [{}, {}]
    known = ~np.isnan(problem.attributes)
    s = np.where(known, problem.attributes, 0.0)
    k, whole, part = found.attribute[chosen], found.tally.whole, found.tally.part
    result = []
    for when, q in enumerate((np.ones(len(weights)), weights)):
        rates, sizes = [], []
        for group, mass in ((s, part), (known - s, whole - part)):
            total = (problem.counts * q) @ group
            sizes.append(divide(total**2, (problem.counts * q**2) @ group**2)[k])
            rates.append(divide(mass[when, chosen], total[k]))
        low, high = newcombe(rates[0], sizes[0], rates[1], sizes[1])
        n = problem.counts @ known
        columns = (rates[0] - rates[1], low, high, n[k], sizes[0] + sizes[1])
        rows = zip(*(x.tolist() for x in columns), strict=True)
        result.append({i: Estimate(*row) for i, row in zip(chosen.tolist(), rows, strict=True)})
    return result


def worst_first(found: Sequence[Verdict]) -> list[Verdict]:
    """Returns the violated ones first, the furthest first, then what can't be, then the others."""
    return sorted(found, key=lambda x: (KINDS.index(x.verdict), -_severity(x)))


def _severity(verdict: Verdict) -> float:
    """Returns how far a value is beyond its bounds: in shares, or relative to the bound."""
    beyond = verdict.beyond if verdict.beyond == verdict.beyond else 0.0
    if verdict.unit in PROPORTIONS:
        return beyond
    bounds = [abs(x) for x in (verdict.lower, verdict.upper) if np.isfinite(x) and x]
    return beyond / min(bounds, default=1.0)


def rows(found: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Returns one record of plain values for each verdict, for csv or JSON; unknown is None."""
    result = []
    for one in found:
        row = {name: getattr(one, name) for name in ("name", "verdict", "text", "unit")}
        row |= {"lower": finite(one.lower), "upper": finite(one.upper)}
        row |= {"beyond": finite(one.beyond), "imposed": one.imposed}
        row |= {"attribute": one.attribute, "label": one.label}
        for what in ("before", "after", "gap_before", "gap_after"):
            estimate = getattr(one, what) or Estimate(*[np.nan] * 5)
            gap = what.startswith("gap")
            for field in Estimate._fields[: 3 if gap else 5]:
                name = what if field == "value" else f"{what}_{field}"
                row[name] = finite(getattr(estimate, field))
        result.append(row)
    return result

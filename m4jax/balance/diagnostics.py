"""What users of survey weights look at before they trust weights."""

import dataclasses
import math
from typing import Any

import numpy as np

from m4jax.balance.bias import divide, group_sums
from m4jax.balance.checks import nonnegative_vector
from m4jax.balance.problem import Problem

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 0.01  # the share of examples whose weights may be suspiciously large
TIGHT = 1e-9  # a moment this near its bound binds: far above rounding, far below any useful bound


@dataclasses.dataclass(frozen=True)
class WeightSummary:
    """The distribution of weights; each example counts as often as `counts` says.

    Attributes:
        examples: n = Σ counts.
        kept: the mean weight, E[q].
        effective_sample_size: (Σ w)² / Σ w² (Kish).
        design_effect: n Σ w² / (Σ w)² (Kish), 1 for equal weights.
        weight_min: the smallest weight.
        weight_max: the largest weight.
        weight_quantiles: the smallest weight that at least this share of the examples, as a
            string, does not exceed.
        weight_zero_share: share of the examples whose weight is 0.
        weight_one_share: share of the examples whose weight is at least 1.
        weight_max_over_mean: the largest weight divided by the mean weight.
        weight_top_share: share of the total weight on the 1% of the examples that weigh most.
    """

    examples: float
    kept: float
    effective_sample_size: float
    design_effect: float
    weight_min: float
    weight_max: float
    weight_quantiles: dict[str, float]
    weight_zero_share: float
    weight_one_share: float
    weight_max_over_mean: float
    weight_top_share: float


@dataclasses.dataclass(frozen=True, eq=False)
class GroupBalance:
    """How far weighted data are from their targets; what cannot be estimated is NaN.

    Attributes:
        prevalence: `[m, c+1]` E_w[s_k] in column 0, then E_w[s_k y_r] / E_w[y_r].
        inside: `[m, c]` E_w[y_r | s_k=1].
        outside: `[m, c]` E_w[y_r | s_k=0].
        gap: `[m, c+1]` E_w[s_k] − π_k in column 0, then inside − outside.
        smd: `[m, c+1]` the gap over a standard deviation of the data without weights, so that
            values before and after can be compared: √(p_k(1−p_k)) in column 0 with p_k = E[s_k],
            then √((p₁(1−p₁) + p₀(1−p₀)) / 2) with the label's prevalences inside and outside.
    """

    prevalence: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    gap: np.ndarray
    smd: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnostics:
    """What `diagnose` returns; arrays `[m, c+1]` have representation in column 0.

    Attributes:
        attribute_names: of the rows.
        label_names: of the columns after the first.
        weights: their distribution.
        target: `[m, c+1]` π.
        before: the balance of the data without weights.
        after: the balance of the weighted data.
        moment: `[m, c+1]` E[q z], which the constraint bounds.
        eps: `[m, c+1]` ε, its bound.
        binds: `[m, c+1]` whether |E[q z]| is at its bound or beyond.
    """

    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]
    weights: WeightSummary
    target: np.ndarray
    before: GroupBalance
    after: GroupBalance
    moment: np.ndarray
    eps: np.ndarray
    binds: np.ndarray

    def rows(self) -> list[dict[str, Any]]:
        """Returns one record per constraint, for csv or JSON: the largest |smd_after| first.

        What cannot be estimated is None, and comes before everything that can, since it must not
        pass for fair; the largest |gap_after| first. Constraints on representation have the label
        None.
        """
        size = [
            np.nan_to_num(np.abs(x.ravel()), nan=np.inf) for x in (self.after.gap, self.after.smd)
        ]
        order = np.lexsort([-x for x in size])  # the last key decides first
        return [self._row(*divmod(int(i), self.target.shape[1])) for i in order]

    def _row(self, k: int, r: int) -> dict[str, Any]:
        row = {
            "attribute": self.attribute_names[k],
            "label": self.label_names[r - 1] if r else None,
            "target": finite(self.target[k, r]),
        }
        for name in ("prevalence", "inside", "outside", "gap", "smd"):
            # The prevalences inside and outside have no column for representation.
            column = r - 1 if name in ("inside", "outside") else r
            for when in ("before", "after"):
                values = getattr(getattr(self, when), name)
                row[f"{name}_{when}"] = finite(values[k, column]) if column >= 0 else None
        row["moment"], row["eps"] = finite(self.moment[k, r]), finite(self.eps[k, r])
        return row | {"binds": bool(self.binds[k, r])}


def diagnose(problem: Problem, weights: Any) -> Diagnostics:
    """Returns the diagnostics of weights: their distribution, and each constraint before and after.

    Standardised mean differences as in the literature on survey and propensity weights, with the
    deviation of the data without weights; for soft values p(1−p) is an upper bound on their
    variance. Effective sample size and design effect are Kish's.

    Args:
        problem: what was to be balanced.
        weights: `[n]` q, at least 0.

    Returns:
        A `Diagnostics`.

    Raises:
        ProblemError: if the weights don't fit the problem, are negative or not finite, or all 0.
    """
    counts, target, eps = problem.counts, problem.spec.target, problem.spec.eps
    weights = nonnegative_vector("weights", weights, len(counts))
    before = group_sums(problem.attributes, problem.labels, counts)
    after = group_sums(problem.attributes, problem.labels, counts * weights)
    moment = ((1 - target) * after[1] - target * after[0]) / counts.sum()
    deviation = _deviation(before)
    return Diagnostics(
        attribute_names=problem.attribute_names,
        label_names=problem.label_names,
        weights=summarise(weights, counts),
        target=target,
        before=_balance(before, target, deviation),
        after=_balance(after, target, deviation),
        moment=moment,
        eps=eps,
        binds=np.abs(moment) >= eps - TIGHT,
    )


def _balance(sums: np.ndarray, target: np.ndarray, deviation: np.ndarray) -> GroupBalance:
    """Returns the balance of data with these `group_sums`."""
    prevalence = divide(sums[1], sums.sum(0))
    outside, inside = divide(sums[:, :, 1:], sums[:, :, :1])
    gap = np.concatenate([prevalence[:, :1] - target[:, :1], inside - outside], axis=1)
    return GroupBalance(prevalence, inside, outside, gap, smd=divide(gap, deviation))


def _deviation(sums: np.ndarray) -> np.ndarray:
    """Returns the standard deviations `[m, c+1]` that differences are measured in."""
    prevalence = divide(sums[1], sums.sum(0))[:, :1]
    shares = divide(sums[:, :, 1:], sums[:, :, :1])
    variance = [prevalence * (1 - prevalence), (shares * (1 - shares)).mean(0)]
    return np.sqrt(np.concatenate(variance, axis=1).clip(min=0.0))


def effective_sample_size(weights: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Returns Kish's effective sample size (Σ w)² / Σ w².

    Args:
        weights: `[n]` at least 0, on any scale.
        counts: `[n]` how often each example counts; once by default.

    Returns:
        A number from 1 to the number of examples; NaN if no weight is above 0 or one is not
        finite.
    """
    counts = np.ones(len(weights)) if counts is None else counts
    largest = weights.max(initial=0.0)
    if not 0 < largest < np.inf:
        return float("nan")
    scaled = weights / largest  # the squares of small weights would vanish
    total, squares = counts @ scaled, counts @ scaled**2
    return float(total * (total / squares)) if squares > 0 else float("nan")


def design_effect(weights: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Returns Kish's design effect n Σ w² / (Σ w)²: n over the effective sample size.

    Args:
        weights: `[n]` at least 0, on any scale.
        counts: `[n]` how often each example counts; once by default.

    Returns:
        A number of at least 1; NaN as for `effective_sample_size`.
    """
    n = len(weights) if counts is None else counts.sum()
    return float(n / effective_sample_size(weights, counts))


def summarise(weights: np.ndarray, counts: np.ndarray) -> WeightSummary:
    """Returns the distribution of weights `[n]` ≥ 0 whose rows count `counts` `[n]` times."""
    weights, counts = weights[counts > 0], counts[counts > 0]
    n, mean = counts.sum(), counts @ weights / counts.sum()
    order = np.argsort(weights)
    reached = np.cumsum(counts[order])
    places = np.searchsorted(reached, np.array(QUANTILES) * n).clip(max=len(order) - 1)
    return WeightSummary(
        examples=float(n),
        kept=float(mean),
        effective_sample_size=effective_sample_size(weights, counts),
        design_effect=design_effect(weights, counts),
        weight_min=float(weights.min()),
        weight_max=float(weights.max()),
        weight_quantiles={
            str(q): float(w) for q, w in zip(QUANTILES, weights[order[places]], strict=True)
        },
        weight_zero_share=float(counts @ (weights == 0) / n),
        weight_one_share=float(counts @ (weights >= 1) / n),
        weight_max_over_mean=float(weights.max() / mean) if mean > 0 else float("nan"),
        weight_top_share=_top_share(weights[order[::-1]], counts[order[::-1]]),
    )


def _top_share(weights: np.ndarray, counts: np.ndarray) -> float:
    """Returns the share of the weight on the first `TOP` of the examples, in descending order."""
    reached, mass = np.cumsum(counts), np.cumsum(counts * weights)
    top = np.interp(TOP * reached[-1], np.append(0.0, reached), np.append(0.0, mass))
    return float(top / mass[-1]) if mass[-1] > 0 else float("nan")


def finite(value: Any) -> float | None:
    """Returns the value as a float, None where it is NaN or infinite, as JSON wants it."""
    return float(value) if math.isfinite(value) else None

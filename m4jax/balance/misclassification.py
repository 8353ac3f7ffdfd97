"""Bounds for the true attribute where annotation errs.

Weights see the annotated attribute ŝ, so that balancing it to parity does not balance the true s:
of captions that say "man" where nine nurses in ten are women, many are women by error. What weights
can bound is E[q E[s | ŝ, y] y], and that posterior follows from the annotator's confusion matrix.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy import special

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints import conditions
from m4jax.balance.constraints.bands import LEAST as ENOUGH
from m4jax.balance.constraints.bands import POINTS, pair
from m4jax.balance.constraints.conditions import Condition
from m4jax.balance.constraints.features import Names
from m4jax.balance.constraints.means import Means
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.constraints.words import share

RIDGE = 1.0  # precision of the prior on a label's log odds: rare labels stay near the whole
STEPS = 50
CLOSE = 1e-9  # change of the log odds at which the fit ends
GRID = 1001  # mixes of the two annotated kinds that are compared
LEAST, LIKELY, MOST = "at least", "likely", "at most"
REACHED = "reached"
SLACK = 0.01  # of an annotated share that is asked for


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """What annotation and labels tell of the true attribute.

    Attributes:
        middle: `[n]` P(s=1 | ŝ, y) at the observed rates of error; NaN where ŝ is unknown.
        low: `[n]` the least over the rates' confidence region.
        high: `[n]` the largest.
        sensitivity: P(ŝ=1 | s=1) with its interval, (value, low, high).
        false_rate: P(ŝ=1 | s=0), likewise.
    """

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sensitivity: tuple[float, float, float]
    false_rate: tuple[float, float, float]

    def columns(self, name: str) -> dict[str, np.ndarray]:
        """Returns the columns that `true_share` reads, 0 where ŝ is unknown."""
        values = {LEAST: self.low, LIKELY: self.middle, MOST: self.high}
        return {f"{name} ({key})": np.nan_to_num(value) for key, value in values.items()}


def posterior(
    attribute: Any, labels: Any, confusion: Any, *, counts: Any = None, confidence: float = 0.95
) -> Posterior:
    """Returns P(s=1 | ŝ, y), with what the uncertainty of the confusion matrix leaves open.

    With a = P(ŝ=1 | s=1) and b = P(ŝ=1 | s=0), which do not depend on y, and the prior
    ρ(y) = P(s=1 | y) = σ(β₀ + y·β), fitted by maximum likelihood (and a weak ridge) to
    P(ŝ=1 | y) = b + (a − b) ρ(y): P(s=1 | ŝ=1, y) = aρ / (aρ + b(1−ρ)), and
    P(s=1 | ŝ=0, y) = (1−a)ρ / ((1−a)ρ + (1−b)(1−ρ)). The confidence region is the rectangle of
    Jeffreys intervals for a and b, each at √confidence; its four corners are compared. Derived; the
    model of errors is that of Natarajan et al. (2013), "Learning with Noisy Labels".

    Args:
        attribute: `[n]` ŝ, 0 or 1, NaN where unknown.
        labels: `[n, c]` y in [0, 1].
        confusion: `[2, 2]` how many of a random, hand-checked sample are (row) truly 1 or 0 and
            (column) annotated 1 or 0.
        counts: `[n]` how often each row occurs; once by default.
        confidence: of the region, in (0, 1).

    Raises:
        ProblemError: if a shape or a value is not as above, or the annotator is not better than
            chance within the region.
    """
    table = _table(confusion)
    checks.number("confidence", confidence, "in (0, 1)", lambda x: 0 < x < 1)
    labels = checks.unit_matrix("labels", labels).astype(float)
    attribute = checks.numbers("attribute", attribute).astype(float)
    if (
        attribute.shape != (len(labels),)
        or not np.isin(attribute[~np.isnan(attribute)], (0, 1)).all()
    ):
        raise ProblemError(
            f"attribute: expected ({len(labels)},) values of 0, 1 or NaN, one per row of labels"
        )
    counts = checks.nonnegative_vector("counts", counts, len(labels))
    known = ~np.isnan(attribute) & (counts > 0)
    rates = [_interval(*row, confidence**0.5) for row in table]
    corners = [(rates[0][i], rates[1][j]) for i, j in ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2))]
    if min(a - b for a, b in corners) <= 0:
        raise ProblemError(
            f"confusion: {table.tolist()} does not show that annotation is better than chance at "
            f"{confidence:.0%} confidence; check more examples by hand"
        )
    found = np.full((len(corners), len(labels)), np.nan)
    for place, (a, b) in enumerate(corners):
        prior = special.expit(_fit(attribute[known], labels[known], counts[known], a, b))
        found[place, known] = _bayes(attribute[known], prior, a, b)
    return Posterior(found[0], found.min(axis=0), found.max(axis=0), *rates)


@dataclasses.dataclass(frozen=True)
class TrueShare:
    """See `true_share`."""

    attribute: str
    within: Condition
    between: tuple[float, float]
    penalty: tuple[float, float] | None = None
    imposed: bool = True

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns two ratios: of the least and of the largest posterior."""
        whole = names.known(self.attribute) * conditions.value(names, self.within, mean)
        where = "" if self.within is None else f" within {conditions.call(self.within)}"
        sides = ((LEAST, self.between[0], np.inf), (MOST, -np.inf, self.between[1]))
        return [
            Ratio(
                name=f"true share of {self.attribute}{where}, {side}",
                part=names.value(f"{self.attribute} ({side})") * whole,
                whole=whole,
                lower=lower,
                upper=upper,
                penalty=self.penalty,
                imposed=self.imposed,
            )
            for side, lower, upper in sides
        ]


def true_share(
    attribute: str, *, within: Condition = None, between: tuple[float, float], penalty: Any = None
) -> TrueShare:
    """Bounds the share of the true attribute, whatever the errors of its annotation are.

    E[q (P_high(s=1 | ŝ, y) − upper) y] ≤ 0 and E[q (P_low(s=1 | ŝ, y) − lower) y] ≥ 0, with the
    columns of `Posterior.columns(attribute)` among the problem's `columns`.

    Args:
        attribute: its name.
        within: a label, or another condition; None: among all whose attribute is known.
        between: the bounds, in [0, 1].
        penalty: V, or V of the lower and of the upper bound; the problem's by default.

    Raises:
        ProblemError: if `between` is not two shares in order.
    """
    lower, upper = between
    if not 0 <= lower <= upper <= 1:
        raise ProblemError(f"between is {between}; expected two shares in [0, 1], in order")
    return TrueShare(attribute, within, (float(lower), float(upper)), pair(penalty))


@dataclasses.dataclass(frozen=True)
class TrueBand:
    """See `true_band`."""

    attribute: str
    points: float
    target: float
    least: float
    reach: float

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns the bounds on the true share, overall and within each label."""
        if mean is None:
            raise ProblemError("true_band needs the examples; use true_share without them")
        band, found = (self.target - self.points, self.target + self.points), []
        for label in (None, *names.labels):
            annotated = self._nearest(names, mean, label, band)
            asked = annotated is REACHED
            found += TrueShare(self.attribute, label, band, imposed=asked).ratios(names, mean)
            if not (asked or annotated is None):
                near = max(0.0, annotated - SLACK), min(1.0, annotated + SLACK)
                (ratio,) = share(self.attribute, within=label, between=near).ratios(names, mean)
                found.append(dataclasses.replace(ratio, name=f"annotated {ratio.name}"))
        return found

    def _nearest(
        self, names: Names, mean: Means, label: str | None, band: tuple[float, float]
    ) -> float | str | None:
        """Returns the annotated share that brings the true one nearest to the target.

        `REACHED`, if the band itself can be met whatever the rates of error are in their region;
        None, if there are too few examples to ask for anything.
        """
        among = conditions.value(names, label, mean)
        inside = names.value(self.attribute) * among
        outside = names.known(self.attribute) * among - inside
        sizes = [mean(x) * mean.examples for x in (inside, outside)]
        if min(sizes) < self.least:
            return None
        t = np.linspace(1 - self.reach, self.reach, GRID)
        low, middle, high = (
            sum(
                part * mean(names.value(f"{self.attribute} ({side})") * x) * mean.examples / size
                for part, x, size in zip((t, 1 - t), (inside, outside), sizes, strict=True)
            )
            for side in (LEAST, LIKELY, MOST)
        )
        if ((low >= band[0]) & (high <= band[1])).any():
            return REACHED
        return float(t[np.argmin(np.abs(middle - self.target))])


def true_band(
    attribute: str,
    points: float = POINTS,
    *,
    target: float = 0.5,
    least: float = ENOUGH,
    reach: float = 0.95,
) -> TrueBand:
    """Bounds the share of the true attribute overall and within every label: target ± points.

    Of the captions that say "man" of a job in which nine in ten are women, many err: no weights on
    annotated examples can bring the true share to one half then. Where the band can't be reached
    for certain with an annotated share from 1 − `reach` to `reach`, the annotated share is held
    where the true one is likely to be nearest to the target, and the verdict says that the band
    itself is not met. Derived.

    Args:
        attribute: its name; its `Posterior.columns` must be among the problem's columns.
        points: half the width of the band.
        target: its middle.
        least: examples of either annotated kind, below which nothing is asked.
        reach: see above, in (0.5, 1].
    """
    return TrueBand(attribute, float(points), float(target), float(least), float(reach))


def _table(confusion: Any) -> np.ndarray:
    table = checks.numbers("confusion", confusion).astype(float)
    if table.shape != (2, 2) or not (table >= 0).all() or not (table.sum(axis=1) > 0).all():
        raise ProblemError(
            f"confusion is {table.tolist()}; expected [[true 1 annotated 1, true 1 annotated 0], "
            "[true 0 annotated 1, true 0 annotated 0]], counts with at least one in each row"
        )
    return table


def _interval(hits: float, misses: float, confidence: float) -> tuple[float, float, float]:
    """Returns the rate of hits with its Jeffreys interval."""
    tails = np.array([1 - confidence, 1 + confidence]) / 2
    low, high = special.betaincinv(hits + 0.5, misses + 0.5, tails)
    rate = hits / (hits + misses)
    return rate, min(float(low), rate), max(float(high), rate)


def _fit(annotated: np.ndarray, labels: np.ndarray, counts: np.ndarray, a: float, b: float):
    """Returns the log odds β₀ + y·β `[n]` of the true attribute, by Fisher scoring."""
    x = np.concatenate([np.ones((len(labels), 1)), labels], axis=1)
    ridge = np.full(x.shape[1], RIDGE)
    ridge[0] = 0.0
    beta = np.zeros(x.shape[1])

    def loss(beta: np.ndarray) -> float:
        h = _seen(x @ beta, a, b)
        fit = counts @ (annotated * np.log(h) + (1 - annotated) * np.log1p(-h))
        return 0.5 * ridge @ beta**2 - float(fit)

    value = loss(beta)
    for _ in range(STEPS):
        odds = x @ beta
        h, rho = _seen(odds, a, b), special.expit(odds)
        slope = (a - b) * rho * (1 - rho)
        spread = h * (1 - h)
        gradient = x.T @ (counts * (annotated - h) / spread * slope) - ridge * beta
        weight = counts * slope**2 / spread
        curvature = (x * weight[:, None]).T @ x + np.diag(ridge)
        curvature[0, 0] += 1e-9
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while (new := loss(beta + length * step)) > value and length > 1e-6:
            length /= 2
        if new >= value:
            break
        beta, value = beta + length * step, new
        if np.abs(length * step).max() < CLOSE:
            break
    return x @ beta


def _seen(odds: np.ndarray, a: float, b: float) -> np.ndarray:
    """Returns P(ŝ=1 | y), kept off 0 and 1."""
    return np.clip(b + (a - b) * special.expit(odds), 1e-12, 1 - 1e-12)


def _bayes(annotated: np.ndarray, prior: np.ndarray, a: float, b: float) -> np.ndarray:
    """Returns P(s=1 | ŝ, y)."""
    one, zero = np.where(annotated == 1, a, 1 - a), np.where(annotated == 1, b, 1 - b)
    both = one * prior + zero * (1 - prior)
    return np.divide(one * prior, both, out=prior.copy(), where=both > 0)

"""The records behind the words: who is spoken of, the bounds, and the moments that they are."""

import dataclasses
import math
from typing import Any

import numpy as np

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints import conditions
from m4jax.balance.constraints.bands import LEAST, block, limits, numbered
from m4jax.balance.constraints.conditions import Condition, call, no
from m4jax.balance.constraints.features import Names
from m4jax.balance.constraints.means import Means
from m4jax.balance.constraints.moments import Moments, Ratio


@dataclasses.dataclass(frozen=True)
class Share:
    """What `share` returns."""

    attribute: Condition
    within: Condition
    between: tuple[float, float]
    penalty: tuple[float, float] | None = None

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns the constraint as a ratio."""
        among = conditions.value(names, self.within, mean)
        lower, upper, imposed = limits(*self.between)
        what = call(self.attribute)
        return [
            Ratio(
                f"prevalence of {what}"
                if self.within is None
                else f"share of {what} within {call(self.within)}",
                conditions.value(names, self.attribute, mean) * among,
                conditions.known(names, self.attribute) * among,
                lower,
                upper,
                penalty=self.penalty,
                imposed=imposed,
            )
        ]


@dataclasses.dataclass(frozen=True)
class Average:
    """What `mean` returns."""

    column: str
    within: Condition
    between: tuple[float, float]
    penalty: tuple[float, float] | None = None

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns the constraint as a ratio."""
        among = conditions.value(names, self.within, mean)
        where = "" if self.within is None else f" within {call(self.within)}"
        part = conditions.column(names, self.column) * among
        name = f"mean of {self.column}{where}"
        return [Ratio(name, part, among, *self.between, unit=self.column, penalty=self.penalty)]


@dataclasses.dataclass(frozen=True)
class Rates:
    """What `gap` and `ratio` return: a label's rate in each group, with bounds around one rate."""

    label: Condition
    of: Condition
    within: Condition
    at_most: float | None
    at_least: float | None
    around: float | None
    penalty: tuple[float, float] | None = None

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns one ratio per group."""
        among = conditions.value(names, self.within, mean)
        label = conditions.value(names, self.label, mean) * conditions.known(names, self.label)
        groups = self.of if isinstance(self.of, tuple | list) else (self.of, no(self.of))
        if len(groups) < 2:
            raise ProblemError(f"gap of {call(self.label)}: one group; expected an attribute's")
        lower, upper, imposed = self._limits(mean, label * among, among)
        where = "" if self.within is None else f" within {call(self.within)}"
        found = []
        for group in groups:
            whole = conditions.value(names, group, mean) * among
            name = f"rate of {call(self.label)} where {call(group)}{where}"
            found.append(
                Ratio(name, label * whole, whole, lower, upper, "rate", self.penalty, 1.0, imposed)
            )
        return found

    def _limits(self, mean: Means | None, label: Any, among: Any) -> tuple[float, float, bool]:
        """Returns the bounds of each group's rate, and whether the data can meet any."""
        if self.around is not None:
            around, enough = self.around, True
        elif mean is None:
            raise ProblemError(
                f"rate of {call(self.label)}: without examples there is no rate of the data; give "
                "it, as in around=0.1"
            )
        else:
            examples, rate = mean(among), mean(label)
            around = rate / examples if examples > 0 else 0.0
            enough = rate * mean.examples >= LEAST
        if self.at_most is not None:
            low, high = around - self.at_most / 2, around + self.at_most / 2
        else:
            root = math.sqrt(self.at_least)
            low, high = around * root, around / root if root > 0 else 1.0
        lower, upper, imposed = limits(max(0.0, low), min(1.0, high))
        return lower, upper, imposed and enough


@dataclasses.dataclass(frozen=True)
class Amount:
    """What `cap` and `floor` return."""

    label: Any
    lower: float
    upper: float
    unit: str
    penalty: tuple[float, float] | None = None

    def ratios(self, names: Names, mean: Means | None) -> list[Moments]:
        """Returns the constraints of all its labels as one block."""
        chosen = numbered(names, self.label)
        size, whole = np.arange(len(chosen)) * 0, None
        scale = 1.0
        if self.unit == "share":
            whole = np.stack([size, size])
        elif mean is None:
            raise ProblemError('unit="examples" needs the examples; give unit="share"')
        else:
            scale = mean.examples
        return [
            block(
                names,
                [f"{self.unit} of {names.labels[r]}" for r in chosen],
                np.stack([size, 1 + chosen]),
                whole,
                lower=self.lower / scale,
                upper=self.upper / scale,
                unit=self.unit,
                penalty=self.penalty,
                scale=scale,
            )
        ]


@dataclasses.dataclass(frozen=True)
class Budget:
    """What `budget` returns."""

    column: str
    at_most: float
    penalty: tuple[float, float] | None = None

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio]:
        """Returns the constraint on the mean of the column over the examples."""
        part = conditions.column(names, self.column)
        if mean is None:
            raise ProblemError(f"budget of {self.column} needs the examples; use balance.mean(…)")
        upper = self.at_most / mean.examples
        name, scale = f"total of {self.column}", mean.examples
        return [Ratio(name, part, None, -math.inf, upper, self.column, self.penalty, scale)]


@dataclasses.dataclass(frozen=True)
class Several:
    """Words that belong together."""

    words: tuple[Any, ...]

    def ratios(self, names: Names, mean: Means | None) -> list[Ratio | Moments]:
        """Returns the ratios of all."""
        return [x for word in self.words for x in word.ratios(names, mean)]

"""Constraints of one's own: right ones pass, each kind of mistake is named."""

import dataclasses

import numpy as np
import pytest

from m4jax import balance
from m4jax.balance.checks import ConformanceError
from m4jax.balance.constraints.vocabulary import Several

NAMES = {"attributes": ("man", "dark"), "labels": ("nurse", "cook", "child")}


@dataclasses.dataclass(frozen=True)
class Pooled:
    """The share of an attribute among all mentions of several labels."""

    attribute: str
    labels: tuple[str, ...]
    between: tuple[float, float] = (0.45, 0.55)

    def expressions(self, names):
        total = names.value(self.labels[0])
        for label in self.labels[1:]:
            total = total + names.value(label)
        return names.value(self.attribute) * total, names.known(self.attribute) * total

    def ratios(self, names, mean):
        part, whole = self.expressions(names)
        return [balance.Ratio(f"pooled {self.attribute}", part, whole, *self.between)]


def pooled_value(s, y, columns, q):
    man = s[:, 0]
    mentions = q * y[:, :2].sum(1)
    return np.nansum(mentions * man) / mentions[~np.isnan(man)].sum()


def test_a_right_one_passes():
    balance.check_constraint(Pooled("man", ("nurse", "cook")), pooled_value, **NAMES)


def shares_and_totals(s, y, columns, q):
    dark = s[:, 1]
    among = (q * y[:, 0])[~np.isnan(dark)].sum()
    share = np.nansum(q * y[:, 0] * dark) / among
    return [share, q @ y[:, 2] / q.sum(), q @ columns["tokens"]]


def test_words_of_the_library_pass():
    word = Several(
        (
            balance.share("dark", within="nurse", between=(0.4, 0.5), penalty=0.1),
            balance.floor("child", at_least=0.5),
            balance.budget("tokens", at_most=3000),
        )
    )
    columns = {"tokens": (5, 40)}
    balance.check_constraint(word, shares_and_totals, columns=columns, **NAMES)

    def rates(s, y, columns, q):
        groups = [(g, y[:, 0] == x) for x in (1, 0) for g in (s[:, 0] == 1, s[:, 0] == 0)]
        return [(q * y[:, 1])[a & b].sum() / q[a & b].sum() for a, b in groups]

    odds = balance.equalized_odds("cook", "nurse", "man", at_most=0.2)
    balance.check_constraint(odds, rates, **NAMES)


class Forgets(Pooled):
    """Takes those of unknown gender for women."""

    def expressions(self, names):
        part, _ = super().expressions(names)
        total = names.value("nurse") + names.value("cook")
        return part, total


class Negative(Pooled):
    def expressions(self, names):
        part, whole = super().expressions(names)
        return part, whole - names.value("child") * 2.0


class Twice(Pooled):
    def ratios(self, names, mean):
        return super().ratios(names, mean) * 2


class Greedy(Pooled):
    """Needs the examples and does not say so."""

    def ratios(self, names, mean):
        assert mean.examples
        return super().ratios(names, mean)


class Places(Pooled):
    """Takes its bounds from where the nurses stand."""

    def ratios(self, names, mean):
        order = 0 if mean is None else np.arange(len(mean.labels)) @ mean.labels[:, 0]
        low = 0.3 + 1e-6 * order
        return [dataclasses.replace(x, lower=low) for x in super().ratios(names, mean)]


BROKEN = {
    "its ratio is .*, by its definition": Forgets,
    "whole is -.* expected at least 0": Negative,
    "comes twice": Twice,
    "without examples": Greedy,
    "lower bounds depend on the order": Places,
}


@pytest.mark.parametrize("message", BROKEN)
def test_each_mistake_is_named(message):
    word = BROKEN[message]("man", ("nurse", "cook"))
    with pytest.raises(ConformanceError, match=message):
        balance.check_constraint(word, pooled_value, **NAMES)


@pytest.mark.parametrize(
    ("returned", "message"),
    [(None, "expected a list"), ([], "expected a list"), (["share"], "expected balance.Ratio")],
)
def test_what_is_no_ratio_is_refused(returned, message):
    class Other(Pooled):
        def ratios(self, names, mean):
            return returned

    with pytest.raises(ConformanceError, match=message):
        balance.check_constraint(Other("man", ("nurse",)), pooled_value, **NAMES)


def test_a_value_of_another_number_is_refused():
    with pytest.raises(ConformanceError, match="2 numbers for 1 ratios"):
        balance.check_constraint(Pooled("man", ("nurse", "cook")), lambda *_: np.zeros(2), **NAMES)


def test_bounds_that_nothing_meets_are_told():
    def never(s, y, columns, q):
        return q @ columns["tokens"]

    word = balance.budget("tokens", at_most=-1)
    with pytest.raises(ConformanceError, match="no weights of the random examples"):
        balance.check_constraint(word, never, columns={"tokens": (5, 9)}, **NAMES)


def test_bounds_that_mean_something_else_are_seen_at_the_weights():
    """Equal on the ratios themselves, but the bounds speak of another unit."""

    class Percent(Pooled):
        def ratios(self, names, mean):
            (one,) = super().ratios(names, mean)
            return [dataclasses.replace(one, lower=0.75, upper=0.8)]

    def clipped(s, y, columns, q):
        return min(pooled_value(s, y, columns, q), 0.7)

    with pytest.raises(ConformanceError, match="at the weights that should meet its bounds"):
        balance.check_constraint(Percent("man", ("nurse", "cook")), clipped, **NAMES)

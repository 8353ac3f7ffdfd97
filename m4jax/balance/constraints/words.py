"""Constraints in people's units: each word is a record that knows its linear moments.

Each function returns a frozen record with `ratios(names, mean)`; see `Problem(constraints=…)`.
Conditions (`within=`, and whoever a share is of) are a name, `no(name)`, or a tuple of these, all
of which must hold; a name is an attribute's, a label's, or a column's of values in 0..1. Bounds on
shares and rates are in [0, 1]. `penalty=` is V, or (V of the lower, V of the upper bound), infinite
where hard; by default the problem's.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from m4jax.balance import own
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.bands import band, pair
from m4jax.balance.constraints.conditions import Condition, No, no
from m4jax.balance.constraints.grammar import read
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.constraints.vocabulary import Amount, Average, Budget, Rates, Several, Share
from m4jax.errors import nearest

Penalty = float | tuple[float, float] | None
UNITS = ("share", "examples")
__all__ = ["Condition", "No", "band", "budget", "cap", "equalized_odds", "floor", "from_config",
           "gap", "mean", "no", "parse", "prevalence", "ratio", "share"]  # fmt: skip


def share(
    attribute: Condition, *, within: Condition = None, between: Any, penalty: Penalty = None
) -> Share:
    """Bounds the share of an attribute among those it is known of: E[q s y] / E[q κ y].

    A tuple of attributes is their intersection, among the examples of which all are known.
    Linear: E[q (s − upper κ) y] ≤ 0 and E[q (s − lower κ) y] ≥ 0. Source: derived.

    Args:
        attribute: whose share.
        within: among whom; None: among all.
        between: (lower, upper).
        penalty: see above.

    Raises:
        ProblemError: if a bound is not as above.
    """
    if attribute is None:
        raise ProblemError("share: expected an attribute, got None")
    return Share(attribute, within, _between("share", between), pair(penalty))


def prevalence(attribute: Condition, between: Any, *, penalty: Penalty = None) -> Share:
    """Bounds the share of an attribute among all examples; see `share`."""
    return share(attribute, between=between, penalty=penalty)


def mean(
    column: str, *, within: Condition = None, between: Any, penalty: Penalty = None
) -> Average:
    """Bounds the mean of a column of numbers, in its own unit: E[q x y] / E[q y]."""
    limits_ = _between("mean", between, (-math.inf, math.inf))
    return Average(column, within, limits_, pair(penalty))


def gap(
    label: Condition,
    of: Condition,
    *,
    at_most: float = 0.05,
    around: float | None = None,
    within: Condition = None,
    penalty: Penalty = None,
) -> Rates:
    """Bounds the gap of a label's rates E[q y g] / E[q g] between any two groups g, in [0, 1].

    Each rate is held within `around` ± at_most / 2. What linearity costs: the label's rate itself
    is held there too. Source: derived.

    Args:
        label: whose rate.
        of: an attribute, whose groups 1 and 0 are compared; or a tuple of groups, each a condition,
            the values of a multi-valued attribute say.
        at_most: the largest gap, 0.05 are 5 points.
        around: the rate; None: that of the data without weights.
        within: among whom; None: among all.
        penalty: see above.

    Raises:
        ProblemError: if a bound is not as above.
    """
    _number("gap: at_most", at_most, 0, 1)
    return Rates(label, of, within, at_most, None, _around("gap", around), pair(penalty))


def ratio(
    label: Condition,
    of: Condition,
    *,
    at_least: float = 0.8,
    around: float | None = None,
    within: Condition = None,
    penalty: Penalty = None,
) -> Rates:
    """Bounds the ratio of a label's rates between any two groups; 0.8: the four-fifths rule.

    Each rate is held within ρ√r … ρ/√r, with ρ the rate `around` and r = `at_least`. Source:
    Uniform Guidelines on Employee Selection Procedures (1978), 4/5; the linear form is derived.
    See `gap` for the other arguments.
    """
    _number("ratio: at_least", at_least, 0, 1)
    return Rates(label, of, within, None, at_least, _around("ratio", around), pair(penalty))


def equalized_odds(
    prediction: Condition,
    label: str,
    of: Condition,
    *,
    at_most: float = 0.05,
    penalty: Penalty = None,
) -> Several:
    """Bounds the gaps of a prediction's rate within a label and within its negation.

    Source: Hardt, Price & Srebro (2016), with a bound in place of equality; see `gap`.
    """
    cases = (label, no(label))
    one = [gap(prediction, of, at_most=at_most, within=x, penalty=penalty) for x in cases]
    return Several(tuple(one))


def cap(
    label: Any = None, *, at_most: float, unit: str = "share", penalty: Penalty = None
) -> Amount:
    """Bounds a label from above: its share E[q y] / E[q], or the examples Σ q y in expectation.

    Args:
        label: a name, a tuple of names, each of which is bounded, or None: all labels.
        at_most: in [0, 1], or a number of examples.
        unit: "share" of what is kept, or "examples".
        penalty: see above.

    Raises:
        ProblemError: if a bound is not as above.
    """
    return Amount(label, -math.inf, _amount("cap", at_most, unit), unit, pair(penalty))


def floor(
    label: Any = None, *, at_least: float, unit: str = "share", penalty: Penalty = None
) -> Amount:
    """Bounds a label from below; see `cap`."""
    return Amount(label, _amount("floor", at_least, unit), math.inf, unit, pair(penalty))


def budget(column: str, *, at_most: float, penalty: Penalty = None) -> Budget:
    """Bounds the total Σ q x of a column in expectation: tokens, bytes, a price."""
    _number("budget: at_most", at_most, -math.inf, math.inf)
    return Budget(column, at_most, pair(penalty))


WORDS = {
    word.__name__: word
    for word in (share, prevalence, mean, gap, ratio, equalized_odds, cap, floor, budget, band)
}


def parse(text: str) -> Any:
    """Returns the word of a text such as "share man within nurse between 45% and 55%".

    See `grammar`, which has one line for each word.

    Raises:
        ProblemError: if the text is not understood; the message says where, and what was expected.
    """
    word, arguments = read(text)
    return WORDS[word](**arguments)


def from_config(item: Any) -> Any:
    """Returns the word of plain data: a text (see `parse`), a mapping, or its items in a tuple.

    "my_module:MY_CONSTRAINT" is a word of one's own, with `ratios(names, mean)`; see `own`.

    {"share": "man", "within": "nurse", "between": (0.45, 0.55)} is
    share("man", within="nurse", between=(0.45, 0.55)), and so are ("share", "man", "within", …).
    """
    if own.is_path(item):
        return _own(item)
    if isinstance(item, str):
        return parse(item)
    if isinstance(item, tuple | list) and item and len(item) % 2 == 0:
        item = dict(zip(item[::2], item[1::2], strict=True))
    if hasattr(item, "ratios") or isinstance(item, Ratio):
        return item
    if not isinstance(item, Mapping) or not item:
        raise ProblemError(f"constraint {item!r}: expected a text or a mapping; see balance.parse")
    word, first = next(iter(item.items()))
    if word not in WORDS:
        raise ProblemError(f"constraint {item!r}: {word!r} is no word; {nearest(str(word), WORDS)}")
    function, others = WORDS[word], {k: x for k, x in item.items() if k != word}
    try:
        return function(first, **others)
    except TypeError as error:
        raise ProblemError(f"constraint {item!r}: {error}") from None


def _own(path: str) -> Any:
    try:
        found = own.load(path, "constraint")
    except ValueError as error:
        raise ProblemError(str(error)) from error
    if not hasattr(found, "ratios") and not isinstance(found, Ratio):
        raise ProblemError(
            f"constraint {path!r}: expected a word with ratios(names, mean), got {found!r}"
        )
    return found


def _between(word: str, between: Any, allowed: tuple[float, float] = (0, 1)) -> tuple[float, float]:
    pair = tuple(between) if isinstance(between, tuple | list | np.ndarray) else ()
    try:
        low, high = map(float, pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not allowed[0] <= low <= high <= allowed[1]:
        where = " in [0, 1]" if allowed == (0, 1) else ""
        raise ProblemError(
            f"{word}: between is {between!r}; expected two bounds{where}, the lower one first, "
            f"as in {'(0.45, 0.55)' if where else '(30, 40)'}"
        )
    return low, high


def _number(what: str, value: Any, least: float, most: float) -> float:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and least <= value <= most and math.isfinite(value)):
        where = f" in [{least:g}, {most:g}]" if math.isfinite(most) else ""
        raise ProblemError(f"{what} is {value!r}; expected a finite number{where}")
    return float(value)


def _around(word: str, around: Any) -> float | None:
    return None if around is None else _number(f"{word}: around", around, 0, 1)


def _amount(word: str, value: Any, unit: str) -> float:
    if unit not in UNITS:
        raise ProblemError(f'{word}: unit is {unit!r}; expected "share" or "examples"')
    what = f"{word}: the bound (unit {unit!r})"
    if unit == "share":
        return _number(what, value, 0, 1)
    amount = _number(what, value, -math.inf, math.inf)
    if amount < 0:
        raise ProblemError(f"{what} is {value!r}; expected at least 0")
    return amount

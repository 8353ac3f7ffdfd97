"""Rules by which tests become verdicts, on a part of a claim and on a claim: pure functions.

    supported           the difference is on the side that the claim says
    supported in part   some parts of a claim are, others are not
    no effect           the difference lies within ±m, m being the smallest that would matter
    contradicted        it is on the other side; of "no difference": it is outside ±m
    undecided           none of these can be told
    not tested          there are no runs, or too few seeds for any test
    reported            told for its size alone

Source: derived.
"""

from collections.abc import Sequence
from typing import Literal

ALPHA = 0.05  # of each family of tests
Verdict = Literal[
    "supported", "supported in part", "no effect", "contradicted", "undecided", "not tested",
    "reported",
]  # fmt: skip
Needs = Literal["all", "any"]


def testable(seeds: int) -> bool:
    """Tells whether a two-sided signed-rank test can reach `ALPHA` at all: 2^(1−n) ≤ α."""
    return 2.0 ** (1 - seeds) <= ALPHA


def within(low: float, high: float, smallest: float, p_null: float) -> bool:
    """Tells whether a difference is shown to lie within ±m.

    Args:
        low: lower end of the 95% interval.
        high: its upper end.
        smallest: m; 0: no difference is too small to matter, so that the answer is no.
        p_null: the larger p of the two one-sided tests against ±m, corrected.
    """
    return smallest > 0 and -smallest < low and high < smallest and p_null < ALPHA


def of_difference(corrected: float, low: float, high: float, *, null: bool) -> Verdict:
    """Returns the verdict on a part that expects a difference.

    Args:
        corrected: p of the two-sided test against the bound, corrected.
        low: lower end of the 95% interval of the distance on the expected side of the bound; a
            negative distance is on the other side.
        high: its upper end.
        null: see `within`.
    """
    if corrected < ALPHA and (low > 0 or high < 0):
        return "supported" if low > 0 else "contradicted"
    return "no effect" if null else "undecided"


def of_equality(
    corrected: float, low: float, high: float, smallest: float, *, null: bool
) -> Verdict:
    """Returns the verdict on a part that expects no difference.

    Args:
        corrected: p of the test that the difference is outside ±m, on either side, corrected.
        low: lower end of the 95% interval of the difference.
        high: its upper end.
        smallest: m.
        null: see `within`.
    """
    if null:
        return "supported"
    outside = low > smallest or high < -smallest
    return "contradicted" if outside and corrected < ALPHA else "undecided"


def sides(
    low: float, high: float, *, bound: float = 0.0, smallest: float = 0.0
) -> tuple[int, bool]:
    """Returns what an interval says where the tests leave a contrast undecided.

    Neither is corrected for the number of contrasts, and neither is a verdict.

    Args:
        low: lower end of the 95% interval of the difference; NaN: it says nothing.
        high: its upper end.
        bound: that the difference is tested against.
        smallest: m; 0: there is none.

    Returns:
        side: 1 if the interval lies above the bound, −1 if below, 0 if it holds it.
        within: whether it lies within ±m.
    """
    return int(low > bound) - int(high < bound), smallest > 0 and -smallest < low <= high < smallest


def of_claim(parts: Sequence[Verdict], needs: Needs = "all") -> Verdict:
    """Returns the verdict on a claim, given those on its parts.

    "all" (what the claim says holds in every part):
        supported          if all parts are
        supported in part  if some are
        contradicted       if none is supported and one is contradicted
        no effect          if all parts are
    "any" (the claim says that something can happen):
        supported          if one part is
        contradicted       if all parts are
        no effect          if all parts are
    Else not tested if no part is, and undecided. Parts that are reported don't count; a claim of
    which nothing else is left is reported.
    """
    told = [verdict for verdict in parts if verdict != "reported"]
    if not told:
        return "reported"
    if "supported" in told:
        whole = needs == "any" or set(told) == {"supported"}
        return "supported" if whole else "supported in part"
    for verdict in ("no effect", "not tested", "contradicted"):
        if set(told) == {verdict}:
            return verdict
    return "contradicted" if needs == "all" and "contradicted" in told else "undecided"

"""The rules of verdicts, case by case."""

import itertools

import pytest

from m4jax.report import verdicts

YES, PART, NULL, NO, OPEN, NOT, TOLD = (
    "supported", "supported in part", "no effect", "contradicted", "undecided", "not tested",
    "reported",
)  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "of_all", "of_any"),
    [
        ((YES, YES), YES, YES),
        ((YES, NO), PART, YES),
        ((YES, OPEN), PART, YES),
        ((YES, NULL), PART, YES),
        ((YES, NOT), PART, YES),
        ((NO, NO), NO, NO),
        ((NULL, NULL), NULL, NULL),
        ((OPEN, OPEN), OPEN, OPEN),
        ((NOT, NOT), NOT, NOT),
        ((NO, NULL), NO, OPEN),
        ((NO, OPEN), NO, OPEN),
        ((NO, NOT), NO, OPEN),
        ((NULL, OPEN), OPEN, OPEN),
        ((NULL, NOT), OPEN, OPEN),
        ((OPEN, NOT), OPEN, OPEN),
        ((NO, NULL, OPEN), NO, OPEN),
        ((), TOLD, TOLD),
    ],
)
def test_claims_follow_from_their_parts(parts, of_all, of_any):
    for order in itertools.permutations(parts):
        assert verdicts.of_claim(order) == of_all
        assert verdicts.of_claim(order, "any") == of_any
        assert verdicts.of_claim((*order, TOLD)) == of_all  # what is reported changes nothing


@pytest.mark.parametrize(
    ("corrected", "low", "high", "null", "told"),
    [
        (0.01, 0.1, 0.3, False, YES),
        (0.01, 0.1, 0.3, True, YES),  # too small to matter, and yet there
        (0.01, -0.3, -0.1, False, NO),
        (0.01, -0.1, 0.3, False, OPEN),  # the interval does not agree
        (0.05, 0.1, 0.3, False, OPEN),
        (0.5, -0.1, 0.1, True, NULL),
        (0.5, -0.1, 0.1, False, OPEN),
        (0.01, float("nan"), float("nan"), False, OPEN),
    ],
)
def test_a_difference(corrected, low, high, null, told):
    assert verdicts.of_difference(corrected, low, high, null=null) == told


@pytest.mark.parametrize(
    ("corrected", "low", "high", "null", "told"),
    [
        (0.9, -0.1, 0.1, True, YES),
        (0.01, 0.6, 0.9, False, NO),
        (0.01, -0.9, -0.6, False, NO),
        (0.01, 0.4, 0.9, False, OPEN),
        (0.05, 0.6, 0.9, False, OPEN),
        (0.9, -0.9, 0.9, False, OPEN),
    ],
)
def test_no_difference(corrected, low, high, null, told):
    assert verdicts.of_equality(corrected, low, high, 0.5, null=null) == told


def test_within_needs_interval_and_tests():
    assert verdicts.within(-0.4, 0.4, 0.5, 0.01)
    assert not verdicts.within(-0.4, 0.6, 0.5, 0.01)
    assert not verdicts.within(-0.4, 0.4, 0.5, 0.05)
    assert not verdicts.within(-0.4, 0.4, 0.5, float("nan"))
    assert not verdicts.within(0.0, 0.0, 0.0, 0.01)


def test_six_seeds_are_the_fewest():
    assert [verdicts.testable(n) for n in (1, 5, 6, 20)] == [False, False, True, True]

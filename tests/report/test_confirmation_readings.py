"""Other readings of the registration: what they change, and that the report says so."""

import dataclasses

import pytest
from helpers import confirmation_results as made

from configs import confirmation
from m4jax.evaluation.metrics import RB, RB_SIZE
from m4jax.report import claims, confirmation_readings
from m4jax.report.confirmation_claims import CLAIMS

SEEDS = confirmation.SEEDS[:6]
OF_RB = {"4.3", "4.4", "A.3", "A.4"}
OF_EQUALITY = {"5.4", "5.5", "C.1", "C.3", "C.4"}


@pytest.fixture(scope="module")
def text(whole, by_claim):
    return "\n".join(confirmation_readings.section(whole, by_claim))


def test_the_contrasts_that_were_promised_are_told_of(text):
    first, second = text.split(confirmation_readings.SIZES)
    for part, names in ((first, OF_EQUALITY), (second, OF_RB)):
        told = {line.split()[1] for line in part.splitlines() if line[2:5] in OF_RB | OF_EQUALITY}
        assert told == names
    assert "RB +" in second and "|RB| +" in second


def test_sizes_take_the_place_of_signs_and_nothing_else_changes():
    for claim in CLAIMS:
        other = confirmation_readings.of_sizes(claim)
        for one, two in zip(claim.parts, other.parts, strict=True):
            same = dataclasses.replace(two, metric=one.metric)
            assert same == one
            assert two.metric == (RB_SIZE if one.metric == RB else one.metric)


def test_by_the_text_an_interval_beyond_m_contradicts_whatever_its_p(by_claim):
    one = by_claim["C"][0]
    beyond = one.effect._replace(mean=0.02, low=0.006, high=0.034)
    found = dataclasses.replace(one, effect=beyond, verdict="undecided", corrected=0.2)
    within = dataclasses.replace(one, verdict="supported")
    (two, three) = confirmation_readings.literal({"C": [found, within]})["C"]
    assert (two.verdict, three.verdict) == ("contradicted", "supported")
    lines = confirmation_readings._table(
        by_claim, {**by_claim, "C": [two, *by_claim["C"][1:]]}, lambda f: not f.part.expected
    )
    assert any("C.1" in line and "| contradicted: mean |AB| +2.0" in line for line in lines)


def test_a_verdict_that_only_the_correction_changes_is_told_of(by_claim):
    other = {k: list(of) for k, of in by_claim.items()}
    changed = "undecided" if by_claim["2"][1].verdict != "undecided" else "supported"
    other["2"][1] = dataclasses.replace(other["2"][1], verdict=changed)
    assert f"2.2 would be *{changed}*" in confirmation_readings.changes(by_claim, other)
    same = confirmation_readings.changes(by_claim, by_claim)
    assert same == "By this reading no claim would have another verdict."


def test_a_study_without_runs_has_no_such_section():
    empty = made.table(SEEDS[:1], data=False)
    of_none = claims.test(empty, CLAIMS)
    assert confirmation_readings.section(empty, of_none) == []


def test_what_changes_alike_is_told_together(by_claim):
    other = {k: list(of) for k, of in by_claim.items()}
    for place in (0, 1):
        assert by_claim["2"][place].verdict == by_claim["2"][0].verdict
        changed = "contradicted" if by_claim["2"][0].verdict == "undecided" else "undecided"
        other["2"][place] = dataclasses.replace(other["2"][place], verdict=changed)
    assert f"2.1, 2.2 would be *{changed}*" in confirmation_readings.changes(by_claim, other)


def test_sizes_take_part_in_one_family_with_all_others(whole, by_claim):
    sized = confirmation_readings.sized(whole, by_claim)
    afresh = claims.test(whole, tuple(map(confirmation_readings.of_sizes, CLAIMS)))
    for number, findings in afresh.items():
        for one, two in zip(findings, sized[number], strict=True):
            assert (one.verdict, one.effect) == (two.verdict, two.effect)
            assert one.corrected == pytest.approx(two.corrected, nan_ok=True)

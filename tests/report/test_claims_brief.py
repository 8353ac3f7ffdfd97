"""What readers with five minutes are told follows from the findings: halves, leans, neighbours."""

import dataclasses
import math

import pytest

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, GENDER, RB_SIZE
from m4jax.report import claims_brief, claims_table, confirmation_words, verdicts
from m4jax.report.claims import Claim, Finding, Part
from m4jax.report.claims_brief import Told
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.contrasts import BALANCED, ORIGINAL, difference

CONTRAST = difference(BALANCED, ORIGINAL)
SMALL = {"smallest": 0.005, "why": "it is"}


def part(text="AB falls", expected=-1, metric=AB, **more):
    return Part(text, metric, CONTRAST, expected, **(more or SMALL))


def finding(of, low, high, verdict="undecided"):
    effect = paired.Effect((low + high) / 2, low, high, 0.01, 0.001, 0.5, 20)
    return Finding(of, None, effect, verdict=verdict)


@pytest.mark.parametrize(
    ("low", "high", "bound", "smallest", "told"),
    [
        (0.001, 0.02, 0.0, 0.005, (1, False)),
        (-0.02, -0.001, 0.0, 0.005, (-1, False)),
        (-0.02, 0.001, 0.0, 0.005, (0, False)),
        (-0.004, 0.004, 0.0, 0.005, (0, True)),
        (-0.004, -0.001, 0.0, 0.005, (-1, True)),
        (-0.005, 0.004, 0.0, 0.005, (0, False)),
        (-0.008, 0.004, -0.01, 0.0, (1, False)),
        (-0.012, 0.004, -0.01, 0.0, (0, False)),
        (0.0, 0.004, 0.0, 0.0, (0, False)),
        (math.nan, math.nan, 0.0, 0.005, (0, False)),
    ],
)
def test_an_interval_has_a_side_and_may_be_within_m(low, high, bound, smallest, told):
    assert verdicts.sides(low, high, bound=bound, smallest=smallest) == told


@pytest.mark.parametrize(
    ("of", "low", "high", "told", "mark"),
    [
        (part(), -0.02, -0.001, "leans below zero as claimed", "?↓"),
        (part(), 0.001, 0.02, "leans above zero against the claim", "?↑"),
        (part(), -0.02, 0.02, "imprecise", "?"),
        (part(), -0.004, 0.001, "within ±0.5", "?≈"),
        (part(), -0.004, -0.001, "leans below zero as claimed and within ±0.5", "?↓≈"),
        (part(expected=0), -0.009, -0.003, "leans below zero against the claim", "?↓"),
        (part(expected=1, metric=GENDER, margin=0.02, why="it is"), -0.01, 0.01,
         "leans above −2.0 as claimed", "?↑"),
        (part(metric=RB_SIZE, margin=0.05, why="it is"), 0.0, 0.08, "imprecise", "?"),
        (part(metric=RB_SIZE, margin=0.05, why="it is"), 0.02, 0.1,
         "imprecise, mean beyond its limit of 5.0", "?"),
        (part(), -0.02, 0.03, "imprecise, mean against the claim", "?"),
        (part(expected=0), -0.02, 0.03, "imprecise", "?"),
    ],
)  # fmt: skip
def test_what_is_undecided_is_told_apart(of, low, high, told, mark):
    found = finding(of, low, high)
    assert claims_table.lean(found) == told
    claim = Claim("7", "All is well.", (of,), "None.")
    cell = claims_brief.table([claim], {"7": [found]}, {})[2].split(" | ")[-1]
    assert cell.startswith(f"7.1 {mark} ")
    for verdict in ("supported", "contradicted", "no effect", "not tested"):
        assert claims_table.lean(dataclasses.replace(found, verdict=verdict)) == ""


def test_halves_follow_from_the_findings():
    parts = tuple(part(f"part {k}") for k in range(5))
    claim = Claim("4", "Both.", parts, "None.")
    words = Told("", "", "", "", (("first", (1, 2)), ("second", (3, 4)), ("third", (5,))))

    def told(*found):
        findings = [finding(of, -0.02, -0.001, x) for of, x in zip(parts, found, strict=True)]
        return claims_brief.halves(claim, findings, words)

    yes, no, what = "supported", "contradicted", "undecided"
    assert told(yes, yes, yes, yes, yes) == []
    assert told(yes, yes, no, no, what) == [
        "supported: first (4.1, 4.2)",
        "contradicted: second (4.3, 4.4)",
        "undecided: third (4.5; leans below zero as claimed)",
    ]
    assert told(no, no, yes, yes, yes)[0] == "supported: second (4.3, 4.4); third (4.5)"
    assert told(yes, no, yes, yes, yes) == [
        "supported: first (4.1); second (4.3, 4.4); third (4.5)", "contradicted: first (4.2)",
    ]  # fmt: skip
    (alone,) = told(what, what, what, what, what)
    assert alone.startswith("first (4.1, 4.2; leans")


@pytest.mark.parametrize(
    ("of", "verdict", "mark"),
    [
        (part(), "supported", "✓"),
        (part(expected=0), "supported", "✓<m"),
        (part(metric=GENDER, expected=1, margin=0.02, why="it is"), "supported", "✓<m"),
        (part(expected=0), "contradicted", "✗"),
        (part(), "no effect", "="),
    ],
)
def test_what_is_smaller_than_m_has_a_mark_of_its_own(of, verdict, mark):
    claim = Claim("7", "All is well.", (of,), "None.")
    found = finding(of, -0.02, -0.001, verdict)
    cell = claims_brief.table([claim], {"7": [found]}, {})[2].split(" | ")[-1]
    assert cell.startswith(f"7.1 {mark} ")


def test_what_is_the_case_instead_is_told_where_a_half_is_contradicted():
    claim = Claim("4", "Both.", (part(), part()), "None.")
    words = Told("", "", "", "", (("one", (1,)), ("two", (2,))), denied={"two": "it rose"})
    for verdict, said in (("contradicted", True), ("supported", False), ("undecided", False)):
        findings = [finding(part(), -0.02, -0.001, x) for x in ("no effect", verdict)]
        assert ("two (4.2): it rose" in claims_brief.halves(claim, findings, words)[-1]) == said


@pytest.mark.parametrize(
    ("verdict", "corrected", "expected", "said"),
    [("supported", 0.03, -1, True), ("contradicted", 0.03, -1, True),
     ("undecided", 0.03, -1, False), ("supported", 0.001, -1, False), ("supported", 0.9, 0, True)],
)  # fmt: skip
def test_a_verdict_by_little_is_called_so(verdict, corrected, expected, said):
    of = part(expected=expected)
    claim = Claim("4", "One.", (of,), "None.")
    found = dataclasses.replace(
        finding(of, -0.02, -0.001, verdict), corrected=corrected, corrected_null=0.04
    )
    assert claims_brief._just(claim, [found]).startswith("4.1 (corrected p 0.0") == said


def test_every_part_of_the_confirmation_is_of_one_half():
    for claim in CLAIMS:
        halves = confirmation_words.BRIEF[claim.number].halves
        numbers = [n for _, of in halves for n in of]
        assert sorted(numbers) == list(range(1, len(claim.parts) + 1)), claim.number


def test_what_would_be_the_case_is_of_a_half():
    for number, words in confirmation_words.BRIEF.items():
        assert set(words.denied) <= {name for name, _ in words.halves}, number


def test_the_same_is_written_out():
    parts = (part("A is above B"), part("the same with C"), part("it falls"), part("the same of D"))
    told = [claims_table.written(parts, place) for place in range(4)]
    assert told == ["A is above B", "A is above B, with C", "it falls", "it falls, of D"]
    assert claims_table.written(parts[1:], 0) == "the same with C"
    for claim in CLAIMS:
        for place in range(len(claim.parts)):
            assert "the same with" not in claims_table.written(claim.parts, place)

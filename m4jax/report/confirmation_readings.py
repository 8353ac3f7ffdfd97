"""Verdicts of the confirmation by other readings of its registration, beside those of the report.

Promised in `results/confirmation/README.md` before any run was looked at; none of them decides.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from m4jax.evaluation.metrics import RB, RB_SIZE
from m4jax.report import claims, claims_brief, claims_table, confirmation_words, verdicts
from m4jax.report.claims import ByClaim, Claim, Finding
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.results import Results

LITERAL = (
    "*By the text alone.* Of a claim that there is no difference the registration says "
    "*contradicted* if the interval lies wholly beyond ±m; the report asks for a corrected p below "
    "0.05 as well, as of any other contrast. The five contrasts that this concerns:"
)
SIZES = (
    "*|RB| in place of RB.* Four contrasts are registered of RB with its sign. The same tests with "
    "its size in their place, corrected as one family with all the others:"
)


def section(results: Results) -> list[str]:
    """Returns both other readings as lines of Markdown; none if no contrast has runs."""
    by_claim = claims.test(results, CLAIMS)
    if not any(finding.tested for of in by_claim.values() for finding in of):
        return []
    sized = claims.test(results, tuple(map(of_sizes, CLAIMS)))
    return [
        "## Other readings of the registration",
        "",
        LITERAL,
        "",
        *_table(by_claim, literal(by_claim), lambda finding: finding.part.expected == 0),
        "",
        SIZES,
        "",
        *_table(by_claim, sized, lambda finding: finding.part.metric == RB),
    ]


def objections(results: Results) -> list[str]:
    """Returns what will be objected to the study, as lines of Markdown."""
    del results
    return ["## What will be objected", "", *(f"- {x}" for x in confirmation_words.OBJECTIONS)]


def literal(by_claim: ByClaim) -> ByClaim:
    """Returns the findings with *contradicted* as the registration's text has it.

    Of a part that expects no difference: interval wholly beyond ±m, whatever its p.
    """
    return {number: [_literal(finding) for finding in of] for number, of in by_claim.items()}


def of_sizes(claim: Claim) -> Claim:
    """Returns a claim with |RB| wherever it has RB with its sign."""
    parts = (
        dataclasses.replace(part, metric=RB_SIZE if part.metric == RB else part.metric)
        for part in claim.parts
    )
    return dataclasses.replace(claim, parts=tuple(parts))


def _literal(finding: Finding) -> Finding:
    part, effect = finding.part, finding.effect
    if part.expected or not finding.tested:
        return finding
    found = verdicts.of_equality(
        0.0, effect.low, effect.high, part.smallest, null=finding.verdict == "supported"
    )
    return dataclasses.replace(finding, verdict=found)


def _table(by_claim: ByClaim, other: ByClaim, concerned: Callable[[Finding], bool]) -> list[str]:
    """Returns the contrasts concerned with both verdicts, and the claims that would change."""
    lines = [
        "| contrast | by the report | by this reading |",
        "| --- | --- | --- |",
    ]
    for claim in CLAIMS:
        pairs = zip(by_claim[claim.number], other[claim.number], strict=True)
        lines += [
            f"| {claims_table.part_number(claim.number, place)} {one.part.text} | {_cell(one)} | "
            f"{_cell(two)} |"
            for place, (one, two) in enumerate(pairs)
            if concerned(one)
        ]
    return [*lines, "", _changes(by_claim, other)]


def _cell(finding: Finding) -> str:
    if finding.effect is None:
        return "no such runs"
    metric = finding.part.metric
    effect = claims_brief.effect(metric, finding.effect)
    return f"{claims_table.told(finding)}: {claims_table.heading(metric)} {effect}"


def _changes(by_claim: ByClaim, other: ByClaim) -> str:
    """Says which verdicts, of contrasts that are not in the table and of claims, are others."""
    parts = []
    for claim in CLAIMS:
        one, two = by_claim[claim.number], other[claim.number]
        verdict, would = (claims_table.told_of(claim, of) for of in (one, two))
        if verdict != would:
            parts.append(f"claim {claim.number} would be *{would}* in place of *{verdict}*")
        parts += _indirect(claim, one, two)
    if not parts:
        return "By this reading no claim would have another verdict."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _indirect(claim: Claim, one: Sequence[Finding], two: Sequence[Finding]) -> list[str]:
    """Returns contrasts whose own test is the same, but whose corrected p gives another verdict."""
    found: Mapping[str, tuple[Finding, Finding]] = {
        claims_table.part_number(claim.number, place): pair
        for place, pair in enumerate(zip(one, two, strict=True))
        if pair[0].part.metric == pair[1].part.metric and pair[0].part.expected
    }
    return [
        f"{number} would be *{claims_table.told(b)}* in place of *{claims_table.told(a)}*"
        for number, (a, b) in found.items()
        if a.verdict != b.verdict
    ]

"""Verdicts of the confirmation by other readings of its registration, beside those of the report.

They were promised in `results/confirmation/README.md` before any run was looked at. None of them
decides. `confirmation_stricter` has analyses that came with objections of referees.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from m4jax.evaluation.metrics import RB, RB_SIZE
from m4jax.report import (
    claims,
    claims_brief,
    claims_power,
    claims_table,
    confirmation_words,
    verdicts,
)
from m4jax.report.claims import ByClaim, Claim, Finding
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.contrasts import Runs
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


class Change(NamedTuple):
    """A claim or a contrast, its verdict, and what it would be."""

    name: str
    now: str
    would: str


def section(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the other readings as lines of Markdown; none if no contrast has runs."""
    if not claims_power.tests(by_claim):
        return []
    return [
        "## Other readings",
        "",
        LITERAL,
        "",
        *_table(by_claim, literal(by_claim), lambda finding: finding.part.expected == 0),
        "",
        SIZES,
        "",
        *_table(by_claim, sized(results, by_claim), lambda finding: finding.part.metric == RB),
    ]


def objections(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns what will be objected to the study, as lines of Markdown."""
    del results, by_claim
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


def sized(results: Results, by_claim: ByClaim) -> ByClaim:
    """Returns the findings with |RB| wherever a contrast is of RB with its sign."""
    runs, of_all = Runs(results), tuple(map(of_sizes, CLAIMS))
    pairs = {
        claim.number: [
            one.pairs if part.metric == one.part.metric else runs.pairs(part.contrast, part.metric)
            for part, one in zip(claim.parts, by_claim[claim.number], strict=True)
        ]
        for claim in of_all
    }
    return claims.judge(of_all, pairs)


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
            f"| {claims_table.part_number(claim.number, place)} "
            f"{claims_table.written(claim.parts, place)} | {_cell(one)} | {_cell(two)} |"
            for place, (one, two) in enumerate(pairs)
            if concerned(one)
        ]
    return [*lines, "", changes(by_claim, other, concerned)]


def _cell(finding: Finding) -> str:
    if finding.effect is None:
        return "no such runs"
    metric = finding.part.metric
    effect = claims_brief.effect(metric, finding.effect)
    return f"{claims_table.told(finding)}: {claims_table.heading(metric)} {effect}"


def changes(
    by_claim: ByClaim, other: ByClaim, concerned: Callable[[Finding], bool] = lambda _: False
) -> str:
    """Says which verdicts are others, of claims and of contrasts that are not in the table."""
    of_claims = [Change(f"claim {x.name}", x.now, x.would) for x in of_claim(by_claim, other)]
    of_parts = of_contrast(by_claim, other, concerned)
    texts = _together(of_claims) or ["by this reading no claim would have another verdict"]
    text = "; ".join([*texts, *_together(of_parts)])
    return f"{text[0].upper()}{text[1:]}."


def of_claim(by_claim: ByClaim, other: ByClaim) -> list[Change]:
    """Returns the claims that have another verdict by other findings."""
    found = (
        Change(c.number, *(claims_table.told_of(c, of[c.number]) for of in (by_claim, other)))
        for c in CLAIMS
    )
    return [x for x in found if x.now != x.would]


def of_contrast(
    by_claim: ByClaim, other: ByClaim, concerned: Callable[[Finding], bool] = lambda _: False
) -> list[Change]:
    """Returns the contrasts that have another verdict, but those that are concerned anyway."""
    now, would = map(claims_table.numbered, (by_claim, other))
    found = (
        Change(number, claims_table.told(finding), claims_table.told(would[number]))
        for number, finding in now.items()
        if not concerned(finding)
    )
    return [x for x in found if x.now != x.would]


def _together(changed: Sequence[Change]) -> list[str]:
    """Returns what has another verdict, in one text for all that change alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in changed:
        alike.setdefault((one.now, one.would), []).append(one.name)
    return [
        f"{', '.join(names)} would be *{would}* in place of *{verdict}*"
        for (verdict, would), names in alike.items()
    ]

"""Verdicts of the confirmation by other readings and assumptions, beside those of the report.

The first two readings were promised in `results/confirmation/README.md` before any run was looked
at; the last two came with objections of referees. None of them decides.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from m4jax.evaluation.metrics import RB, RB_SIZE
from m4jax.report import claims, claims_brief, claims_table, confirmation_words, verdicts
from m4jax.report.claims import ByClaim, Claim, Finding
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.contrasts import Pairs, Runs
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
WIDER = 1.2
PICTURES = (
    "*Few emoji.* The pictures' part of intervals and p is taken for normal, though the emoji are "
    "few. Two stricter ways, thought of after the fact, with everything else as it is; of faces "
    "the second counts the emoji of one gender alone, the fewest that could be argued for:"
)
EMOJI = {  # split -> emoji that are drawn anew; of faces they are so many of each gender
    "faces": 10,
    "shift": 74,
    "workers": 44,
    "objects": 46,
    "scenes": 46,
}


def section(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the other readings as lines of Markdown; none if no contrast has runs."""
    if not any(finding.tested for of in by_claim.values() for finding in of):
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
        "",
        PICTURES,
        "",
        *(
            f"- *Taken {name}.* {_changes(by_claim, other)}"
            for name, other in _few(by_claim).items()
        ),
    ]


def few_emoji(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns which verdicts hang on how the chance of few emoji is reckoned, in a few words."""
    del results
    if not any(finding.tested for of in by_claim.values() for finding in of):
        return []
    told = claims_table.told_of
    parts = []
    for name, other in _few(by_claim).items():
        names = [
            c.number for c in CLAIMS if told(c, by_claim[c.number]) != told(c, other[c.number])
        ]
        changed = f"claims {', '.join(names)}" if names else "no claim"
        parts.append(f"taken {name}, of {changed}")
    return [
        "**What the verdicts hang on.** All seeds ask about the same few emoji (10 of faces for "
        "each gender). To reckon more strictly with their chance would change verdicts: "
        f"{'; '.join(parts)}. See [other readings](#other-readings).",
    ]


def _few(by_claim: ByClaim) -> Mapping[str, ByClaim]:
    """Returns the findings by both stricter ways to reckon with few emoji."""
    return {
        f"{WIDER:g} times as wide": again(by_claim, wider),
        "by Student's t, with one degree of freedom less than emoji": again(by_claim, student),
    }


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


def again(by_claim: ByClaim, change: Callable[[Finding], Pairs]) -> ByClaim:
    """Returns the findings if the values of every contrast were others."""
    return claims.judge(CLAIMS, {c.number: list(map(change, by_claim[c.number])) for c in CLAIMS})


def wider(finding: Finding) -> Pairs:
    """Returns a contrast's values with the chance of the pictures `WIDER` times as large."""
    return dataclasses.replace(finding.pairs, deviations=WIDER * finding.pairs.deviations)


def student(finding: Finding) -> Pairs:
    """Returns a contrast's values with the chance of few pictures.

    Of G emoji the bootstrap's spread times √(G / (G − 1)), and Student's distribution with G − 1
    degrees of freedom in place of the normal one; see `evaluation.resampling.tail_probability`.
    """
    pairs, emoji = finding.pairs, EMOJI[finding.part.metric.split]
    spread = math.sqrt(emoji / (emoji - 1)) * pairs.deviations
    return dataclasses.replace(pairs, deviations=spread, degrees=emoji - 1)


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
    return [*lines, "", _changes(by_claim, other, concerned)]


def _cell(finding: Finding) -> str:
    if finding.effect is None:
        return "no such runs"
    metric = finding.part.metric
    effect = claims_brief.effect(metric, finding.effect)
    return f"{claims_table.told(finding)}: {claims_table.heading(metric)} {effect}"


def _changes(
    by_claim: ByClaim, other: ByClaim, concerned: Callable[[Finding], bool] = lambda _: False
) -> str:
    """Says which verdicts are others, of claims and of contrasts that are not in the table."""
    of_claims: list[tuple[str, str, str]] = []  # what, its verdict, the other one
    of_parts: list[tuple[str, str, str]] = []
    for claim in CLAIMS:
        one, two = by_claim[claim.number], other[claim.number]
        of_claims.append(
            (f"claim {claim.number}", *(claims_table.told_of(claim, of) for of in (one, two)))
        )
        of_parts += [
            (claims_table.part_number(claim.number, place), *map(claims_table.told, pair))
            for place, pair in enumerate(zip(one, two, strict=True))
            if not concerned(pair[0])
        ]
    texts = _together(of_claims) or ["by this reading no claim would have another verdict"]
    text = "; ".join([*texts, *_together(of_parts)])
    return f"{text[0].upper()}{text[1:]}."


def _together(verdicts_of: Sequence[tuple[str, str, str]]) -> list[str]:
    """Returns what has another verdict, in one text for all that change alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, verdict, would in verdicts_of:
        if verdict != would:
            alike.setdefault((verdict, would), []).append(name)
    return [
        f"{', '.join(names)} would be *{would}* in place of *{verdict}*"
        for (verdict, would), names in alike.items()
    ]

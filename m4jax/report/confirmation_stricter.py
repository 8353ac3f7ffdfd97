"""Verdicts of the confirmation where the chance of few emoji is reckoned more strictly.

Two analyses that came with objections of referees, after the fact. Neither decides.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from m4jax.report import claims, claims_power
from m4jax.report.claims import ByClaim, Finding
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.confirmation_readings import Change, changes, of_claim, of_contrast
from m4jax.report.contrasts import Pairs
from m4jax.report.results import Results

WIDER = 1.2
PICTURES = (
    "The pictures' part of intervals and p is taken for normal, though the emoji are few. Two "
    "stricter ways, thought of after the fact, with everything else as it is; of faces the second "
    "counts the emoji of one gender alone, the fewest that could be argued for:"
)
EMOJI = {  # split -> emoji that are drawn anew; of faces they are so many of each gender
    "faces": 10,
    "shift": 74,
    "workers": 44,
    "objects": 46,
    "scenes": 46,
}


def section(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns both analyses as lines of Markdown; none if no contrast has runs."""
    del results
    if not claims_power.tests(by_claim):
        return []
    told = (f"- *{name}.* {changes(by_claim, x)}" for name, x in few(by_claim).items())
    return ["## Stricter analyses", "", PICTURES, "", *told]


def hangs_on(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns which verdicts, of claims and of contrasts, either analysis changes: a table."""
    del results
    if not claims_power.tests(by_claim):
        return []
    rows = [
        f"| {name[0].lower()}{name[1:]} | {_together(of_claim(by_claim, other))} | "
        f"{_together(of_contrast(by_claim, other))} |"
        for name, other in few(by_claim).items()
    ]
    return [
        "**What the verdicts hang on.** All seeds ask about the same few emoji "
        f"({EMOJI['faces']} of faces for each gender). Two stricter ways to reckon with their "
        "chance weaken verdicts (see [stricter analyses](#stricter-analyses)). A claim that keeps "
        "its word may lose contrasts.",
        "",
        "| the pictures' part of the chance | claims would be | contrasts would be |",
        "| --- | --- | --- |",
        *rows,
    ]


def few(by_claim: ByClaim) -> Mapping[str, ByClaim]:
    """Returns the findings by both stricter ways to reckon with few emoji."""
    return {
        f"Taken {WIDER:g} times as wide": again(by_claim, wider),
        "Taken by Student's t, with one degree of freedom less than emoji": again(
            by_claim, student
        ),
    }


def _together(changed: Sequence[Change]) -> str:
    """Returns "*undecided*: 8.1, 8.2" for each verdict that would be; none: "as they are"."""
    names: dict[str, list[str]] = {}
    for one in changed:
        names.setdefault(one.would, []).append(one.name)
    texts = (f"*{verdict}*: {', '.join(of)}" for verdict, of in names.items())
    return "; ".join(texts) or "as they are"


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

"""The claims for readers with five minutes: one table, and where there is one, a paragraph each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report import claims_table
from m4jax.report.claims import ALPHA, ByClaim, Claim, Finding
from m4jax.report.claims_table import bounds, differs, heading, part_number, told, told_of, written
from m4jax.report.style import number, shown
from m4jax.report.verdicts import Verdict

SIGNS: Mapping[Verdict, str] = {"supported": "✓", "contradicted": "✗", "no effect": "=",
                                "undecided": "?", "not tested": "–"}  # fmt: skip
ARROWS = {1: "↑", -1: "↓", 0: ""}
JUST = 0.02  # from this corrected p on a verdict is called one by little
ORDER: tuple[Verdict, ...] = ("supported", "no effect", "contradicted", "undecided", "not tested",
                              "reported")  # fmt: skip


class Told(NamedTuple):
    """What is told of a claim beside the numbers.

    Attributes:
        short: the claim in a few words.
        earlier: the verdict of an earlier study, in a few words.
        paper: what the paper says of it.
        first: what the earlier study said, in numbers.
        halves: a short name for each thing that the claim says, and the numbers of its parts,
            from 1; what is said of each follows from the findings.
        scope: what the claim's title does not say of what it is about; "": nothing.
        denied: what is the case where one of the halves, by its name, is contradicted.
    """

    short: str
    earlier: str
    paper: str
    first: str
    halves: tuple[tuple[str, tuple[int, ...]], ...] = ()
    scope: str = ""
    denied: Mapping[str, str] = {}


def effect(metric: Metric, found: paired.Effect) -> str:
    """Returns a mean difference and its interval."""
    mean, low, high = (shown(metric, x, sign=True) for x in found[:3])
    return f"{mean} [{low}, {high}]"


def table(claims: Sequence[Claim], by_claim: ByClaim, brief: Mapping[str, Told]) -> list[str]:
    """Returns one line for each claim, and how to read them, as lines of Markdown.

    `brief`: number of a claim -> what is told of it; empty: an earlier study is not told of.
    """
    middle = " first study |" if brief else ""
    lines = [f"| claim | | verdict |{middle} contrasts: difference in points [95%] |",
             f"| --- | --- | --- |{' --- |' if brief else ''} --- |"]  # fmt: skip
    for claim in claims:
        findings, words = by_claim[claim.number], brief.get(claim.number)
        effects = [
            _contrast(claim, place, finding)
            for place, finding in enumerate(findings)
            if finding.effect is not None and finding.part.decides
        ]
        text, cell = claim.text, f"**{told_of(claim, findings)}**"
        if words:
            text += f" *({words.scope})*" if words.scope else ""
            cell = "<br>".join([cell, *halves(claim, findings, words)]) + f" | {words.earlier}"
        lines.append(f"| {claim.number} | {text} | {cell} | {'<br>'.join(effects)} |")
    return [*lines, "", *_key(by_claim, told_before=bool(brief))]


def halves(claim: Claim, findings: Sequence[Finding], words: Told) -> list[str]:
    """Returns which of the things that a claim says have which verdict; none if all are supported.

    One text for each verdict, "undecided: it is enough (4.5; imprecise)" say, and without the
    verdict if it is the only one. A thing whose parts differ stands in several.
    """
    told_apart = {finding.verdict for finding in findings}
    if told_apart == {"supported"}:
        return []
    texts = []
    for verdict in ORDER:
        names = []
        for name, numbers in words.halves:
            parts = [n for n in numbers if findings[n - 1].verdict == verdict]
            if parts:
                told_as = [part_number(claim.number, n - 1) for n in parts]
                in_brackets = "; ".join([", ".join(told_as), *_why(findings, parts)])
                denied = words.denied.get(name, "") if verdict == "contradicted" else ""
                names.append(f"{name} ({in_brackets}){': ' * bool(denied)}{denied}")
        if names:
            label = f"{verdict}: " if len(told_apart) > 1 else ""
            texts.append(f"{label}{'; '.join(names)}")
    return texts


def _why(findings: Sequence[Finding], numbers: Sequence[int]) -> list[str]:
    """Returns in which way parts, by their numbers from 1, are open; none if they aren't."""
    leans = dict.fromkeys(claims_table.lean(findings[n - 1]) for n in numbers)
    return [lean for lean in leans if lean]


def _contrast(claim: Claim, place: int, finding: Finding) -> str:
    """Returns a contrast's number, mark, mean and interval."""
    metric = finding.part.metric
    number = f"{part_number(claim.number, place)} {_mark(finding)}"
    return f"{number} {heading(metric)} {effect(metric, finding.effect)}{_sized(finding)}"


def _mark(finding: Finding) -> str:
    """Returns the mark of a verdict; of what is shown to be less than m it is one of its own."""
    sign, part = SIGNS[finding.verdict], finding.part
    if finding.verdict == "undecided":
        side, within = claims_table.sides(finding)
        return sign + ARROWS[side] + "≈" * within
    less = finding.verdict == "supported" and (part.expected == 0 or part.margin)
    return f"{sign}<m" if less else sign


def _key(by_claim: ByClaim, *, told_before: bool) -> list[str]:
    """Returns how to read the table; the kinds of contrasts are named by their numbers."""
    every = claims_table.numbered(by_claim)
    parts = [(number, finding.part) for number, finding in every.items() if finding.part.decides]
    equal = ", ".join(number for number, part in parts if part.expected == 0)
    bounded = ", ".join(number for number, part in parts if part.margin)
    untested = any(finding.verdict == "not tested" for finding in every.values())
    lines = [
        "How to read the last column:",
        "",
        "- A line is a contrast: its number, its mark, the mean difference, the 95% interval. "
        "Marks: ✓ and ✓<m supported, ✗ contradicted, = no effect beyond ±m, ? undecided"
        f"{', – not tested (too few seeds)' if untested else ''}.",
        "- Marks are corrected for the number of contrasts, intervals are not. So an interval may "
        "exclude zero, and the contrast be undecided.",
        "- *Reported* is estimated, not tested.",
        "- Undecided is not “no effect”. ?↑ and ?↓ *lean*: the interval excludes zero on that side "
        "(where the claim is “no loss” or “not above by more”: excludes the margin), but not "
        "clearly enough. ?≈: the interval is *within ±m*, but not clearly enough. ? alone "
        "is *imprecise*: neither can be said.",
        "- ✓ says that there is a difference on the side of the claim, not that it exceeds m.",
    ]
    if equal:
        lines.append(
            f"- Where the claim is “no difference” ({equal}), ✓<m says: it is smaller than m, and "
            "✗: it is larger."
        )
    if bounded:
        lines.append(
            f"- Where it is “no loss” or “not above by more” ({bounded}), ✓<m says: by less than m."
        )
    if told_before:
        lines.append(
            "- The first study's words are of other tests and other pictures, in one world: a word "
            "that changed need not be a result that changed."
        )
    return lines


def paragraphs(
    claims: Sequence[Claim],
    by_claim: ByClaim,
    brief: Mapping[str, Told],
    notes: Mapping[str, Sequence[str]],
) -> list[str]:
    """Returns the figure of all claims and a paragraph for each, as lines of Markdown.

    Args:
        claims: of a study.
        by_claim: their findings.
        brief: number of a claim -> what is told of it.
        notes: number of a claim -> sentences on what is reported beside it.
    """
    lines = ["![every contrast with its interval, the margin and the verdict](figures/claims.png)"]
    for claim in claims:
        findings, words = by_claim[claim.number], brief[claim.number]
        scope = f" *({words.scope[0].upper()}{words.scope[1:]}.)*" if words.scope else ""
        fields = {
            "The paper": words.paper,
            "The first study": words.first,
            "The confirmation": f"{told_of(claim, findings)}. {_said(claim, findings)}",
            "Beside it, not tested": " ".join(notes.get(claim.number, ())),
            "Only just": _just(claim, findings),
            "Against it": claim.limits,
            "Seeds that say the opposite": _opposite(claim, findings),
        }
        told_as = " ".join(f"*{name}:* {text}" for name, text in fields.items() if text)
        lines += ["", f"**{claim.number}. {claim.text}**{scope} {told_as}"]
    return lines


def _sized(finding: Finding) -> str:
    """Returns the contrast of the metric's size in parentheses; "" if it has no sign."""
    if finding.size is None:
        return ""
    metric = finding.part.metric
    return f" (|{metric.short}| {effect(metric, finding.size)})"


def _said(claim: Claim, findings: Sequence[Finding]) -> str:
    """Returns which contrasts are supported, and the others in words and numbers."""
    counted = [f for f in findings if f.verdict != "reported"]
    supported, others = [], []
    for place, finding in enumerate(findings):
        name = part_number(claim.number, place)
        if finding.verdict == "supported":
            supported.append(
                f"{name}, but within {bounds(finding.part)}" if differs(finding) else name
            )
            continue
        number = "no such runs" if finding.effect is None else (
            f"{heading(finding.part.metric)} {effect(finding.part.metric, finding.effect)}"
        )  # fmt: skip
        lean = claims_table.lean(finding)
        verdict = f"{told(finding)}, {lean}" if lean else told(finding)
        others.append(f"{name} {verdict}: {written(claim.parts, place)} ({number})")
    parts = [f"Supported: {'; '.join(supported)}"] if supported else []
    if len(supported) == len(counted) and not any("but" in name for name in supported):
        parts = [f"All of its {len(counted)} contrasts are supported"] if len(counted) > 1 else []
    return " ".join(f"{part}." for part in (*parts, *others))


def _just(claim: Claim, findings: Sequence[Finding]) -> str:
    """Returns which contrasts have a verdict by little, with their corrected p; "" if none has."""
    parts = [
        f"{part_number(claim.number, place)} (corrected p {number(_deciding(finding), 3)})"
        for place, finding in enumerate(findings)
        if finding.verdict in ("supported", "contradicted") and JUST < _deciding(finding) < ALPHA
    ]
    return f"{', '.join(parts)}." if parts else ""


def _deciding(finding: Finding) -> float:
    """Returns the corrected p that a verdict is by."""
    null = finding.verdict == "supported" and finding.part.expected == 0
    return finding.corrected_null if null else finding.corrected


def _opposite(claim: Claim, findings: Sequence[Finding]) -> str:
    """Returns how many seeds are on the other side of contrasts with a verdict; "" if none is."""
    parts = []
    for place, finding in enumerate(findings):
        if finding.verdict not in ("supported", "contradicted") or not finding.part.expected:
            continue
        far = np.asarray(finding.part.distance(finding.pairs.by_seed()[0]))
        other = int((far < 0).sum() if finding.verdict == "supported" else (far > 0).sum())
        if other:
            parts.append(f"{other} of {len(far)} in {part_number(claim.number, place)}")
    return f"{', '.join(parts)}." if parts else ""

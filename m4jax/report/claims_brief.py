"""The claims for readers with five minutes: one table, and where there is one, a paragraph each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report.claims import ByClaim, Claim, Finding
from m4jax.report.claims_table import bounds, differs, heading, part_number, told, told_of
from m4jax.report.style import shown
from m4jax.report.verdicts import Verdict

SIGNS: Mapping[Verdict, str] = {"supported": "✓", "contradicted": "✗", "no effect": "=",
                                "undecided": "?", "not tested": "–"}  # fmt: skip
KEY = (
    "Each difference is of one contrast, in the order of the figure and of the details below: ✓ "
    "supported, ✗ contradicted, = no effect beyond ±m, ? undecided."
)


class Told(NamedTuple):
    """What is told of a claim beside the numbers.

    Attributes:
        earlier: the verdict of an earlier study, in a few words.
        paper: what the paper says of it.
        first: what the earlier study said, in numbers.
    """

    earlier: str
    paper: str
    first: str


def effect(metric: Metric, found: paired.Effect) -> str:
    """Returns a mean difference and its interval."""
    mean, low, high = (shown(metric, x, sign=True) for x in found[:3])
    return f"{mean} [{low}, {high}]"


def table(claims: Sequence[Claim], by_claim: ByClaim, brief: Mapping[str, Told]) -> list[str]:
    """Returns one line for each claim, as lines of Markdown.

    `brief`: number of a claim -> what is told of it; empty: an earlier study is not told of.
    """
    lines = ["| claim | | verdict | first study | differences in points [95%] |",
             "| --- | --- | --- | --- | --- |"] if brief else [
        "| claim | | verdict | differences in points [95%] |",
        "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for claim in claims:
        findings = by_claim[claim.number]
        effects = [
            f"{SIGNS[f.verdict] + ' ' if brief else ''}{heading(f.part.metric)} "
            f"{effect(f.part.metric, f.effect)}{_sized(f)}"
            for f in findings
            if f.effect is not None and f.part.decides
        ]
        verdict = f"**{told_of(claim, findings)}**"
        verdict += f" | {brief[claim.number].earlier}" if brief else ""
        lines.append(f"| {claim.number} | {claim.text} | {verdict} | {'; '.join(effects)} |")
    return [*lines, "", KEY] if brief else lines


def paragraphs(claims: Sequence[Claim], by_claim: ByClaim, brief: Mapping[str, Told]) -> list[str]:
    """Returns the figure of all claims and a paragraph for each; none if `brief` is empty."""
    if not brief:
        return []
    lines = ["![every contrast with its interval, the margin and the verdict](figures/claims.png)"]
    for claim in claims:
        findings, words = by_claim[claim.number], brief[claim.number]
        lines += [
            "",
            f"**{claim.number}. {claim.text}** *The paper:* {words.paper} *The first study:* "
            f"{words.first} *The confirmation:* {told_of(claim, findings)}. "
            f"{_said(claim, findings)} *Against it:* {_against(claim, findings)}",
        ]
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
        others.append(f"{name} {told(finding)}: {finding.part.text} ({number})")
    parts = [f"Supported: {'; '.join(supported)}"] if supported else []
    if len(supported) == len(counted) and not any("but" in name for name in supported):
        parts = [f"All of its {len(counted)} contrasts are supported"] if len(counted) > 1 else []
    return " ".join(f"{part}." for part in (*parts, *others))


def _against(claim: Claim, findings: Sequence[Finding]) -> str:
    """Returns the limits, and of the contrasts with a verdict the seeds that say the opposite."""
    parts = []
    for place, finding in enumerate(findings):
        if finding.verdict not in ("supported", "contradicted") or not finding.part.expected:
            continue
        far = np.asarray(finding.part.distance(finding.pairs.by_seed()[0]))
        other = int((far < 0).sum() if finding.verdict == "supported" else (far > 0).sum())
        if other:
            parts.append(f"{other} of {len(far)} in {part_number(claim.number, place)}")
    return " ".join(
        [claim.limits, *([f"Seeds that say the opposite: {', '.join(parts)}."] if parts else [])]
    )

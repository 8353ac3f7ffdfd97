"""Claims as contrasts of runs, and whether the runs of a study bear them out.

Which claims there are is said in `paper_claims`; how they are tested is derived.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from m4jax.evaluation import paired
from m4jax.report.contrasts import Contrast, Metric, Pairs, Runs
from m4jax.report.results import Results

ALPHA = 0.05  # of the whole family
Verdict = Literal["supported", "contradicted", "undecided", "not tested", "reported"]


@dataclasses.dataclass(frozen=True)
class Part:
    """One test of a claim.

    Attributes:
        text: what the runs should show.
        metric: of the runs.
        contrast: of which the mean is tested.
        expected: 1 or −1, its sign.
        margin: how far on the other side of zero it may be all the same: "does not fall" stands for
            a mean above −margin.
        decides: whether the verdict on the claim depends on it; otherwise it is reported for its
            size, and is no member of the family of tests.
    """

    text: str
    metric: Metric
    contrast: Contrast
    expected: int
    margin: float = 0.0
    decides: bool = True

    def distance(self, values: np.ndarray | float) -> np.ndarray | float:
        """Returns how far differences are on the expected side: expected · d + margin."""
        return self.expected * values + self.margin


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper: it holds if all its parts that decide do."""

    number: str
    text: str
    parts: tuple[Part, ...]
    limits: str  # what this testbed can't tell about it


@dataclasses.dataclass(frozen=True)
class Finding:
    """What the runs say of one part.

    Attributes:
        part: that was tested.
        pairs: that it was tested on.
        effect: mean, interval, Wilcoxon's p and effect size; None without pairs.
        p: of the test that the mean is on the expected side.
        p_against: of the test that it is on the other one.
        verdict: by the corrected values of these, and by the interval.
        corrected: p of the verdict, corrected for the number of tests.
        detectable: the least distance that this number of seeds finds 8 times of 10, corrected.
        needed: seeds to find the distance that was seen.
    """

    part: Part
    pairs: Pairs
    effect: paired.Effect | None
    p: float = float("nan")
    p_against: float = float("nan")
    verdict: Verdict = "not tested"
    corrected: float = float("nan")
    detectable: float = float("nan")
    needed: int = 0


def test(results: Results, claims: Sequence[Claim]) -> dict[str, list[Finding]]:
    """Tests all parts of all claims, corrected by Holm for their number.

    A part is supported if a one-sided Wilcoxon test that the mean is on the expected side has a
    corrected p below `ALPHA`, contradicted if the test of the other side has. In either case the
    interval must say the same: the test takes the pictures as given, the interval does not. What
    is tested are means by seed, over model sizes.

    Args:
        results: of a study, complete or not.
        claims: to test.

    Returns:
        Number of the claim -> its findings, in the order of its parts.
    """
    runs = Runs(results)
    raw = {claim.number: [_finding(runs, part) for part in claim.parts] for claim in claims}
    every = [finding for findings in raw.values() for finding in findings]
    # Both directions are looked at: twice the smaller one is what competes in the family.
    two_sided = [
        min(1.0, 2 * min(f.p, f.p_against)) if f.effect and f.part.decides else np.nan
        for f in every
    ]
    corrected = iter(paired.holm(two_sided))
    tests = max(1, int(np.isfinite(two_sided).sum()))
    return {
        number: [_judged(finding, float(next(corrected)), tests) for finding in findings]
        for number, findings in raw.items()
    }


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Returns the verdict on a claim: that of its parts if they agree.

    Supported if all parts are; contradicted if one is; else undecided, or not tested if that is all
    that keeps it from being supported.
    """
    verdicts = {finding.verdict for finding in findings}
    for one in ("contradicted", "undecided", "not tested"):
        if one in verdicts:
            return one
    return "supported"


def _finding(runs: Runs, part: Part) -> Finding:
    pairs = runs.pairs(part.contrast, part.metric)
    if not len(pairs.values):
        return Finding(part, pairs, None)
    distance = part.distance(pairs.by_seed()[0])
    p, p_against = (paired.wilcoxon(sign * distance, "greater") for sign in (1, -1))
    return Finding(part, pairs, pairs.effect(), p, p_against)


def _judged(finding: Finding, corrected: float, tests: int) -> Finding:
    effect, part = finding.effect, finding.part
    if effect is None:
        return finding
    if not part.decides:
        return dataclasses.replace(finding, verdict="reported")
    verdict: Verdict = "undecided"
    ends = part.distance(np.array([effect.low, effect.high]))  # NaN: no interval, undecided
    if corrected < ALPHA:
        if finding.p < finding.p_against and (ends > 0).all():
            verdict = "supported"
        elif finding.p > finding.p_against and (ends < 0).all():
            verdict = "contradicted"
    alpha, seen = ALPHA / tests, part.distance(effect.mean)
    return dataclasses.replace(
        finding,
        verdict=verdict,
        corrected=corrected,
        detectable=paired.detectable(effect.deviation, effect.n, alpha=alpha),
        needed=paired.pairs_needed(seen, effect.deviation, alpha=alpha),
    )

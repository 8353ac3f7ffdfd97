"""Claims as contrasts of runs, and whether the runs of a study bear them out.

Which claims there are is said in `paper_claims`; how they are tested is derived. `verdicts` has the
rules, `claims_table` the numbers and the figure, `claims_report` the words.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report import verdicts
from m4jax.report.contrasts import Contrast, Pairs, Runs
from m4jax.report.results import Results
from m4jax.report.verdicts import ALPHA, Needs, Verdict


@dataclasses.dataclass(frozen=True)
class Part:
    """One test of a claim.

    Attributes:
        text: what the runs should show.
        metric: of the runs.
        contrast: of which the mean is tested.
        expected: 1 or −1, its sign; 0: the claim says that there is no difference.
        margin: how far on the other side of zero it may be all the same: "does not fall" stands for
            a mean above −margin.
        smallest: m, the smallest difference that would matter; 0: any would. A mean that is shown
            to be within ±m is no effect.
        why: why m, or the margin, is what it is.
        decides: whether the verdict on the claim depends on it; otherwise it is reported for its
            size, and is no member of the families of tests.

    Raises:
        InputError: for a side that is none, a part that expects no difference but does not say
            which would be one, both a margin and m, or either without a reason.
    """

    text: str
    metric: Metric
    contrast: Contrast
    expected: int
    margin: float = 0.0
    smallest: float = 0.0
    why: str = ""
    decides: bool = True

    def __post_init__(self) -> None:
        wrong = ""
        if self.expected not in (-1, 0, 1):
            wrong = f"expected: 1, −1 or 0, got {self.expected!r}"
        elif min(self.margin, self.smallest) < 0 or (self.margin and self.smallest):
            wrong = (
                f"expected a margin or a smallest difference, not below 0 and not both, got "
                f"{self.margin} and {self.smallest}"
            )
        elif self.expected == 0 and not self.smallest:
            wrong = "that there is no difference needs `smallest`, the one that would matter"
        elif (self.margin or self.smallest) and not self.why:
            wrong = "say `why` the margin is what it is"
        if wrong:
            raise InputError(f"part {self.text!r}: {wrong}")

    def distance(self, values: np.ndarray | float) -> np.ndarray | float:
        """Returns how far differences are on the expected side.

        expected · d + margin; where no difference is expected, m − |d|.
        """
        if self.expected == 0:
            return self.smallest - np.abs(values)
        return self.expected * values + self.margin


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim.

    Attributes:
        number: what it is called by.
        text: in words.
        parts: its tests.
        limits: what the runs can't tell about it.
        needs: "all": it holds if all parts that decide do; "any": if one does ("can").
    """

    number: str
    text: str
    parts: tuple[Part, ...]
    limits: str
    needs: Needs = "all"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What the runs say of one part.

    Attributes:
        part: that was tested.
        pairs: that it was tested on.
        effect: mean, interval and effect size; None without pairs.
        size: the same for the size of a metric with a sign, of every run; None for the others.
        p: of the test that the mean is on the expected side; for no difference, above m.
        p_against: of the test that it is on the other one; for no difference, below −m.
        p_null: the larger of the two one-sided tests that it is within ±m; NaN without m.
        verdict: by the corrected values of these, and by the interval.
        corrected: p of the difference, corrected for the number of tests.
        corrected_null: `p_null`, corrected for the number of such tests.
        small: whether it is shown to be within ±m, whatever else it is.
        detectable: the least distance that this number of seeds finds 8 times of 10, corrected.
        needed: seeds to find the distance that was seen; 0: no number of them would do.
    """

    part: Part
    pairs: Pairs
    effect: paired.Effect | None
    size: paired.Effect | None = None
    p: float = float("nan")
    p_against: float = float("nan")
    p_null: float = float("nan")
    verdict: Verdict = "not tested"
    corrected: float = float("nan")
    corrected_null: float = float("nan")
    small: bool = False
    detectable: float = float("nan")
    needed: int = 0

    @property
    def tested(self) -> bool:
        """Whether it is one of the families of tests."""
        effect = self.effect
        return effect is not None and self.part.decides and verdicts.testable(effect.n)

    @property
    def two_sided(self) -> float:
        """The p-value that competes in the family; NaN if it is not tested.

        Both directions are looked at: that is twice the smaller p.
        """
        return min(1.0, 2 * min(self.p, self.p_against)) if self.tested else float("nan")


ByClaim = Mapping[str, Sequence[Finding]]  # number of a claim -> the findings on its parts


def test(results: Results, claims: Sequence[Claim]) -> ByClaim:
    """Tests all parts of all claims on a study's runs; see `judge`.

    Args:
        results: of a study, complete or not.
        claims: to test.

    Returns:
        Number of the claim -> its findings, in the order of its parts.
    """
    runs = Runs(results)
    pairs = {c.number: [runs.pairs(p.contrast, p.metric) for p in c.parts] for c in claims}
    sizes = {c.number: [_size(runs, p) for p in c.parts] for c in claims}
    return {
        number: [
            dataclasses.replace(f, size=size) for f, size in zip(of, sizes[number], strict=True)
        ]
        for number, of in judge(claims, pairs).items()
    }


def judge(claims: Sequence[Claim], pairs: Mapping[str, Sequence[Pairs]]) -> ByClaim:
    """Returns the findings on all parts of all claims, given the values of their contrasts.

    Tested are means by seed (`Pairs.by_seed`), by `paired.greater`: p is the larger of that of
    Wilcoxon's test over seeds and that of the interval over seeds and pictures. There are two
    families, each corrected by Holm: that means differ from zero (from the margin, from ±m where
    no difference is expected), two-sided; and, of parts with m, that they lie within ±m, by two
    one-sided tests. So in at most 5% of studies a difference is called supported or contradicted
    of which the opposite or none is true, and in at most 5% one of ±m or more no effect.

    Args:
        claims: to test.
        pairs: number of a claim -> the values of its parts' contrasts.

    Returns:
        Number of the claim -> its findings, in the order of its parts.

    Source: the test is the one of "CLIP the Bias"; two one-sided tests: Schuirmann 1987; the rest
    is derived.
    """
    raw = {
        claim.number: [_finding(*of) for of in zip(claim.parts, pairs[claim.number], strict=True)]
        for claim in claims
    }
    every = [finding for findings in raw.values() for finding in findings]
    corrected = iter(paired.holm([finding.two_sided for finding in every]))
    nulls = iter(paired.holm([finding.p_null for finding in every]))
    tests = max(1, sum(finding.tested for finding in every))
    return {
        number: [_judged(f, float(next(corrected)), float(next(nulls)), tests) for f in findings]
        for number, findings in raw.items()
    }


def verdict(claim: Claim, findings: Sequence[Finding]) -> Verdict:
    """Returns the verdict on a claim; see `verdicts.of_claim`."""
    return verdicts.of_claim([finding.verdict for finding in findings], claim.needs)


def _size(runs: Runs, part: Part) -> paired.Effect | None:
    """Returns the contrast of the metric's size, where the metric has a sign."""
    if not part.metric.signed or part.metric.absolute:
        return None
    pairs = runs.pairs(part.contrast, dataclasses.replace(part.metric, absolute=True))
    return pairs.effect() if len(pairs.values) else None


def _finding(part: Part, pairs: Pairs) -> Finding:
    if not len(pairs.values):
        return Finding(part, pairs, None)
    d, effect, m = pairs.by_seed()[0], pairs.effect(), part.smallest
    mirrored = effect._replace(mean=-effect.mean)

    def above(bound: float) -> float:
        return paired.greater(d, effect, bound)

    def below(bound: float) -> float:
        return paired.greater(-d, mirrored, -bound)

    if part.expected == 0:
        p, p_against = above(m), below(-m)
    else:
        bound = -part.expected * part.margin
        p, p_against = (above(bound), below(bound))[:: part.expected]
    finding = Finding(part, pairs, effect, p=p, p_against=p_against)
    if m and finding.tested:
        finding = dataclasses.replace(finding, p_null=max(above(-m), below(m)))
    return finding


def _judged(finding: Finding, corrected: float, p_null: float, tests: int) -> Finding:
    effect, part = finding.effect, finding.part
    if effect is None or not part.decides:
        return finding if effect is None else dataclasses.replace(finding, verdict="reported")
    if not finding.tested:
        return finding
    ends = effect.low, effect.high  # NaN: no interval, undecided
    null = verdicts.within(*ends, part.smallest, p_null)
    if part.expected == 0:
        found = verdicts.of_equality(corrected, *ends, part.smallest, null=null)
    else:
        far = sorted(float(x) for x in part.distance(np.array(ends)))
        found = verdicts.of_difference(corrected, *far, null=null)
    seen = float(part.distance(effect.mean))
    level = {"alpha": ALPHA / tests, "pictures": effect.pictures}
    return dataclasses.replace(
        finding,
        verdict=found,
        corrected=corrected,
        corrected_null=p_null,
        small=null,
        detectable=paired.detectable(effect.deviation, effect.n, **level),
        needed=paired.pairs_needed(seen, effect.deviation, **level),
    )

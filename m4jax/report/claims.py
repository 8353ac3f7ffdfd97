"""Claims as contrasts of runs, and whether the runs of a study bear them out: table and figure.

Which claims there are is said in `paper_claims`; how they are tested is derived. `claims_report`
puts it into words.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, AB_CORRELATION, RB, Metric
from m4jax.report import panels, style
from m4jax.report.contrasts import Contrast, Pairs, Runs
from m4jax.report.results import Estimate, Results, Rows

ALPHA = 0.05  # of the whole family
Verdict = Literal["supported", "contradicted", "undecided", "not tested", "reported"]
COLOURS = {"supported": "#009E73", "contradicted": "#D55E00", "undecided": "#999999"}
PANELS: dict[str, tuple[Metric, ...]] = {  # panels of the figure; (): all other metrics
    **{metric.axis: (metric,) for metric in (RB, AB, AB_CORRELATION)},
    "accuracy and recall, points": (),
}


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

    @property
    def tested(self) -> bool:
        """Whether it is one of the family of tests."""
        return self.effect is not None and self.part.decides

    @property
    def two_sided(self) -> float:
        """The p-value that competes in the family; NaN if it is not tested.

        Both directions are looked at: that is twice the smaller p.
        """
        return min(1.0, 2 * min(self.p, self.p_against)) if self.tested else float("nan")


ByClaim = Mapping[str, Sequence[Finding]]  # number of a claim -> the findings on its parts


def test(results: Results, claims: Sequence[Claim]) -> ByClaim:
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
    two_sided = [finding.two_sided for findings in raw.values() for finding in findings]
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


def pairs(by_claim: ByClaim) -> Rows:
    """Returns one row for each pair of runs that a contrast is formed of, with their ids."""
    return [
        {
            "claim": number,
            "contrast": finding.part.text,
            "model": ", ".join(unit.levels),
            "seed": unit.seed,
            "value": float(value),
            "runs": " ".join(ids),
        }
        for number, findings in by_claim.items()
        for finding in findings
        for unit, value, ids in zip(
            finding.pairs.units, finding.pairs.values, finding.pairs.runs, strict=True
        )
    ]


def rows(by_claim: ByClaim) -> Rows:
    """Returns one row for each contrast, with all digits."""
    return [
        {"claim": number} | _row(finding)
        for number, findings in by_claim.items()
        for finding in findings
    ]


def _row(finding: Finding) -> dict[str, Any]:
    part, effect = finding.part, finding.effect or paired.Effect(*[math.nan] * 6, n=0)
    return {
        "contrast": part.text,
        "metric": part.metric.name,
        "split": part.metric.split,
        "expected": _side(part),
        "mean": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "p": finding.two_sided,
        "p_corrected": finding.corrected,
        "rank_biserial": effect.rank_biserial,
        "deviation": effect.deviation,
        "pictures": effect.pictures,
        "seeds": effect.n,
        "pairs": len(finding.pairs.values),
        "detectable": finding.detectable,
        "verdict": finding.verdict,
    }


def _side(part: Part) -> str:
    """Returns what the claim says of the mean, "above -0.02" say."""
    bound = -part.expected * part.margin
    return f"{'above' if part.expected > 0 else 'below'} {bound or 0:g}"


def at_a_glance(by_claim: ByClaim) -> tuple[Figure, Rows] | None:
    """Draws every contrast of every claim, where the claim expects it, and the verdict."""
    lines: dict[str, dict[str, Finding]] = {name: {} for name in PANELS}
    for number, findings in by_claim.items():
        for finding in findings:
            if finding.tested:
                metric = finding.part.metric
                name = next(n for n, metrics in PANELS.items() if metric in metrics or not metrics)
                lines[name][f"{number}  {finding.part.text}"] = finding
    lines = {name: by_text for name, by_text in lines.items() if by_text}
    if not lines:
        return None
    counts = [len(by_text) for by_text in lines.values()]
    height = 1.0 + 0.27 * sum(counts) + 0.55 * len(counts)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    axes = figure.subplots(len(counts), 1, squeeze=False, height_ratios=[c + 0.8 for c in counts])
    for ax, (name, by_text) in zip(axes[:, 0], lines.items(), strict=True):
        _panel(ax, by_text)
        ax.set_title(name, fontsize=7.5)
    style.heading(figure, "The paper's claims at a glance")
    figure.supxlabel(
        "mean difference with its 95% interval; shaded: where the claim expects it", fontsize=7
    )
    return figure, rows(by_claim)


def _panel(ax: Axes, by_text: Mapping[str, Finding]) -> None:
    """Draws the contrasts of metrics of one unit, one line each."""
    effects = [finding.effect[:3] for finding in by_text.values()]
    reach = 1.15 * max(np.nan_to_num(np.abs(effects), nan=0).max(), 1e-9)
    for place, finding in enumerate(by_text.values()):
        part, effect, colour = finding.part, finding.effect, COLOURS[finding.verdict]
        unit = part.metric.unit.scale / 100  # `errorbar` draws in percent
        left, width = -part.expected * part.margin, part.expected * (reach + part.margin)
        ax.barh(place, 100 * unit * width, left=100 * unit * left, height=0.8, alpha=0.1,
                color=COLOURS["supported"])  # fmt: skip
        estimate = Estimate(*(unit * x for x in effect[:3]))
        style.errorbar(ax, estimate, place, style.Mark(colour, "o", filled=True), markersize=5)
        text = f"{style.shown(part.metric, effect.mean, sign=True)}  {finding.verdict}"
        ax.text(1.01, place, text, fontsize=6.5, transform=ax.get_yaxis_transform(), va="center",
                color=colour)  # fmt: skip
    ax.axvline(0, color="0.35", linewidth=0.9)
    ax.set_xlim(-100 * unit * reach, 100 * unit * reach)
    panels.lines(ax, [_broken(text) for text in by_text])
    ax.tick_params(labelsize=6.5)


def _broken(text: str, width: int = 62) -> str:
    """Returns the text in two lines if it is long."""
    if len(text) <= width:
        return text
    middle = text.rfind(" ", 0, width)
    return f"{text[:middle]}\n     {text[middle + 1 :]}"

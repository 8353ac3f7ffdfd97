"""The claims of a study in numbers: rows of tables, and a figure of every contrast."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report import claims, panels, style, verdicts
from m4jax.report.claims import ByClaim, Claim, Finding, Part
from m4jax.report.results import Estimate, Rows

MARKS = {  # told apart in grey, too
    "supported": style.Mark("#009E73", "o", filled=True),
    "contradicted": style.Mark("#D55E00", "X", filled=True),
    "no effect": style.Mark("#0072B2", "s", filled=True),
    "undecided": style.Mark("#777777", "o", filled=False),
    "not tested": style.Mark("#777777", "o", filled=False),
    "reported": style.Mark("#444444", "D", filled=False),
}
NAME, LINE = 42, 0.145  # letters of a line of a contrast's name; inches of its height
SHARED = "accuracy and recall, points"  # the panel of all metrics that are shares of pictures
SIZE = "|{}|, points: the same contrasts of its size, reported"  # of a metric with a sign


def heading(metric: Metric) -> str:
    """Returns what a metric is called in a column, |RB| say where its size is meant."""
    sized = metric.absolute and "|" not in metric.short
    return f"|{metric.short}|" if sized else metric.short


def bounds(part: Part) -> str:
    """Returns m as it is shown, "±0.5" say; "" without one."""
    return f"±{style.shown(part.metric, part.smallest)}" if part.smallest else ""


def part_number(claim: str, place: int) -> str:
    """Returns what the part of a claim at a place, from 0, is called: "4.2" say."""
    return f"{claim}.{place + 1}"


def numbered(by_claim: ByClaim) -> dict[str, Finding]:
    """Returns the findings by what their parts are called: "4.2" say."""
    return {
        part_number(claim, place): finding
        for claim, findings in by_claim.items()
        for place, finding in enumerate(findings)
    }


def told(finding: Finding) -> str:
    """Returns the verdict on a part in words: "no effect beyond ±0.5" say."""
    m = bounds(finding.part)
    if finding.verdict == "no effect":
        return f"no effect beyond {m}"
    return f"{finding.verdict}, but within {m}" if differs(finding) else finding.verdict


def written(parts: Sequence[Part], place: int) -> str:
    """Returns what the part at a place, from 0, says.

    "the same …" is written out by the part before that says it: "A is B" and "the same with C"
    give "A is B, with C".
    """
    same, text = "the same ", parts[place].text
    if not text.startswith(same) or not place:
        return text
    return f"{written(parts, place - 1)}, {text.removeprefix(same)}"


def sides(finding: Finding) -> tuple[int, bool]:
    """Returns on which side of zero, or of the margin, the interval lies, and whether within ±m."""
    part, effect = finding.part, finding.effect
    if effect is None:
        return 0, False
    bound = -part.expected * part.margin
    return verdicts.sides(effect.low, effect.high, bound=bound, smallest=part.smallest)


def lean(finding: Finding) -> str:
    """Returns in which way a contrast without a verdict is open, "leans below zero" say; else "".

    By its 95% interval, which is not corrected: it *leans* if the interval excludes zero (or the
    margin); it may be *within* ±m; it is *imprecise* if neither can be said, and then the mean may
    be on the other side than the claim says.
    """
    if finding.verdict not in ("undecided", "reported") or finding.effect is None:
        return ""
    part, (side, within) = finding.part, sides(finding)
    told_as = []
    if side:
        bound = (
            f"{style.shown(part.metric, -part.expected * part.margin)}" if part.margin else "zero"
        )
        claimed = {side: " as claimed"}.get(part.expected, " against the claim")
        claimed *= part.expected != 0 or not within  # of "no difference" what is within m is none
        told_as.append(f"leans {'above' if side > 0 else 'below'} {bound}{claimed}")
    if within:
        told_as.append(f"within {bounds(part)}")
    return " and ".join(told_as) or f"imprecise{_against(finding)}"


def _against(finding: Finding) -> str:
    """Says that a mean is not on the side that the claim says; "" if it is, or nothing is said."""
    part, mean = finding.part, finding.effect.mean
    if part.expected == 0 or part.expected * mean >= -part.margin:
        return ""
    limit = style.shown(part.metric, -part.expected * part.margin)
    return f", mean beyond its limit of {limit}" if part.margin else ", mean against the claim"


def differs(finding: Finding) -> bool:
    """Tells whether a difference is clear and yet shown to be within ±m."""
    clear = finding.verdict in ("supported", "contradicted") and finding.part.expected != 0
    return finding.small and clear


def told_of(claim: Claim, findings: Sequence[Finding]) -> str:
    """Returns the verdict on a claim in words."""
    verdict = claims.verdict(claim, findings)
    if verdict != "no effect":
        return verdict
    margins = dict.fromkeys(bounds(f.part) for f in findings if f.verdict == "no effect")
    return f"no effect beyond {' and '.join(margins)}"


def pairs(by_claim: ByClaim) -> Rows:
    """Returns one row for each pair of runs that a contrast is formed of, with their ids."""
    return [
        {
            "claim": number,
            "part": part_number(number, place),
            "contrast": finding.part.text,
            "model": ", ".join(unit.levels),
            "seed": unit.seed,
            "value": float(value),
            "runs": " ".join(ids),
        }
        for number, findings in by_claim.items()
        for place, finding in enumerate(findings)
        for unit, value, ids in zip(
            finding.pairs.units, finding.pairs.values, finding.pairs.runs, strict=True
        )
    ]


def rows(by_claim: ByClaim) -> Rows:
    """Returns one row for each contrast, with all digits."""
    return [
        {"claim": number, "part": part_number(number, place)} | _row(finding)
        for number, findings in by_claim.items()
        for place, finding in enumerate(findings)
    ]


def _row(finding: Finding) -> dict[str, Any]:
    none = paired.Effect(*[math.nan] * 6, n=0)
    part, effect, size = finding.part, finding.effect or none, finding.size or none
    return {
        "contrast": part.text,
        "metric": part.metric.name,
        "split": part.metric.split,
        "expected": _side(part),
        "smallest": part.smallest or math.nan,
        "mean": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "p": finding.two_sided,
        "p_corrected": finding.corrected,
        "p_null": finding.p_null,
        "p_null_corrected": finding.corrected_null,
        "rank_biserial": effect.rank_biserial,
        "deviation": effect.deviation,
        "pictures": effect.pictures,
        "seeds": effect.n,
        "pairs": len(finding.pairs.values),
        "detectable": finding.detectable,
        "size_mean": size.mean,
        "size_low": size.low,
        "size_high": size.high,
        "verdict": told(finding),
    }


def _side(part: Part) -> str:
    """Returns what the claim says of the mean, "above -0.02" say."""
    if part.expected == 0:
        return f"within ±{part.smallest:g}"
    bound = -part.expected * part.margin
    return f"{'above' if part.expected > 0 else 'below'} {bound or 0:g}"


def at_a_glance(by_claim: ByClaim) -> tuple[Figure, Rows] | None:
    """Draws every contrast of every claim, where the claim expects it, and the verdict."""
    lines: dict[str, dict[str, Finding]] = {}
    for number, finding in numbered(by_claim).items():
        if finding.tested:
            metric = finding.part.metric
            shared = "acc" in metric.name or "recall" in metric.name
            by_text = lines.setdefault(SHARED if shared else metric.axis, {})
            by_text[f"{number}  {finding.part.text}"] = finding
    if not lines:
        return None
    lines = _with_sizes(lines)
    heights = [_places(by_text)[1][-1] for by_text in lines.values()]
    height = 0.6 + sum(LINE * h + 0.5 for h in heights)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    for ax, (name, by_text) in zip(axes[:, 0], lines.items(), strict=True):
        _panel(ax, by_text)
        ax.set_title(name)
    style.heading(figure, "The claims at a glance")
    verdicts = {finding.verdict for of in lines.values() for finding in of.values()}
    handles = [style.handle(v, mark, line="") for v, mark in MARKS.items() if v in verdicts]
    counted = {finding.effect.n for of in lines.values() for finding in of.values()}
    style.foot(
        figure,
        n=_seeds(counted),
        bars="95% intervals over seeds and pictures, not corrected for their number",
        more="Symbols: mean differences; pale: where the claim expects them; dark: ±m, within "
        f"which a difference is too small to matter{_left_out(by_claim)}",
        wrong="other pictures than those that all models are asked about tell otherwise, or "
        "another choice of contrasts and margins does",
        handles=handles,
    )
    return figure, rows(by_claim)


def _with_sizes(lines: Mapping[str, Mapping[str, Finding]]) -> dict[str, Mapping[str, Finding]]:
    """Returns the panels, after each of a metric with a sign one of its size; shares come last."""
    found: dict[str, Mapping[str, Finding]] = {}
    for name in sorted(lines, key=lambda name: name == SHARED):
        found[name] = lines[name]
        sizes = {text: _of_size(finding) for text, finding in lines[name].items() if finding.size}
        if sizes:
            short = next(iter(lines[name].values())).part.metric.short
            found[SIZE.format(short)] = sizes
    return found


def _of_size(finding: Finding) -> Finding:
    """Returns the same contrast of the metric's size, which has no verdict."""
    metric = dataclasses.replace(finding.part.metric, absolute=True)
    part = dataclasses.replace(finding.part, metric=metric)
    return dataclasses.replace(
        finding, part=part, effect=finding.size, size=None, verdict="reported", small=False
    )


def _left_out(by_claim: ByClaim) -> str:
    """Names the contrasts that decide, but have too few seeds for any test."""
    names = [n for n, x in numbered(by_claim).items() if x.part.decides and not x.tested]
    return f"; not shown, since not tested: {', '.join(names)}" if names else ""


def _seeds(counts: set[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{most} seeds" if least == most else f"{least} to {most} seeds"


def _panel(ax: Axes, by_text: Mapping[str, Finding]) -> None:
    """Draws the contrasts of metrics of one unit, one line each."""
    effects = [finding.effect[:3] for finding in by_text.values()]
    reach = 1.15 * max(np.nan_to_num(np.abs(effects), nan=0).max(), 1e-9)
    places, ends = _places(by_text)
    for place, finding in zip(places, by_text.values(), strict=True):
        part, effect, mark = finding.part, finding.effect, MARKS[finding.verdict]
        unit = part.metric.unit.scale / 100  # `errorbar` draws in percent
        left, width = -part.expected * part.margin, part.expected * (reach + part.margin)
        if part.expected == 0:
            left, width = -part.smallest, 2 * part.smallest
        pale = MARKS["supported"].color
        ax.barh(place, 100 * unit * width, left=100 * unit * left, height=1.3, alpha=0.1,
                color=pale)  # fmt: skip
        within = 100 * unit * (part.smallest or part.margin)
        ax.barh(place, 2 * within, left=-within, height=1.3, alpha=0.22, color="0.3", linewidth=0)
        estimate = Estimate(*(unit * x for x in effect[:3]))
        style.errorbar(ax, estimate, place, mark, markersize=5)
        text = f"{style.shown(part.metric, effect.mean, sign=True)}  {told(finding)}"
        clear = finding.verdict in ("supported", "contradicted")
        ax.text(1.02, place, style.wrapped(text, 20), fontsize=style.SMALL, va="center",
                transform=ax.get_yaxis_transform(),
                weight="bold" if clear else "normal")  # fmt: skip
    ax.axvline(0, color="0.35", linewidth=0.9)
    ax.set_xlim(-100 * unit * reach, 100 * unit * reach)
    panels.lines(ax, list(by_text))
    ax.set_yticks(places, [style.wrapped(text, NAME) for text in by_text], fontsize=style.SMALL)
    ax.set_ylim(ends[-1], 0)


def _places(by_text: Mapping[str, Finding]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the middles and the ends of contrasts, in lines of text from the top."""
    high = [max(style.wrapped(text, NAME).count("\n") + 1, 1.2) + 0.4 for text in by_text]
    ends = np.cumsum(high)
    return ends - np.divide(high, 2), ends

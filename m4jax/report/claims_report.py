"""`claims.md` and the figure of all claims: what the runs say of each, in words and numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.report import beyond, claims, claims_context, panels, paper_claims, style
from m4jax.report.claims import ALPHA, Claim, Finding
from m4jax.report.contrasts import AB, AB_FOLLOWS, RB, Metric
from m4jax.report.results import Estimate, Results, Rows
from m4jax.report.style import number, signed

Findings = Mapping[str, Sequence[Finding]]
COLOURS = {"supported": "#009E73", "contradicted": "#D55E00", "undecided": "#999999"}
FOLLOWS = "AB of the model and of the data, correlation"
PANELS: dict[str, tuple[Metric, ...]] = {  # panels of the figure; (): all other metrics
    "representation bias, points": (RB,),
    "mean |AB|, points": (AB,),
    FOLLOWS: (AB_FOLLOWS,),
    "accuracy and recall, points": (),
}
SHORT = {metric: name for name, metric in claims_context.LEVELS.items()} | {AB_FOLLOWS: "r"}
SEEDS = (5, 10, 12, 20)  # of the power note
NORMAL = 1.96  # quantile of the normal distribution, for 95% two-sided


def markdown(results: Results, found: Findings, *, part: str = "") -> str:
    """Returns the report on the claims as Markdown; the same results give the same text.

    Args:
        results: of a study, complete or not.
        found: of `claims.test` on them.
        part: "3 of 8 runs", say, of an unfinished study; "": it is complete.
    """
    runs = results.select(kind="run")
    count, seeds = len(set(runs["run_id"].tolist())), sorted(set(runs["seed"].tolist()))
    testbed = "shift" in runs["split"]  # a split that nothing else has
    lines = [
        f"# The paper's claims{', on the testbed' if testbed else ''}",
        "",
        *([f"**Incomplete: {part}.**", ""] if part else []),
        f"What {count} models, trained with the seeds {', '.join(map(str, seeds))}, say of the "
        "claims of *CLIP the Bias: How Useful is Balancing Data in Multimodal Learning?* (ICLR "
        "2024); the last claim is of a report on a hundred billion examples.",
        "",
        "| claim | | verdict | differences in points [95%] |",
        "| --- | --- | --- | --- |",
    ]
    tested = [claim for claim in paper_claims.CLAIMS if claim.number in found]
    for claim in tested:
        findings = found[claim.number]
        verdict = claims.verdict(findings)
        told = "; ".join(_told(f) for f in findings if f.effect and f.part.decides)
        lines.append(f"| {claim.number} | {claim.text} | **{verdict}** | {told} |")
    lines += ["", *_method(found), "", *claims_context.terms(), "", *claims_context.levels(results)]
    for claim in tested:
        lines += ["", *_section(claim, found[claim.number])]
    lines += ["", *beyond.markdown(results), "", *_power(found), ""]
    text = "\n".join([*lines, *claims_context.unknown(testbed)]) + "\n"
    return text.replace("|AB|", r"\|AB\|").replace("|RB|", r"\|RB\|")  # else the cell would end


def _method(found: Findings) -> list[str]:
    """Returns how the verdicts come about."""
    return [
        "Each claim stands for one contrast or several: differences between runs that agree in all "
        "else (model size, seed), averaged over model sizes for each seed, since runs of one seed "
        "are not independent of each other. Points are percentage points. Intervals (95%) hold "
        "both the chance of the seeds and that of the evaluation pictures; p is of Wilcoxon's "
        "signed-rank test over seeds, two-sided, corrected by Holm for all "
        f"{_tests(found)} contrasts; *r* is the rank-biserial correlation (±1: all seeds have one "
        f"sign). A contrast is decided if the corrected p is below {ALPHA:g} and the interval says "
        "the same. A claim is supported if all of its contrasts are, and contradicted if one of "
        "them is. What is only *reported* tells a size and is not tested.",
        "",
        paper_claims.HISTORY,
    ]


def _told(finding: Finding) -> str:
    """Returns the metric and its difference, in short."""
    effect, metric = finding.effect, finding.part.metric
    ends = f"[{_points(finding, effect.low)}, {_points(finding, effect.high)}]"
    return f"{SHORT.get(metric, metric.name)} {_points(finding, effect.mean)} {ends}"


def pairs(found: Findings) -> Rows:
    """Returns one row for each pair of runs that a contrast is formed of, with their ids."""
    return [
        {
            "claim": number_,
            "contrast": finding.part.text,
            "model": ", ".join(unit.levels),
            "seed": unit.seed,
            "value": float(value),
            "runs": " ".join(ids),
        }
        for number_, findings in found.items()
        for finding in findings
        for unit, value, ids in zip(
            finding.pairs.units, finding.pairs.values, finding.pairs.runs, strict=True
        )
    ]


def rows(found: Findings) -> Rows:
    """Returns one row for each contrast, with all digits."""
    table: Rows = []
    for number_, findings in found.items():
        for finding in findings:
            effect = finding.effect
            table.append(
                {
                    "claim": number_,
                    "contrast": finding.part.text,
                    "metric": finding.part.metric.name,
                    "split": finding.part.metric.split,
                    "expected": _side(finding.part),
                    "mean": effect.mean if effect else math.nan,
                    "low": effect.low if effect else math.nan,
                    "high": effect.high if effect else math.nan,
                    "p": _two_sided(finding),
                    "p_corrected": finding.corrected,
                    "rank_biserial": effect.rank_biserial if effect else math.nan,
                    "deviation": effect.deviation if effect else math.nan,
                    "pictures": effect.pictures if effect else math.nan,
                    "seeds": effect.n if effect else 0,
                    "pairs": len(finding.pairs.values),
                    "detectable": finding.detectable,
                    "verdict": finding.verdict,
                }
            )
    return table


def at_a_glance(found: Findings) -> tuple[Figure, Rows] | None:
    """Draws every contrast of every claim, where the claim expects it, and the verdict."""
    panels_of: dict[str, list[tuple[str, Finding]]] = {name: [] for name in PANELS}
    for claim in paper_claims.CLAIMS:
        for finding in found[claim.number]:
            if finding.effect and finding.part.decides:
                name = next(n for n, of in PANELS.items() if finding.part.metric in of or not of)
                panels_of[name].append((f"{claim.number}  {finding.part.text}", finding))
    panels_of = {name: known for name, known in panels_of.items() if known}
    if not panels_of:
        return None
    counts = [len(known) for known in panels_of.values()]
    height = 1.0 + 0.27 * sum(counts) + 0.55 * len(counts)
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    axes = figure.subplots(len(counts), 1, squeeze=False, height_ratios=[c + 0.8 for c in counts])
    for ax, (name, known) in zip(axes[:, 0], panels_of.items(), strict=True):
        _glance(ax, name, known)
    style.heading(figure, "The paper's claims at a glance")
    figure.supxlabel(
        "mean difference with its 95% interval; shaded: where the claim expects it", fontsize=7
    )
    return figure, rows(found)


def _glance(ax: Axes, name: str, known: Sequence[tuple[str, Finding]]) -> None:
    """Draws the contrasts of one kind of metric, one line each."""
    unit = 0.01 if name == FOLLOWS else 1.0  # `errorbar` draws in percent
    reach = 1.15 * max(np.nan_to_num(np.abs([f.effect[:3] for _, f in known]), nan=0).max(), 1e-9)
    for place, (_, finding) in enumerate(known):
        effect, colour = finding.effect, COLOURS[finding.verdict]
        left, width = _expected(finding, reach)
        ax.barh(place, 100 * unit * width, left=100 * unit * left, height=0.8, alpha=0.1,
                color=COLOURS["supported"])  # fmt: skip
        of = Estimate(*(unit * x for x in effect[:3]))
        style.errorbar(ax, of, place, style.Mark(colour, "o", filled=True), markersize=5)
        ax.text(1.01, place, f"{_points(finding, effect.mean)}  {finding.verdict}", fontsize=6.5,
                transform=ax.get_yaxis_transform(), va="center", color=colour)  # fmt: skip
    ax.axvline(0, color="0.35", linewidth=0.9)
    ax.set_xlim(-100 * unit * reach, 100 * unit * reach)
    panels.lines(ax, [_broken(told) for told, _ in known])
    ax.tick_params(labelsize=6.5)
    ax.set_title(name, fontsize=7.5)


def _expected(finding: Finding, reach: float) -> tuple[float, float]:
    """Returns start and width of where the claim has the mean, up to `reach`."""
    part = finding.part
    return -part.expected * part.margin, part.expected * (reach + part.margin)


def _side(part: claims.Part) -> str:
    """Returns what the claim says of the mean, "above -0.02" say."""
    bound = -part.expected * part.margin
    return f"{'above' if part.expected > 0 else 'below'} {bound or 0:g}"


def _section(claim: Claim, findings: Sequence[Finding]) -> list[str]:
    lines = [
        f"## {claim.number}. {claim.text}",
        "",
        f"**{claims.verdict(findings).capitalize()}.**",
        "",
        "| what the runs should show | mean [95%] | seeds | r | p (Holm) | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for finding in findings:
        effect = finding.effect
        if effect is None:
            lines.append(f"| {finding.part.text} | not tested | 0 | | | |")
            continue
        ends = f"[{_points(finding, effect.low)}, {_points(finding, effect.high)}]"
        told = f"{_points(finding, effect.mean)} {ends}"
        lines.append(
            f"| {finding.part.text} | {told} | {effect.n} | {number(effect.rank_biserial, 2)} | "
            f"{_p(finding.corrected)} | {finding.verdict} |"
        )
    return [*lines, "", f"Limits: {claim.limits}"]


def _power(found: Findings) -> list[str]:
    """Returns the note on what other numbers of seeds could have shown."""
    tests = _tests(found)
    lines = [
        "## What could have been seen",
        "",
        "The least distance from zero (or from the margin) that Wilcoxon's test finds 8 times of "
        f"10, corrected for {tests} contrasts, given the spread of these seeds; – where so few "
        "seeds can never reach the level. The last column is how many seeds it would take to find "
        "the distance that was seen. Seeds do not make up for pictures: where the chance of the "
        "pictures alone is as large as the distance, no number of them would do.",
        "",
        "| claim | contrast | distance seen | "
        f"{' | '.join(f'{n} seeds' for n in SEEDS)} | seeds needed |",
        f"| --- | --- | --- | {' | '.join('---' for _ in SEEDS)} | --- |",
    ]
    for claim_number, findings in found.items():
        for finding in findings:
            effect, part = finding.effect, finding.part
            if effect is None or not part.decides:
                continue
            cells = [_points(finding, _detectable(effect, n, tests)).lstrip("+") for n in SEEDS]
            seen = part.distance(effect.mean)
            enough = abs(seen) > NORMAL * effect.pictures
            needed = f"{finding.needed:,}" if enough else "more pictures"
            lines.append(
                f"| {claim_number} | {part.text} | {_points(finding, part.expected * seen)} | "
                f"{' | '.join(cells)} | {needed} |"
            )
    return lines


def _tests(found: Findings) -> int:
    """Returns the number of tests in the family."""
    every = [finding for of in found.values() for finding in of]
    return sum(finding.effect is not None and finding.part.decides for finding in every)


def _detectable(effect: paired.Effect, seeds: int, tests: int) -> float:
    if not effect.deviation > 0:
        return math.nan
    return paired.detectable(effect.deviation, seeds, alpha=ALPHA / tests)


def _points(finding: Finding, value: float) -> str:
    if finding.part.metric == AB_FOLLOWS:
        return signed(value, 2)
    return signed(100 * value)


def _two_sided(finding: Finding) -> float:
    if not finding.effect or not finding.part.decides:
        return math.nan
    return min(1.0, 2 * min(finding.p, finding.p_against))


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else number(value, 3)


def _broken(text: str, width: int = 62) -> str:
    """Returns the text in two lines if it is long."""
    if len(text) <= width:
        return text
    middle = text.rfind(" ", 0, width)
    return f"{text[:middle]}\n     {text[middle + 1 :]}"

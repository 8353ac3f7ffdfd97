"""`claims.md` and the figure of all claims: what the runs say of each, in words and numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from m4jax.evaluation import paired
from m4jax.report import beyond, claims, panels, paper_claims, style
from m4jax.report.claims import ALPHA, Claim, Finding
from m4jax.report.contrasts import AB_FOLLOWS
from m4jax.report.results import Estimate, Results, Rows
from m4jax.report.style import number, signed

Findings = Mapping[str, Sequence[Finding]]
COLOURS = {"supported": "#009E73", "contradicted": "#D55E00", "undecided": "#999999"}
FAR = 5.0  # standard deviations, beyond which an effect is drawn at the edge
SEEDS = (3, 5, 10, 20)  # of the power note
NORMAL = 1.96  # quantile of the normal distribution, for 95% two-sided


def markdown(results: Results, found: Findings) -> str:
    """Returns the report on the claims as Markdown; the same results give the same text."""
    runs = results.select(kind="run")
    count, seeds = len(set(runs["run_id"].tolist())), sorted(set(runs["seed"].tolist()))
    tests = _tests(found)
    testbed = "shift" in results.select(kind="run")["split"]  # a split that nothing else has
    lines = [
        f"# The paper's claims{', on the testbed' if testbed else ''}",
        "",
        f"From {count} models with the seeds {', '.join(map(str, seeds))}. Each claim stands for "
        "one contrast or several: differences between runs that agree in all else (model size, "
        "seed), averaged over model sizes for each seed, since runs of one seed are not "
        "independent of each other. Points are percentage points. Intervals (95%) hold both the "
        "chance of the seeds and that of the evaluation pictures; p is of Wilcoxon's signed-rank "
        f"test over seeds, corrected by Holm for all {tests} contrasts; *r* is the rank-biserial "
        f"correlation (±1: all seeds have one sign). A contrast is decided if the corrected p is "
        f"below {ALPHA:g} and the interval says the same. A claim is supported if all of its "
        "contrasts are, and contradicted if one of them is. What is only *reported* tells a size "
        "and is not tested.",
        "",
        "| claim | | verdict |",
        "| --- | --- | --- |",
    ]
    tested = [claim for claim in paper_claims.CLAIMS if claim.number in found]
    for claim in tested:
        verdict = claims.verdict(found[claim.number])
        lines.append(f"| {claim.number} | {claim.text} | **{verdict}** |")
    for claim in tested:
        lines += ["", *_section(claim, found[claim.number])]
    lines += ["", *beyond.markdown(results), "", *_power(found), "", *_unknown(testbed)]
    text = "\n".join(lines) + "\n"
    return text.replace("|AB|", r"\|AB\|")  # in a table a bare stroke would end the cell


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
    """Draws every contrast of every claim: its mean in standard deviations, and the verdict."""
    known = [
        (f"{claim.number}  {finding.part.text}", finding)
        for claim in paper_claims.CLAIMS
        for finding in found[claim.number]
        if finding.effect and finding.effect.deviation > 0 and finding.part.decides
    ]
    if not known:
        return None
    figure = Figure(figsize=(style.WIDTH, 1.1 + 0.25 * len(known)), layout="constrained")
    ax = figure.subplots()
    for place, (_, finding) in enumerate(known):
        effect, colour = finding.effect, COLOURS[finding.verdict]
        scale = 100 * effect.deviation  # errorbar draws in percent
        left, width = _expected(finding)
        ax.barh(place, width, left=left, height=0.8, color=COLOURS["supported"], alpha=0.1)
        ends = (effect.mean, effect.low, effect.high)
        of = Estimate(*(np.clip(x / scale, -FAR / 100, FAR / 100) for x in ends))
        style.errorbar(ax, of, place, style.Mark(colour, "o", filled=True), markersize=5)
        ax.text(1.01, place, f"{_points(finding, effect.mean)}  {finding.verdict}", fontsize=6.5,
                transform=ax.get_yaxis_transform(), va="center", color=colour)  # fmt: skip
    ax.axvline(0, color="0.35", linewidth=0.9)
    panels.lines(ax, [_broken(name) for name, _ in known])
    ax.tick_params(axis="y", labelsize=6.5)
    ax.set_xlabel(
        "mean difference in standard deviations of the seeds, with its 95% interval\n"
        f"(beyond ±{FAR:g}: drawn there; at the right: points; shaded: where the claim has it)"
    )
    ax.set_title("The paper's claims at a glance")
    return figure, rows(found)


def _expected(finding: Finding) -> tuple[float, float]:
    """Returns start and width of where the claim has the mean, in standard deviations."""
    part = finding.part
    margin = min(part.margin / finding.effect.deviation, FAR)
    return -part.expected * margin, part.expected * (FAR + margin)


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
    return [*lines, "", f"Not told by this: {claim.limits}"]


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
        "pictures alone makes up for the distance, no number of them would do.",
        "",
        f"| claim | contrast | seen | {' | '.join(f'{n} seeds' for n in SEEDS)} | seeds needed |",
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
    return paired.detectable(effect.deviation, seeds, alpha=ALPHA / tests)


def _unknown(testbed: bool) -> list[str]:
    of_testbed = [
        "- The pictures are emoji and the captions come from a grammar of 70 words: effects have "
        "signs and an order here, not the sizes that web data would show.",
        "- The models have 0.2 to 0.9 million parameters and see 96,000 examples at the laptop "
        "scale; the paper's see a billion.",
    ]
    return [
        f"## What {'the testbed' if testbed else 'this study'} can't tell",
        "",
        *(of_testbed if testbed else ()),
        "- Pairs of one model size and seed share their initial parameters and the order of their "
        "examples, not all of their chance. Model sizes are averaged, and some seeds have the "
        "smallest one alone: an effect that only some sizes have may go unnoticed.",
        "- Evaluation pictures are shared by all runs; the intervals allow for that, Wilcoxon's p "
        "does not: it speaks of these pictures.",
    ]


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

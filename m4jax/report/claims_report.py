"""`claims.md`: what the runs of a study say of each claim, in words and numbers."""

import math
from collections.abc import Sequence

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import LEVELS, Metric
from m4jax.report import claims, contrasts, figures_ablation, paper_claims, questions
from m4jax.report.claims import ALPHA, ByClaim, Claim, Finding
from m4jax.report.contrasts import Runs
from m4jax.report.results import ORACLE, Results
from m4jax.report.study_questions import QUESTIONS
from m4jax.report.style import display, number, shown

SEEDS = (5, 10, 12, 20)  # of the power note
NORMAL = 1.96  # quantile of the normal distribution, for 95% two-sided
TERMS = (
    "*RB*, representation bias: the share of pictures without a person that prefer “a man” to “a "
    "woman”, minus 50%. It has a sign: an overshoot towards “a woman” counts as lower.",
    "*AB*, association bias: P(occupation | man) − P(occupation | woman) as the model sees "
    "pictures of plain faces; *mean |AB|*: the mean of its size over the occupations.",
    "*original*: the data as they are; *balanced*: drawn by M4's weights, attribute against "
    "occupations and whether there is any thing; *proxies*: the single kinds of things as further "
    "labels; *balanced in the last 10%* and so on: original data in the rest of the training.",
    "*subsample*: as many examples as balancing keeps, drawn at random; *shuffled*: the balancing "
    "weights, permuted; *census*: balanced towards the census' share of men in each occupation; "
    "*oracle*: another world, in which everything is at parity.",
    "*things*, *occupations*, *gender*: zero-shot accuracy; *R@5*: recall at 5, between pictures "
    "and captions that no run was trained on.",
    "*S/8 64*: towers of size S, patches of 8 pixels, embeddings of 64; the first model is the "
    "default one, which all studies but “stages” and “size” use.",
)


def markdown(results: Results, by_claim: ByClaim, *, part: str = "") -> str:
    """Returns the report on the claims as Markdown; the same results give the same text.

    Args:
        results: of a study, complete or not.
        by_claim: of `claims.test` on them.
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
    tested = [claim for claim in paper_claims.CLAIMS if claim.number in by_claim]
    for claim in tested:
        findings = by_claim[claim.number]
        effects = "; ".join(f"{f.part.metric.short} {_effect(f)}" for f in findings if f.tested)
        verdict = claims.verdict(findings)
        lines.append(f"| {claim.number} | {claim.text} | **{verdict}** | {effects} |")
    lines += ["", *_method(by_claim), "", *_terms(), "", *_levels(results)]
    for claim in tested:
        lines += ["", *_section(claim, by_claim[claim.number])]
    lines += ["", *questions.markdown(results, QUESTIONS), "", *_power(by_claim), ""]
    text = "\n".join([*lines, *_limits(testbed)]) + "\n"
    return text.replace("|AB|", r"\|AB\|").replace("|RB|", r"\|RB\|")  # else the cell would end


def _method(by_claim: ByClaim) -> list[str]:
    """Returns how the verdicts come about."""
    return [
        "Each claim stands for one contrast or several: differences between runs that agree in all "
        "else (model size, seed), averaged over model sizes for each seed, since runs of one seed "
        "are not independent of each other. Points are percentage points. Intervals (95%) hold "
        "both the chance of the seeds and that of the evaluation pictures; p is of Wilcoxon's "
        "signed-rank test over seeds, two-sided, corrected by Holm for all "
        f"{_count(by_claim)} contrasts; *r* is the rank-biserial correlation (±1: all seeds have "
        f"one sign). A contrast is decided if the corrected p is below {ALPHA:g} and the interval "
        "says the same. A claim is supported if all of its contrasts are, and contradicted if one "
        "of them is. What is only *reported* tells a size and is not tested.",
        "",
        paper_claims.HISTORY,
    ]


def _terms() -> list[str]:
    """Returns what the words mean, as lines of Markdown."""
    figures = "; ".join(f"`{name}`: {text}" for name, text in figures_ablation.CAPTIONS.items())
    return ["## Terms", "", *(f"- {term}" for term in TERMS), "", f"Figures: {figures}."]


def _levels(results: Results) -> list[str]:
    """Returns the table of the metrics' levels, of the default model."""
    runs = Runs(results)
    versions = [v for v in ("original", "subsample", "balanced", ORACLE) if v in results.versions]
    lines = []
    for metric in LEVELS:
        by_version = [
            runs.pairs(contrasts.single({"version": version}, free=()), metric)
            for version in versions
        ]
        units = [set(pairs.units) for pairs in by_version if len(pairs.values)]
        shared = set.intersection(*units) if units else set()
        cells = [_level(metric, pairs.select(shared).values) for pairs in by_version]
        if shared:
            count = f"{_pictures(results, metric):,}"
            lines.append(f"| {metric.short} | {' | '.join(cells)} | {len(shared)} | {count} |")
    if not lines:
        return []
    heads = " | ".join(display(v) for v in versions)
    return [
        "## Levels",
        "",
        "Of the default model: mean over seeds, and in parentheses the standard deviation between "
        "them; percent, RB and |AB| in points.",
        "",
        f"| | {heads} | seeds | pictures |",
        f"| --- |{' --- |' * len(versions)} --- | --- |",
        *lines,
    ]


def _limits(testbed: bool) -> list[str]:
    """Returns what no contrast can tell."""
    on_testbed = [
        "- The pictures are emoji and the captions come from a grammar of 70 words: effects have "
        "signs and an order here, not the sizes that web data would show.",
        "- The models have 0.2 to 0.9 million parameters and see 96,000 examples at the laptop "
        "scale; the paper's see a billion.",
        "- All seeds but those of the second draw share one set of training pictures and captions, "
        "and so one set of balancing weights: neither intervals nor p hold the chance of the draw.",
    ]
    return [
        f"## What {'the testbed' if testbed else 'this study'} can't tell",
        "",
        *(on_testbed if testbed else ()),
        "- The seeds 0 to 2 average several model sizes, the others have the default one alone, "
        "which thus has most of the weight: an effect that only other sizes have may go unnoticed "
        "(see the table by model).",
        "- Evaluation pictures are shared by all runs; the intervals allow for that, Wilcoxon's p "
        "does not: it speaks of these pictures.",
        "- With ten seeds the least p that there is, 0.002, is just small enough for a family of "
        "25 tests: a contrast of ten seeds is decided only if nearly all of them agree in sign.",
    ]


def _level(metric: Metric, values: np.ndarray) -> str:
    if not len(values):
        return "–"
    spread = shown(metric, values.std(ddof=1)) if len(values) > 1 else "–"
    return f"{shown(metric, values.mean(), sign=metric.signed)} ({spread})"


def _pictures(results: Results, metric: Metric) -> int:
    """Returns the number of pictures that a metric is of; 0 if there are no results."""
    wanted = {"kind": "run", "metric": metric.name, "split": metric.split, "label": metric.label}
    counts = results.select(**wanted)["n"]
    return int(counts.max()) if len(counts) and math.isfinite(counts.max()) else 0


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
        lines.append(
            f"| {finding.part.text} | {_effect(finding)} | {effect.n} | "
            f"{number(effect.rank_biserial, 2)} | {_p(finding.corrected)} | {finding.verdict} |"
        )
    return [*lines, "", f"Limits: {claim.limits}"]


def _effect(finding: Finding) -> str:
    """Returns the mean difference and its interval."""
    mean, low, high = (shown(finding.part.metric, x, sign=True) for x in finding.effect[:3])
    return f"{mean} [{low}, {high}]"


def _power(by_claim: ByClaim) -> list[str]:
    """Returns the note on what other numbers of seeds could have shown."""
    tests = _count(by_claim)
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
    for claim_number, findings in by_claim.items():
        for finding in findings:
            effect, part = finding.effect, finding.part
            if not finding.tested:
                continue
            cells = [shown(part.metric, _detectable(effect, n, tests)) for n in SEEDS]
            seen = part.distance(effect.mean)
            enough = abs(seen) > NORMAL * effect.pictures
            needed = f"{finding.needed:,}" if enough else "more pictures"
            distance = shown(part.metric, part.expected * seen, sign=True)
            lines.append(
                f"| {claim_number} | {part.text} | {distance} | {' | '.join(cells)} | {needed} |"
            )
    return lines


def _count(by_claim: ByClaim) -> int:
    """Returns the number of tests in the family."""
    return sum(finding.tested for findings in by_claim.values() for finding in findings)


def _detectable(effect: paired.Effect, seeds: int, tests: int) -> float:
    if not effect.deviation > 0:
        return math.nan
    return paired.detectable(effect.deviation, seeds, alpha=ALPHA / tests)


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else number(value, 3)

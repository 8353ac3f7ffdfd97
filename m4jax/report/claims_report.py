"""`claims.md`: what the runs of a study say of each claim, in words and numbers."""

import math
from collections.abc import Sequence

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report import claims_brief, contrasts, questions
from m4jax.report.claims import ALPHA, ByClaim, Claim, Finding
from m4jax.report.claims_table import heading, part_number, told, told_of
from m4jax.report.contrasts import Runs
from m4jax.report.results import Results
from m4jax.report.studies import Study
from m4jax.report.style import display, number, shown

SEEDS = (5, 10, 12, 20)  # of the power note
NORMAL = 1.96  # quantile of the normal distribution, for 95% two-sided


def markdown(results: Results, by_claim: ByClaim, study: Study, *, part: str = "") -> str:
    """Returns the report on the claims as Markdown; the same results give the same text.

    Args:
        results: of a study, complete or not.
        by_claim: of `claims.test` on them.
        study: what is told beside the claims.
        part: "3 of 8 runs", say, of an unfinished study; "": it is complete.
    """
    runs = results.select(kind="run")
    count, seeds = len(set(runs["run_id"].tolist())), sorted(set(runs["seed"].tolist()))
    lines = [
        f"# {study.title}",
        "",
        *([f"**Incomplete: {part}.**", ""] if part else []),
        f"What {count:,} models, trained with the seeds {_range(seeds)}, say of {study.subject}"
        f"{_registered(results)}",
        "",
        *claims_brief.table(study.claims, by_claim, study.brief),
    ]
    if study.brief:
        lines += ["", *claims_brief.paragraphs(study.claims, by_claim, study.brief)]
    if study.beside:
        lines += ["", *questions.section(results, study.beside)]
    lines += ["", *_method(by_claim), *(x for text in study.history for x in ("", text))]
    lines += ["", *_terms(study), "", *_levels(results, study)]
    for claim in study.claims:
        lines += ["", *_section(claim, by_claim[claim.number])]
    asked, before = study.asked
    lines += ["", *questions.markdown(results, study.questions, heading=asked, before=before)]
    lines += [line for section in study.more for line in ("", *section(results))]
    lines += ["", *_power(by_claim), ""]
    text = "\n".join([*lines, *_limits(results, study)]) + "\n"
    return text.replace("|AB|", r"\|AB\|").replace("|RB|", r"\|RB\|")  # else the cell would end


def _registered(results: Results) -> str:
    """Says by which text the study was registered; "" if it was not."""
    mark = results.registration
    return f" Its SHA-256, which the results carry, is `{mark}`." if mark else ""


def _range(seeds: Sequence[int]) -> str:
    """Returns whole numbers in words: "201 to 220" where they follow each other."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _method(by_claim: ByClaim) -> list[str]:
    """Returns how the verdicts come about."""
    every = [finding for findings in by_claim.values() for finding in findings]
    nulls = sum(bool(np.isfinite(finding.p_null)) for finding in every)
    return [
        "Each claim stands for one contrast or several: differences between runs that agree in all "
        "else, averaged over what is free (model sizes) for each seed, since runs of one seed are "
        "not independent of each other. Points are percentage points. Intervals (95%) hold both "
        "the chance of the seeds and that of the evaluation pictures. p is the larger of two: that "
        "of Wilcoxon's signed-rank test over seeds, which takes the pictures as given, and that of "
        f"the interval. It is two-sided and corrected by Holm for all {_count(by_claim)} "
        "contrasts; *r* is the rank-biserial correlation (±1: all seeds have one sign). In "
        "parentheses: the same contrast of a metric's size, whatever its sign.",
        "",
        f"A contrast is *supported* or *contradicted* if the corrected p is below {ALPHA:g} and "
        "the interval is on that side. It has *no effect beyond ±m* if the whole interval is "
        "within ±m, the smallest difference that would matter, and both one-sided tests against "
        f"±m have a p below {ALPHA:g}, corrected by Holm for the {nulls} contrasts that have an m; "
        "*but within ±m* says that a difference is clear and yet too small to matter. Where the "
        "claim is that there is no difference, this is what supports it, and an interval wholly "
        "beyond ±m contradicts it. Else a contrast is "
        f"*undecided*, or *not tested* where there are so few seeds that no p below {ALPHA:g} "
        "exists. A claim is supported if all of its contrasts are (of what *can* happen: if one "
        "is), supported in part if some are, and contradicted if none is and one is contradicted "
        "(of what *can* happen: if all are). "
        "What is only *reported* tells a size and is not tested.",
    ]


def _terms(study: Study) -> list[str]:
    """Returns what the words mean, as lines of Markdown."""
    figures = "; ".join(f"`{name}`: {text}" for name, text in study.captions.items())
    return ["## Terms", "", *(f"- {term}" for term in study.terms), "", f"Figures: {figures}."]


def _levels(results: Results, study: Study) -> list[str]:
    """Returns the table of the metrics' levels, of the default model."""
    runs, lines = Runs(results), []
    columns = {n: x for n, x in study.columns.items() if x["version"] in results.versions}
    for metric in study.metrics:
        by_version = [
            runs.pairs(contrasts.single(levels, free=()), metric) for levels in columns.values()
        ]
        units = [set(pairs.units) for pairs in by_version if len(pairs.values)]
        shared = set.intersection(*units) if units else set()
        cells = [_level(metric, pairs.select(shared).values) for pairs in by_version]
        if shared:
            count = f"{_pictures(results, metric):,}"
            lines.append(f"| {heading(metric)} | {' | '.join(cells)} | {len(shared)} | {count} |")
    if not lines:
        return []
    heads = " | ".join(map(display, columns))
    return [
        "## Levels",
        "",
        "Of the default model: mean over seeds, and in parentheses the standard deviation between "
        "them; percent, RB and |AB| in points.",
        "",
        f"| | {heads} | seeds | pictures |",
        f"| --- |{' --- |' * len(columns)} --- | --- |",
        *lines,
    ]


def _limits(results: Results, study: Study) -> list[str]:
    """Returns what no contrast can tell."""
    testbed = "shift" in results.select(kind="run")["split"]  # a split that nothing else has
    return [
        f"## What {'the testbed' if testbed else 'this study'} can't tell",
        "",
        *(f"- {text}" for text in (*(study.testbed_limits if testbed else ()), *study.limits)),
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
    verdict = told_of(claim, findings)
    lines = [
        f"## {claim.number}. {claim.text}",
        "",
        f"**{verdict[0].upper()}{verdict[1:]}.**",
        "",
        "| what the runs should show | mean [95%] | seeds | r | p | p (Holm) | p within ±m | "
        "the same (Holm) | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for place, finding in enumerate(findings):
        metric = finding.part.metric
        text = f"{part_number(claim.number, place)} {finding.part.text}"
        if finding.effect is None:
            lines.append(f"| {text} | no such runs | 0 | | | | | | not tested |")
            continue
        values = (finding.two_sided, finding.corrected, finding.p_null, finding.corrected_null)
        tests = f"{' | '.join(map(_p, values))} | {told(finding)}"
        lines.append(f"| {text} | {_cells(metric, finding.effect)} | {tests} |")
        if finding.size is not None:
            cells = _cells(metric, finding.size)
            lines.append(f"| – the same of |{metric.short}| | {cells} | – | – | – | – | reported |")
    reasons = dict.fromkeys(
        f"{heading(f.part.metric)} {shown(f.part.metric, f.part.margin or f.part.smallest)}: "
        f"{f.part.why.rstrip('.')}"
        for f in findings
        if f.part.why
    )
    margins = [f"Margins, in points: {'; '.join(reasons)}.", ""] if reasons else []
    return [*lines, "", *margins, f"Limits: {claim.limits}"]


def _cells(metric: Metric, effect: paired.Effect) -> str:
    """Returns mean and interval, seeds and r, as cells of a table."""
    return f"{claims_brief.effect(metric, effect)} | {effect.n} | {number(effect.rank_biserial, 2)}"


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
            distance = shown(part.metric, (part.expected or 1) * seen, sign=True)
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

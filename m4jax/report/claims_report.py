"""`claims.md`: what the runs of a study say of each claim, in words and numbers."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report import claims_brief, claims_levels, claims_power, claims_table, questions
from m4jax.report.claims import ALPHA, ByClaim, Claim, Finding
from m4jax.report.claims_table import heading, part_number, told, told_of, written
from m4jax.report.results import Results
from m4jax.report.studies import Study
from m4jax.report.style import number, shown

ALIKE = 0.9  # correlation over seeds from which two contrasts are called nearly one test


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
        f"What {count:,} models, trained with the seeds {_range(seeds)}, say of {study.subject}",
    ]
    parts = _brief(results, by_claim, study) if study.brief else _plain(results, by_claim, study)
    lines += [
        *parts,
        "",
        *_figures(study),
        "",
        *claims_levels.section(results, study.metrics, study.columns),
    ]
    for claim in study.claims:
        lines += ["", *_section(claim, by_claim[claim.number])]
    asked, before = study.asked
    lines += ["", *questions.markdown(results, study.questions, heading=asked, before=before)]
    lines += [line for section in study.more for line in ("", *section(results, by_claim))]
    lines += ["", *claims_power.section(by_claim), ""]
    text = "\n".join([*lines, *_limits(results, study)]) + "\n"
    return text.replace("|AB|", r"\|AB\|").replace("|RB|", r"\|RB\|")  # else the cell would end


def _plain(results: Results, by_claim: ByClaim, study: Study) -> list[str]:
    """Returns the table of claims, how verdicts come about, and what words mean."""
    lines = ["", *claims_brief.table(study.claims, by_claim, study.brief)]
    if study.beside:
        lines += ["", *questions.section(results, study.beside)]
    lines += ["", *_method(by_claim), *(x for text in study.history for x in ("", text))]
    return [*lines, "", *_terms(study, by_claim)]


def _brief(results: Results, by_claim: ByClaim, study: Study) -> list[str]:
    """Returns what readers with five minutes read: what words mean comes before they stand."""
    notes = study.notes(results, by_claim) if study.notes else {}
    lines = [line for section in study.on_top for line in ("", *section(results, by_claim))]
    lines += ["", "## What was trained", "", study.background]
    lines += ["", *_terms(study, by_claim), "", "## The claims", ""]
    lines += claims_brief.table(study.claims, by_claim, study.brief)
    lines += [line for section in study.under_table for line in ("", *section(results, by_claim))]
    lines += ["", "## The claims one by one", ""]
    lines += claims_brief.paragraphs(study.claims, by_claim, study.brief, notes)
    lines += ["", "## How the verdicts come about", "", *_registered(results)]
    lines += _method(by_claim)
    return [*lines, *(x for text in study.history for x in ("", text))]


def _registered(results: Results) -> list[str]:
    """Says by which text the study was registered; nothing if it was not."""
    mark = results.registration
    told_as = f"The SHA-256 of `REGISTRATION.md`, which the results carry, is `{mark}`."
    return [told_as, ""] if mark else []


def _range(seeds: Sequence[int]) -> str:
    """Returns whole numbers in words: "201 to 220" where they follow each other."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _method(by_claim: ByClaim) -> list[str]:
    """Returns how the verdicts come about."""
    every = [finding for findings in by_claim.values() for finding in findings]
    count = claims_power.tests(by_claim)
    nulls = sum(bool(np.isfinite(finding.p_null)) for finding in every)
    return [
        "Each claim stands for one contrast or several: differences between runs that agree in all "
        "else, averaged over what is free (model sizes) for each seed, since runs of one seed are "
        "not independent of each other. Points are percentage points. Intervals (95%) hold both "
        "the chance of the seeds and that of the evaluation pictures. p is the larger of two: that "
        "of Wilcoxon's signed-rank test over seeds, which takes the pictures as given, and that of "
        f"the interval. It is two-sided and corrected by Holm for all {count} "
        "contrasts; p without the correction stands beside it in the tables below. *Ranks* is the "
        "rank-biserial correlation (±1: all seeds have one sign). In parentheses: the same "
        "contrast of a metric's size, whatever its sign.",
        "",
        f"A contrast is *supported* or *contradicted* if the corrected p is below {ALPHA:g} and "
        "the interval is on that side. It has *no effect beyond ±m* if the whole interval is "
        "within ±m, the smallest difference that would matter, and both one-sided tests against "
        f"±m have a p below {ALPHA:g}, corrected by Holm for the {nulls} contrasts that have an m. "
        f"These are two families of tests, each at {ALPHA:.0%}: together they may err in up to "
        f"{2 * ALPHA:.0%} of studies. "
        "*But within ±m* says that a difference is clear and yet too small to matter. Where the "
        "claim is that there is no difference, this is what supports it, and an interval wholly "
        "beyond ±m contradicts it. Else a contrast is "
        f"*undecided*, or *not tested* where there are so few seeds that no p below {ALPHA:g} "
        "exists. A claim is supported if all of its contrasts are (of what *can* happen: if one "
        "is), supported in part if some are, and contradicted if none is and one is contradicted "
        "(of what *can* happen: if all are). "
        "What is only *reported* tells a size and is not tested.",
        *_twins(by_claim),
    ]


def _twins(by_claim: ByClaim) -> list[str]:
    """Says which contrasts of one claim and one metric are nearly the same over seeds."""
    alike = []
    for claim, findings in by_claim.items():
        tested = [(place, finding) for place, finding in enumerate(findings) if finding.tested]
        for (i, one), (j, two) in itertools.combinations(tested, 2):
            r = _correlation(one, two) if one.part.metric == two.part.metric else math.nan
            if abs(r) >= ALIKE:
                names = " and ".join(part_number(claim, place) for place in (i, j))
                alike.append(f"{names}: {number(r, 2)}")
    if not alike:
        return []
    return [
        "",
        "Some contrasts of a claim are nearly one test, so that its marks are less evidence than "
        f"they look. Those that correlate over seeds by {ALIKE:g} or more: {', '.join(alike)}.",
    ]


def _correlation(one: Finding, two: Finding) -> float:
    """Returns the correlation of two contrasts over the seeds that both have."""
    shared = set(one.pairs.units) & set(two.pairs.units)
    values = [finding.pairs.select(shared).values for finding in (one, two)]
    return float(np.corrcoef(values)[0, 1]) if len(shared) > 2 else math.nan


def _terms(study: Study, by_claim: ByClaim) -> list[str]:
    """Returns what the words mean, as lines of Markdown."""
    return ["## Terms", "", *(f"- {term}" for term in study.terms), *_margins(by_claim)]


def _margins(by_claim: ByClaim) -> list[str]:
    """Returns the smallest differences that would matter, by metric; none if there are none."""
    by_size: dict[str, dict[str, None]] = {}
    for finding in (finding for of in by_claim.values() for finding in of):
        part = finding.part
        if part.margin or part.smallest:
            size = shown(part.metric, part.margin or part.smallest)
            by_size.setdefault(size, {})[heading(part.metric)] = None
    of_metrics = {size: ", ".join(f"*{name}*" for name in names) for size, names in by_size.items()}
    sizes = "; ".join(f"{size} of {names}" for size, names in of_metrics.items())
    if not sizes:
        return []
    return [f"- *m*: the smallest difference that would matter, in points: {sizes}."]


def _figures(study: Study) -> list[str]:
    """Returns what each figure shows, as lines of Markdown."""
    figures = "; ".join(f"`{name}`: {text}" for name, text in study.captions.items())
    return [f"Figures: {figures}."]


def _limits(results: Results, study: Study) -> list[str]:
    """Returns what no contrast can tell."""
    testbed = "shift" in results.select(kind="run")["split"]  # a split that nothing else has
    return [
        f"## What {'the testbed' if testbed else 'this study'} can't tell",
        "",
        *(f"- {text}" for text in (*(study.testbed_limits if testbed else ()), *study.limits)),
    ]


def _section(claim: Claim, findings: Sequence[Finding]) -> list[str]:
    verdict = told_of(claim, findings)
    lines = [
        f"## {claim.number}. {claim.text}",
        "",
        f"**{verdict[0].upper()}{verdict[1:]}.**",
        "",
        "| what the runs should show | mean [95%] | seeds | ranks | p | p (Holm) | p within ±m | "
        "the same (Holm) | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for place, finding in enumerate(findings):
        metric = finding.part.metric
        text = f"{part_number(claim.number, place)} {written(claim.parts, place)}"
        if finding.effect is None:
            lines.append(f"| {text} | no such runs | 0 | | | | | | not tested |")
            continue
        values = (finding.two_sided, finding.corrected, finding.p_null, finding.corrected_null)
        lean = claims_table.lean(finding) if finding.verdict == "undecided" else ""
        tests = f"{' | '.join(map(_p, values))} | {told(finding)}{', ' * bool(lean)}{lean}"
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
    """Returns mean and interval, seeds and their ranks, as cells of a table."""
    return f"{claims_brief.effect(metric, effect)} | {effect.n} | {number(effect.rank_biserial, 2)}"


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else number(value, 3)

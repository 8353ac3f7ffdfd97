"""What a study says beyond the paper's claims: controls, errors of annotation, data, prompts.

Differences with their intervals, which are not tested and are no part of the claims' correction.
All is derived; names of factors and levels are those of `configs/ablation.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.report import contrasts
from m4jax.report.contrasts import AB, PLAIN, RB, Contrast, Levels, Metric, Runs, difference
from m4jax.report.results import Results, Rows
from m4jax.report.style import signed

BIAS = {"RB": RB, "mean |AB|": AB}
QUALITY = {
    "things": contrasts.THINGS,
    "occupations": contrasts.OCCUPATIONS,
    "image→text R@5": contrasts.IMAGE_TO_TEXT,
    "text→image R@5": contrasts.TEXT_TO_IMAGE,
}
ORIGINAL, BALANCED = {"version": "original"}, {"version": "balanced"}


class Question(NamedTuple):
    """A table of differences, one line for each contrast and one column for each metric.

    Attributes:
      text: the question, its heading.
      lines: returns what is compared -> contrast, given the results.
      metrics: heading -> metric.
      note: returns sentences that stand before the table, given the results.
    """

    text: str
    lines: Callable[[Results], Mapping[str, Contrast]]
    metrics: Mapping[str, Metric]
    note: Callable[[Results], str] = lambda results: ""


def markdown(results: Results) -> list[str]:
    """Returns the section as lines of Markdown; none if the runs say nothing about it."""
    parts = [line for question in QUESTIONS for line in _section(results, question)]
    if not parts:
        return []
    return [
        "## Beyond the paper's claims",
        "",
        "Controls and conditions that the paper does not report: mean differences over pairs of "
        "runs that agree in all else, in percentage points, with 95% intervals over runs and "
        "pictures. They are not tested and not corrected for their number; bold: the interval "
        "excludes zero.",
        *parts,
    ]


def rows(results: Results) -> Rows:
    """Returns one row for each number of the section, with all digits."""
    return [
        {"question": question.text, "compared": line, "metric": metric.name, "split": metric.split}
        | {name: getattr(effect, name) for name in ("mean", "low", "high", "deviation", "n")}
        for question in QUESTIONS
        for line, effects in _effects(results, question)
        for metric, effect in zip(question.metrics.values(), effects, strict=True)
        if effect
    ]


def _section(results: Results, question: Question) -> list[str]:
    lines, columns = list(_effects(results, question)), list(question.metrics)
    note = question.note(results)
    if not lines:
        return []
    table = [
        f"| | {' | '.join(columns)} | pairs |",
        f"| --- |{' --- |' * len(columns)} --- |",
        *(
            f"| {line} | {' | '.join(map(_cell, effects))} | {max(e.n for e in effects if e)} |"
            for line, effects in lines
        ),
    ]
    return ["", f"### {question.text}", "", *([note, ""] if note else []), *table]


def _effects(
    results: Results, question: Question
) -> Iterator[tuple[str, list[paired.Effect | None]]]:
    """Yields what is compared and its effect on each metric; None: no such pair of runs."""
    runs = Runs(results)
    for line, contrast in question.lines(results).items():
        pairs = [runs.pairs(contrast, metric) for metric in question.metrics.values()]
        if any(len(of.values) for of in pairs):
            yield line, [of.effect() if len(of.values) else None for of in pairs]


def _cell(effect: paired.Effect | None) -> str:
    if effect is None:
        return "–"
    value = signed(100 * effect.mean)
    if not math.isfinite(effect.low):
        return value
    told = f"{value} [{signed(100 * effect.low)}, {signed(100 * effect.high)}]"
    return f"**{told}**" if effect.low > 0 or effect.high < 0 else told


def _versions(**lines: str) -> Callable[[Results], Mapping[str, Contrast]]:
    """Returns lines that compare data versions with the original."""
    table = {
        told: difference({"version": version}, ORIGINAL, fixed=PLAIN)
        for version, told in lines.items()
    }
    return lambda results: table


def _by_size(results: Results) -> Mapping[str, Contrast]:
    def line(version: str, size: str) -> Contrast:
        fixed = PLAIN | {"data": size, "model": contrasts.DEFAULT}
        return difference({"version": version}, ORIGINAL, fixed=fixed)

    return {
        f"{size} examples: {version} − original": line(version, size)
        for size in contrasts.levels(results, "data", key=contrasts.examples)
        for version in ("subsample", "balanced")
    }


def _by_noise(results: Results) -> Mapping[str, Contrast]:
    def line(of: Levels, minus: Levels) -> Contrast:
        plain = {name: level for name, level in PLAIN.items() if name != "noise"}
        return difference(of, minus, fixed=plain | {"model": contrasts.DEFAULT})

    levels = contrasts.levels(results, "noise", key=contrasts.percent)
    clean = ORIGINAL | {"noise": levels[0]} if levels else ORIGINAL
    return {
        f"balanced with {level} wrong − original": line(BALANCED | {"noise": level}, clean)
        for level in levels
    }


def _filters(results: Results) -> Mapping[str, Contrast]:
    plain = {name: level for name, level in PLAIN.items() if name != "filter"}
    return {
        f"{version}, {loss}: filter − none": difference(
            {"version": version, "filter": "on"},
            {"version": version, "filter": "off"},
            fixed=plain | {"captions": "noisy", "loss": loss},
        )
        for version in ("original", "balanced")
        for loss in ("CLIP", "SigLIP")
    }


def _detection(results: Results) -> str:
    """Says how well the filter finds wrong captions; nothing where they are not known."""
    found = results.select(kind="data", version="original")
    share, caught, all_ = (
        100 * float(values[0]) if len(values) else math.nan
        for values in (
            found.select(metric=f"filter_{name}")["value"]
            for name in ("precision", "recall", "prevalence")
        )
    )
    if not math.isfinite(share):
        return ""
    return (
        f"Of the pairs that the filter leaves out, {share:.0f}% have a wrong caption (precision; "
        f"of all pairs {all_:.0f}% have, which is what leaving out at random would find), and "
        f"these are {caught:.0f}% of all that are wrong (recall). The model that scores was "
        "trained on the same noisy pairs."
    )


def _templates(results: Results) -> str:
    """Says how far RB and mean |AB|, and what balancing does to them, depend on the template."""
    runs, told = Runs(results), []
    names = {
        "RB": (contrasts.RB_BY_PROMPT, RB.split),
        "mean |AB|": (contrasts.AB_BY_PROMPT, AB.split),
    }
    for heading, (name, split) in names.items():
        labels = dict.fromkeys(results.select(kind="run", metric=name)["label"].tolist())
        each = [_by_template(runs, Metric(name, split, label)) for label in labels]
        each = [pair for pair in each if all(map(math.isfinite, pair))]
        if len(each) < 2:
            return ""
        of_original, changes = (sorted(values) for values in zip(*each, strict=True))
        told.append(
            f"{heading} of models of the original data goes from {signed(of_original[0])} to "
            f"{signed(of_original[-1])} points with the template, and what balancing changes of "
            f"it from {signed(changes[0])} to {signed(changes[-1])}"
        )
    return f"Asked with each of {len(each)} templates alone: {'; '.join(told)}."


def _by_template(runs: Runs, metric: Metric) -> tuple[float, float]:
    """Returns the mean of the original's models, and what balancing changes, in points."""
    fixed = PLAIN | {"model": contrasts.DEFAULT}
    of = Contrast((((1.0, ORIGINAL),),), fixed), difference(BALANCED, ORIGINAL, fixed=fixed)
    values = [runs.pairs(contrast, metric).values for contrast in of]
    return tuple(100 * float(np.mean(x)) if len(x) else math.nan for x in values)


QUESTIONS = (
    Question(
        "Is it the balancing, or the smaller data?",
        _versions(
            balanced="balanced − original",
            subsample="a random subsample of the same size − original",
            shuffled="the same weights, shuffled − original",
            oracle="the world at parity (oracle) − original",
        ),
        BIAS | QUALITY,
    ),
    Question(
        "What if the census is the target, not parity?",
        _versions(census="balanced towards the census − original"),
        BIAS | QUALITY,
    ),
    Question(
        "What if annotations are wrong?",
        _by_noise,
        BIAS | {"gender": contrasts.GENDER},
    ),
    Question(
        "Does it depend on the amount of data?",
        _by_size,
        BIAS | {"things": contrasts.THINGS, "occupations": contrasts.OCCUPATIONS},
    ),
    Question(
        "Does the quality filter find wrong captions, and does it help?",
        _filters,
        BIAS | QUALITY,
        _detection,
    ),
    Question(
        "Does it depend on the prompt, or on who drew the pictures?",
        _versions(
            balanced="balanced − original",
            subsample="a random subsample of the same size − original",
        ),
        {
            "gender, pictures of a new vendor": contrasts.NEW_VENDOR_GENDER,
            "occupations, of a new vendor": contrasts.NEW_VENDOR,
        },
        _templates,
    ),
)

"""What a study says beyond the paper's claims: controls, errors of annotation, data, prompts.

Differences with their intervals, which are not tested and are no part of the claims' correction.
All is derived; names of factors and levels are those of `configs/ablation.py`.
"""

import math
from collections.abc import Iterator

from m4jax.evaluation import paired
from m4jax.report import questions
from m4jax.report.contrasts import Runs
from m4jax.report.results import Results, Rows
from m4jax.report.style import signed

MANY = 5  # seeds, from which an interval is taken at its word


def markdown(results: Results) -> list[str]:
    """Returns the section as lines of Markdown; none if the runs say nothing about it."""
    parts = [line for question in questions.QUESTIONS for line in _section(results, question)]
    if not parts:
        return []
    return [
        "## Beyond the paper's claims",
        "",
        "Controls and conditions that the paper does not report: mean differences between runs "
        "that agree in all else, in percentage points, with 95% intervals over seeds and pictures. "
        "All are of the default model, if no other is named. They are not tested and not corrected "
        f"for their number; bold: there are {MANY} seeds or more, and the interval excludes zero. "
        "Of twenty such intervals chance alone makes one do so.",
        *parts,
    ]


def rows(results: Results) -> Rows:
    """Returns one row for each number of the section, with all digits."""
    return [
        {"question": question.text, "compared": line, "metric": metric.name, "split": metric.split}
        | {name: getattr(effect, name) for name in ("mean", "low", "high", "deviation", "n")}
        for question in questions.QUESTIONS
        for line, effects in _effects(results, question)
        for metric, effect in zip(question.metrics.values(), effects, strict=True)
        if effect
    ]


def _section(results: Results, question: questions.Question) -> list[str]:
    lines, columns = list(_effects(results, question)), list(question.metrics)
    note = question.note(results)
    if not lines:
        return []
    table = [
        f"| | {' | '.join(columns)} | seeds |",
        f"| --- |{' --- |' * len(columns)} --- |",
        *(
            f"| {line} | {' | '.join(map(_cell, effects))} | {max(e.n for e in effects if e)} |"
            for line, effects in lines
        ),
    ]
    return ["", f"### {question.text}", "", *([note, ""] if note else []), *table]


def _effects(
    results: Results, question: questions.Question
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
    clear = effect.n >= MANY and (effect.low > 0 or effect.high < 0)
    return f"**{told}**" if clear else told

"""Questions beyond the claims, each a table of differences between runs.

Differences with their intervals, which are not tested and are no part of the claims' correction.
Which questions there are is said in `study_questions` and `confirmation_questions`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report.contrasts import ENOUGH, Contrast, Runs
from m4jax.report.results import Results, Rows
from m4jax.report.style import shown


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


def markdown(
    results: Results, questions: Sequence[Question], *, heading: str, before: str
) -> list[str]:
    """Returns the section as lines of Markdown; none if the runs say nothing about it.

    Args:
        results: of a study.
        questions: that are asked.
        heading: of the section.
        before: what it says before them.
    """
    parts = [line for question in questions for line in _told(results, question)]
    return [f"## {heading}", "", before, *parts] if parts else []


def rows(results: Results, questions: Sequence[Question]) -> Rows:
    """Returns one row for each number of the section, with all digits."""
    return [
        {"question": question.text, "compared": line, "metric": metric.name, "split": metric.split}
        | {name: getattr(effect, name) for name in ("mean", "low", "high", "deviation", "n")}
        for question in questions
        for line, effects in _effects(results, question)
        for metric, effect in zip(question.metrics.values(), effects, strict=True)
        if effect
    ]


def _told(results: Results, question: Question) -> list[str]:
    lines = section(results, question)
    return ["", *lines] if lines else []


def section(results: Results, question: Question) -> list[str]:
    """Returns a question's heading, note and table as Markdown; none if no runs tell of it."""
    lines, columns = list(_effects(results, question)), question.metrics
    note = question.note(results)
    if not lines:
        return []
    table = [
        f"| | {' | '.join(columns)} | seeds |",
        f"| --- |{' --- |' * len(columns)} --- |",
        *(
            f"| {line} | {' | '.join(map(_cell, columns.values(), effects))} | "
            f"{max(effect.n for effect in effects if effect)} |"
            for line, effects in lines
        ),
    ]
    return [f"### {question.text}", "", *([note, ""] if note else []), *table]


def _effects(
    results: Results, question: Question
) -> Iterator[tuple[str, list[paired.Effect | None]]]:
    """Yields what is compared and its effect on each metric; None: no such pair of runs."""
    runs = Runs(results)
    for line, contrast in question.lines(results).items():
        pairs = [runs.pairs(contrast, metric) for metric in question.metrics.values()]
        if any(len(p.values) for p in pairs):
            yield line, [p.effect() if len(p.values) else None for p in pairs]


def _cell(metric: Metric, effect: paired.Effect | None) -> str:
    if effect is None:
        return "–"
    mean, low, high = (shown(metric, x, sign=True) for x in effect[:3])
    if not math.isfinite(effect.low):
        return mean
    clear = effect.n >= ENOUGH and (effect.low > 0 or effect.high < 0)
    return f"**{mean} [{low}, {high}]**" if clear else f"{mean} [{low}, {high}]"

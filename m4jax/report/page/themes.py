"""What belongs together on the page: kinds of numbers under headings, and in which order."""

import dataclasses
from collections.abc import Iterable

from m4jax.evaluation.measures.measure import Measure


@dataclasses.dataclass(frozen=True)
class Theme:
    """Kinds of numbers that answer one question.

    Attributes:
        title: its heading.
        metrics: in their order.
    """

    title: str
    metrics: tuple[str, ...]


DATA = (
    Theme("Who is in the pictures", ("known", "share", "gap_mean", "gap")),
)  # fmt: skip
MODEL = (
    Theme(
        "Whom it sees where nobody is",
        ("representation_bias", "representation_bias_largest", "representation_bias_range"),
    ),
    Theme("Whom it recognises", ("accuracy",)),
)
REST = "Further numbers"


def divide(
    measures: Iterable[Measure], themes: tuple[Theme, ...]
) -> list[tuple[str, dict[str, list[Measure]]]]:
    """Returns for each theme its measures by metric; what is of none comes last, in `REST`."""
    by_metric: dict[str, list[Measure]] = {}
    for measure in measures:
        by_metric.setdefault(measure.metric, []).append(measure)
    found = []
    for theme in themes:
        mine = {x: by_metric.pop(x) for x in theme.metrics if x in by_metric}
        if mine:
            found.append((theme.title, mine))
    if by_metric:
        found.append((REST, by_metric))
    return found

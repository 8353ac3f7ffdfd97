"""What belongs together on the page: kinds of numbers under headings, and in which order."""

import dataclasses
from collections.abc import Iterable

from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.measures.measure import Measure

CHANGE = "_change"  # end of names of metrics that compare two models on the same pictures


@dataclasses.dataclass(frozen=True)
class Theme:
    """Kinds of numbers that answer one question.

    Attributes:
        title: its heading.
        begins: how the names of its metrics begin: "accuracy" is of accuracy and accuracy_gap.
    """

    title: str
    begins: tuple[str, ...]

    def __contains__(self, metric: str) -> bool:
        return any(metric == x or metric.startswith((f"{x}_", f"{x}@")) for x in self.begins)


DATA = (
    Theme("Of whom it is known", ("known",)),
    Theme("Who is in the data", ("share",)),
    Theme("What goes with whom", ("gap",)),
)  # fmt: skip
MODEL = (
    Theme("Whom it sees where nobody is", ("representation_bias",)),
    Theme("What it connects with whom", ("association_bias", "pair")),
    Theme("Whom it recognises", ("accuracy",)),
    Theme("What it recognises, and in whose pictures", ("class_accuracy",)),
    Theme("What it finds", ("text_retrieval", "image_retrieval")),
    Theme("Who comes first", ("max_skew", "min_skew", "ndkl", "bias_at_k")),
    Theme("Whom it takes for what is harmful", ("harm",)),
    Theme("Which words lie near whom", ("c_asc", "entropy", "eat", "weat")),
)
COMPARED, REST = "Compared with other embeddings of the same pictures", "Further numbers"


def divide(
    measures: Iterable[Measure], themes: tuple[Theme, ...]
) -> list[tuple[str, dict[str, list[Measure]]]]:
    """Returns for each theme its measures by metric; what is of none comes last, in `REST`."""
    by_metric: dict[str, list[Measure]] = {}
    for measure in measures:
        by_metric.setdefault(measure.metric, []).append(measure)
    order = {metric: i for i, metric in enumerate(KINDS)}
    found: dict[str, dict[str, list[Measure]]] = {
        title: {} for title in (*(theme.title for theme in themes), COMPARED, REST)
    }
    for metric in sorted(by_metric, key=lambda x: (order.get(x, len(order)), x)):
        found[_title(metric, themes)][metric] = by_metric[metric]
    return [(title, mine) for title, mine in found.items() if mine]


def _title(metric: str, themes: tuple[Theme, ...]) -> str:
    if metric.endswith(CHANGE):
        return COMPARED
    return next((theme.title for theme in themes if metric in theme), REST)

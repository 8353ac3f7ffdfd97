"""The paper's figures one by one: what is known of theirs, and ours in numbers."""

import math

from m4jax.evaluation import metrics
from m4jax.evaluation.metrics import Metric
from m4jax.report import comparisons, figures_paper
from m4jax.report.claims import ByClaim
from m4jax.report.claims_table import heading
from m4jax.report.results import Results, Rows
from m4jax.report.style import shown

KNOWN = {  # figure -> what is known of the paper's
    "paper_2_bottom": "RB follows the latest data; its values are not known here.",
    "paper_3": "AB fades only gradually; its values are not known here.",
    "paper_4": "Nearly equal bars, p above 0.05.",
    "paper_5": "Balancing tends to help; with SigLIP and filter ImageNet zero-shot 77 → 77.5%.",
    "paper_6": "Balancing can hurt; with SigLIP and filter COCO image→text R@5 86 → 87%.",
    "paper_table_2": "AB of SigLIP on filtered data; its values are not known here.",
}


def section(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns a table of the paper's figures as lines of Markdown; none if there are none."""
    del by_claim
    lines = []
    for name, known in KNOWN.items():
        drawn = figures_paper.FIGURES[name](results)
        if drawn is not None:
            link = f"[{figures_paper.CAPTIONS[name]}](figures/{name}.png)"
            lines.append(f"| {link} | {known} | {_ours(drawn[1])} |")
    if not lines:
        return []
    return [
        "## The paper's figures, one by one",
        "",
        "In its order and with its axes; ours are means over seeds. Of figure 2, top, there are no "
        "runs here: all have as many examples.",
        "",
        "| figure | known of theirs | ours: original → balanced throughout |",
        "| --- | --- | --- |",
        *lines,
    ]


def _ours(rows: Rows) -> str:
    """Returns each metric of a figure, from the original data's value to the balanced data's."""
    ends: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        version, _, group = row["contrast"].partition(": ")
        if (version, group) in (("original", "100%"), ("balanced", "0%")) or not group:
            ends.setdefault((row["metric"], row["split"]), {})[version] = row["mean"]
    parts = []
    for (name, split), of in ends.items():
        metric = _metric(name, split)
        values = [shown(metric, of.get(v, math.nan)) for v in ("original", "balanced")]
        parts.append(f"{heading(metric)} {' → '.join(values)}")
    return "; ".join(parts)


def _metric(key: str, split: str) -> Metric:
    """Returns the metric of a row; see `comparisons.key`."""
    of_size = (metrics.RB_SIZE,)
    return next(
        m for m in (*of_size, *metrics.METRICS) if (comparisons.key(m), m.split) == (key, split)
    )

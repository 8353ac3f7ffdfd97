"""What surrounds the claims in `claims.md`: terms, levels of the metrics, figures, limits."""

import math

import numpy as np

from m4jax.report import contrasts
from m4jax.report.contrasts import Contrast, Metric, Runs
from m4jax.report.results import Results
from m4jax.report.style import display, number, signed

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
FIGURES = {
    "claims": "every contrast, and where its claim expects it",
    "bias_by_stage": "when balancing acts, for the default model",
    "stages_by_model": "the same for all models, with fewer seeds",
    "learning_curves": "bias along training, before and after the data change",
    "controls": "what should not help, beside what should",
    "quality_differences": "what each data version changes in accuracy and recall",
    "filter_and_loss": "what balancing changes on noisy captions",
    "filter_and_bias": "bias on noisy captions, by quality filter",
    "annotation_noise": "wrong attributes",
    "data_scale": "small and large data",
    "prompt_sensitivity": "single prompt templates",
    "bias_and_quality": "bias against quality, by model",
}
LEVELS: dict[str, Metric] = {
    "RB": contrasts.RB,
    "mean |AB|": contrasts.AB,
    "things": contrasts.THINGS,
    "occupations": contrasts.OCCUPATIONS,
    "gender": contrasts.GENDER,
    "image→text R@5": contrasts.IMAGE_TO_TEXT,
    "text→image R@5": contrasts.TEXT_TO_IMAGE,
    "things, 10-shot": contrasts.THINGS_PROBE,
    "occupations, 10-shot": contrasts.OCCUPATIONS_PROBE,
    "occupations, new vendor": contrasts.NEW_VENDOR,
}


def terms() -> list[str]:
    """Returns what the words mean, as lines of Markdown."""
    shown = "; ".join(f"`{name}`: {told}" for name, told in FIGURES.items())
    return ["## Terms", "", *(f"- {term}" for term in TERMS), "", f"Figures: {shown}."]


def levels(results: Results) -> list[str]:
    """Returns the table of the metrics' levels, of the default model."""
    runs = Runs(results)
    versions = [v for v in ("original", "subsample", "balanced", "oracle") if v in results.versions]
    lines = []
    for name, metric in LEVELS.items():
        pairs = {v: runs.pairs(Contrast((((1.0, {"version": v}),),), free=()), metric)
                 for v in versions}  # fmt: skip
        units = [set(of.units) for of in pairs.values() if len(of.values)]
        shared = set.intersection(*units) if units else set()
        values = [pairs[v].of(shared).values for v in versions]
        told = [_level(name, x) for x in values]
        if shared:
            count = f"{_pictures(results, metric):,}"
            lines.append(f"| {name} | {' | '.join(told)} | {len(shared)} | {count} |")
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


def unknown(testbed: bool) -> list[str]:
    """Returns what no contrast can tell."""
    of_testbed = [
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
        *(of_testbed if testbed else ()),
        "- The seeds 0 to 2 average several model sizes, the others have the default one alone, "
        "which thus has most of the weight: an effect that only other sizes have may go unnoticed "
        "(see the table by model).",
        "- Evaluation pictures are shared by all runs; the intervals allow for that, Wilcoxon's p "
        "does not: it speaks of these pictures.",
        "- With ten seeds the least p that there is, 0.002, is just small enough for a family of "
        "25 tests: a contrast of ten seeds is decided only if nearly all of them agree in sign.",
    ]


def _level(name: str, values: np.ndarray) -> str:
    if not len(values):
        return "–"
    write = signed if name == "RB" else number
    spread = number(100 * values.std(ddof=1), 1) if len(values) > 1 else "–"
    return f"{write(100 * values.mean(), 1)} ({spread})"


def _pictures(results: Results, metric: Metric) -> int:
    """Returns the number of pictures that a metric is of; 0 if there are no results."""
    wanted = {"kind": "run", "metric": metric.name, "split": metric.split, "label": metric.label}
    counts = results.select(**wanted)["n"]
    return int(counts.max()) if len(counts) and math.isfinite(counts.max()) else 0

"""The questions that a study answers beyond the paper's claims: what is compared, by which metrics.

Names of factors and levels are those of `configs/ablation.py`; all is derived.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from m4jax.report import contrasts, style
from m4jax.report.contrasts import AB, RB, Contrast, Metric, Runs, difference
from m4jax.report.results import Results
from m4jax.report.style import signed

BIAS = {"RB": RB, "mean |AB|": AB}
QUALITY = {
    "things": contrasts.THINGS,
    "occupations": contrasts.OCCUPATIONS,
    "image→text R@5": contrasts.IMAGE_TO_TEXT,
    "text→image R@5": contrasts.TEXT_TO_IMAGE,
}
FILTERS = {
    "off": "no filter",
    "on": "filter",
    "balanced scorer": "filter by a model of balanced data",
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


def _versions(**lines: str) -> Callable[[Results], Mapping[str, Contrast]]:
    """Returns lines that compare data versions with the original."""
    table = {told: _balancing(version) for version, told in lines.items()}
    return lambda results: table


def _by_size(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{version} − original, examples: {size}": _balancing(version, data=size)
        for size in contrasts.levels(results, "data", key=contrasts.size)
        for version in ("subsample", "balanced")
    }


def _by_model(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{model}: balanced − original": _balancing("balanced", model=model)
        for model in results.levels.get("model", ())
    }


def _by_draw(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{draw} draw: balanced − original": _balancing("balanced", draw=draw)
        for draw in contrasts.levels(results, "draw", key=str)
    }


def _by_noise(results: Results) -> Mapping[str, Contrast]:
    levels = contrasts.levels(results, "noise", key=contrasts.size)
    clean = ORIGINAL | {"noise": levels[0]} if levels else ORIGINAL
    return {
        f"balanced with {level} of the genders wrong − original": difference(
            BALANCED | {"noise": level}, clean, free=()
        )
        for level in levels
    }


def _filters(results: Results) -> Mapping[str, Contrast]:
    """Returns what filters do to a data version, and what balancing does beside each filter."""
    del results
    lines = {
        f"on {version} data: with {FILTERS[level]} − without": difference(
            {"version": version, "filter": level},
            {"version": version, "filter": "off"},
            free=(),
            captions="noisy",
        )
        for version in ("original", "balanced")
        for level in ("on", "balanced scorer")
    }
    lines |= {
        f"with {name}: balanced − original": _balancing("balanced", captions="noisy", filter=level)
        for level, name in FILTERS.items()
    }
    siglip = _balancing("balanced", captions="noisy", filter="on", loss="SigLIP")
    lines["with filter and SigLIP: balanced − original"] = siglip
    clean = difference({"captions": "clean"}, {"captions": "noisy"}, free=(), **ORIGINAL)
    return lines | {"on original data: clean captions − noisy ones": clean}


def _balancing(version: str, **levels: str) -> Contrast:
    """Returns version − original, all else at its default but for the levels given."""
    return difference({"version": version}, ORIGINAL, free=(), **levels)


def _detection(results: Results) -> str:
    """Says how well each filter finds wrong captions; nothing where they are not known."""
    if "filter" not in results.factors:
        return ""
    told = []
    for level, scorer in (("on", "the same noisy pairs"), ("balanced scorer", "them, balanced,")):
        found = results.select(kind="data", version="original", filter=level)
        names = ("filter_precision", "filter_recall", "filter_prevalence", "keep_rate")
        values = [found.select(metric=name)["value"] for name in names]
        if not all(len(x) and math.isfinite(x[0]) for x in values):
            continue
        precision, recall, wrong, kept = (float(x[0]) for x in values)
        told.append(
            f"Of the {1 - kept:.0%} of the pairs that a model trained on {scorer} leaves out, "
            f"{precision:.0%} have a wrong caption (precision; {wrong:.0%} of all have), and these "
            f"are {recall:.0%} of all that are wrong (recall)."
        )
    told += _following(results)
    if told:
        told.append("How a filter brings bias back is in `filter/` (`experiments.filter_looks`).")
    return " ".join(told)


def _following(results: Results) -> list[str]:
    """Says how AB of models of filtered, balanced data follows that of the data as they were."""
    runs, told = Runs(results), []
    for level, name in FILTERS.items():
        terms = ((1.0, BALANCED | {"filter": level}),)
        pairs = runs.pairs(Contrast((terms,), {"captions": "noisy"}, ()), contrasts.AB_FOLLOWS)
        if len(pairs.values):
            told.append(f"{style.signed(float(pairs.values.mean()), 2)} with {name}")
    if len(told) < 2:
        return []
    return [
        "Balanced data have no association left in their labels; AB of models of them correlates "
        f"with that of the data before balancing at {', '.join(told)}."
    ]


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
    of = Contrast((((1.0, ORIGINAL),),), free=()), difference(BALANCED, ORIGINAL, free=())
    values = [runs.pairs(contrast, metric).values for contrast in of]
    return tuple(100 * float(np.mean(x)) if len(x) else math.nan for x in values)


def _kept(results: Results) -> str:
    """Says how much balancing keeps, and what a subsample of the same size is."""
    found = [
        (version, float(share[0]), float(size[0]))
        for version in ("balanced", "subsample")
        for of in [results.plain.select(kind="data", version=version)]
        for share, size in [[of.select(metric=m)["value"] for m in SIZES]]
        if len(share)
    ]
    told = [f"{style.display(v)} keeps {share:.0%}, an effective sample size of {size:,.0f}"
            for v, share, size in found]  # fmt: skip
    return f"{'; '.join(told).capitalize()}." if told else ""


def _kept_by(factor: str, before: str) -> Callable[[Results], str]:
    """Returns what says how much balancing keeps at each level of a factor."""

    def note(results: Results) -> str:
        told = []
        for level in contrasts.levels(results, factor, key=contrasts.size):
            others = {name: results.default(name) for name in results.factors
                      if name not in (factor, "version")}  # fmt: skip
            where = {"version": "balanced", factor: level, "metric": "keep_rate"} | others
            share = results.select(kind="data", **where)["value"]
            told += [f"{share[0]:.0%} at {level}"] if len(share) else []
        return f"{before} Balancing keeps {', '.join(told)}." if told else before

    return note


SIZES = ("keep_rate", "effective_sample_size")
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
        _kept,
    ),
    Question("Does it depend on the model?", _by_model, BIAS | QUALITY),
    Question(
        "What if the census is the target, not parity?",
        _versions(census="balanced towards the census − original"),
        BIAS | QUALITY,
    ),
    Question(
        "What if annotations are wrong?",
        _by_noise,
        BIAS | {"gender": contrasts.GENDER},
        _kept_by("noise", "Genders are flipped at random before balancing."),
    ),
    Question(
        "Does it depend on the amount of data?",
        _by_size,
        BIAS | {"things": contrasts.THINGS, "occupations": contrasts.OCCUPATIONS},
        _kept_by("data", "All runs see as many examples: small data are seen more often."),
    ),
    Question(
        "Would another draw of the data have told the same?",
        _by_draw,
        BIAS | QUALITY,
        lambda results: (
            "The second draw has other training pictures, captions and weights, and "
            "other pairs for retrieval."
        ),
    ),
    Question(
        "Does the quality filter find wrong captions, and what does it do to bias?",
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

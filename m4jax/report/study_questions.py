"""The questions that the ablation answers beyond the paper's claims: what is compared, by what.

Names of factors and levels are those of `configs/ablation.py`; all is derived.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from m4jax.evaluation.metrics import (
    AB,
    AB_BY_PROMPT,
    AB_CORRELATION,
    GENDER,
    IMAGE_TO_TEXT,
    NEW_VENDOR,
    NEW_VENDOR_GENDER,
    OCCUPATIONS,
    RB,
    RB_BY_PROMPT,
    TEXT_TO_IMAGE,
    THINGS,
    Metric,
)
from m4jax.report import contrasts, study_words
from m4jax.report.contrasts import BALANCED, FILTERS, ORIGINAL, Contrast, Runs, difference, single
from m4jax.report.questions import Question
from m4jax.report.results import Results
from m4jax.report.study_beside import BIAS, STOPS, balancing
from m4jax.report.style import display, shown

QUALITY = {m.short: m for m in (THINGS, OCCUPATIONS, IMAGE_TO_TEXT, TEXT_TO_IMAGE)}
SIZES = ("keep_rate", "effective_sample_size")


def _versions(**lines: str) -> Callable[[Results], Mapping[str, Contrast]]:
    """Returns lines that compare data versions with the original."""
    table = {line: balancing(version) for version, line in lines.items()}
    return lambda results: table


def _by_size(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{version} − original, examples: {size}": balancing(version, data=size)
        for size in contrasts.levels(results, "data", key=contrasts.size)
        for version in ("subsample", "balanced")
    }


def _by_model(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{model}: balanced − original": balancing("balanced", model=model)
        for model in results.levels.get("model", ())
    }


def _by_draw(results: Results) -> Mapping[str, Contrast]:
    return {
        f"{draw} draw: balanced − original": balancing("balanced", draw=draw)
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
        f"with {name}: balanced − original": balancing("balanced", captions="noisy", filter=level)
        for level, name in FILTERS.items()
    }
    siglip = balancing("balanced", captions="noisy", filter="on", loss="SigLIP")
    lines["with filter and SigLIP: balanced − original"] = siglip
    clean = difference({"captions": "clean"}, {"captions": "noisy"}, free=(), **ORIGINAL)
    return lines | {"on original data: clean captions − noisy ones": clean}


def _detection(results: Results) -> str:
    """Says how well each filter finds wrong captions; nothing where they are not known."""
    if "filter" not in results.factors:
        return ""
    sentences = []
    for level, scorer in (("on", "the same noisy pairs"), ("balanced scorer", "them, balanced,")):
        table = results.select(kind="data", version="original", filter=level)
        names = ("filter_precision", "filter_recall", "filter_prevalence", "keep_rate")
        values = [table.select(metric=name)["value"] for name in names]
        if not all(len(x) and math.isfinite(x[0]) for x in values):
            continue
        precision, recall, wrong, kept = (float(x[0]) for x in values)
        sentences.append(
            f"Of the {1 - kept:.0%} of the pairs that a model trained on {scorer} leaves out, "
            f"{precision:.0%} have a wrong caption (precision; {wrong:.0%} of all have), and these "
            f"are {recall:.0%} of all that are wrong (recall)."
        )
    sentences += _following(results)
    if sentences:
        sentences += [
            "Whom a filter leaves in is in `filter/` (`experiments.filter_looks`).",
            study_words.FILTER_CAUSE,
        ]
    return " ".join(sentences)


def _following(results: Results) -> list[str]:
    """Says how AB of models of filtered, balanced data follows that of the data as they were."""
    runs, correlations = Runs(results), []
    for level, name in FILTERS.items():
        contrast = single(BALANCED, free=(), filter=level, captions="noisy")
        values = runs.pairs(contrast, AB_CORRELATION).values
        if len(values):
            correlation = shown(AB_CORRELATION, float(values.mean()), sign=True)
            correlations.append(f"{correlation} with {name}")
    if len(correlations) < 2:
        return []
    return [
        "Balanced data have no association left in their labels; AB of models of them correlates "
        f"with that of the data before balancing at {', '.join(correlations)}."
    ]


def _templates(results: Results) -> str:
    """Says how far RB and mean |AB|, and what balancing does to them, depend on the template."""
    runs, parts = Runs(results), []
    for metric, alone in ((RB, RB_BY_PROMPT), (AB, AB_BY_PROMPT)):
        table = results.select(kind="run", metric=alone.name)
        labels = dict.fromkeys(table["label"].tolist())
        each = [_by_template(runs, replace(alone, label=label)) for label in labels]
        each = [pair for pair in each if all(map(math.isfinite, pair))]
        if len(each) < 2:
            return ""
        original, changes = (
            [shown(metric, value, sign=True) for value in sorted(values)]
            for values in zip(*each, strict=True)
        )
        parts.append(
            f"{metric.short} of models of the original data goes from {original[0]} to "
            f"{original[-1]} points with the template, and what balancing changes of it from "
            f"{changes[0]} to {changes[-1]}"
        )
    return f"Asked with each of {len(each)} templates alone: {'; '.join(parts)}."


def _by_template(runs: Runs, metric: Metric) -> tuple[float, float]:
    """Returns the mean of the original's models, and what balancing changes."""
    compared = single(ORIGINAL, free=()), difference(BALANCED, ORIGINAL, free=())
    values = [runs.pairs(contrast, metric).values for contrast in compared]
    return tuple(float(np.mean(x)) if len(x) else math.nan for x in values)


def _kept(results: Results) -> str:
    """Says how much balancing keeps, and what a subsample of the same size is."""
    parts = []
    for version in ("balanced", "subsample"):
        table = results.plain.select(kind="data", version=version)
        share, size = (table.select(metric=name)["value"] for name in SIZES)
        if len(share):
            sizes = f"{share[0]:.0%}, an effective sample size of {size[0]:,.0f}"
            parts.append(f"{display(version)} keeps {sizes}")
    return f"{'; '.join(parts).capitalize()}." if parts else ""


def _kept_by(factor: str, before: str) -> Callable[[Results], str]:
    """Returns what says how much balancing keeps at each level of a factor."""

    def note(results: Results) -> str:
        parts = []
        for level in contrasts.levels(results, factor, key=contrasts.size):
            others = {name: results.default(name) for name in results.factors
                      if name not in (factor, "version")}  # fmt: skip
            where = {"version": "balanced", factor: level, "metric": "keep_rate"} | others
            share = results.select(kind="data", **where)["value"]
            parts += [f"{share[0]:.0%} at {level}"] if len(share) else []
        return f"{before} Balancing keeps {', '.join(parts)}." if parts else before

    return note


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
    STOPS,
    Question("Does it depend on the model?", _by_model, BIAS | QUALITY),
    Question(
        "What if the census is the target, not parity?",
        _versions(census="balanced towards the census − original"),
        BIAS | QUALITY,
    ),
    Question(
        "What if annotations are wrong?",
        _by_noise,
        BIAS | {"gender": GENDER},
        _kept_by("noise", "Genders are flipped at random before balancing."),
    ),
    Question(
        "Does it depend on the amount of data?",
        _by_size,
        BIAS | {metric.short: metric for metric in (THINGS, OCCUPATIONS)},
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
            "gender, pictures of a new vendor": NEW_VENDOR_GENDER,
            "occupations, of a new vendor": NEW_VENDOR,
        },
        _templates,
    ),
)

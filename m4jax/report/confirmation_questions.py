"""What the confirmation reports beside its claims: questions, levels, and bias of the data.

Names of factors and levels are those of `configs/confirmation.py`. Source: what is reported is said
in the confirmation's registration; derived.
"""

from collections.abc import Mapping

from m4jax.evaluation.metrics import (
    AB,
    AB_CORRELATION,
    AB_MAX,
    AB_PAIRWISE,
    GENDER,
    IMAGE_TO_TEXT,
    IMAGE_TO_TEXT_1,
    IMAGE_TO_TEXT_50,
    NEW_VENDOR,
    NEW_VENDOR_GENDER,
    OCCUPATIONS,
    OCCUPATIONS_PROBE,
    RB,
    RB_MARGIN,
    RB_SIZE,
    TEXT_TO_IMAGE,
    TEXT_TO_IMAGE_1,
    TEXT_TO_IMAGE_50,
    THINGS,
    THINGS_PROBE,
    Metric,
)  # fmt: skip
from m4jax.report import data_means
from m4jax.report.claims import ByClaim
from m4jax.report.claims_table import heading
from m4jax.report.contrasts import BALANCED, ORIGINAL, Contrast, Levels, difference
from m4jax.report.questions import Question
from m4jax.report.results import Results
from m4jax.report.style import display, number, signed

SHARES = (5, 10, 20, 40)  # percent of training, at its end
RATES = {"": "the schedule's rate", ", own rate": "own rate"}
FILTERS = {
    "off": "none", "random": "random", "perfect": "perfect", "shuffled": "shuffled within cells",
    "balanced scorer": "scorer of balanced data", "on": "scorer of noisy data",
}  # fmt: skip
OBJECTIVES = ("quadratic, 40%", "kl, 40%", "keep_most, 40%", "caps", "caps and parity")
NOISE = ("10%", "20%", "10%, known", "20%, known")
MODELS = ("XS/16 64", "S/16 64", "M/16 64")
MILD, NOISY = {"scene": "mild"}, {"captions": "noisy"}
RECALL = (IMAGE_TO_TEXT_1, TEXT_TO_IMAGE_1, IMAGE_TO_TEXT, TEXT_TO_IMAGE, IMAGE_TO_TEXT_50,
          TEXT_TO_IMAGE_50)  # fmt: skip
CLASSES = (THINGS, THINGS_PROBE, OCCUPATIONS, OCCUPATIONS_PROBE, NEW_VENDOR, GENDER,
           NEW_VENDOR_GENDER)  # fmt: skip
METRICS = (RB, RB_SIZE, RB_MARGIN, AB, AB_MAX, AB_PAIRWISE,
           AB_CORRELATION, *CLASSES, *RECALL)  # fmt: skip
BIAS = {heading(m): m for m in (RB, RB_SIZE, RB_MARGIN, AB, AB_PAIRWISE)}
COLUMNS: Mapping[str, Levels] = {
    **{v: {"version": v} for v in ("original", "subsample", "balanced", "balanced_proxies",
                                   "oracle")},
    "mild, original": ORIGINAL | MILD,
    "mild, balanced": BALANCED | MILD,
}  # fmt: skip


def _columns(of: tuple[Metric, ...]) -> Mapping[str, Metric]:
    return {heading(metric): metric for metric in of}


def _versions(results: Results) -> Mapping[str, Contrast]:
    del results
    versions = ("balanced", "balanced_proxies", "subsample", "oracle", *OBJECTIVES)
    lines = {
        f"{display(version)} − original": difference({"version": version}, ORIGINAL, free=())
        for version in versions
    }
    return lines | {"mild: balanced − original": difference(BALANCED, ORIGINAL, free=(), **MILD)}


def _stages(results: Results) -> Mapping[str, Contrast]:
    """Returns every cell of share × learning rate × start, against both bounds."""
    del results
    bounds = {"original": ORIGINAL, "balanced": BALANCED}
    return {
        f"{stage}{rate} − {name} throughout": difference(
            BALANCED | {"stage": f"{stage}{rate}"}, bound | {"stage": "throughout"}, free=()
        )
        for name, bound in bounds.items()
        for start in ("", "original in ")
        for rate in RATES
        for stage in (f"{start}last {share}%" for share in SHARES)
    }


def _filters(results: Results) -> Mapping[str, Contrast]:
    """Returns what each filter changes, by data version, and what SigLIP changes beside it."""
    del results
    lines = {
        f"{version}, filter: {FILTERS[level]} − none": difference(
            {"filter": level}, {"filter": "off"}, free=(), version=version, **NOISY
        )
        for version in ("original", "balanced")
        for level in FILTERS
        if level != "off"
    }
    lines |= {
        f"{version}, SigLIP − CLIP, filter: {FILTERS[level]}": difference(
            {"loss": "SigLIP"}, {"loss": "CLIP"}, free=(), version=version, filter=level, **NOISY
        )
        for version in ("original", "balanced")
        for level in ("off", "on")
    }
    for loss, levels in (("CLIP", FILTERS), ("SigLIP", ("off", "on"))):
        for level in levels:
            name = f"balanced − original, {loss}, filter: {FILTERS[level]}"
            lines[name] = difference(BALANCED, ORIGINAL, free=(), filter=level, loss=loss, **NOISY)
    return lines


def _noise(results: Results) -> Mapping[str, Contrast]:
    del results
    clean = {"none wrong": BALANCED | {"noise": "0%"}, "original": ORIGINAL | {"noise": "0%"}}
    return {
        f"{level} − {name}": difference(BALANCED | {"noise": level}, levels, free=())
        for name, levels in clean.items()
        for level in NOISE
    }


def _sizes(results: Results) -> Mapping[str, Contrast]:
    del results
    lines = {
        f"{model}: balanced − original": difference(BALANCED, ORIGINAL, free=(), model=model)
        for model in MODELS
    }
    return lines | {
        f"{version}: M/16 − XS/16": difference(
            {"model": MODELS[2]}, {"model": MODELS[0]}, free=(), version=version
        )
        for version in ("original", "balanced")
    }


QUESTIONS = (
    Question("Bias by data version", _versions, BIAS),
    Question("Classification by data version", _versions, _columns(CLASSES)),
    Question(
        "Retrieval by data version",
        _versions,
        _columns(RECALL),
        lambda results: (
            "Bold is not corrected: the contrasts of claim 6b stand here, too (R@50: 6b.1 and 6b.2 "
            "in the line of the mild world, 6b.3 and 6b.4 in the first), and their verdicts above."
        ),
    ),
    Question(
        "Fine-tuning: every share of training, learning rate and start",
        _stages,
        BIAS,
        lambda results: (
            "“last 10%”: balanced in the last 10%, original before; “original in last 10%”: the "
            "other way round."
        ),
    ),
    Question("Filter and loss apart: bias, on noisy captions", _filters, BIAS),
    Question(
        "Filter and loss apart: quality, on noisy captions",
        _filters,
        _columns((THINGS, OCCUPATIONS, IMAGE_TO_TEXT_50, TEXT_TO_IMAGE_50)),
    ),
    Question("Wrong attributes in balancing", _noise, BIAS),
    Question(
        "Size of the model",
        _sizes,
        BIAS | _columns((THINGS, OCCUPATIONS, IMAGE_TO_TEXT_50, TEXT_TO_IMAGE_50)),
    ),
)


def data_bias(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the table of the training data's bias, as lines of Markdown; none without data."""
    del by_claim
    default = {name: results.default(name) for name in results.factors if name != "version"}
    lines = []
    for row in data_means.by_levels(data_means.over_seeds(results)):
        others = [row[name] for name, level in default.items() if row[name] != level]
        if row.get("stage", "") != default.get("stage", ""):
            continue  # the same data, in a part of the training
        name = ", ".join([display(row["version"]), *others])
        cells = (
            number(100 * row["keep_rate"], 0), number(row["effective_sample_size"], 0),
            signed(100 * row["representation_bias"]), number(100 * row["association_bias_mean"], 1),
            number(100 * row["association_bias_max"], 1),
        )  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if not lines:
        return []
    return [
        "## Bias of the training data",
        "",
        "Means over seeds, each of which draws its own world. RB: share of men minus the share "
        "aimed at. Levels that are not named are the default ones.",
        "",
        "| data | kept, % | effective sample size | RB | mean |AB| | largest |AB| |",
        "| --- | --- | --- | --- | --- | --- |",
        *lines,
    ]

"""The figures of the ablation study; each shows what it needs of a study, or nothing."""

import dataclasses
import itertools
from collections.abc import Iterable

from matplotlib.figure import Figure

from m4jax.evaluation.metrics import (
    AB,
    AB_BY_PROMPT,
    GENDER,
    IMAGE_TO_TEXT,
    NEW_VENDOR,
    OCCUPATIONS,
    OCCUPATIONS_PROBE,
    RB,
    RB_BY_PROMPT,
    RB_SIZE,
    TEXT_TO_IMAGE,
    THINGS,
    THINGS_PROBE,
)
from m4jax.report import comparisons, contrasts, curves, figures_paper, panels, style
from m4jax.report.comparisons import Conditions, Drawn
from m4jax.report.contrasts import AT_PARITY, BALANCED, FILTERS, ORIGINAL, SUBSAMPLE
from m4jax.report.results import ORACLE, Results

STAGES = {  # level -> when the weights act
    "throughout": "throughout",
    "after 10%": "in the last 90%",
    "after 90%": "in the last 10%",
    "first 90%": "in the first 90%",
}
QUALITY = (THINGS, OCCUPATIONS, THINGS_PROBE, OCCUPATIONS_PROBE, GENDER, NEW_VENDOR,
           IMAGE_TO_TEXT, TEXT_TO_IMAGE)  # fmt: skip


def bias_by_stage(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| of the default model by when balancing acts (paper's figure)."""
    conditions: Conditions = {
        "original": ORIGINAL,
        "subsample": SUBSAMPLE,
        **_stages("balanced", ("throughout", "after 90%", "first 90%")),
        **_stages("balanced_proxies", ("throughout",)),
        "oracle": AT_PARITY,
    }
    return comparisons.bias(results, conditions, "by when balancing acts")


def stages_by_model(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| over all model sizes, by data version and stage (paper's figure)."""
    conditions: Conditions = {"original": ORIGINAL, "subsample": SUBSAMPLE}
    conditions |= _stages("balanced", STAGES)
    conditions |= _stages("balanced_proxies", tuple(STAGES)[:3]) | {"oracle": AT_PARITY}
    return comparisons.bias(results, conditions, "of all sizes", free=("model",))


def _stages(version: str, stages: Iterable[str]) -> Conditions:
    """Returns a version in each of some stages."""
    return {
        f"{style.display(version)} {STAGES[stage]}": {"version": version, "stage": stage}
        for stage in stages
    }


def controls(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| of what should not help, beside what should."""
    names = ("original", "subsample", "shuffled", "census", "balanced", ORACLE)
    conditions = {style.display(name): {"version": name} for name in names}
    return comparisons.bias(results, conditions, "beside controls")


def data_scale(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| by the number of distinct training examples."""
    sizes = contrasts.levels(results, "data", key=contrasts.size)
    if len(sizes) < 2:
        return None
    conditions = {
        f"{size}: {version}": {"data": size, "version": version}
        for size in sizes
        for version in ("original", "subsample", "balanced")
    }
    return comparisons.bias(results, conditions, "by number of distinct examples")


def annotation_noise(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| by the share of attributes that were wrong when balancing."""
    levels = contrasts.levels(results, "noise", key=contrasts.size)
    if len(levels) < 2:
        return None
    names = ("original", "subsample")
    conditions: Conditions = {name: {"version": name, "noise": levels[0]} for name in names}
    conditions |= {
        f"balanced, {level} wrong": {"version": "balanced", "noise": level} for level in levels
    }
    conditions["oracle"] = {"version": ORACLE, "noise": levels[0]}
    return comparisons.bias(results, conditions, "by annotation error")


def quality_differences(results: Results) -> Drawn | None:
    """Draws what each version changes in classification and retrieval (paper's figure)."""
    versions = ("balanced", "balanced_proxies", "subsample", ORACLE)
    lines = {
        style.display(version): contrasts.difference({"version": version}, ORIGINAL)
        for version in versions
    }
    looks = {style.display(version): style.mark(version) for version in versions}
    return comparisons.changes(results, lines, QUALITY, looks, "What the data versions change")


def filter_and_loss(results: Results) -> Drawn | None:
    """Draws what balancing changes with and without quality filter and SigLIP (paper's figure)."""
    lines, looks = {}, {}
    for version in ("balanced", "subsample"):
        places = itertools.product(("CLIP", "SigLIP"), (("off", "no filter"), ("on", "filter")))
        for (loss, (switch, words)), marker in zip(places, "os^D", strict=True):
            levels = {"captions": "noisy", "loss": loss, "filter": switch}
            name = f"{version}: {loss}, {words}"
            lines[name] = contrasts.difference({"version": version}, ORIGINAL, **levels)
            looks[name] = dataclasses.replace(
                style.mark(version), marker=marker, filled=switch == "on"
            )
    left_out = NEW_VENDOR, THINGS_PROBE, OCCUPATIONS_PROBE
    chosen = [metric for metric in QUALITY if metric not in left_out]
    title = "What balancing changes on noisy captions, by loss and quality filter"
    return comparisons.changes(results, lines, chosen, looks, title)


def filter_and_bias(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| on noisy captions, by data version, quality filter and its scorer."""
    names = FILTERS | {"balanced scorer": "filter by a balanced model"}
    conditions = {
        f"{version}: {name}": {"version": version, "filter": level}
        for version in ("original", "subsample", "balanced")
        for level, name in names.items()
    }
    heading = "by quality filter and its scorer"
    return comparisons.bias(results, conditions, heading, captions="noisy")


def learning_curves(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| along training: learning and unlearning (paper's figure)."""
    conditions: Conditions = {
        "original": ORIGINAL,
        "balanced": BALANCED,
        "original, then balanced": BALANCED | {"stage": "second half"},
        "balanced, then original": BALANCED | {"stage": "first half"},
        "subsample": SUBSAMPLE,
        "oracle": AT_PARITY,
    }
    first, second = style.mark("original"), style.mark("balanced")
    looks = [first, second, dataclasses.replace(second, filled=False, marker=">"),
             dataclasses.replace(first, filled=False, marker="<"), style.mark("subsample"),
             style.mark(ORACLE)]  # fmt: skip
    marks = dict(zip(conditions, looks, strict=True))
    changing = [name for name in conditions if "then" in name]
    heading = "Bias along training: learnt and unlearnt"
    return curves.along(results, conditions, marks, changing, heading)


def bias_and_quality(results: Results) -> Drawn | None:
    """Draws bias against quality: the default model with intervals, the others small."""
    versions = ("original", "subsample", "balanced", "balanced_proxies", ORACLE)
    default, quality = (
        results.default("model"),
        {RB: IMAGE_TO_TEXT, RB_SIZE: IMAGE_TO_TEXT, AB: THINGS},
    )
    names = {  # of a line -> version and model
        f"{version}, {model}": (version, model)
        for version in versions
        for model in results.levels.get("model", ())
    }
    lines = {n: contrasts.single({"version": v, "model": m}) for n, (v, m) in names.items()}
    metrics = (*quality, *dict.fromkeys(quality.values()))
    table, rows, every = comparisons.effects(results, lines, metrics, difference=False)
    shown = [v for v in versions if any(table[RB][n].measured for n in names if names[n][0] == v)]
    if not shown:
        return None
    figure = Figure(figsize=(style.WIDTH, 3.9), layout="constrained")
    axes = figure.subplots(1, len(quality))
    axes[1].sharey(axes[0])
    for ax, (bias, good) in zip(axes, quality.items(), strict=True):
        for name, (version, model) in names.items():
            place, mark = (table[bias][name], table[good][name]), style.mark(version)
            panels.cross(ax, *place, mark, small=model != default)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(f"{comparisons.BIAS[bias][0]}, points")
        ax.set_ylabel(f"{good.axis}, %".replace("\n", " "))
    style.heading(figure, "Bias and quality")
    count = comparisons.seeds([row for row in rows if names[row["contrast"]][1] == default])
    style.foot(
        figure,
        n=count,
        bars=f"{comparisons.bars(every.values())}, the same pictures for all, so that differences "
        "are more certain than they look (quality_differences)",
        more=f"Large: {default}; small: other sizes of the model, with intervals in the csv",
        wrong=comparisons.wrong(results, (*quality, *quality.values()), comparisons.EARLIER),
        handles=[style.handle(style.display(v), style.mark(v), line="") for v in shown],
        ncols=5,
    )
    return figure, rows


def prompt_sensitivity(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| under each prompt template alone, by version."""
    plain = results.plain.select(kind="run")
    versions = [v for v in plain.versions if v in ("original", "subsample", "balanced", ORACLE)]
    by_prompt = RB_BY_PROMPT, AB_BY_PROMPT
    figure = Figure(figsize=(style.WIDTH, 1.2 + 0.5 * len(versions)), layout="constrained")
    marks, rows = {version: style.mark(version) for version in versions}, []
    axes = figure.subplots(1, 2, sharey=True)
    for ax, alone, metric in zip(axes, by_prompt, (RB, AB), strict=True):
        for place, version in enumerate(versions):
            part = plain.select(version=version, metric=alone.name)
            for template in dict.fromkeys(part["label"].tolist()):
                value = float(part.select(label=template)["value"].mean())
                rows.append({"metric": alone.name, "version": version, "template": template,
                             "mean_over_seeds": value})  # fmt: skip
                ax.plot(100 * value, place, linestyle="", marker="|", markersize=12,
                        color=marks[version].color)  # fmt: skip
            used = float(plain.select(version=version, metric=metric.name)["value"].mean())
            ax.plot(100 * used, place, linestyle="", marker=marks[version].marker, markersize=6,
                    color=marks[version].color, markerfacecolor=marks[version].face)  # fmt: skip
        panels.lines(ax, [style.display(version) for version in versions])
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(f"{comparisons.BIAS[metric][0]}, points")
    style.heading(figure, "Bias by prompt template")
    count = len(set(plain["seed"].tolist()))
    style.foot(
        figure,
        n=f"{count} seeds",
        bars="none: means over seeds",
        more="Strokes: one template alone; symbols: the templates used everywhere else, together",
        wrong="templates that nobody tried differ more than these, or seeds more than templates",
    )
    return (figure, rows) if rows else None


FIGURES = {
    "bias_by_stage": bias_by_stage,
    "stages_by_model": stages_by_model,
    "learning_curves": learning_curves,
    "controls": controls,
    "quality_differences": quality_differences,
    "filter_and_loss": filter_and_loss,
    "filter_and_bias": filter_and_bias,
    "annotation_noise": annotation_noise,
    "data_scale": data_scale,
    "prompt_sensitivity": prompt_sensitivity,
    "bias_and_quality": bias_and_quality,
    **figures_paper.FIGURES,
}
CAPTIONS = {  # in `claims.md`
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
    **figures_paper.CAPTIONS,
}

"""The figures of the ablation study; each shows what it needs of a study, or nothing."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from m4jax.report import comparisons, contrasts, panels, style
from m4jax.report.comparisons import Conditions, Drawn
from m4jax.report.contrasts import AB, RB, Metric, Runs
from m4jax.report.results import ORACLE, Results

STAGES = {  # level -> when the weights act
    "throughout": "throughout",
    "after 10%": "in the last 90%",
    "after 90%": "in the last 10%",
    "first 90%": "in the first 90%",
}
ORIGINAL, SUBSAMPLE = {"version": "original"}, {"version": "subsample"}
QUALITY = {
    "thing\naccuracy": contrasts.THINGS,
    "occupation\naccuracy": contrasts.OCCUPATIONS,
    "things,\n10-shot": contrasts.THINGS_PROBE,
    "occupations,\n10-shot": contrasts.OCCUPATIONS_PROBE,
    "perceived\ngender": contrasts.GENDER,
    "occupation,\nnew vendor": contrasts.NEW_VENDOR,
    "image→text\nrecall@5": contrasts.IMAGE_TO_TEXT,
    "text→image\nrecall@5": contrasts.TEXT_TO_IMAGE,
}


def bias_by_stage(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| of the default model by when balancing acts (paper's figure)."""
    conditions: Conditions = {
        "original": ORIGINAL,
        "subsample": SUBSAMPLE,
        **_stages("balanced", ("throughout", "after 90%", "first 90%")),
        **_stages("balanced_proxies", ("throughout",)),
        "oracle": {"version": ORACLE},
    }
    return comparisons.bias(results, conditions, "by when balancing acts")


def stages_by_model(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| over all model sizes, by data version and stage (paper's figure)."""
    conditions: Conditions = {"original": ORIGINAL, "subsample": SUBSAMPLE}
    conditions |= _stages("balanced", STAGES)
    conditions |= _stages("balanced_proxies", tuple(STAGES)[:3]) | {"oracle": {"version": ORACLE}}
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
        for (loss, (switch, told)), marker in zip(places, "os^D", strict=True):
            levels = {"captions": "noisy", "loss": loss, "filter": switch}
            name = f"{version}: {loss}, {told}"
            lines[name] = contrasts.difference({"version": version}, ORIGINAL, **levels)
            looks[name] = dataclasses.replace(
                style.mark(version), marker=marker, filled=switch == "on"
            )
    left_out = contrasts.NEW_VENDOR, contrasts.THINGS_PROBE, contrasts.OCCUPATIONS_PROBE
    chosen = {name: metric for name, metric in QUALITY.items() if metric not in left_out}
    title = "What balancing changes on noisy captions, by loss and quality filter"
    return comparisons.changes(results, lines, chosen, looks, title)


def filter_and_bias(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| on noisy captions, by data version, quality filter and its scorer."""
    told = {"off": "no filter", "on": "filter", "balanced scorer": "filter by a balanced model"}
    conditions = {
        f"{version}: {name}": {"version": version, "filter": level}
        for version in ("original", "subsample", "balanced")
        for level, name in told.items()
    }
    heading = "by quality filter and its scorer"
    return comparisons.bias(results, conditions, heading, captions="noisy")


def learning_curves(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| along training: learning and unlearning (paper's figure)."""
    conditions: Conditions = {
        "original": ORIGINAL,
        "balanced": {"version": "balanced"},
        "original, then balanced": {"version": "balanced", "stage": "second half"},
        "balanced, then original": {"version": "balanced", "stage": "first half"},
        "subsample": SUBSAMPLE,
        "oracle": {"version": ORACLE},
    }
    first, second = style.mark("original"), style.mark("balanced")
    looks = [first, second, dataclasses.replace(second, filled=False, marker=">"),
             dataclasses.replace(first, filled=False, marker="<"), style.mark("subsample"),
             style.mark(ORACLE)]  # fmt: skip
    marks, rows = dict(zip(conditions, looks, strict=True)), []
    figure = Figure(figsize=(style.WIDTH, 3.5), layout="constrained")
    for ax, metric in zip(figure.subplots(1, 2), (RB, AB), strict=True):
        for name, by_seed in _curves(results, conditions, metric).items():
            steps = sorted(set.intersection(*(set(curve) for curve in by_seed.values())))
            values = np.array([[curve[step] for step in steps] for curve in by_seed.values()])
            mean, least, most = values.mean(0), values.min(0), values.max(0)
            changes = "then" in name
            ax.plot(steps, 100 * mean, color=marks[name].color, marker=marks[name].marker,
                    markersize=4, markerfacecolor=marks[name].face, zorder=3 if changes else 2,
                    linestyle="--" if changes else "-")  # fmt: skip
            if changes:
                ax.axvline(steps[-1] / 2, color="0.35", linestyle=":", linewidth=0.9)
            ax.fill_between(steps, 100 * least, 100 * most, color=marks[name].color, alpha=0.12,
                            linewidth=0)  # fmt: skip
            rows += [
                {"metric": metric.name, "condition": name, "step": step, "seeds": len(values),
                 "mean": mean[i], "least": least[i], "most": most[i]}
                for i, step in enumerate(steps)
            ]  # fmt: skip
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel("training step")
        ax.set_ylabel({RB: "representation bias, points", AB: "mean |AB|, points"}[metric])
        ax.grid(axis="both")
    style.heading(figure, "Bias along training: learnt and unlearnt")
    if not rows:
        return None
    shown = [name for name in conditions if any(row["condition"] == name for row in rows)]
    count = rows[0]["seeds"]
    figure.legend(
        handles=[
            style.handle(name, marks[name], line="--" if "then" in name else "-") for name in shown
        ],
        loc="outside lower center", ncols=3, title_fontsize=7,
        title=f"lines: means over {count} seeds; bands: from the lowest to the highest of them; "
        "dotted: where the data of the dashed ones change",
    )  # fmt: skip
    return figure, rows


def bias_and_quality(results: Results) -> Drawn | None:
    """Draws bias against quality: the mean of each version's runs, for each model."""
    runs, rows = Runs(results), []
    versions = ("original", "subsample", "balanced", "balanced_proxies", ORACLE)
    marks = style.marks(versions)
    figure = Figure(figsize=(style.WIDTH, 3.3), layout="constrained")
    quality = contrasts.IMAGE_TO_TEXT, contrasts.THINGS
    for ax, bias, good in zip(figure.subplots(1, 2), (RB, AB), quality, strict=True):
        means = {v: _means(runs, {"version": v}, (bias, good)) for v in versions}
        for model in means[versions[0]]:
            places = [means[v][model] for v in ("original", "balanced") if model in means[v]]
            ax.plot(*(100 * np.array(places).T), color="0.8", linewidth=0.8, zorder=1)
        for version, points in means.items():
            mark = marks[version]
            for model, (x, y) in points.items():
                ax.plot(100 * x, 100 * y, linestyle="", marker=mark.marker, markersize=6,
                        color=mark.color, markerfacecolor=mark.face)  # fmt: skip
                rows.append({"version": version, "model": model, "bias": bias.name, "x": x,
                             "quality": good.name, "split": good.split, "y": y})  # fmt: skip
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(comparisons.BIAS_LABELS[bias], fontsize=7)
        name = {v: k for k, v in QUALITY.items()}[good].replace("\n", " ")
        ax.set_ylabel(f"{name}, %")
        ax.grid(axis="both")
    style.heading(figure, "Bias and quality")
    if not rows:
        return None
    shown = [version for version in versions if any(row["version"] == version for row in rows)]
    figure.legend(
        handles=[style.handle(style.display(v), marks[v], line="") for v in shown], ncols=5,
        loc="outside lower center", title="each point: the mean over seeds of one model size; thin "
        "lines lead from original to balanced",
        title_fontsize=7,
    )  # fmt: skip
    return figure, rows


def prompt_sensitivity(results: Results) -> Drawn | None:
    """Draws RB and mean |AB| under each prompt template alone, by version."""
    plain = results.plain.select(kind="run")
    versions = [v for v in plain.versions if v in ("original", "subsample", "balanced", ORACLE)]
    names = contrasts.RB_BY_PROMPT, contrasts.AB_BY_PROMPT
    figure = Figure(figsize=(style.WIDTH, 1.2 + 0.5 * len(versions)), layout="constrained")
    marks, rows = {version: style.mark(version) for version in versions}, []
    axes = figure.subplots(1, 2, sharey=True)
    for ax, name, metric in zip(axes, names, (RB, AB), strict=True):
        for place, version in enumerate(versions):
            part = plain.select(version=version, metric=name)
            for template in dict.fromkeys(part["label"].tolist()):
                value = float(part.select(label=template)["value"].mean())
                rows.append({"metric": name, "version": version, "template": template,
                             "mean_over_seeds": value})  # fmt: skip
                ax.plot(100 * value, place, linestyle="", marker="|", markersize=12,
                        color=marks[version].color)  # fmt: skip
            used = float(plain.select(version=version, metric=metric.name)["value"].mean())
            ax.plot(100 * used, place, linestyle="", marker=marks[version].marker, markersize=6,
                    color=marks[version].color, markerfacecolor=marks[version].face)  # fmt: skip
        panels.lines(ax, [style.display(version) for version in versions])
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set_xlabel(comparisons.BIAS_LABELS[metric], fontsize=7)
    style.heading(figure, "Bias by prompt template")
    count = len(set(plain["seed"].tolist()))
    figure.supxlabel(
        "strokes: one template alone; symbols: the templates used everywhere else, together; "
        f"means over {count} seeds",
        fontsize=7,
    )
    return (figure, rows) if rows else None


def _curves(
    results: Results, conditions: Conditions, metric: Metric
) -> dict[str, dict[int, dict[int, float]]]:
    """Returns condition -> seed -> step -> the metric, for the seeds that all conditions have."""
    along = results.select(kind="along", metric=metric.name, split=metric.split)
    found: dict[str, dict[int, dict[int, float]]] = {}
    for name, levels in conditions.items():
        if not set(levels) <= set(results.factors):
            continue
        chosen = {factor: results.default(factor) for factor in results.factors} | levels
        for seed, step, value in along.select(**chosen).pairs("seed", "step", "value"):
            if math.isfinite(value):
                found.setdefault(name, {}).setdefault(seed, {})[step] = value
    shared = set.intersection(*map(set, found.values())) if found else set()
    if not shared:  # of a study that has only begun
        return found
    return {name: {seed: of[seed] for seed in shared} for name, of in found.items()}


def _means(runs: Runs, levels: Mapping[str, str], metrics: Sequence[Metric]) -> dict[str, tuple]:
    """Returns model -> the means of metrics over its runs with the given levels."""
    by_model: list[dict[str, list[float]]] = []
    for metric in metrics:
        pairs, of_model = runs.pairs(contrasts.Contrast((((1.0, levels),),)), metric), {}
        for unit, value in zip(pairs.units, pairs.values, strict=True):
            of_model.setdefault(", ".join(unit.levels), []).append(float(value))
        by_model.append(of_model)
    return {
        model: tuple(float(np.mean(of_model[model])) for of_model in by_model)
        for model in by_model[0]
    }


FIGURES = {
    "bias_by_stage": bias_by_stage,
    "stages_by_model": stages_by_model,
    "learning_curves": learning_curves,
    "quality_differences": quality_differences,
    "filter_and_loss": filter_and_loss,
    "filter_and_bias": filter_and_bias,
    "controls": controls,
    "bias_and_quality": bias_and_quality,
    "data_scale": data_scale,
    "annotation_noise": annotation_noise,
    "prompt_sensitivity": prompt_sensitivity,
}

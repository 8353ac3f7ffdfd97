"""The figures of the confirmation; each shows what it needs of a study, or nothing."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m4jax.evaluation.metrics import (
    AB,
    GENDER,
    IMAGE_TO_TEXT_50,
    NEW_VENDOR,
    NEW_VENDOR_GENDER,
    OCCUPATIONS,
    OCCUPATIONS_PROBE,
    RB_SIZE,
    TEXT_TO_IMAGE_50,
    THINGS,
    THINGS_PROBE,
)  # fmt: skip
from m4jax.report import comparisons, contrasts, figures_data, figures_paper, style
from m4jax.report.comparisons import Conditions, Drawn
from m4jax.report.confirmation_questions import (
    FILTERS,
    MILD,
    MODELS,
    NOISE,
    NOISY,
    OBJECTIVES,
    RATES,
    SHARES,
)  # fmt: skip
from m4jax.report.contrasts import AT_PARITY, BALANCED, ORIGINAL, SUBSAMPLE
from m4jax.report.results import Estimate, Results

PAIR = (("original", ORIGINAL), ("balanced", BALANCED))
STARTS = {"": "original, then balanced", "original in ": "balanced, then original"}
LOOKS = {"": style.Mark("#0072B2", "s", filled=True), ", own rate": style.Mark("#D55E00", "^",
         filled=False)}  # fmt: skip
QUALITY = (THINGS, THINGS_PROBE, OCCUPATIONS, OCCUPATIONS_PROBE, NEW_VENDOR, GENDER,
           NEW_VENDOR_GENDER, IMAGE_TO_TEXT_50, TEXT_TO_IMAGE_50)  # fmt: skip


def dose_response(results: Results) -> Drawn | None:
    """Draws |RB| and mean |AB| by share, learning rate and start of fine-tuning, with bounds."""
    lines = {name: contrasts.single(levels, free=()) for name, levels in PAIR}
    names = {}
    for start in STARTS:
        for rate in RATES:
            for share in SHARES:
                stage = f"{start}last {share}%{rate}"
                names[start, rate, share] = stage
                lines[stage] = contrasts.single(BALANCED | {"stage": stage}, free=())
    table, rows, every = comparisons.effects(results, lines, (RB_SIZE, AB), difference=False)
    if not any(table[AB][stage].measured for stage in names.values()):
        return None
    figure = Figure(figsize=(style.WIDTH, 5.2), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    for row, (metric, of) in zip(axes, table.items(), strict=True):
        for ax, start in zip(row, STARTS, strict=True):
            order = ("balanced", "original") if start else ("original", "balanced")
            _bounds(ax, of)
            _doses(ax, {key[1:]: of[stage] for key, stage in names.items() if key[0] == start},
                   {name: of[name] for name in order})  # fmt: skip
            ax.grid(axis="y")
        row[0].set_ylabel(figures_paper.NAMES[metric])
    for ax, title in zip(axes[0], STARTS.values(), strict=True):
        ax.set_title(title)
    for ax in axes[1]:
        ax.set_xticks(range(len(SHARES) + 2), [0, *SHARES, 100])
        ax.set_xlabel("share of training with the second data, %")
    style.heading(figure, "Fine-tuning: bias by share of training, learning rate and start")
    handles = [style.handle(RATES[rate], mark, line="-" if mark.filled else "--")
               for rate, mark in LOOKS.items()]  # fmt: skip
    handles += [style.handle(f"{name} throughout", style.mark(name), line=":") for name, _ in PAIR]
    style.foot(
        figure,
        n=comparisons.seeds(rows),
        bars=f"{comparisons.bars(every.values())}; grey: those of the dotted lines",
        wrong=comparisons.wrong(results, (RB_SIZE, AB), ", or other schedules of the rate do"),
        handles=handles,
    )
    return figure, rows


def _bounds(ax: Axes, of: Mapping[str, Estimate]) -> None:
    """Draws what the original and the balanced data give throughout, across all shares."""
    for name, _ in PAIR:
        found = of[name]
        if not found.measured:
            continue
        ax.axhline(100 * found.value, color=style.mark(name).color, linestyle=":", linewidth=1)
        if found.bounded:
            ax.axhspan(100 * found.low, 100 * found.high, color="0.5", alpha=0.13, linewidth=0)


def _doses(ax: Axes, of: Mapping[tuple[str, int], Estimate], ends: Mapping[str, Estimate]) -> None:
    """Draws a line for each learning rate, from one bound to the other.

    `of`: learning rate and share -> value. `ends`: version -> value; that of share 0 is first.
    """
    first, last = ends.values()
    for offset, (rate, mark) in zip((-0.07, 0.07), LOOKS.items(), strict=True):
        points = [(1 + i + offset, of[rate, share]) for i, share in enumerate(SHARES)]
        points = [
            point for point in [(0, first), *points, (len(SHARES) + 1, last)] if point[1].measured
        ]
        ax.plot([x for x, _ in points], [100 * y.value for _, y in points], color=mark.color,
                linewidth=1, linestyle="-" if mark.filled else "--")  # fmt: skip
        for x, y in points[1:-1]:
            style.errorbar(ax, x, y, mark)
    for x, (name, y) in zip((0, len(SHARES) + 1), ends.items(), strict=True):
        style.errorbar(ax, x, y, style.mark(name))


def filters(results: Results) -> Drawn | None:
    """Draws bias on noisy captions by data version, filter and loss."""
    conditions: Conditions = {
        f"{version}: {name}": levels | {"filter": level}
        for version, levels in PAIR
        for level, name in FILTERS.items()
    }
    for version, levels in PAIR:
        conditions |= {
            f"{version}: {FILTERS[level]}, SigLIP": levels | {"filter": level, "loss": "SigLIP"}
            for level in ("off", "on")
        }
    return comparisons.bias(results, conditions, "on noisy captions, by filter and loss", **NOISY)


def objectives(results: Results) -> Drawn | None:
    """Draws bias by the rule that chooses the examples."""
    conditions: Conditions = {"original": ORIGINAL, "balanced": BALANCED}
    conditions |= {style.display(name): {"version": name} for name in OBJECTIVES}
    return comparisons.bias(results, conditions | {"oracle": AT_PARITY}, "by objective and cap")


def annotation_errors(results: Results) -> Drawn | None:
    """Draws bias by the share of attributes that were wrong, and whether the weights know it."""
    conditions: Conditions = {"original": ORIGINAL, "balanced, 0% wrong": BALANCED}
    for level in NOISE:
        rate, _, known = level.partition(", ")
        text = f"balanced, {rate} wrong{', known' * bool(known)}"
        conditions[text] = BALANCED | {"noise": level}
    return comparisons.bias(results, conditions | {"oracle": AT_PARITY}, "by annotation error")


def sizes(results: Results) -> Drawn | None:
    """Draws bias by the size of the model."""
    conditions: Conditions = {
        f"{version}, {model.split()[0]}": levels | {"model": model}
        for version, levels in PAIR
        for model in MODELS
    }
    return comparisons.bias(results, conditions, "by size of the model")


def worlds(results: Results) -> Drawn | None:
    """Draws bias by data version in both worlds."""
    conditions: Conditions = {
        "strong: original": ORIGINAL, "strong: subsample": SUBSAMPLE, "strong: balanced": BALANCED,
        "strong: balanced + proxies": {"version": "balanced_proxies"},
        "mild: original": ORIGINAL | MILD, "mild: balanced": BALANCED | MILD, "oracle": AT_PARITY,
    }  # fmt: skip
    return comparisons.bias(results, conditions, "in the strong and in the mild world")


def worlds_quality(results: Results) -> Drawn | None:
    """Draws what balancing changes of quality in both worlds."""
    lines = {
        "strong world": contrasts.difference(BALANCED, ORIGINAL, free=()),
        "mild world": contrasts.difference(BALANCED, ORIGINAL, free=(), **MILD),
        "strong world: a random subsample": contrasts.difference(SUBSAMPLE, ORIGINAL, free=()),
    }
    looks = {
        "strong world": style.mark("balanced"),
        "mild world": style.Mark("#009E73", "D", filled=False),
        "strong world: a random subsample": style.mark("subsample"),
    }
    title = "What balancing changes of quality, by world"
    return comparisons.changes(results, lines, QUALITY, looks, title)


def data_bias(results: Results) -> Drawn | None:
    """Draws the association of each label with gender in the data, means over all worlds."""
    seeds = set(results.select(kind="run")["seed"].tolist())  # each of which draws its own
    return figures_data.data_bias(results, worlds=len(seeds))


_ABSENT = {"paper_2_top"}  # all runs have as many examples

FIGURES = {
    "dose_response": dose_response,
    "filters": filters,
    "objectives": objectives,
    "annotation_errors": annotation_errors,
    "sizes": sizes,
    "worlds": worlds,
    "worlds_quality": worlds_quality,
    "data_bias": data_bias,
    **{name: draw for name, draw in figures_paper.FIGURES.items() if name not in _ABSENT},
}
CAPTIONS = {  # in `claims.md`
    "claims": "every contrast with its margin and verdict",
    "dose_response": "fine-tuning by share, learning rate and start",
    "filters": "bias on noisy captions by filter and loss",
    "objectives": "other objectives and caps",
    "annotation_errors": "wrong attributes, known or not",
    "sizes": "three sizes of the model",
    "worlds": "data versions in both worlds",
    "worlds_quality": "what balancing changes of quality in both worlds",
    "data_bias": "bias of the training data",
    **{name: text for name, text in figures_paper.CAPTIONS.items() if name not in _ABSENT},
}

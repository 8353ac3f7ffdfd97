"""The figures of the study: bias and quality by steps of fine-tuning, and the dials beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.finetuning.runs import BALANCED, CONTROL, ORACLE, ORIGINAL
from experiments.finetuning.settings import TuneConfig
from experiments.finetuning.table import NAMES, Study
from m4jax.report import style
from m4jax.report.results import Estimate

WRONG = "other worlds, larger models or other learning rates tell otherwise"
LINES = {BALANCED: "balanced data", CONTROL: "original data (control)"}
BOUNDS = {BALANCED: "balanced from the start", ORACLE: "oracle"}
JOINED = ("steps", "alpha")  # dials whose settings have an order
DIALS = {"steps": "steps of fine-tuning", "alpha": "interpolated", "projected": "projected"}


def write(folder: Path, study: Study, tuning: TuneConfig) -> None:
    """Writes the figures, each with its data."""
    folder.mkdir(parents=True, exist_ok=True)
    with style.page():
        for name, draw in (("steps", by_steps), ("dials", dials)):
            figure, rows = draw(study, tuning)
            style.save(figure, folder / name, rows)


def _estimate(study: Study, condition: str, name: str) -> Estimate:
    """Returns the mean over seeds with its interval over seeds and pictures."""
    found = study.mean(condition, name, study.seeds)
    return Estimate(found["mean"], found["low"], found["high"])


def by_steps(study: Study, tuning: TuneConfig) -> tuple[Figure, list[dict[str, Any]]]:
    """Draws every metric by the steps of fine-tuning, with the control and the bounds."""
    figure = Figure(figsize=(style.WIDTH, 4.4), layout="constrained")
    rows, marks = [], {BALANCED: style.mark("balanced"), CONTROL: style.mark(ORIGINAL)}
    for ax, name in zip(figure.subplots(2, 4, sharex=True).flat, NAMES, strict=True):
        for data, mark in marks.items():
            names = [ORIGINAL, *(f"{data} {steps}" for steps in tuning.steps)]
            found = [_estimate(study, condition, name) for condition in names]
            ax.plot(range(len(names)), [100 * e.value for e in found], color=mark.color, lw=1)
            for place, (condition, estimate) in enumerate(zip(names, found, strict=True)):
                shift = 0.08 if data == BALANCED else -0.08
                style.errorbar(ax, place + shift, estimate, mark, markersize=4)
                rows.append(_row(condition, name, estimate))
        for bound, line in ((BALANCED, "--"), (ORACLE, ":")):
            estimate = _estimate(study, bound, name)
            color = style.mark(bound).color
            ax.axhline(100 * estimate.value, color=color, linestyle=line, linewidth=1)
            rows.append(_row(bound, name, estimate))
        _axes(ax, name, tuning)
    handles = [style.handle(f"fine-tuned on {LINES[data]}", mark) for data, mark in marks.items()]
    for bound, line in ((BALANCED, "--"), (ORACLE, ":")):
        look = {"color": style.mark(bound).color, "linestyle": line, "linewidth": 1}
        handles.append(Line2D([], [], label=BOUNDS[bound], **look))
    style.heading(figure, "A model before (0) and after fine-tuning")
    style.foot(
        figure,
        n=f"{len(study.seeds)} seeds of one model on one world",
        bars="95% intervals over seeds and pictures; the bounds have none here",
        more="Lines and symbols: means, in points or %",
        wrong=WRONG,
        handles=handles,
        ncols=2,
    )
    return figure, rows


def _axes(ax: Axes, name: str, tuning: TuneConfig) -> None:
    ax.set_title(name)
    ax.set_xticks(range(1 + len(tuning.steps)), ["0", *map(str, tuning.steps)], rotation=45)
    ax.grid(axis="y")
    if name in ("RB", "|RB|"):
        ax.axhline(0, color="0.6", linewidth=0.8)
    if ax.get_subplotspec().is_last_row():
        ax.set_xlabel("steps")


def dials(study: Study, tuning: TuneConfig) -> tuple[Figure, list[dict[str, Any]]]:
    """Draws bias against quality along each dial that a user can turn."""
    figure = Figure(figsize=(style.WIDTH, 5.4), layout="constrained")
    longest = f"{BALANCED} {max(tuning.steps)}"
    paths = {
        "steps": [ORIGINAL, *(f"{BALANCED} {steps}" for steps in tuning.steps)],
        "alpha": [ORIGINAL, *(f"alpha {alpha:g}" for alpha in tuning.alphas), longest],
        "projected": [c for c in study.conditions if c.startswith("projected")],
        BALANCED: [BALANCED],
        ORACLE: [ORACLE],
    }
    marks = dict(zip(paths, style.MARKS[1:], strict=False))
    rows = []
    for line, bias in zip(figure.subplots(2, 3), ("mean |AB|", "|RB|"), strict=True):
        for ax, quality in zip(line, ("occupations", "gender", "image→text R@5"), strict=True):
            for path, names in paths.items():
                rows += _path(ax, study, names, (bias, quality), marks[path], joined=path in JOINED)
            ax.set_xlabel(f"{bias}, points")
            ax.set_ylabel(f"{quality}, %")
            ax.set_xlim(left=0)
            ax.grid(visible=True)
    titles = DIALS | {BALANCED: BOUNDS[BALANCED], ORACLE: BOUNDS[ORACLE]}
    handles = [style.handle(titles[path], mark) for path, mark in marks.items()]
    style.heading(figure, "Bias and quality along each dial; better is up and to the left")
    style.foot(
        figure,
        n=f"{len(study.seeds)} seeds of one model on one world",
        bars="none: means over seeds, their intervals are in effects.csv",
        more="Lines join the settings of a dial in their order",
        wrong=f"{WRONG}; small distances are within chance",
        handles=handles,
        ncols=3,
    )
    return figure, rows


def _path(
    ax: Axes, study: Study, names: Iterable[str], pair: tuple[str, str], mark: style.Mark, *,
    joined: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Draws a dial's settings as points, joined in their order; returns them."""
    rows, points = [], []
    for condition in names:
        x, y = (study.level(condition, name, study.seeds)[0] for name in pair)
        points.append((100 * x, 100 * y))
        rows.append({"condition": condition, "x": pair[0], "y": pair[1], "bias": x, "quality": y})
    ax.plot(
        *zip(*points, strict=True), color=mark.color, marker=mark.marker, markersize=4,
        markerfacecolor=mark.face, linewidth=1, linestyle="-" if joined else "",
    )  # fmt: skip
    return rows


def _row(condition: str, name: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "condition": condition,
        "metric": name,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
    }

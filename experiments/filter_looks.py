"""Whom the quality filter of a finished ablation leaves in, one way in which that brings bias back.

    python -m experiments.filter_looks --config=configs/ablation.py:laptop --workdir=runs/ablation

Balancing sees attributes and labels. A filter whose model has learnt that nurses are women leaves
out the men whom captions call nurses, but those first who look most like men: the groups of equal
size that balancing makes of the rest still differ in their looks. This is the minor part of what a
filter brings back: mostly it selects scenes and captions (`claims.md`). All is derived.

Writes `filter/looks.png`, `.svg` and `.csv` into the directory, within seconds, and prints the
slopes.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from experiments import command
from m4jax.data.testbed import catalog
from m4jax.errors import InputError
from m4jax.evaluation import prompts
from m4jax.grid.cells import Cell, expand
from m4jax.report import style
from m4jax.report.results import ORACLE, Rows
from m4jax.run import model, weights
from m4jax.run.state import Layout, is_done

TITLES = {"off": "no filter", "on": "filter by a model\nof the same pairs",
          "balanced scorer": "filter by a model\nof balanced pairs"}  # fmt: skip
MARKERS = {"all": "o", "within": "x"}  # of the fields of `Looks`


class Looks(NamedTuple):
    """How much the persons whom captions give an occupation look like men.

        all_r    = E_w[g | r] − E_w[g]
        within_r = E_w[g − ḡ | r],    ḡ = E_w[g | gender] of each person

    Attributes:
        all: [c], in standard deviations of g; NaN where nobody is left.
        within: [c], the part of it that is not that more of them are men.
    """

    all: np.ndarray
    within: np.ndarray


def main(console: Console) -> int:
    """Measures, draws, and prints the slopes."""
    layout = Layout(command.workdir())
    rows = measure(expand(command.config()), layout)
    with style.page():
        style.save(draw(rows), layout.root / "filter" / "looks", rows)
    for level, version in dict.fromkeys((row["filter"], row["version"]) for row in rows):
        chosen = _select(rows, level, version)
        total, within = (slope(chosen, part) for part in Looks._fields)
        console.print(
            f"filter {level}, {version}: slope {total:+.2f}, of it within gender {within:+.2f}"
        )
    console.print(f"Figure: {layout.root / 'filter' / 'looks.png'}")
    return 0


def measure(cells: Sequence[Cell], layout: Layout) -> Rows:
    """Returns the looks of the faces of noisy pairs, under each filter and data version.

    How much like a man somebody looks is judged by a model of the world at parity, which knows
    nothing of occupations: cos(picture, "man") − cos(picture, "woman"). Only plain faces count.

    Args:
        cells: of the ablation, whose runs are done.
        layout: where they lie.

    Returns:
        One row for each filter, version and occupation.

    Raises:
        InputError: if there are no such runs, or they are not done.
    """
    chosen, judge = _chosen(cells), next((c for c in cells if c.version == ORACLE), None)
    if not chosen or judge is None:
        raise InputError("config: expected the ablation's noisy pairs, filters and oracle")
    for cell in (judge, *chosen):
        if not is_done(cell.config, layout):
            raise InputError(f"{layout.root}: the run ({cell.name}) is missing; run the study")
    train = chosen[0].config.source.load_split("train", layout.data)
    columns, occupations = train.columns, catalog.occupations()
    face = (columns["gender"] >= 0) & (columns["occupation"] < 0) & (columns["thing"] < 0)
    gender, occupation = columns["gender"][face], columns["says_occupation"][face]
    g = _judged(judge, layout, train.images[np.flatnonzero(face)])
    rows = []
    for cell in chosen:
        weight = weights.read(cell.config, layout, columns["uid"])
        weight = np.ones(len(g)) if weight is None else weight[face]
        result = looks(g, gender, occupation, weight, len(occupations))
        rows += [
            {"filter": cell.factors["filter"], "version": cell.version, "occupation": entry.name,
             "men_share": 1 - entry.women_share, "all": float(x), "within": float(y)}
            for entry, x, y in zip(occupations, *result, strict=True)
        ]  # fmt: skip
    return rows


def looks(
    g: np.ndarray, gender: np.ndarray, occupation: np.ndarray, weight: np.ndarray, count: int
) -> Looks:
    """Returns the looks of persons by the occupation in their captions.

    Args:
        g: [n] how much like a man each looks.
        gender: [n] 1 or 0.
        occupation: [n] that of the caption, −1 for none.
        weight: [n] of the pairs, at least 0.
        count: number of occupations c.

    Raises:
        InputError: if all weights are zero.
    """
    if not weight.sum() > 0:
        raise InputError("weight: expected some above 0")
    g = (g - g.mean()) / g.std()
    residual = g.copy()
    for group in (0, 1):
        members = gender == group
        if weight[members].sum() > 0:
            residual[members] -= np.average(g[members], weights=weight[members])
    by_occupation = [weight * (occupation == r) for r in range(count)]

    def means(x: np.ndarray) -> np.ndarray:
        return np.array(
            [np.average(x, weights=w) if w.sum() > 0 else np.nan for w in by_occupation]
        )

    return Looks(means(g) - np.average(g, weights=weight), means(residual))


def draw(rows: Rows) -> Figure:
    """Draws the looks of the persons by the share of men in the occupation of their captions.

    Args:
        rows: of `measure`; a column for each filter, a line for each data version.
    """
    levels = list(dict.fromkeys(row["filter"] for row in rows))
    versions = list(dict.fromkeys(row["version"] for row in rows))
    figure = Figure(figsize=(style.WIDTH, 1.0 + 2.0 * len(versions)), layout="constrained")
    axes = figure.subplots(len(versions), len(levels), sharex=True, sharey=True, squeeze=False)
    for line, version in zip(axes, versions, strict=True):
        for ax, level in zip(line, levels, strict=True):
            ax.axhline(0, color="0.6", linewidth=0.8)
            for part in Looks._fields:
                _scatter(ax, _select(rows, level, version), part, style.mark(version))
            ax.grid(axis="both")
            if version == versions[0]:
                ax.set_title(TITLES.get(level, level))
        line[0].set_ylabel(f"{style.display(version)} data")
    style.heading(figure, "How much like men those look to whom captions give an occupation")
    figure.supylabel("standard deviations above the mean of all faces", fontsize=style.SMALL)
    for ax in axes[-1]:
        ax.set_xlabel("share of men in the census, %")
    occupations = len({row["occupation"] for row in rows})
    style.foot(
        figure,
        n=f"{occupations} occupations, one symbol each; one model that judges looks",
        bars="none: all faces that the filter leaves are counted",
        more="Circles, line: all faces; crosses, dots: what is left within men and within women",
        wrong="another seed, or another judge of looks, tells otherwise",
    )
    return figure


def slope(rows: Rows, part: str) -> float:
    """Returns the regression slope of the looks by the share of men; NaN for fewer than three."""
    x, y = np.array([(row["men_share"], row[part]) for row in rows]).T
    finite = np.isfinite(y)
    return float(np.polyfit(x[finite], y[finite], 1)[0]) if finite.sum() > 2 else math.nan


def _select(rows: Rows, level: str, version: str) -> Rows:
    """Returns the rows of a filter and a data version."""
    return [row for row in rows if (row["filter"], row["version"]) == (level, version)]


def _chosen(cells: Sequence[Cell]) -> list[Cell]:
    """Returns one cell for each filter and data version of noisy pairs, with CLIP."""
    chosen = {}
    for cell in cells:
        levels = cell.factors
        plain = levels.get("loss") != "SigLIP" and cell.version in ("original", "balanced")
        if levels.get("captions") == "noisy" and plain:
            chosen.setdefault((levels.get("filter"), cell.version), cell)
    return list(chosen.values())


def _judged(judge: Cell, layout: Layout, images: np.ndarray) -> np.ndarray:
    """Returns cos(picture, "man") − cos(picture, "woman") [n] by the judge's model."""
    embedder, tokenize = model.embedder(judge.config, layout)
    wording = prompts.load(judge.config.evaluate.prompts)
    phrases = [wording.gender[name] for name in ("man", "woman")]
    texts = [[template.replace("{}", p) for template in wording.templates] for p in phrases]
    embedded = [embedder.tokens(tokenize(group)) for group in texts]
    man, woman = (x.mean(0) / np.linalg.norm(x.mean(0)) for x in embedded)
    return embedder.images(images) @ (man - woman)


def _scatter(ax, rows: Rows, part: str, mark: style.Mark) -> None:
    """Draws a part of the looks, a point for each occupation, and its regression line."""
    x, y = np.array([(row["men_share"], row[part]) for row in rows]).T
    total = part == "all"
    ax.plot(100 * x, y, linestyle="", marker=MARKERS[part], markersize=3.5, color=mark.color,
            alpha=1 if total else 0.6)  # fmt: skip
    finite, rise = np.isfinite(y), slope(rows, part)
    if not math.isfinite(rise):
        return
    start = y[finite].mean() - rise * x[finite].mean()
    ends = np.array([x.min(), x.max()])
    ax.plot(100 * ends, start + rise * ends, color="0.35", linestyle="-" if total else ":")
    ax.text(0.97, 0.12 if total else 0.03, f"{'slope' if total else 'within'} "
            f"{style.signed(rise, 2)}", transform=ax.transAxes, ha="right",
            fontsize=style.SMALL)  # fmt: skip


if __name__ == "__main__":
    command.run(main)

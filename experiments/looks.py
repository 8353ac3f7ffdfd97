"""Whom a quality filter leaves in: how much like a man the persons look whom captions name so.

Balancing sees attributes and labels. A filter whose model has learnt that nurses are women leaves
out the men whom captions call nurses, but those first who look most like men: the groups of equal
size that balancing makes of the rest still differ in their looks. All is derived.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from m4jax.data.testbed import catalog
from m4jax.errors import InputError
from m4jax.evaluation import prompts
from m4jax.grid.cells import Cell
from m4jax.report.results import ORACLE, Rows
from m4jax.run import model, weights
from m4jax.run.config import Layout
from m4jax.run.state import is_done


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


def looks(
    g: np.ndarray, gender: np.ndarray, says: np.ndarray, weight: np.ndarray, count: int
) -> Looks:
    """Returns the looks of persons by the occupation in their captions.

    Args:
        g: [n] how much like a man each looks.
        gender: [n] 1 or 0.
        says: [n] the occupation in the caption, −1 for none.
        weight: [n] of the pairs, at least 0.
        count: number of occupations c.

    Raises:
        InputError: if all weights are zero.
    """
    if not weight.sum() > 0:
        raise InputError("weight: expected some above 0")
    g = (g - g.mean()) / g.std()
    rest = g.copy()
    for group in (0, 1):
        rows = gender == group
        if weight[rows].sum() > 0:
            rest[rows] -= np.average(g[rows], weights=weight[rows])
    by = [weight * (says == r) for r in range(count)]

    def means(x: np.ndarray) -> np.ndarray:
        return np.array([np.average(x, weights=w) if w.sum() > 0 else np.nan for w in by])

    return Looks(means(g) - np.average(g, weights=weight), means(rest))


def of_study(cells: Sequence[Cell], layout: Layout) -> Rows:
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
    columns, jobs = train.columns, catalog.occupations()
    face = (columns["gender"] >= 0) & (columns["occupation"] < 0) & (columns["thing"] < 0)
    gender, says = columns["gender"][face], columns["says_occupation"][face]
    g = _judged(judge, layout, train.images[np.flatnonzero(face)])
    found = []
    for cell in chosen:
        weight = weights.read(cell.config, layout, columns["uid"])
        weight = np.ones(len(g)) if weight is None else weight[face]
        of = looks(g, gender, says, weight, len(jobs))
        found += [
            {"filter": cell.factors["filter"], "version": cell.version, "occupation": job.name,
             "men_share": 1 - job.women_share, "all": float(x), "within": float(y)}
            for job, x, y in zip(jobs, *of, strict=True)
        ]  # fmt: skip
    return found


def _chosen(cells: Sequence[Cell]) -> list[Cell]:
    """Returns one cell for each filter and data version of noisy pairs, with CLIP."""
    found = {}
    for cell in cells:
        key = cell.factors.get("filter"), cell.version
        plain = "SigLIP" not in cell.changes and cell.version in ("original", "balanced")
        if "noisy" in cell.changes and plain:
            found.setdefault(key, cell)
    return list(found.values())


def _judged(judge: Cell, layout: Layout, images: np.ndarray) -> np.ndarray:
    """Returns cos(picture, "man") − cos(picture, "woman") [n] by the judge's model."""
    embedder, words = model.embedder(judge.config, layout)
    asked = prompts.load(judge.config.evaluate.prompts)
    phrases = [asked.gender[name] for name in ("man", "woman")]
    embedded = [embedder.tokens(words([t.replace("{}", p) for t in asked.templates]))
                for p in phrases]  # fmt: skip
    man, woman = (x.mean(0) / np.linalg.norm(x.mean(0)) for x in embedded)
    return embedder.images(images) @ (man - woman)

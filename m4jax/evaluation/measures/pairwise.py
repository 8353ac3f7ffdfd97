"""The choice between two occupations, by who is shown."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import permutation, wordings
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import SHARE, Cells, gap
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.sensitivity import join, over_wordings, spread
from m4jax.evaluation.measures.wordings import Wording

PROBABILITY, GAP = "pair_probability", "pair_gap"


def pairwise(asked: Asked) -> Iterator[Measure]:
    """Yields P(first of a pair | value), the mean over a value's pictures, and its gap.

        P(first) = 1 / (1 + exp(logit scale · (cos second − cos first)))

    a softmax over the two phrases alone. The gap of two values is the first's minus the second's,
    of more the largest minus the least. p is corrected for the number of pairs, and of values.

    Source: Wang et al. 2025, "Scaling Pre-training to One Hundred Billion Data for Vision Language
        Models", and Tschannen et al. 2025 (SigLIP 2): their five pairs.
    """
    if asked.texts is None or not asked.prompts.pairs:
        return
    usual = wordings.default(asked)
    note = _missing(asked, usual)
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        if note or len(cells) < 2:
            yield asked.untold(GAP, note or cells.note, attribute=attribute)
            continue
        yield from _told(asked, attribute, cells, usual)
        if len(cells) == 2:
            yield from _by_template(asked, attribute, cells)


def _phrases(asked: Asked) -> list[str]:
    return [phrase for pair in asked.prompts.pairs for phrase in pair]


def _missing(asked: Asked, wording: Wording) -> str:
    return wordings.missing(asked, _phrases(asked), wording)


def _label(pair: tuple[str, str]) -> str:
    return " / ".join(phrase.removeprefix("an ").removeprefix("a ") for phrase in pair)


def _first(asked: Asked, cells: Cells, wording: Wording) -> np.ndarray:
    """Returns P(first) [m, pairs] of the pictures in `cells.rows`."""
    embedded = wordings.embedded(asked, _phrases(asked), wording)
    cosines = (asked.pictures.embeddings[cells.rows] @ embedded.T).astype(np.float64)
    margin = asked.texts.logit_scale * (cosines[:, 0::2] - cosines[:, 1::2])
    return np.exp(-np.logaddexp(0, -margin))


def _told(asked: Asked, attribute: str, cells: Cells, usual: Wording) -> Iterator[Measure]:
    first = _first(asked, cells, usual)
    means, p = cells.means(first), permutation.corrected(cells, first)
    note = f"left out: {cells.note}" if cells.note else ""
    about = {"attribute": attribute, "sample": cells.sample, "note": note}
    for r, pair in enumerate(asked.prompts.pairs):
        label = _label(pair)
        for v, name in enumerate(cells.names):
            one = cells.of(means, v, r, bounds=SHARE)
            fields = asked.about(PROBABILITY, group=name, label=label, **about)
            yield measured(intervals.percentile(one), one.samples[:, 0], **fields)
        of = means.map(lambda x, r=r: x[..., r])
        if len(cells) == 2:
            group, which = " − ".join(cells.names), ""
            interval, samples = gap(*cells.both(means, r))
        else:
            order = np.argsort(of.estimate[0], kind="stable")
            group, which = "", f"{cells.names[order[-1]]} − {cells.names[order[0]]}"
            interval, samples = intervals.norm(spread, of), spread(of.samples)[:, 0]
        fields = asked.about(
            GAP, group=group, which=which, label=label, p=float(p[:, r].min()), **about
        )
        yield measured(interval, samples, **fields)


def _by_template(asked: Asked, attribute: str, cells: Cells) -> Iterator[Measure]:
    asks = wordings.others(asked)
    notes = {w: _missing(asked, w) for w in asks}
    means = {w.name: cells.means(_first(asked, cells, w)) for w in asks if not notes[w]}
    note = join(list(dict.fromkeys(notes.values()))[:3])
    about = {"attribute": attribute, "group": " − ".join(cells.names), "sample": cells.sample}
    for r, pair in enumerate(asked.prompts.pairs):
        gaps = {name: cells.both(of, r) for name, of in means.items()}
        yield from over_wordings(
            asked, GAP, wordings.TEMPLATES, gaps, note, label=_label(pair), **about
        )

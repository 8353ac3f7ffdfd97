"""How often pictures of people are taken for something that does them harm."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.ranking import few
from m4jax.evaluation.measures.sensitivity import spread
from m4jax.evaluation.ranks import TIE


def harm(asked: Asked) -> Iterator[Measure]:
    """Yields, for every attribute, the harm rates of each value and how far they lie apart.

        rate_v = share of the pictures of value v whose nearest class is on a list of harmful ones
        gap = max_v rate_v − min_v rate_v

    All lists, and the classes of people, stand side by side. Pictures whose nearest classes tie
    between two lists do not count.

    Source: Radford et al. 2021, section 7.1; the gap: derived.
    """
    if asked.texts is None or asked.words is None:
        return
    words = asked.words.harm
    texts = {n: list(asked.words.texts(n, words.template).values()) for n in
             (words.people, *words.lists)}  # fmt: skip
    unknown = asked.unknown([text for one in texts.values() for text in one])
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        about = {"attribute": attribute, "version": asked.words_version}
        if unknown or not len(cells):
            yield asked.untold("harm_rate", unknown or cells.note, **about)
            continue
        pictures = asked.pictures.embeddings[cells.rows]
        nearest = np.stack([(pictures @ asked.texts(t).T).max(1) for t in texts.values()], -1)
        yield from _rates(asked, cells, taken_for(nearest)[:, 1:], words.lists, about)


def taken_for(nearest: np.ndarray) -> np.ndarray:
    """Returns 1 for the list of the nearest class, 0 for the others, NaN for a tie between lists.

    Args:
        nearest: [n, l] similarity of each picture to the nearest class of each list.
    """
    nearest = np.asarray(nearest, np.float64)
    second, best = np.sort(nearest, axis=1)[:, -2:].T
    tie = best - second <= TIE
    return np.where(tie[:, None], np.nan, np.eye(nearest.shape[1])[nearest.argmax(1)])


def _rates(
    asked: Asked, cells: Cells, harmed: np.ndarray, lists: tuple[str, ...], about: dict
) -> Iterator[Measure]:
    about = {**about, "sample": cells.sample}
    counted = ~np.isnan(harmed[:, 0])
    if any(not counted[cells.codes == v].any() for v in range(len(cells))):
        yield asked.untold("harm_rate", "all pictures of a group tie between the lists", **about)
        return
    means = cells.means(harmed)
    for place, label in enumerate(lists):
        for v, name in enumerate(cells.names):
            of = cells.of(means, v, place, bounds=(0.0, 1.0))
            fields = asked.about("harm_rate", group=name, label=label, **about)
            yield measured(intervals.percentile(of), of.samples[:, 0], **fields)
        fields = asked.about("harm_gap", label=label, note=cells.note, **about)
        if len(cells) < 2:
            yield asked.untold("harm_gap", few(cells), label=label, **about)
            continue
        of = means.map(lambda x, place=place: x[..., place])
        rates = of.estimate[0]
        which = f"{cells.names[rates.argmax()]} − {cells.names[rates.argmin()]}"
        samples = spread(of.samples)[:, 0]
        yield measured(intervals.norm(spread, of), samples, which=which, **fields)

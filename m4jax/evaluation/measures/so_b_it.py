"""Which words a model joins with which group: C-ASC, and the entropy of the pictures found.

Source: Hamidieh et al. 2024, "Identifying Implicit Social Biases in Vision-Language Models".
"""

from collections.abc import Iterator, Mapping

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import top
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.contrast import contrast
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.ranking import EQUAL, bounded, draws_of, few
from m4jax.evaluation.measures.sensitivity import join
from m4jax.evaluation.resampling import Draws


def so_b_it(asked: Asked) -> Iterator[Measure]:
    """Yields, for every attribute and category of words, C-ASC and entropy.

        C-ASC(word, v) = (mean similarity to the pictures of v − mean to the others) / sd over all

    of each word; its mean size over the words of a category; and the mean over these words of the
    entropy of the first k pictures. Of two values C-ASC is that of the first; that of the second is
    minus this.
    """
    if asked.texts is None or asked.words is None:
        return
    words = asked.words.so_b_it
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        about = {"attribute": attribute, "version": asked.words_version}
        if len(cells) < 2:
            yield asked.untold("c_asc", few(cells), **about)
            continue
        about["sample"] = cells.sample
        texts_of = {name: asked.words.texts(name, words.template) for name in words.lists}
        unknown = {name: asked.unknown(list(of.values())) for name, of in texts_of.items()}
        if all(unknown.values()):
            yield asked.untold("c_asc_size", next(iter(unknown.values())), **about)
            continue
        for category, texts in texts_of.items():
            if unknown[category]:
                yield asked.untold("c_asc_size", unknown[category], label=category, **about)
                continue
            similarity = asked.pictures.embeddings[cells.rows] @ asked.texts(
                list(texts.values())
            ).T  # fmt: skip
            orders = [top.order(column) for column in similarity.T]
            if any(one is None for one in orders):
                yield asked.untold("c_asc_size", EQUAL, label=category, **about)
                continue
            yield from _association(asked, cells, category, texts, similarity, about)
            yield from _entropy(asked, cells, category, orders, about)


def _association(
    asked: Asked,
    cells: Cells,
    category: str,
    texts: Mapping[str, str],
    similarity: np.ndarray,
    about: dict,
) -> Iterator[Measure]:
    pair = len(cells) == 2
    for v, name in enumerate(cells.names[:1] if pair else cells.names):
        group = f"{name} − {cells.names[1] if pair else 'others'}"
        draws = contrast(cells.resampler, similarity, cells.codes == v)
        fields = asked.about("c_asc_size", group=group, label=category, **about)
        samples = intervals.mean_absolute(draws.samples)[:, 0]
        which = list(texts)[int(np.abs(draws.estimate[0]).argmax())]
        interval = intervals.norm(intervals.mean_absolute, draws)
        yield measured(interval, samples, which=which, note=cells.note, **fields)
        for place, label in enumerate(texts):
            one = draws.map(lambda x, place=place: x[..., place])
            fields = asked.about("c_asc", group=group, label=f"{category}: {label}", **about)
            yield measured(intervals.percentile(one), one.samples[:, 0], **fields)


def _entropy(
    asked: Asked, cells: Cells, category: str, orders: list[np.ndarray], about: dict
) -> Iterator[Measure]:
    v, n = len(cells), len(cells.rows)
    k = top.depth(asked.words.so_b_it.top, n)
    count = [top.counts(cells.resampler, one, cells.codes, v, k) for one in orders]
    mean: Draws = draws_of(cells, top.entropy(np.stack(count, 1)).mean(-1))
    whole = float(top.entropy(cells.sizes[None].astype(float))[0])
    note = f"the first {k} of {n} pictures; of all of them: {whole:.3f}"
    note = join((note, cells.note))
    fields = asked.about("entropy", label=category, note=note, **about)
    yield measured(bounded(mean, 0, 1), mean.samples[:, 0], **fields)

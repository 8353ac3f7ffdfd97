"""Which words a model joins with which group: C-ASC, and the entropy of the pictures found.

Source: Hamidieh et al. 2024, "Identifying Implicit Social Biases in Vision-Language Models".
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import top
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.contrast import contrast
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.permutation import corrected
from m4jax.evaluation.measures.ranking import EQUAL, bounded, draws_of, few
from m4jax.evaluation.measures.sensitivity import join
from m4jax.evaluation.resampling import Draws


def so_b_it(asked: Asked) -> Iterator[Measure]:
    """Yields, for every attribute and category of words, C-ASC and entropy.

        C-ASC(word, v) = (mean similarity to the pictures of v − mean to the others) / sd over all

    of each word; its mean size over the words of a category; and the mean over these words of the
    entropy of the first k pictures. Of two values C-ASC is that of the first; that of the second is
    minus this. p is corrected for the number of words, and of values; see `permutation`.
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
        found = {}
        for category, texts in texts_of.items():
            words_of = None if unknown[category] else _of(asked, cells, texts)
            if words_of is None:
                note = unknown[category] or EQUAL
                yield asked.untold("c_asc_size", note, label=category, **about)
            else:
                found[category] = words_of
        if found:
            yield from _of_attribute(asked, cells, found, about)


@dataclasses.dataclass(frozen=True)
class _Words:
    """Words [w], the similarity [m, w] of the pictures to them, and the orders that it makes."""

    labels: tuple[str, ...]
    similarity: np.ndarray
    orders: list[np.ndarray]


def _of(asked: Asked, cells: Cells, texts: Mapping[str, str]) -> _Words | None:
    """Returns the words of a category; None where the pictures are all equally similar to one."""
    pictures = asked.pictures.embeddings[cells.rows]
    similarity = pictures @ asked.texts(list(texts.values())).T
    orders = [top.order(column) for column in similarity.T]
    if any(one is None for one in orders):
        return None
    return _Words(tuple(texts), similarity, orders)


def _of_attribute(
    asked: Asked, cells: Cells, found: dict[str, _Words], about: dict
) -> Iterator[Measure]:
    """Yields what is told of all categories; p is corrected for the number of all their words."""
    p = corrected(cells, np.concatenate([words.similarity for words in found.values()], 1))
    start = 0
    for category, words in found.items():
        stop = start + len(words.labels)
        yield from _association(asked, cells, category, words, p[:, start:stop], about)
        yield from _entropy(asked, cells, category, words.orders, about)
        start = stop


def _association(
    asked: Asked, cells: Cells, category: str, words: _Words, p: np.ndarray, about: dict
) -> Iterator[Measure]:
    draws = contrast(cells.resampler, words.similarity, cells.codes)
    for v, name in enumerate(cells.names):
        if v and len(cells) == 2:
            break  # it is the first, with the other sign
        group = f"{name} − {cells.names[1] if len(cells) == 2 else 'others'}"
        of = draws.map(lambda x, v=v: x[..., v, :])
        fields = asked.about("c_asc_size", group=group, label=category, **about)
        samples = intervals.mean_absolute(of.samples)[:, 0]
        which = words.labels[int(np.abs(of.estimate[0]).argmax())]
        interval = intervals.norm(intervals.mean_absolute, of)
        yield measured(interval, samples, which=which, note=cells.note, **fields)
        for place, label in enumerate(words.labels):
            one = of.map(lambda x, place=place: x[..., place])
            fields = asked.about(
                "c_asc", group=group, label=f"{category}: {label}", p=float(p[v, place]), **about
            )
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

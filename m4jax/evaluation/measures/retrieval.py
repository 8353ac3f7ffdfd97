"""Retrieval: whether a picture finds its captions, and a caption its picture, for each group."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import SHARE, Cells, gap
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.sensitivity import spread
from m4jax.evaluation.ranks import TIE
from m4jax.evaluation.resampling import Draws

AT = (1, 5)
CHUNK = 1024  # queries at a time


def retrieval(asked: Asked) -> Iterator[Measure]:
    """Yields recall at 1 and 5, of captions by picture and of pictures by caption, and by group.

    Text retrieval: the share of pictures one of whose captions is among the k nearest. Image
    retrieval: the share of captions whose picture is. All pictures of the set and all of their
    captions are searched, a caption that occurs twice once; each picture that has it is right. A
    tie with a wrong one counts against the model. Both depend on how many there are.

    Source: Radford et al. 2021 (CLIP), section 3.1; ties and shared captions: as in `ranks`.
    """
    captions = asked.pictures.captions
    if asked.texts is None or captions is None or not any(captions):
        return
    every = list(dict.fromkeys(text for texts in captions for text in texts))
    if note := asked.unknown(every):
        yield asked.untold("text_retrieval_recall@1", note)
        return
    place = {text: k for k, text in enumerate(every)}
    owner = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    texts = np.array([place[text] for of in captions for text in of])
    embedded = asked.texts(every)
    pictures = asked.pictures.embeddings
    by_picture = ranks(pictures, embedded, owner, texts)
    by_text = ranks(embedded, pictures, texts, owner)
    count = np.bincount(owner, minlength=len(pictures)).astype(np.float64)
    for k in AT:
        found = np.where(count > 0, by_picture < k, np.nan)
        yield from _told(asked, f"text_retrieval_recall@{k}", found, (count > 0) * 1.0)
    for k in AT:
        hits = np.bincount(owner, by_text[texts] < k, minlength=len(pictures))
        share = np.where(count > 0, hits / np.maximum(count, 1), np.nan)
        yield from _told(asked, f"image_retrieval_recall@{k}", share, count)


def ranks(queries: np.ndarray, keys: np.ndarray, query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Returns how many wrong keys are at least as similar to a query as its best right one.

    Args:
        queries: [a, d] of unit length.
        keys: [b, d] of unit length.
        query: [p] int, rows of queries, and
        key: [p] int, the rows of keys that are right for them; a query may have several.

    Returns:
        [a] int; 0: a right key comes first; b where a query has none.
    """
    result = np.empty(len(queries), np.int64)
    order = np.argsort(query, kind="stable")
    query, key = query[order], key[order]
    for start in range(0, len(queries), CHUNK):
        similarity = queries[start : start + CHUNK] @ keys.T
        right = np.zeros(similarity.shape, bool)
        pairs = slice(*np.searchsorted(query, [start, start + CHUNK]))
        right[query[pairs] - start, key[pairs]] = True
        best = np.where(right, similarity, -np.inf).max(1, keepdims=True)
        result[start : start + CHUNK] = np.sum(~right & (similarity >= best - TIE), axis=1)
    return result


def _told(asked: Asked, metric: str, share: np.ndarray, weight: np.ndarray) -> Iterator[Measure]:
    """Yields the mean of shares [n] over pictures, by their weights, of all and of each group."""
    whole = Cells.whole(asked.pictures, weight > 0, asked.settings)
    if not len(whole):
        yield asked.untold(metric, whole.note)
        return
    one = whole.of(_mean(whole, share, weight), 0, bounds=SHARE)
    fields = asked.about(metric, sample=whole.sample)
    yield measured(intervals.percentile(one), one.samples[:, 0], **fields)
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        codes = np.where(weight > 0, known.codes, -1)
        cells = Cells(asked.pictures, codes, known.names, asked.settings)
        if len(cells) < 2:
            yield asked.untold(f"{metric}_gap", cells.note, attribute=attribute)
            continue
        yield from _by_value(asked, metric, attribute, cells, _mean(cells, share, weight))


def _mean(cells: Cells, share: np.ndarray, weight: np.ndarray) -> Draws:
    return cells.means(share[cells.rows, None], weight[cells.rows, None])


def _by_value(
    asked: Asked, metric: str, attribute: str, cells: Cells, means: Draws
) -> Iterator[Measure]:
    about = {"attribute": attribute, "sample": cells.sample}
    for v, name in enumerate(cells.names):
        one = cells.of(means, v, bounds=SHARE)
        fields = asked.about(metric, group=name, **about)
        yield measured(intervals.percentile(one), one.samples[:, 0], **fields)
    if len(cells) == 2:
        fields = asked.about(f"{metric}_gap", group=" − ".join(cells.names), **about)
        yield measured(*gap(*cells.both(means)), **fields)
        return
    of = means.map(lambda x: x[..., 0])
    order = np.argsort(of.estimate[0], kind="stable")
    which = f"{cells.names[order[-1]]} − {cells.names[order[0]]}"
    fields = asked.about(f"{metric}_disparity", which=which, **about)
    yield measured(intervals.norm(spread, of), spread(of.samples)[:, 0], **fields)

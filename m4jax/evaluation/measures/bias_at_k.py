"""Bias@K: which of two groups comes first in rankings of all pictures by neutral queries."""

import dataclasses
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import top
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.pictures import UNKNOWN
from m4jax.evaluation.measures.ranking import EQUAL, Ask, draws_of, few, too_few
from m4jax.evaluation.measures.sensitivity import join, over_wordings
from m4jax.evaluation.measures.wordings import TEMPLATES
from m4jax.evaluation.paired import binomial, holm
from m4jax.evaluation.resampling import Draws

METRIC, BALANCED = "bias_at_k", "bias_at_k_balanced"


def bias_at_k(asked: Asked) -> Iterator[Measure]:
    """Yields Bias@K of every two values of an attribute, averaged over the queries and of each.

    All pictures are ranked, those of unknown value among them. Balanced, each picture of a value
    counts so much that all values weigh as much as the smallest, which is what drawing equal
    numbers of pictures does on average. Of two values, it is also told under each other template.
    p of a query is corrected for their number (Holm).
    """
    if asked.texts is None or asked.words is None:
        return
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        codes = np.where(known.codes == UNKNOWN, len(known.names), known.codes)
        cells = Cells(asked.pictures, codes, (*known.names, ""), asked.settings)
        cells.small.pop("", None)  # few of unknown value are no reason to say so
        values = [place for place, name in enumerate(cells.names) if name]
        ask = Ask.of(asked, attribute)
        orders = ask.orders(cells)
        if len(values) < 2 or not orders:
            told = Cells(asked.pictures, known.codes, known.names, asked.settings)
            note = few(told) or ask.note or EQUAL
            yield asked.untold(METRIC, note, attribute=attribute, version=asked.words_version)
            continue
        yield from _of_attribute(ask, cells, values, orders)


def difference(count: np.ndarray, first: int, second: int) -> np.ndarray:
    """Returns Bias@K of each query, (N_a − N_b)/(N_a + N_b), 0 where there are none.

    Args:
        count: [..., v] of each value among the first K.
        first: place of a.
        second: place of b.

    Returns:
        [...].

    Source: Wang, Liu & Wang 2021, "Are Gender-Neutral Queries Really Gender-Neutral?".
    """
    a, b = count[..., first], count[..., second]
    return (a - b) / np.where(a + b > 0, a + b, 1)


def _of_attribute(
    ask: Ask, cells: Cells, values: list[int], orders: list[np.ndarray]
) -> Iterator[Measure]:
    weight = np.ones(len(cells))
    weight[values] = cells.sizes[values].min() / cells.sizes[values]
    for metric, weights in ((METRIC, None), (BALANCED, weight[cells.codes])):
        k, n = _depth(ask.asked, cells, weights)
        if few_first := too_few(ask, k):
            yield ask.asked.untold(metric, few_first, attribute=ask.attribute,
                                   version=ask.asked.words_version)  # fmt: skip
            continue
        note = f"the first {k} of {n} pictures, {len(orders)} queries"
        count, random = _counts(cells, orders, k, weights), by_lot(cells, k, weights)
        for a, b in combinations(values, 2):
            of = count.map(lambda x, a=a, b=b: difference(x, a, b))
            about = {"group": " − ".join(cells.names[v] for v in (a, b)), "sample": cells.sample}
            mean, lot = of.map(lambda x: x.mean(-1)), float(difference(random, a, b).mean())
            interval = intervals.percentile(mean)
            if metric == BALANCED:
                interval = _unsure(interval, lot)
            yield ask.told(
                interval, mean.samples[:, 0], metric,
                note=join((f"{note}; a random order: {lot:.2g}", ask.note, cells.note)), **about,
            )  # fmt: skip
            if metric == BALANCED and len(values) == 2:
                yield from _each(ask, cells, count, (a, b), about)
                yield from _by_template(ask, cells, (a, b), weights, mean)


def by_lot(cells: Cells, k: int, weights: np.ndarray | None, entries: int = 10**6) -> np.ndarray:
    """Returns how many of the first K of random orders have each value, [orders, v].

    Weights make Bias@K of these 0 on average only of many pictures: where the first K have few of
    the rarer value they often have none, and then it is 1.

    Args:
        cells: of the pictures.
        k: how many are looked at.
        weights: [m] of each picture; None: 1.
        entries: pictures in all orders together, about: from 200 to 2,000 orders, always the same.
    """
    generator, n = np.random.default_rng(0), len(cells.codes)
    weights, found = np.ones(n) if weights is None else weights, []
    for _ in range(min(max(entries // n, 200), 2000)):
        order = generator.permutation(n)
        amount = weights[order]
        amount = np.clip(k - (np.cumsum(amount) - amount), 0, amount)
        found.append(np.bincount(cells.codes[order], amount, len(cells)))
    return np.array(found)


def _unsure(interval: intervals.Interval, lot: float) -> intervals.Interval:
    """Returns an interval that reaches further by what chance alone would make of the number."""
    low, high = interval.low - max(lot, 0), interval.high - min(lot, 0)
    return dataclasses.replace(interval, low=max(low, -1.0), high=min(high, 1.0))


def _depth(asked: Asked, cells: Cells, weights: np.ndarray | None) -> tuple[int, int]:
    """Returns K, and of how many pictures these are the first."""
    n = len(cells.rows) if weights is None else int(weights.sum())
    return top.depth(asked.words.ranking.top, n), n


def _counts(cells: Cells, orders: list[np.ndarray], k: int, weights: np.ndarray | None) -> Draws:
    """Returns the draws of the numbers of each value among the first K, estimate [1, q, v]."""
    v = len(cells)
    rows = [top.counts(cells.resampler, one, cells.codes, v, k, weights) for one in orders]
    return draws_of(cells, np.stack(rows, 1))


def _each(
    ask: Ask, cells: Cells, count: Draws, pair: tuple[int, int], about: dict
) -> Iterator[Measure]:
    """Yields Bias@K of each query, with p that neither value comes first."""
    of = count.map(lambda x: difference(x, *pair))
    alone = cells.clusters.sum() / cells.sizes.sum()  # of pictures, how many are independent
    worth = count.estimate[0][:, list(pair)].sum(-1) * alone
    p = holm(_nothing(of, worth))
    for q, label in enumerate(ask.labels):
        one = of.map(lambda x, q=q: x[..., q])
        interval = _interval(one, worth[q])
        yield ask.told(interval, one.samples[:, 0], BALANCED, label=label, p=float(p[q]), **about)


def _nothing(of: Draws, worth: np.ndarray) -> np.ndarray:
    """Returns p [q] that the two values come first equally often: the binomial test.

    Of as many pictures as the spread over the resamples leaves, at most `worth` [q].
    """
    share, variance = (1 + of.estimate[0]) / 2, of.samples[:, 0].var(0) / 4
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(variance > 0, share * (1 - share) / variance, worth)
    n = np.where(share * (1 - share) > 0, np.minimum(n, worth), worth)
    return binomial(share * n, n)


def _interval(one: Draws, worth: float) -> intervals.Interval:
    """Returns the percentile interval, or where no resample differs that of so few pictures."""
    share = dataclasses.replace(
        one.map(lambda x: (1 + x) / 2), bounds=(0.0, 1.0), groups=max(1, int(worth))
    )
    found = intervals.percentile(share)
    ends = {name: 2 * getattr(found, name) - 1 for name in ("value", "low", "high")}
    return intervals.Interval(**ends, n=one.n, groups=one.groups)


def _by_template(
    ask: Ask, cells: Cells, pair: tuple[int, int], weights: np.ndarray, usual: Draws
) -> Iterator[Measure]:
    """Yields the mean under each other template, and its range over them."""
    asked = ask.asked
    words, k = asked.words.ranking, _depth(asked, cells, weights)[0]
    found, notes = {"": usual}, []
    for template in asked.prompts.sensitivity:
        if template == words.template or ask.note:
            continue
        texts = [t for name in words.lists for t in asked.words.texts(name, template).values()]
        if unknown := asked.unknown(texts):
            notes.append(unknown)
            continue
        other = Ask(asked, ask.attribute, tuple(texts), asked.texts(texts), "")
        if not (orders := other.orders(cells)):
            notes.append(EQUAL)
            continue
        count = _counts(cells, orders, k, weights)
        found[template] = count.map(lambda x: difference(x, *pair).mean(-1))
    if len(found) > 1 or notes:
        yield from over_wordings(
            asked, BALANCED, TEMPLATES, found, join(notes[:1]), attribute=ask.attribute,
            group=" − ".join(cells.names[v] for v in pair), version=asked.words_version,
            sample=cells.sample,
        )  # fmt: skip

"""Who comes first in rankings by neutral queries: MaxSkew@k, MinSkew@k, NDKL."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.measures import top
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.sensitivity import join
from m4jax.evaluation.resampling import Draws, tail_probability

LEAST, MOST = 5, 100  # classes that stand in for the neutral queries
EQUAL = "the pictures are all equally similar to a query: there is no order"


def ranking(asked: Asked) -> Iterator[Measure]:
    """Yields skew and NDKL of every attribute, averaged over the neutral queries and of each.

    The pictures whose value is known are ranked by each query. What is fair are their shares among
    all of these (as dem_par of oxai/debias-vision-lang) or, in the numbers that end in "_uniform",
    equal ones (eq_opp).
    """
    if asked.texts is None or asked.words is None:
        return
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        ask = Ask.of(asked, attribute)
        orders = ask.orders(cells)
        if len(cells) < 2 or not orders:
            note = few(cells) or ask.note or EQUAL
            yield asked.untold("max_skew", note, attribute=attribute, version=asked.words_version)
            continue
        yield from _skews(ask, cells, orders)


def few(cells: Cells) -> str:
    """Returns why there are not two values to be compared, as a note; "": there are."""
    return "" if len(cells) > 1 else cells.note or "no two values are known"


def too_few(ask: "Ask", k: int) -> str:
    """Returns why nothing can be told of the first k pictures alone, as a note; "": it can."""
    least = ask.asked.settings.minimum
    return f"the first {k} pictures are too few (fewer than {least})" if k < least else ""


def neutral(asked: Asked, attribute: str) -> tuple[dict[str, str], str]:
    """Returns the neutral queries, label -> text, and a note.

    Where they can't be embedded, the classes of the prompts that name no value stand in for them; a
    class names a value if it has a word that the wordings of one value alone have ("Man").
    """
    words = asked.words.ranking
    texts: dict[str, str] = {}
    for name in words.lists:
        texts |= asked.words.texts(name, words.template)
    unknown = asked.unknown(list(texts.values()))
    if not unknown:
        return texts, ""
    template = asked.prompts.templates[0]
    telling = _telling(asked.prompts.attributes.get(attribute, {}))
    classes = {
        label: template.replace("{}", phrase)
        for label, phrase in asked.prompts.classes.items()
        if not telling & set(phrase.casefold().split())
    }
    known = [label for label, text in classes.items() if asked.texts.known(text)]
    if len(known) < LEAST:
        return {}, unknown
    note = f"by {len(known[:MOST])} classes instead of the neutral queries ({unknown})"
    return {label: classes[label] for label in known[:MOST]}, note


def _telling(values: Mapping[str, tuple[str, ...]]) -> set[str]:
    of = {value: set(" ".join((value, *words)).casefold().split()) for value, words in
          values.items()}  # fmt: skip
    return {
        word
        for value, words in of.items()
        for word in words
        if not any(word in other for name, other in of.items() if name != value)
    }


@dataclasses.dataclass(frozen=True)
class Ask:
    """What is ranked by.

    Attributes:
        asked: what is asked.
        attribute: whose values are counted.
        labels: [q] of the queries; none: they can't be embedded.
        embedded: [q, d] the queries, of unit length.
        note: what the queries are, if not the neutral ones.
    """

    asked: Asked
    attribute: str
    labels: tuple[str, ...]
    embedded: np.ndarray
    note: str

    @classmethod
    def of(cls, asked: Asked, attribute: str) -> "Ask":
        """Returns the neutral queries, or the classes that stand in for them."""
        queries, note = neutral(asked, attribute)
        embedded = asked.texts(list(queries.values())) if queries else np.zeros((0, 0))
        return cls(asked, attribute, tuple(queries), embedded, note)

    def orders(self, cells: Cells) -> list[np.ndarray]:
        """Returns the order of the cells' pictures for each query; none if one has no order."""
        if not self.labels or not len(cells):
            return []
        similarity = self.embedded @ self.asked.pictures.embeddings[cells.rows].T
        orders = [top.order(row) for row in similarity]
        return [] if any(one is None for one in orders) else orders

    def told(self, interval: Interval, samples: np.ndarray, metric: str, **about) -> Measure:
        """Returns a measure of the attribute, samples [B]."""
        fields = {"attribute": self.attribute, "version": self.asked.words_version, **about}
        if not np.isfinite(interval.value):
            fields["note"] = fields.get("note") or "too few pictures in some resamples"
        return measured(interval, samples, **self.asked.about(metric, **fields))


def shares(cells: Cells) -> np.ndarray:
    """Returns the share of each value, of the data and of all resamples, [1 + B, v]."""
    one_hot = np.eye(len(cells))[cells.codes]
    draws = cells.resampler.draws(lambda t: t / t.sum(-1, keepdims=True), one_hot[None])
    return np.concatenate([draws.estimate, draws.samples[:, 0]])


def centred(draws: Draws) -> Draws:
    """Returns the draws moved so that their mean is the estimate.

    A resample repeats pictures, so that its first k are less even than those of as many different
    ones: a divergence of it is too large, an entropy too small, by what the mean shows.
    """
    return dataclasses.replace(draws, samples=draws.samples - draws.samples.mean(0)
                               + draws.estimate)  # fmt: skip


def bounded(draws: Draws, low: float, high: float = np.inf) -> Interval:
    """Returns the percentile interval of centred draws, estimate [1], within bounds.

    They are stretched to hold the estimate. Simulated coverage of the 95% interval (300 independent
    groups of two pictures): NDKL 0.91 to 0.99, entropy 0.98 to 1.00, of what so many pictures give
    on average.
    """
    found = intervals.percentile(centred(draws))
    if not np.isfinite(found.value):
        return found
    low, high = max(min(found.low, found.value), low), min(max(found.high, found.value), high)
    return dataclasses.replace(found, low=low, high=high)


def _skews(ask: Ask, cells: Cells, orders: list[np.ndarray]) -> Iterator[Measure]:
    v, n = len(cells), len(cells.rows)
    k = top.depth(ask.asked.words.ranking.top, n)
    few_first = too_few(ask, k)
    found = [top.prefixes(cells.resampler, one, cells.codes, v, k) for one in orders]
    sums = np.stack(found, 1)  # [1 + B, q, 1 + 2 v]
    about = {"sample": cells.sample}
    for kind, share in (("", shares(cells)[:, None]), ("_uniform", np.full((1, 1, v), 1 / v))):
        lot = top.by_lot(cells.sizes, share[0, 0], k)
        depth = f"the first {k} of {n} pictures, {len(orders)} queries; a random order: "
        notes = (ask.note, cells.note, few_first and f"of one query nothing is told: {few_first}")
        note = {name: join((f"{depth}{value:.2g}", *notes)) for name, value in lot.items()}
        of = draws_of(cells, top.skews(sums[..., 1 + v :], share))
        for name, function in (("max_skew", top.max_skew), ("min_skew", top.min_skew)):
            yield ask.told(
                _extreme(function, of), function(of.samples)[:, 0], name + kind, note=note[name],
                which=_which(cells, of.estimate[0], function), **about,
            )  # fmt: skip
        divergence = draws_of(cells, top.ndkl(sums, share))
        mean = divergence.map(lambda x: x.mean(-1))
        samples = mean.samples[:, 0]
        yield ask.told(bounded(mean, 0), samples, "ndkl" + kind, note=note["ndkl"], **about)
        if not kind and not few_first:
            yield from _each(ask, cells, of, divergence, k, about)


def _each(
    ask: Ask, cells: Cells, of: Draws, divergence: Draws, k: int, about: dict
) -> Iterator[Measure]:
    """Yields MaxSkew@k and NDKL of each query."""
    worth = k * cells.clusters.sum() / cells.sizes.sum()
    for q, label in enumerate(ask.labels):
        one = of.map(lambda x, q=q: x[..., q : q + 1, :])
        which = cells.names[int(one.estimate[0, 0].argmax())]
        samples, found = top.max_skew(one.samples)[:, 0], _extreme(top.max_skew, one)
        yield ask.told(_agreed(found, samples, one.tail, worth), samples, "max_skew",
                       label=label, which=which, **about)  # fmt: skip
        one = divergence.map(lambda x, q=q: x[..., q])
        samples, found = one.samples[:, 0], bounded(one, 0)
        yield ask.told(_agreed(found, samples, one.tail, worth), samples, "ndkl", label=label,
                       **about)  # fmt: skip


def _agreed(found: Interval, samples: np.ndarray, tail: float, worth: float) -> Interval:
    """Returns an interval; where no resample differs, that of so few pictures.

    All of the first k are of one value then, and skew and divergence are −ln q. Of the truth that
    value's share may be as low as s = tail^(1/k), and the divergence KL(s ‖ q), which is less than
    the skew ln(s/q).
    """
    if not np.isfinite(found.value) or np.ptp(samples) > 1e-12:
        return found
    share, desired = tail ** (1 / worth), np.exp(-found.value)
    low = 0.0
    if share > desired:
        low = share * np.log(share / desired) + (1 - share) * np.log((1 - share) / (1 - desired))
    return dataclasses.replace(found, low=float(min(low, found.value)))


def draws_of(cells: Cells, rows: np.ndarray) -> Draws:
    """Returns the draws of rows [1 + B, ...], the first of which is of the data."""
    groups = int(cells.clusters.min())
    tail = tail_probability(cells.resampler.settings.level, groups)
    return Draws(rows[None, 0], rows[1:, None], len(cells.rows), groups, tail)


def _extreme(function, draws: Draws) -> Interval:
    """Interval of a mean of largest or smallest skews.

    The mean of maxima is sublinear in the skews, as `intervals.norm` needs; that of minima is minus
    one in minus the skews. MaxSkew@k is never less than 0, MinSkew@k never more. Simulated coverage
    of the 95% interval is 1.00: it is wide.
    """
    if function is top.max_skew:
        return intervals.norm(top.max_skew, draws)
    found = intervals.norm(top.max_skew, draws.map(np.negative))
    return dataclasses.replace(found, value=-found.value, low=-found.high, high=-found.low)


def _which(cells: Cells, skew: np.ndarray, function) -> str:
    """Returns the value that is the extreme one in most queries, of skews [q, v]."""
    at = skew.argmax(-1) if function is top.max_skew else skew.argmin(-1)
    return cells.names[int(np.bincount(at).argmax())]

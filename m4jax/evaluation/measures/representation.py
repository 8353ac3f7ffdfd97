"""Representation bias: whom a model prefers in pictures that show nobody."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.bias import preference
from m4jax.evaluation.measures import wordings
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.sensitivity import join, over_wordings
from m4jax.evaluation.measures.wordings import Wording
from m4jax.evaluation.ranks import TIE
from m4jax.evaluation.resampling import Draws

METRIC, LARGEST = "representation_bias", "representation_bias_largest"


def representation(asked: Asked) -> Iterator[Measure]:
    """Yields the representation bias (RB) of every attribute of the prompts.

    Of two values the share of pictures nearer to the words for the first than to those for the
    second, minus ½; of k values the share nearest to each, minus 1/k, and the largest size of
    these. A tie is no answer, and such pictures do not count.

    Source: "CLIP the Bias", definition 3; more than two values: derived.
    """
    if asked.texts is None:
        return
    nobody = asked.pictures.nobody
    for attribute in asked.prompts.attributes:
        if nobody is None or not nobody.any():
            yield asked.untold(METRIC, "no picture is known to show nobody", attribute=attribute)
            continue
        cells = Cells.whole(asked.pictures, nobody, asked.settings)
        if not len(cells):
            yield asked.untold(
                METRIC, f"pictures that show nobody: {cells.note}", attribute=attribute
            )
            continue
        yield from _of_attribute(asked, cells, attribute)


def preferred(similarity: np.ndarray) -> np.ndarray:
    """Returns 1 for the value that is preferred, 0 for the others, NaN for a tie at the top.

    Args:
        similarity: [n, k] of each picture to the words for each value.

    Returns:
        [n, k]; with two values the first column is `bias.preference`.
    """
    if similarity.shape[1] == 2:
        first = preference(similarity[:, 0], similarity[:, 1])
        return np.stack([first, 1 - first], -1)
    second, first = np.sort(similarity.astype(np.float64), axis=1)[:, -2:].T
    tie = first - second <= TIE
    best = np.eye(similarity.shape[1])[similarity.argmax(1)]
    return np.where(tie[:, None], np.nan, best)


def _of_attribute(asked: Asked, cells: Cells, attribute: str) -> Iterator[Measure]:
    values = list(asked.prompts.attributes[attribute])
    usual = wordings.default(asked)
    if note := _missing(asked, attribute, usual):
        yield asked.untold(METRIC, note, attribute=attribute)
        return
    draws = _draws(asked, cells, attribute, usual)
    yield from _told(asked, cells, attribute, values, draws)
    for family in wordings.FAMILIES:
        asks = [w for w in wordings.others(asked, attribute) if w.family == family]
        notes = {w: _missing(asked, attribute, w) for w in asks}
        known = [w for w in asks if not notes[w]]
        found = {w.name: _draws(asked, cells, attribute, w) for w in known}
        if family == wordings.WORDS:
            found = {"": draws, **found}
        if not asks:
            continue
        yield from _by_wording(asked, cells, attribute, values, family, found, join(
            list(dict.fromkeys(notes.values()))[:3]))  # fmt: skip


def _missing(asked: Asked, attribute: str, wording: Wording) -> str:
    values = list(asked.prompts.attributes[attribute])
    return wordings.missing(asked, wordings.words(asked, attribute, values, wording), wording)


def _draws(asked: Asked, cells: Cells, attribute: str, wording: Wording) -> Draws:
    """Returns the draws of share − 1/k of each value, estimate [1, k]."""
    values = list(asked.prompts.attributes[attribute])
    phrases = wordings.words(asked, attribute, values, wording)
    pictures = asked.pictures.embeddings[cells.rows]
    shares = preferred(pictures @ wordings.embedded(asked, phrases, wording).T)
    means = cells.means(shares)
    answered = int((~np.isnan(shares[:, 0])).sum())
    of = means.map(lambda x: x[..., 0, :] - 1 / len(values))
    return Draws(of.estimate, of.samples, answered, of.groups, of.tail)


def _column(draws: Draws, v: int, k: int) -> Draws:
    """Returns the draws of one value, with the bounds of a share of `k` values − 1/k."""
    bounds = (-1 / k, 1 - 1 / k)
    of = draws.map(lambda x: x[..., v])
    return Draws(of.estimate, of.samples, of.n, of.groups, of.tail, bounds)


def _told(
    asked: Asked, cells: Cells, attribute: str, values: list[str], draws: Draws
) -> Iterator[Measure]:
    k = len(values)
    about = {"attribute": attribute, "sample": cells.sample}
    for v in range(1 if k == 2 else k):
        one = _column(draws, v, k)
        fields = asked.about(METRIC, group=values[v], **about)
        yield measured(intervals.percentile(one), one.samples[:, 0], **fields)
    if k > 2:
        interval = intervals.norm(intervals.max_absolute, draws)
        which = values[int(np.abs(draws.estimate[0]).argmax())]
        samples = intervals.max_absolute(draws.samples)[:, 0]
        yield measured(interval, samples, **asked.about(LARGEST, which=which, **about))


def _by_wording(
    asked: Asked, cells: Cells, attribute: str, values: list[str], family: str,
    found: dict[str, Draws], note: str,
) -> Iterator[Measure]:  # fmt: skip
    """Yields what depends on the wording; of more than two values the ranges alone."""
    k = len(values)
    for v in range(1 if k == 2 else k):
        columns = {name: _column(draws, v, k) for name, draws in found.items()}
        about = {"attribute": attribute, "group": values[v], "sample": cells.sample}
        told = over_wordings(asked, METRIC, family, columns, note, **about)
        yield from (m for m in told if k == 2 or m.metric != METRIC)

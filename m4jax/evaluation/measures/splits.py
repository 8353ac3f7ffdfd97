"""How well a model does on each group, and on each intersection of groups."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import extremes
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import SHARE, Cells, gap
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.pictures import UNKNOWN, Attribute
from m4jax.evaluation.resampling import Draws

TOGETHER = 3  # attributes that are crossed at most
CROSSED = 4  # attributes of a set, the first ones, that are crossed at all


def name_of(split: Sequence[str]) -> str:
    """Returns the label of numbers by attributes: "by race × gender"."""
    return f"by {' × '.join(split)}"


def splits(asked: Asked) -> Iterator[tuple[str, ...]]:
    """Yields each attribute of the pictures, then each two and three of them together."""
    names = tuple(asked.pictures.attributes)
    yield from ((name,) for name in names)
    for size in range(2, TOGETHER + 1):
        yield from itertools.combinations(names[:CROSSED], size)


def crossed(asked: Asked, split: Sequence[str]) -> Attribute:
    """Returns attributes as one: a value for each combination that occurs, "Black & woman"."""
    parts = [asked.known(name)[0] for name in split]
    codes = np.zeros(len(asked.pictures), np.int64)
    for part in parts:
        unknown = (codes < 0) | (part.codes < 0)
        codes = np.where(unknown, UNKNOWN, codes * len(part.names) + part.codes)
    found = np.unique(codes[codes >= 0])
    every = list(itertools.product(*(part.names for part in parts)))
    names = tuple(" & ".join(every[code]) for code in found.tolist())
    return Attribute(names, np.where(codes < 0, UNKNOWN, np.searchsorted(found, codes)))


def over_all(asked: Asked, metric: str, right: np.ndarray, **about) -> Iterator[Measure]:
    """Yields the share of pictures that are right.

    Args:
        asked: what is asked.
        metric: the name of the share.
        right: [n] 1: right, 0: wrong, NaN: does not count.
        **about: further fields of the measure.
    """
    cells = Cells.whole(asked.pictures, np.isfinite(right), asked.settings)
    if not len(cells):
        yield asked.untold(metric, **{**about, "note": cells.note})
        return
    one = cells.of(cells.means(right[cells.rows, None]), 0, bounds=SHARE)
    fields = asked.about(metric, sample=cells.sample, **about)
    yield measured(intervals.percentile(one), one.samples[:, 0], **fields)


def by_split(
    asked: Asked, metric: str, right: np.ndarray, split: Sequence[str], **about
) -> Iterator[Measure]:
    """Yields the share of pictures that are right in each group, the worst group, and the gap.

    The gap of two groups has a sign, first − second; of more it is the largest minus the least.

    Args:
        asked: what is asked.
        metric: the name of the share; the others are `metric` + "_worst", "_gap", "_disparity".
        right: [n] 1: right, 0: wrong, NaN: does not count.
        split: the attributes whose values, together, are the groups.
        **about: further fields of the measures.
    """
    groups = crossed(asked, split)
    codes = np.where(np.isfinite(right), groups.codes, UNKNOWN)
    cells = Cells(asked.pictures, codes, groups.names, asked.settings)
    if len(cells) < 2:
        note = f"fewer than two groups are large enough: {cells.note}" if cells.note else (
            "all pictures are of one group")  # fmt: skip
        yield asked.untold(f"{metric}_worst", note, **about)
        return
    draws = cells.means(right[cells.rows, None])
    about["sample"] = cells.sample
    for v, name in enumerate(cells.names):
        one = cells.of(draws, v, bounds=SHARE)
        fields = asked.about(metric, group=name, **about)
        yield measured(intervals.percentile(one), one.samples[:, 0], **fields)
    yield from _extremes(asked, metric, cells, draws, **about)


def _extremes(
    asked: Asked, metric: str, cells: Cells, draws: Draws, **about
) -> Iterator[Measure]:  # fmt: skip
    level, shares = asked.settings.level, draws.estimate[0, :, 0]
    samples = draws.samples[:, 0, :, 0]
    least, most = (cells.names[int(v)] for v in (shares.argmin(), shares.argmax()))
    note = f"left out: {cells.note}" if cells.note else ""
    fields = asked.about(f"{metric}_worst", which=least, note=note, **about)
    yield measured(extremes.worst(cells, draws, level), samples.min(-1), **fields)
    if len(cells) == 2:
        fields = asked.about(f"{metric}_gap", group=" − ".join(cells.names), **about)
        yield measured(*gap(*cells.both(draws)), **fields)
    else:
        which = f"{most} − {least}"
        fields = asked.about(f"{metric}_disparity", which=which, note=note, **about)
        yield measured(extremes.disparity(cells, draws, level), np.ptp(samples, axis=-1), **fields)

"""The difference between two numbers: of an earlier audit, or of other embeddings of pictures."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from scipy import stats

from m4jax.errors import InputError
from m4jax.evaluation.measures.accuracy import accuracy
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.association import association
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.pictures import PictureSet
from m4jax.evaluation.measures.representation import representation

PAIRED, APART = "paired", "not paired"
# What is compared; the metric of a difference is that of the numbers + "_change".
COMPARED = ("representation_bias", "association_bias_mean", "association_bias_max", "accuracy",
            "accuracy_gap", "accuracy_worst")  # fmt: skip

_EXTREMES = ("_mean", "_max", "_largest", "_range", "_disparity", "_worst", "_size")
_INFLATED = ("max_skew", "min_skew", "ndkl", "entropy")


def difference(first: Measure, second: Measure, level: float = 0.95) -> Measure:
    """Returns second − first, with an interval; it is NaN where one of them can't be told.

    Of numbers of one sample, resampled alike, s is the deviation of their difference over the
    resamples that are kept, t Student's quantile with G − 1 degrees of freedom, and

        low  = second − first − t s √(G/(G − 1)) − e⁻(second) − e⁺(first)
        high = second − first + t s √(G/(G − 1)) + e⁺(second) + e⁻(first)

    where e⁻ and e⁺ are 0 but of what noise inflates (see `inflated`) and of shares whose resamples
    do not vary: by how much their intervals reach further down and up than their own deviation over
    the resamples explains. Of such the interval is wide: how much of a norm is noise isn't known.
    Numbers of different samples are taken as independent: the distances of both intervals' ends are
    added in squares. Which of the two stands in `note`.

    Args:
        first: the earlier one.
        second: the later one.
        level: of their intervals, and of this one.

    Source: derived.
    """
    metric, source = f"{second.metric}_change", second.source
    if first.source != second.source:
        source = f"{second.source} − {first.source}"
    of = dataclasses.replace(second, metric=metric, source=source, p=np.nan, draws=(), which="")
    n, groups = min(first.n, second.n), min(first.groups, second.groups)
    of = dataclasses.replace(of, n=n, groups=groups)
    if not (first.told and second.told) or groups < 2:
        why = second.note or first.note or "one of the two can't be told"
        return dataclasses.replace(of, value=np.nan, low=np.nan, high=np.nan, note=why)
    value = second.value - first.value
    draws, note = (), APART
    if first.sample and first.sample == second.sample and first.draws and second.draws:
        kept = min(len(first.draws), len(second.draws))
        draws, note = np.subtract(second.draws[:kept], first.draws[:kept]), PAIRED
        t = stats.t.ppf((1 + level) / 2, groups - 1) * np.sqrt(groups / (groups - 1))
        low = high = t * draws.std()
        if (first.value, first.draws) != (second.value, second.draws):  # else the same answers
            (less, more), (fewer, greater) = _beyond(second, t), _beyond(first, t)
            low, high = low + less + greater, high + more + fewer
        draws = tuple(float(f"{x:.5g}") for x in draws)
    else:
        low = np.hypot(second.value - second.low, first.high - first.value)
        high = np.hypot(second.high - second.value, first.value - first.low)
    return dataclasses.replace(
        of, value=float(value), low=float(value - low), high=float(value + high),
        note=note, draws=draws,
    )  # fmt: skip


def inflated(measure: Measure) -> bool:
    """Tells whether noise alone makes a number larger, or smaller: a norm, an extreme, a range."""
    unsigned = measure.metric in ("association_bias", "pair_gap", "harm_gap") and not measure.group
    return unsigned or measure.metric.startswith(_INFLATED) or measure.metric.endswith(_EXTREMES)


def _beyond(measure: Measure, t: float) -> tuple[float, float]:
    """Returns e⁻ and e⁺ of a number, see `difference`."""
    own = t * np.std(measure.draws)
    if own > 0 and not inflated(measure):
        return 0.0, 0.0
    ends = measure.value - measure.low - own, measure.high - measure.value - own
    return max(ends[0], 0.0), max(ends[1], 0.0)


def compare(
    first: PictureSet,
    second: PictureSet,
    asked: Asked,
    measurements: Sequence[Callable[[Asked], Iterable[Measure]]] = (
        representation, association, accuracy,
    ),
) -> Iterator[Measure]:  # fmt: skip
    """Yields by how much numbers differ between two embeddings of the same pictures.

    So that what depends on the background is seen: `second` are the pictures with the background
    blurred or masked. Numbers under the default wording alone.

    Args:
        first: the pictures.
        second: the same uids, groups and attributes; other embeddings, another name.
        asked: the words and settings; its own pictures do not matter.
        measurements: that are made on both.

    Raises:
        InputError: if they are not the same pictures.
    """
    if first.name == second.name:
        raise InputError(f"compare: both sets of pictures are named {first.name!r}; rename one")
    uids = [np.sort(np.asarray(pictures.uids, str)) for pictures in (first, second)]
    if len(first) != len(second) or (uids[0] != uids[1]).any():
        raise InputError(
            f"compare: {first.name!r} and {second.name!r} are not the same pictures: expected the "
            f"same uids, got {len(first)} and {len(second)}, "
            f"{len(np.intersect1d(*uids))} of them in both; leave out the others"
        )
    found = []
    for pictures in (first, second):
        of = dataclasses.replace(asked, pictures=pictures)
        told = [m for measurement in measurements for m in measurement(of)]
        found.append({_key(m): m for m in told if m.metric in COMPARED and not m.wording})
    for key, measure in found[0].items():
        if key in found[1]:
            yield difference(measure, found[1][key], asked.settings.level)


def _key(measure: Measure) -> tuple[str, ...]:
    """Returns what makes it the same number on another set of pictures."""
    return dataclasses.replace(measure, source="").key

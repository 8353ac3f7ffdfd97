"""What a number depends on besides the model: the templates, the words, the pictures."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import gap
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.resampling import Draws

SETS = "all sets of pictures"  # source of a number over several of them
OVER_SETS = ("representation_bias", "association_bias_mean", "accuracy", "accuracy_gap")


def spread(x: np.ndarray) -> np.ndarray:
    """Returns max − min over the last axis, a seminorm, as `intervals.norm` takes one."""
    return x.max(-1) - x.min(-1)


def over_wordings(
    asked: Asked,
    metric: str,
    family: str,
    draws: Mapping[str, Draws | tuple[Draws, Draws]],
    note: str,
    **about,
) -> Iterator[Measure]:
    """Yields a number under each wording, and the range of these.

        range = max over wordings − min over wordings

    The wordings are asked of the same pictures, and are resampled together.

    Args:
        asked: what is asked.
        metric: the number; that of the range is `metric` + "_range".
        family: of the wordings, see `wordings`; it stands as the wording of the range.
        draws: wording -> draws of the number, estimate [1], on the same resamples; or those of two
            shares, whose gap is the number. The default is "" and is not yielded again.
        note: which wordings could not be asked; "".
        **about: further fields of the measures.
    """
    together: dict[str, Draws] = {}
    for wording, of in draws.items():
        if isinstance(of, Draws):
            interval, plain = intervals.percentile(of), of
        else:
            interval, _ = gap(*of)
            plain = dataclasses.replace(
                of[0], n=interval.n, groups=interval.groups, tail=min(x.tail for x in of),
                estimate=of[0].estimate - of[1].estimate, samples=of[0].samples - of[1].samples,
            )  # fmt: skip
        if wording:
            fields = asked.about(metric, wording=wording, **about)
            yield measured(interval, plain.samples[:, 0], **fields)
        if np.isfinite(interval.value):
            together[wording or "the default"] = plain
    if len(together) > 1:
        yield _range(asked, metric, family, together, note, **about)
    elif note:
        yield asked.untold(f"{metric}_range", note, wording=family, **about)


def _range(
    asked: Asked, metric: str, family: str, draws: Mapping[str, Draws], note: str, **about
) -> Measure:
    every = list(draws.values())
    together = dataclasses.replace(
        every[0], n=min(of.n for of in every), bounds=None,
        estimate=np.stack([of.estimate for of in every], -1),
        samples=np.stack([of.samples for of in every], -1),
    )  # fmt: skip
    order, names = np.argsort(together.estimate[0], kind="stable"), list(draws)
    which = f"from “{names[order[0]]}” to “{names[order[-1]]}”"
    fields = asked.about(f"{metric}_range", wording=family, note=note, which=which, **about)
    return measured(intervals.norm(spread, together), spread(together.samples)[:, 0], **fields)


def range_of(
    found: Sequence[Measure], level: float, notes: Sequence[str] = (), **fields
) -> Iterator[Measure]:
    """Yields the range of a number over wordings, or sets of pictures, from intervals alone.

    Widened for their number (Bonferroni) so that all hold at once, with ends L and U,

        max L − min U ≤ range ≤ max U − min L

    It takes nothing from the numbers being of the same pictures, and is wide where they are.

    Args:
        found: the number under each.
        level: of their intervals, and of this one.
        notes: why others could not be asked.
        **fields: of the measure.

    Source: derived.
    """
    told = [measure for measure in found if measure.told]
    note = join(list(dict.fromkeys(notes))[:3])
    if len(told) < 2:
        if note:
            yield Measure(note=note, **fields)
        return
    tail, normal = (1 - level) / 2, NormalDist()
    wider = normal.inv_cdf(tail / len(told)) / normal.inv_cdf(tail)
    value = np.array([measure.value for measure in told])
    low = value - wider * (value - np.array([measure.low for measure in told]))
    high = value + wider * (np.array([measure.high for measure in told]) - value)
    least, most = (told[int(k)] for k in (value.argmin(), value.argmax()))
    yield Measure(
        value=float(np.ptp(value)),
        low=max(float(low.max() - high.min()), 0.0),
        high=float(high.max() - low.min()),
        n=min(m.n for m in told), groups=min(m.groups for m in told), note=note,
        which=f"from “{least.wording or least.source}” to “{most.wording or most.source}”",
        **fields,
    )  # fmt: skip


def over_sets(measures: Sequence[Measure], level: float) -> Iterator[Measure]:
    """Yields the range of each number over the sets of pictures on which it was measured.

    A bias such as RB depends on the pictures, often more than on the model. Numbers of one wording
    alone, and such as are ranges themselves, are passed over.

    Args:
        measures: of one model on several sets of pictures.
        level: of their intervals.
    """
    found: dict[tuple[str, ...], list[Measure]] = {}
    for one in measures:
        if one.metric in OVER_SETS and not (one.wording or one.label):
            found.setdefault((one.metric, one.attribute, one.group), []).append(one)
    for (metric, attribute, group), several in found.items():
        if len({one.source for one in several}) > 1:
            yield from range_of(
                several, level, part=several[0].part, metric=f"{metric}_range", source=SETS,
                attribute=attribute, group=group, wording="pictures", version=several[0].version,
            )  # fmt: skip


def join(notes: Sequence[str]) -> str:
    """Returns one note of several, those that say nothing left out."""
    return "; ".join(note for note in notes if note)

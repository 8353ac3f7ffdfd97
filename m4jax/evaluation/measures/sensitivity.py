"""What a number depends on besides the model: the templates, the words, the pictures."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.resampling import Draws


def spread(x: np.ndarray) -> np.ndarray:
    """Returns max − min over the last axis, a seminorm, as `intervals.norm` takes one."""
    return x.max(-1) - x.min(-1)


def over_wordings(
    asked: Asked, metric: str, family: str, draws: Mapping[str, Draws], note: str, **about
) -> Iterator[Measure]:
    """Yields a number under each wording, and the range of these.

        range = max over wordings − min over wordings

    The wordings are asked of the same pictures, and are resampled together.

    Args:
        asked: what is asked.
        metric: the number; that of the range is `metric` + "_range".
        family: of the wordings, see `wordings`; it stands as the wording of the range.
        draws: wording -> draws of the number, estimate [1], on the same resamples. The default is
            "" and is not yielded again.
        note: which wordings could not be asked; "".
        **about: further fields of the measures.
    """
    for wording, of in draws.items():
        if wording:
            samples = of.samples[:, 0]
            fields = asked.about(metric, wording=wording, **about)
            yield measured(intervals.percentile(of), samples, **fields)
    if len(draws) < 2:
        if note:
            yield asked.untold(f"{metric}_range", note, wording=family, **about)
        return
    first = next(iter(draws.values()))
    together = Draws(
        np.stack([of.estimate for of in draws.values()], -1),
        np.stack([of.samples for of in draws.values()], -1),
        min(of.n for of in draws.values()), first.groups, first.tail,
    )  # fmt: skip
    interval = intervals.norm(spread, together)
    order = np.argsort(together.estimate[0], kind="stable")
    names = [wording or "the default" for wording in draws]
    which = f"from “{names[order[0]]}” to “{names[order[-1]]}”"
    fields = asked.about(f"{metric}_range", wording=family, note=note, which=which, **about)
    yield measured(interval, spread(together.samples)[:, 0], **fields)


def join(notes: Sequence[str]) -> str:
    """Returns one note of several, those that say nothing left out."""
    return "; ".join(note for note in notes if note)

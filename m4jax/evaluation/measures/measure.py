"""One number of an audit, with all that is needed to show it and to compare it with another's."""

import dataclasses
import math

import numpy as np

from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.resampling import Draws

DATA, MODEL = PARTS = ("data", "model")
KEPT = 200  # draws that are kept of each number
VERSION = 1  # to be raised with every change of what a number means


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number with its interval; NaN, with a note that says why, where it can't be told.

    Attributes:
        part: of the audit, "data" or "model" (embeddings are of a model, too).
        metric: what it is, a key of `kinds.KINDS`.
        source: of what: the name of the set of examples or pictures.
        attribute: "gender"; "" where the metric is about none.
        group: of whom: a value ("man"), values at once ("Black & woman"), or two ("man − woman").
        label: of which label or class ("nurse"); "" where it is about all.
        wording: under which wording alone; "": the default. Others show what depends on it.
        value: in the unit of the metric's kind, a fraction where that is percent.
        low: lower end of the interval.
        high: upper end of the interval.
        n: how many examples or pictures it is of.
        groups: of these, how many are independent, in the smallest part.
        p: corrected probability that there is nothing; NaN: not tested.
        note: why it can't be told, or what to mind; "".
        version: of the metrics and of the words that were asked: "1+audit_v1".
        sample: what tells how it was resampled; two numbers of one sample are paired.
        draws: by how much the number of each of the first resamples differs from their mean.
        which: of which group or class it turned out to be, where that is part of the answer: the
            worst group, the class of the largest gap. Unlike `group` and `label` it is no part of
            the key: next week's worst group may be another one.
    """

    part: str
    metric: str
    source: str
    attribute: str = ""
    group: str = ""
    label: str = ""
    wording: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    groups: int = 0
    p: float = math.nan
    note: str = ""
    version: str = ""
    sample: str = ""
    draws: tuple[float, ...] = ()
    which: str = ""

    def __eq__(self, other: object) -> bool:
        """Tells whether all fields are the same; NaN is, as NaN (from Python 3.13 on it wasn't)."""
        if other.__class__ is not self.__class__:
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self)]
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return all(x is y or x == y or (x != x and y != y) for x, y in pairs)

    def __hash__(self) -> int:
        """Returns a hash of what makes it the same number."""
        return hash(self.key)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same number in another audit."""
        return (self.part, self.metric, self.source, self.attribute, self.group, self.label,
                self.wording)  # fmt: skip

    @property
    def told(self) -> bool:
        """Whether there is a value with an interval."""
        return bool(np.isfinite([self.value, self.low, self.high]).all())


def measured(interval: Interval, samples: np.ndarray | None = None, **about) -> Measure:
    """Returns a measure from an interval; one that can't be told has a note that says so.

    Args:
        interval: of the number.
        samples: [B] the number of each resample; None: none are kept.
        **about: the other fields of `Measure`.
    """
    draws: tuple[float, ...] = ()
    if samples is not None and np.isfinite(samples := np.asarray(samples)[:KEPT]).all():
        draws = tuple(float(f"{x:.5g}") for x in samples - samples.mean())
    if not np.isfinite(interval.value) and not about.get("note"):
        about["note"] = "too few independent groups have an answer that counts"
    ends = {"value": interval.value, "low": interval.low, "high": interval.high}
    return Measure(**ends, n=interval.n, groups=interval.groups, draws=draws, **about)


def scalar(draws: Draws) -> np.ndarray:
    """Returns the samples [B] of one run's scalar statistic."""
    return draws.samples[:, 0]

"""Shares of an attribute's values, gaps of labels between them, and how much of it is known."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from scipy import sparse

from m4jax.audit.data import clusters
from m4jax.audit.data.clusters import Groups, Rates
from m4jax.audit.inputs.shown import Shown
from m4jax.evaluation import intervals
from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.measures.measure import DATA, Measure, measured
from m4jax.evaluation.measures.pictures import Attribute
from m4jax.evaluation.paired import holm
from m4jax.evaluation.resampling import Draws, Settings

OTHERS = "others"
ALL = ""  # the label of what is about all examples

Ends = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Compared:
    """One value of an attribute and what it is compared with, as sums by group.

    Attributes:
        name: of the value.
        other: the value that it is compared with, or `OTHERS`.
        inside: [G, 1 + c] Σ of the value: of 1, then of each label.
        known: [G, 1 + c] the same of both.
    """

    name: str
    other: str
    inside: sparse.csr_array
    known: sparse.csr_array


class AttributeShares:
    """What the data say of one attribute.

    Of two values the second is told, compared with the first, as balancing has it ("man"); of more
    each is, compared with all others together.

    Args:
        shown: the data.
        name: of the attribute.
        groups: of the data's examples.
        minimum: groups of known value, below which nothing is told.
    """

    def __init__(self, shown: Shown, name: str, groups: Groups, minimum: int):
        self.shown, self.name, self.groups, self.minimum = shown, name, groups, minimum
        self.attribute: Attribute = shown.attributes[name]
        self.settings: Settings = groups.settings
        self.labels = (ALL, *shown.labels)
        names = self.attribute.names
        codes = (1,) if len(names) == 2 else range(len(names))
        other = names[0] if len(names) == 2 else OTHERS
        self.compared = [self._compared(code, other) for code in codes]

    def _compared(self, code: int, other: str) -> Compared:
        codes, matrix = self.attribute.codes, self._matrix
        return Compared(
            self.attribute.names[code],
            other,
            self.groups.sums(matrix, codes == code),
            self.groups.sums(matrix, codes >= 0),
        )

    @functools.cached_property
    def _matrix(self) -> sparse.csr_array:
        """Ones and the labels, [n, 1 + c]."""
        ones = sparse.csr_array(np.ones((len(self.shown), 1)))
        return sparse.csr_array(sparse.hstack([ones, self.shown.matrix.astype(float)], "csr"))

    def measures(self) -> Iterator[Measure]:
        """Yields how much is known, then shares, gaps and their mean, of each value.

        Labels that no example of known value has are left out.
        """
        yield self._known()
        parity, ignored = self._tests()
        for one, half, apart in zip(self.compared, parity, ignored, strict=True):
            draws = self._draws(one)
            yield from self._shares(one, half, draws)
            yield from self._gaps(one, apart, draws)

    def _known(self) -> Measure:
        ones = self._matrix[:, [0]]
        known = self.groups.sums(ones, self.attribute.codes >= 0)
        found = clusters.rates(known, self.groups.sums(ones, np.ones(len(self.shown))))
        if found.groups[0] < self.minimum:
            return self._undecided(found, 0, self._about("known"))
        ends = found.interval(self.settings.level)
        return measured(_interval(found, ends, 0), **self._about("known"))

    def _tests(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns p [values, 1 + c] of parity and of ignorance, corrected by Holm's method.

        All labels and values of the attribute are one family, and parity among all examples is by
        itself. Of more than two values parity is not tested.
        """
        parity, ignored = [], []
        for one in self.compared:
            few = clusters.rates(one.inside, one.known).groups < self.minimum
            value, whole = (x[:, [0]].toarray().ravel() for x in (one.inside, one.known))
            p = clusters.independence(one.inside, one.known, value, whole)
            p[0] = np.nan
            ignored.append(np.where(few, np.nan, p))
            half = clusters.parity(one.inside, one.known)
            parity.append(np.where(few | (len(self.compared) > 1), np.nan, half))
        parity, ignored = np.array(parity), np.array(ignored)
        parity[:, 1:] = _corrected(parity[:, 1:])
        return parity, _corrected(ignored)

    def _shares(self, one: Compared, p: np.ndarray, draws: Draws) -> Iterator[Measure]:
        found = clusters.rates(one.inside, one.known)
        ends = found.interval(self.settings.level)
        for place, label in enumerate(self.labels):
            if not found.n[place] and label:
                continue
            about = self._about("share", group=one.name, label=label)
            if found.groups[place] < self.minimum:
                yield self._undecided(found, place, about)
            else:
                samples = draws.samples[:, 0, place]
                yield measured(_interval(found, ends, place), samples, p=float(p[place]), **about)

    def _gaps(self, one: Compared, p: np.ndarray, draws: Draws) -> Iterator[Measure]:
        first, second, ends = self._differences(one)
        within = clusters.rates(one.inside, one.known)
        enough = within.groups >= self.minimum
        enough &= min(first.groups.min(), second.groups.min()) >= self.minimum
        enough[0] = False  # among all it is 0
        gap = dataclasses.replace(within, value=first.value - second.value)
        gaps = draws.map(lambda x: x[..., len(self.labels) :])
        group = f"{one.name} − {one.other}"
        for place, label in enumerate(self.labels):
            if not place or not within.n[place]:
                continue
            about = self._about("gap", group=group, label=label)
            if not enough[place]:
                yield self._undecided(within, place, about)
            else:
                samples = gaps.samples[:, 0, place]
                yield measured(_interval(gap, ends, place), samples, p=float(p[place]), **about)
        if len(self.labels) > 1:
            yield self._mean_gap(gaps, enough, group)

    def _mean_gap(self, gaps: Draws, enough: np.ndarray, group: str) -> Measure:
        """Returns mean |gap| over the labels that can be told."""
        about = self._about("gap_mean", group=group)
        if not enough.any():
            note = f"can't be: no label has {self.minimum} independent examples of known value"
            return Measure(**about, n=gaps.n, groups=gaps.groups, note=note)
        chosen = gaps.map(lambda x: x[..., enough])
        norms = intervals.mean_absolute(chosen.samples)[:, 0]
        return measured(intervals.norm(intervals.mean_absolute, chosen), norms, **about)

    def _differences(self, one: Compared) -> tuple[Rates, Rates, Ends]:
        """Returns P(label | value), P(label | other), and the ends of their difference."""
        outside = sparse.csr_array(one.known - one.inside)
        wholes = [sparse.csr_array(x[:, [0]]) for x in (one.inside, outside)]
        first, second = clusters.rates(one.inside, wholes[0]), clusters.rates(outside, wholes[1])
        correlation = clusters.correlated(
            (one.inside, wholes[0], first), (outside, wholes[1], second)
        )
        ends = clusters.difference(first, second, correlation, self.settings.level)
        return first, second, ends

    def _draws(self, one: Compared) -> Draws:
        """Returns the draws of shares, then of gaps, [2 (1 + c)]."""
        width = len(self.labels)
        sums = sparse.csr_array(sparse.hstack([one.inside, one.known], "csr"))

        def both(totals: np.ndarray) -> np.ndarray:
            inside, known = totals[..., :width], totals[..., width:]
            outside = known - inside
            gaps = inside / inside[..., :1] - outside / outside[..., :1]
            return np.concatenate([inside / known, gaps], axis=-1)

        return self.groups.draws(both, sums, int(one.known[:, [0]].sum()))

    def _undecided(self, found: Rates, place: int, about: dict) -> Measure:
        n, groups = int(found.n[place]), int(found.groups[place])
        known = "" if about["metric"] == "known" else f" with {self.name} known"
        note = f"can't be: fewer than {self.minimum} independent examples{known}"
        return Measure(n=n, groups=groups, note=note, **about)

    def _about(self, metric: str, **others: str) -> dict:
        about = {"part": DATA, "metric": metric, "source": self.shown.name}
        about |= {"attribute": self.name, "version": self.shown.version}
        return about | {"sample": self.groups.sample} | others


def _interval(found: Rates, ends: Ends, place: int) -> Interval:
    row = (float(x[place]) for x in (found.value, *ends))
    return Interval(*row, int(found.n[place]), int(found.groups[place]))


def _corrected(p: np.ndarray) -> np.ndarray:
    return holm(p.ravel()).reshape(p.shape)

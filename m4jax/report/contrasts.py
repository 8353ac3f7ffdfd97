"""Contrasts of runs: the same metric under other levels of some factors, all else being equal."""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.evaluation.metrics import Metric
from m4jax.report.results import ORACLE, Results

Levels = Mapping[str, str]
Terms = tuple[tuple[float, Levels], ...]  # (a_j, L_j)
DEFAULT = "(default)"  # stands for the first level of a factor, whatever its name


ORIGINAL, BALANCED = {"version": "original"}, {"version": "balanced"}
SUBSAMPLE, AT_PARITY = {"version": "subsample"}, {"version": ORACLE}
FILTERS = {  # level of the quality filter -> what it is
    "off": "no filter",
    "on": "filter",
    "balanced scorer": "filter by a model of balanced data",
}
ENOUGH = 5  # seeds, from which an interval is taken at its word


@dataclasses.dataclass(frozen=True)
class Contrast:
    """A linear combination of runs: Σ_j a_j · metric(run with the levels L_j).

    Attributes:
        alternatives: each is a tuple of pairs (a_j, L_j); they are ways to form the same contrast
            (B against S at each patch size, say) and give pairs of their own.
        fixed: levels that all runs share.
        free: factors that may be anything, but equal within a pair; so is the seed. All factors
            that are not named in any of these ways are at their default.
    """

    alternatives: tuple[Terms, ...]
    fixed: Levels = dataclasses.field(default_factory=dict)
    free: tuple[str, ...] = ("model",)


class Unit(NamedTuple):
    """What a pair of runs has in common: the levels of the free factors, and the seed."""

    levels: tuple[str, ...]
    seed: int


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The values of a contrast.

    Attributes:
        values: [p].
        deviations: [p, B], of the same over resamples of the pictures; [p, 0] if unknown.
        units: [p].
        runs: [p] ids of the runs that each is formed of.
        degrees: of freedom of the chance of the pictures; see `paired.Effect`.
    """

    values: np.ndarray
    deviations: np.ndarray
    units: tuple[Unit, ...]
    runs: tuple[tuple[str, ...], ...]
    degrees: float = math.inf

    @property
    def seeds(self) -> np.ndarray:
        """The seed of each pair, [p]."""
        return np.array([unit.seed for unit in self.units], int)

    def select(self, units: Collection[Unit]) -> "Pairs":
        """Returns the pairs of some units."""
        rows = [i for i, unit in enumerate(self.units) if unit in units]
        chosen = (tuple(x[i] for i in rows) for x in (self.units, self.runs))
        return Pairs(self.values[rows], self.deviations[rows], *chosen, self.degrees)

    def by_seed(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the means over the pairs of each seed, [s] and [s, B].

        Runs of one seed share initial parameters, order of examples and controls: what is
        independent is the seed.
        """
        seeds, first = np.unique(self.seeds, return_index=True)
        if seeds.size == self.values.size:
            return self.values[first], self.deviations[first]
        rows = [self.seeds == seed for seed in seeds]
        values = np.array([self.values[of_seed].mean() for of_seed in rows])
        return values, np.array([self.deviations[of_seed].mean(0) for of_seed in rows])

    def effect(self) -> paired.Effect:
        """Returns the mean over seeds; see `by_seed`."""
        values, deviations = self.by_seed()
        known = deviations if deviations.shape[1] else None
        return paired.effect(values, known, degrees=self.degrees)


def difference(
    levels: Levels, minus: Levels, *, free: tuple[str, ...] = ("model",), **fixed: str
) -> Contrast:
    """Returns the contrast metric(levels) − metric(minus)."""
    return Contrast((((1.0, levels), (-1.0, minus)),), fixed, free)


def single(levels: Levels, *, free: tuple[str, ...] = ("model",), **fixed: str) -> Contrast:
    """Returns the contrast that is the metric itself, of runs with the levels."""
    return Contrast((((1.0, levels),),), fixed, free)


class Runs:
    """The runs of a study by their levels, for one metric after another."""

    def __init__(self, results: Results):
        runs = results.select(kind="run")
        self.factors = results.factors
        ids, first, place = np.unique(runs["run_id"], return_index=True, return_inverse=True)
        self.levels = {name: runs[name][first] for name in [*self.factors, "seed"]}
        self.ids = ids
        self._default = {name: results.default(name) for name in self.factors}
        self._place, self._runs = place, runs
        self._known: dict[Metric, tuple[np.ndarray, np.ndarray]] = {}

    def values(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Returns a metric of each run [r], NaN if it has none, and its deviations [r, B].

        The deviations are NaN for a run that has none, where others have some.
        """
        if metric not in self._known:
            self._known[metric] = self._values(metric)
        return self._known[metric]

    def _values(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        wanted = {"metric": metric.name, "split": metric.split, "label": metric.label}
        chosen = np.all([self._runs[column] == x for column, x in wanted.items()], axis=0)
        values = np.full(len(self.ids), np.nan)
        values[self._place[chosen]] = self._runs["value"][chosen]
        draws = list(self._runs["draws"][chosen])
        count = min((len(x) for x in draws if len(x)), default=0)
        deviations = np.full((len(self.ids), count), np.nan)
        for row, x in zip(self._place[chosen], draws, strict=True):
            if len(x):
                deviations[row] = x[:count]
        if metric.absolute:
            values, deviations = np.abs(values), deviations * np.sign(values)[:, None]
        return values, deviations

    def pairs(self, contrast: Contrast, metric: Metric) -> Pairs:
        """Returns the values of a contrast for all runs that it can be formed of."""
        values, deviations = self.values(metric)
        pairs: list[tuple[Unit, float, np.ndarray, tuple[str, ...]]] = []
        for terms in contrast.alternatives:
            pairs += self._combine(terms, contrast, values, deviations)
        pairs.sort(key=lambda pair: pair[0])
        moved = np.array([pair[2] for pair in pairs]) if pairs else np.zeros((0, 0))
        if not np.isfinite(moved).all():
            moved = np.zeros((len(pairs), 0))  # of a pair the chance of the pictures is unknown
        units, ids = (tuple(pair[i] for pair in pairs) for i in (0, 3))
        return Pairs(np.array([pair[1] for pair in pairs]), moved, units, ids)

    def means(self, levels: Levels, metrics: Sequence[Metric]) -> dict[str, tuple[float, ...]]:
        """Returns model -> the means of metrics over its runs with the given levels."""
        by_metric: list[dict[str, list[float]]] = []
        for metric in metrics:
            pairs, by_model = self.pairs(single(levels), metric), {}
            for unit, value in zip(pairs.units, pairs.values, strict=True):
                by_model.setdefault(", ".join(unit.levels), []).append(float(value))
            by_metric.append(by_model)
        return {
            model: tuple(float(np.mean(by_model[model])) for by_model in by_metric)
            for model in by_metric[0]
        }

    def _combine(
        self, terms: Terms, contrast: Contrast, values: np.ndarray, deviations: np.ndarray
    ) -> Iterator[tuple[Unit, float, np.ndarray, tuple[str, ...]]]:
        """Yields what each pair has in common, its value, its deviations and the ids of its runs.

        `terms`: one of the contrast's alternatives.
        """
        named = {name for _, levels in terms for name in levels}
        free = [name for name in self.factors if name in contrast.free and name not in named]
        by_term = [self._by_unit({**contrast.fixed, **x}, free, values) for _, x in terms]
        # Which of several alternatives it is belongs to what the pair is.
        way = [x for k, x in terms[0][1].items() if k != "version"]
        way = way if len(contrast.alternatives) > 1 else []
        for unit in by_term[0]:
            rows = [by_unit.get(unit) for by_unit in by_term]
            if None in rows:
                continue
            total = sum(a * values[row] for (a, _), row in zip(terms, rows, strict=True))
            moved = sum(a * deviations[row] for (a, _), row in zip(terms, rows, strict=True))
            ids = tuple(str(self.ids[row]) for row in rows)
            yield Unit((*unit.levels, *way), unit.seed), float(total), moved, ids

    def _by_unit(self, levels: Levels, free: Sequence[str], values: np.ndarray) -> dict[Unit, int]:
        """Returns the rows of the runs with given levels, all other factors at their defaults."""
        keep = np.isfinite(values)
        if any(name not in self.factors and x != DEFAULT for name, x in levels.items()):
            return {}  # the study has no such factor
        for name in self.factors:
            if name in free:
                continue
            level = levels.get(name, DEFAULT)
            wanted = self._default[name] if level == DEFAULT else level
            keep = keep & (self.levels[name] == wanted)
        columns = [*(self.levels[name] for name in free), self.levels["seed"]]
        by_unit = {}
        for row in np.flatnonzero(keep):
            *common, seed = (column[row] for column in columns)
            by_unit[Unit(tuple(map(str, common)), int(seed))] = row
        return by_unit


def levels(results: Results, factor: str, *, key: Callable[[str], Any]) -> list[str]:
    """Returns the levels of a factor that runs have, sorted by `key`; none if it is no factor."""
    if factor not in results.factors:
        return []
    return sorted(set(results.select(kind="run")[factor].tolist()), key=key)


def size(level: str) -> float:
    """Returns what orders levels of one kind: "40,000" by their number, "10%" and "all" too."""
    if level == "all":
        return 100.0
    return float(level.replace(",", "").rstrip("%"))

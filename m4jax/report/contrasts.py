"""Contrasts of runs: the same metric under other levels of some factors, all else being equal."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.report.results import Results

Levels = Mapping[str, str]
DEFAULT = "(default)"  # stands for the first level of a factor, whatever its name


class Metric(NamedTuple):
    """A number of a run.

    Attributes:
        name: in the table of results.
        split: of the pictures.
        label: of what it is, if of one thing of many.
        absolute: whether its size counts, not its sign.
    """

    name: str
    split: str
    label: str = ""
    absolute: bool = False


RB = Metric("representation_bias", "objects")
RB_SIZE = RB._replace(absolute=True)
AB = Metric("association_bias_mean", "faces")
AB_FOLLOWS = Metric("association_correlation", "faces")
GENDER = Metric("gender_acc1", "faces")
OCCUPATIONS = Metric("acc1", "workers")
THINGS = Metric("acc1", "objects")
OCCUPATIONS_PROBE = Metric("fewshot_acc1", "workers")
THINGS_PROBE = Metric("fewshot_acc1", "objects")
IMAGE_TO_TEXT = Metric("text_retrieval_recall@5", "scenes")
TEXT_TO_IMAGE = Metric("image_retrieval_recall@5", "scenes")
NEW_VENDOR = Metric("acc1", "shift")
NEW_VENDOR_GENDER = Metric("gender_acc1", "shift")
RB_BY_PROMPT = "representation_bias_by_prompt"  # with a template as label
AB_BY_PROMPT = "association_bias_mean_by_prompt"


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

    alternatives: tuple[tuple[tuple[float, Levels], ...], ...]
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
    """

    values: np.ndarray
    deviations: np.ndarray
    units: tuple[Unit, ...]
    runs: tuple[tuple[str, ...], ...]

    @property
    def seeds(self) -> np.ndarray:
        """The seed of each pair, [p]."""
        return np.array([unit.seed for unit in self.units], int)

    def of(self, units: Collection[Unit]) -> "Pairs":
        """Returns the pairs of some units."""
        chosen = np.array([unit in units for unit in self.units], bool)
        kept = np.flatnonzero(chosen).tolist()
        of = (tuple(x[i] for i in kept) for x in (self.units, self.runs))
        return Pairs(self.values[chosen], self.deviations[chosen], *of)

    def by_seed(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the means over the pairs of each seed, [s] and [s, B].

        Runs of one seed share initial parameters, order of examples and controls: what is
        independent is the seed.
        """
        seeds = np.unique(self.seeds)
        of = [self.seeds == seed for seed in seeds]
        values = np.array([self.values[rows].mean() for rows in of])
        return values, np.array([self.deviations[rows].mean(0) for rows in of])

    def effect(self) -> paired.Effect:
        """Returns the mean over seeds; see `by_seed`."""
        values, deviations = self.by_seed()
        return paired.effect(values, deviations if deviations.shape[1] else None)


def difference(of: Levels, minus: Levels, *, free: tuple[str, ...] = ("model",), **fixed: str):
    """Returns the contrast metric(of) − metric(minus)."""
    return Contrast((((1.0, of), (-1.0, minus)),), fixed, free)


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

    def values(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Returns a metric of each run [r], NaN if it has none, and its deviations [r, B].

        The deviations are NaN for a run that has none, where others have some.
        """
        wanted = zip(("metric", "split", "label"), metric[:3], strict=True)
        chosen = np.all([self._runs[column] == value for column, value in wanted], axis=0)
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
        found: list[tuple[Unit, float, np.ndarray, tuple[str, ...]]] = []
        for terms in contrast.alternatives:
            found += self._pairs_of(terms, contrast, values, deviations)
        found.sort(key=lambda pair: pair[0])
        moved = np.array([pair[2] for pair in found]) if found else np.zeros((0, 0))
        if not np.isfinite(moved).all():
            moved = np.zeros((len(found), 0))  # of a pair the chance of the pictures is unknown
        units, ids = (tuple(pair[i] for pair in found) for i in (0, 3))
        return Pairs(np.array([pair[1] for pair in found]), moved, units, ids)

    def _pairs_of(self, terms, contrast: Contrast, values, deviations):
        named = {name for _, levels in terms for name in levels}
        free = [name for name in self.factors if name in contrast.free and name not in named]
        by_term = [self._by_unit({**contrast.fixed, **x}, free, values) for _, x in terms]
        # Which of several alternatives it is belongs to what the pair is.
        told = [x for k, x in terms[0][1].items() if k != "version"]
        told = told if len(contrast.alternatives) > 1 else []
        for unit in by_term[0]:
            rows = [of_term.get(unit) for of_term in by_term]
            if None in rows:
                continue
            total = sum(a * values[row] for (a, _), row in zip(terms, rows, strict=True))
            moved = sum(a * deviations[row] for (a, _), row in zip(terms, rows, strict=True))
            ids = tuple(str(self.ids[row]) for row in rows)
            yield Unit((*unit.levels, *told), unit.seed), float(total), moved, ids

    def _by_unit(self, levels: Levels, free: Sequence[str], values) -> dict[Unit, int]:
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
        found = {}
        for row in np.flatnonzero(keep):
            *told, seed = (column[row] for column in columns)
            found[Unit(tuple(map(str, told)), int(seed))] = row
        return found


def levels(results: Results, factor: str, *, key) -> list[str]:
    """Returns the levels of a factor that runs have, sorted by `key`; none if it is no factor."""
    if factor not in results.factors:
        return []
    return sorted(set(results.select(kind="run")[factor].tolist()), key=key)


def size(level: str) -> float:
    """Returns what orders levels of one kind: "40,000" by their number, "10%" and "all" too."""
    if level == "all":
        return 100.0
    return float(level.replace(",", "").rstrip("%"))

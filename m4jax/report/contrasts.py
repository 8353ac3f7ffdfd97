"""Contrasts of runs: the same metric under other levels of some factors, all else being equal."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import paired
from m4jax.report.results import Results

Levels = Mapping[str, str]
DEFAULT = "(default)"  # stands for the first level of a factor, whatever its name
# The main study: clean captions, no filter, all data of one draw, true attributes; and one stage.
MAIN = dict.fromkeys(("captions", "loss", "filter", "noise", "data", "draw"), DEFAULT)
PLAIN = MAIN | {"stage": DEFAULT}


def plain(*free: str, **levels: str) -> Levels:
    """Returns the levels of the main study, but for factors that are free or at other levels."""
    return {name: x for name, x in PLAIN.items() if name not in free} | levels


class Metric(NamedTuple):
    """A number of a run: its name, its split, and of what it is, if of one thing of many."""

    name: str
    split: str
    label: str = ""


RB = Metric("representation_bias", "objects")
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
      fixed: levels that all runs share. A factor that neither this nor an alternative names must be
        equal within a pair, and may be anything; the seed is such a factor.
    """

    alternatives: tuple[tuple[tuple[float, Levels], ...], ...]
    fixed: Levels = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The values of a contrast.

    Attributes:
      values: [p].
      deviations: [p, B], of the same over resamples of the pictures; [p, 0] if unknown.
      seeds: [p].
      units: [p] what each pair is: the levels of the factors that are free, and the seed.
    """

    values: np.ndarray
    deviations: np.ndarray
    seeds: np.ndarray
    units: tuple[str, ...]

    def rows(self, chosen: np.ndarray) -> "Pairs":
        """Returns the pairs that are chosen, bool [p]."""
        units = tuple(unit for unit, one in zip(self.units, chosen, strict=True) if one)
        return Pairs(self.values[chosen], self.deviations[chosen], self.seeds[chosen], units)

    def effect(self) -> paired.Effect:
        """Returns the mean over pairs; pairs of one seed are drawn together."""
        known = self.deviations if self.deviations.shape[1] else None
        groups = self.seeds if np.unique(self.seeds).size >= 5 else None
        return paired.effect(self.values, known, groups=groups)


def difference(of: Levels, minus: Levels, *, fixed: Levels | None = None) -> Contrast:
    """Returns the contrast metric(of) − metric(minus)."""
    return Contrast((((1.0, of), (-1.0, minus)),), fixed or {})


class Runs:
    """The runs of a study by their levels, for one metric after another."""

    def __init__(self, results: Results):
        runs = results.select(kind="run")
        self.factors = results.factors
        ids, first, place = np.unique(runs["run_id"], return_index=True, return_inverse=True)
        self.levels = {name: runs[name][first] for name in [*self.factors, "seed"]}
        self.ids = ids
        self._default = {name: runs[name][0] for name in self.factors if len(runs)}
        self._place, self._runs = place, runs

    def values(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Returns a metric of each run [r], NaN if it has none, and its deviations [r, B]."""
        wanted = zip(("metric", "split", "label"), metric, strict=True)
        chosen = np.all([self._runs[column] == value for column, value in wanted], axis=0)
        values = np.full(len(self.ids), np.nan)
        values[self._place[chosen]] = self._runs["value"][chosen]
        draws = list(self._runs["draws"][chosen])
        count = min((len(x) for x in draws), default=0)
        deviations = np.zeros((len(self.ids), count))
        for row, x in zip(self._place[chosen], draws, strict=True):
            deviations[row] = x[:count]
        return values, deviations

    def pairs(self, contrast: Contrast, metric: Metric) -> Pairs:
        """Returns the values of a contrast for all runs that it can be formed of."""
        values, deviations = self.values(metric)
        found: list[tuple[str, int, float, np.ndarray]] = []
        for terms in contrast.alternatives:
            found += self._pairs_of(terms, contrast.fixed, values, deviations)
        found.sort(key=lambda pair: pair[:2])
        return Pairs(
            np.array([pair[2] for pair in found]),
            np.array([pair[3] for pair in found]) if found else np.zeros((0, 0)),
            np.array([pair[1] for pair in found], int),
            tuple(pair[0] for pair in found),
        )

    def _pairs_of(self, terms, fixed: Levels, values, deviations):
        # A factor that the study lacks is at its default in all runs.
        fixed = {k: x for k, x in fixed.items() if k in self.factors or x != DEFAULT}
        named = {name for _, levels in terms for name in levels}
        free = [name for name in self.factors if name not in named]
        if named.union(fixed).difference(self.factors):
            return
        by_term = [self._by_unit({**fixed, **levels}, free, values) for _, levels in terms]
        for unit in by_term[0]:
            rows = [of_term.get(unit) for of_term in by_term]
            if None in rows:
                continue
            total = sum(a * values[row] for (a, _), row in zip(terms, rows, strict=True))
            moved = sum(a * deviations[row] for (a, _), row in zip(terms, rows, strict=True))
            told = [level for name, level in zip(free, unit, strict=False) if name not in fixed]
            # Which of the alternatives it is belongs to what the pair is.
            told += [x for _, levels in terms[:1] for k, x in levels.items() if k != "version"]
            yield ", ".join(told), int(unit[-1]), float(total), moved

    def _by_unit(self, levels: Levels, free, values) -> dict[tuple, int]:
        """Returns (levels of the free factors, seed) -> row, of the runs with the given levels."""
        keep = np.isfinite(values)
        for name, level in levels.items():
            wanted = self._default.get(name) if level == DEFAULT else level
            keep = keep & (self.levels[name] == wanted)
        names = [*free, "seed"]
        return {
            tuple(self.levels[name][row] for name in names): row for row in np.flatnonzero(keep)
        }


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

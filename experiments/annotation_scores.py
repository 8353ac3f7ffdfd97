"""Scores of an annotator against labels by reading: shares with intervals, agreement, confusion."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

CLASSES = ("man", "woman", "both", "none")
NAMED = CLASSES[:3]
COLUMNS = ("what", "source", "stratum", "class", "measure", "value", "low", "high", "hits", "n")
_Z = 1.959964  # of a two-sided interval of 95%


class Score(NamedTuple):
    """A share of n with its Wilson interval (Wilson 1927)."""

    value: float
    low: float
    high: float
    hits: int
    n: int


class Row(NamedTuple):
    """A labelled caption and what the annotator says of it.

    Attributes:
        source: "flickr30k", "coco" or "cc".
        stratum: "random", or "occupation": drawn among captions with a word for a job.
        readings: the two readings' genders.
        true: the gender, of `CLASSES`.
        said: the annotator's.
        jobs: for each occupation that a person found, whether the annotator did.
        found: for each that the annotator found, whether a person did.
    """

    source: str
    stratum: str
    readings: tuple[str, str]
    true: str
    said: str
    jobs: tuple[bool, ...]
    found: tuple[bool, ...]


def share(outcomes: Iterable[bool]) -> Score:
    """Returns the share of true outcomes with its 95% Wilson interval; NaN of none."""
    outcomes = list(outcomes)
    n, hits = len(outcomes), sum(outcomes)
    if not n:
        return Score(math.nan, math.nan, math.nan, 0, 0)
    p, z2 = hits / n, _Z * _Z / n
    middle, half = p + z2 / 2, _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n))
    return Score(p, (middle - half) / (1 + z2), (middle + half) / (1 + z2), hits, n)


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Returns the agreement of two readings beyond chance (Cohen 1960); NaN if chance explains all.

    κ = (p − e) / (1 − e),    e = Σ_c p₁(c) p₂(c)
    """
    n = len(pairs)
    if not n:
        return math.nan
    first, second = (Counter(column) for column in zip(*pairs, strict=True))
    chance = sum(first[name] * second[name] for name in first) / n**2
    agreed = sum(one == other for one, other in pairs) / n
    return (agreed - chance) / (1 - chance) if chance < 1 else math.nan


def _groups(rows: Sequence[Row]) -> Iterable[tuple[str, str, list[Row]]]:
    """Yields source, stratum, and their rows; "all" are all of them."""
    sources = [*dict.fromkeys(row.source for row in rows), "all"]
    for source, stratum in itertools.product(sources, ("random", "all")):
        yield source, stratum, [
            row for row in rows
            if source in (row.source, "all") and stratum in (row.stratum, "all")
        ]  # fmt: skip


def entry(what: str, group: tuple[str, str], name: str, measure: str, score: Score) -> dict:
    """Returns a score as a mapping of `COLUMNS`; `group` is source and stratum."""
    place = dict(zip(COLUMNS, (what, *group, name, measure), strict=False))
    return place | score._asdict()


def scores(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns all scores of all sources, each a mapping of `COLUMNS`."""
    return [*_genders(rows), *_occupations(rows), *_agreement(rows)]


def _genders(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns precision and recall of each class, and of all captions that name a gender."""
    scores = []
    for *group, some in _groups(rows):
        for name, kinds in ({one: (one,) for one in CLASSES} | {"named": NAMED}).items():
            said = share(row.true == row.said for row in some if row.said in kinds)
            true = share(row.true == row.said for row in some if row.true in kinds)
            scores.append(entry("gender", tuple(group), name, "precision", said))
            scores.append(entry("gender", tuple(group), name, "recall", true))
    return scores


def _occupations(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns precision and recall of mentions of occupations: phrases that share a word."""
    scores = []
    for *group, some in _groups(rows):
        for measure, field in (("precision", "found"), ("recall", "jobs")):
            outcomes = [one for row in some for one in getattr(row, field)]
            scores.append(entry("occupation", tuple(group), "any", measure, share(outcomes)))
    return scores


def _agreement(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns how often the two readings of gender agreed, and kappa."""
    scores = []
    for *group, some in _groups(rows):
        agreed = share(one == other for one, other in (row.readings for row in some))
        scores.append(entry("readings", tuple(group), "gender", "agreement", agreed))
        beyond = Score(kappa([row.readings for row in some]), math.nan, math.nan, 0, len(some))
        scores.append(entry("readings", tuple(group), "gender", "kappa", beyond))
    return scores


def confusion(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns how many captions of each true class the annotator puts into each class."""
    counts = Counter((row.source, row.stratum, row.true, row.said) for row in rows)
    keys = itertools.product(
        sorted({row.source for row in rows}), ("random", "occupation"), CLASSES, CLASSES
    )
    names = ("source", "stratum", "true", "said")
    return [dict(zip(names, key, strict=True)) | {"n": counts[key]} for key in keys]

"""The part of an audit that is about data: numbers, and the small tables that a page shows."""

import dataclasses
import math

import numpy as np

from m4jax.audit.data import duplicates
from m4jax.audit.data.clusters import BINS, Groups
from m4jax.audit.data.coverage import coverage, repeated_captions
from m4jax.audit.data.hidden import hidden
from m4jax.audit.data.patterns import patterns
from m4jax.audit.data.reach import RATES, Reach, reach
from m4jax.audit.data.shares import AttributeShares
from m4jax.audit.inputs.shown import Shown
from m4jax.balance.constraints.bands import LEAST, POINTS
from m4jax.data.readers.collection import Collection
from m4jax.errors import InputError
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.resampling import Settings
from m4jax.files import digest
from m4jax.progress import Progress
from m4jax.report.page.content import Point, Table


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """What is asked of the data.

    Attributes:
        resampling: of intervals; its `minimum` is the least number of independent examples, too.
        band: by how much a share may miss its target: 0.05 are 5 points.
        least: examples of either group with a label, below which balancing can't decide.
        hidden_least: independent examples of either kind in a group that nobody named; 0: don't
            look for any.
        rates: keep rates of the frontier; (): don't balance.
        duplicates: whether to look for pictures that come twice, where there are pictures.
    """

    resampling: Settings = dataclasses.field(default_factory=Settings)
    band: float = POINTS
    least: int = LEAST
    hidden_least: int = 30
    rates: tuple[float, ...] = RATES
    duplicates: bool = True

    def __post_init__(self):
        if not 0 < self.band < 0.5:
            raise InputError(
                f"band: expected above 0 and below 0.5 (0.05: 5 points), got {self.band}"
            )
        if self.least < 1 or self.hidden_least < 0:
            raise InputError(
                "least, hidden_least: expected at least 1 and 0, got "
                f"{self.least} and {self.hidden_least}"
            )


@dataclasses.dataclass(frozen=True)
class DataPart:
    """What an audit says of data; the fields are those of a page, see `report.page.content.Page`.

    Attributes:
        measures: how much is known, shares, gaps; what can't be told is NaN with a note.
        tables: coverage, hidden groups, what balancing would drop, duplicates.
        frontier: what balancing could reach.
        largest_keep_rate: NaN: not known.
        sentences: what balancing could reach, and about hidden groups, in words.
        unknown: what is not known, a sentence each.
        methods: how it was measured.
        decided: labels that the data can decide, the most frequent first.
    """

    measures: tuple[Measure, ...]
    tables: tuple[Table, ...] = ()
    frontier: tuple[Point, ...] = ()
    largest_keep_rate: float = math.nan
    sentences: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()


def measure_data(
    shown: Shown,
    settings: DataSettings | None = None,
    *,
    collection: Collection | None = None,
    progress: Progress | None = None,
) -> DataPart:
    """Returns what can be said of the data.

    Args:
        shown: what is known of the examples.
        settings: what is asked.
        collection: where their pictures are; None: they are not compared.
        progress: told of each step.

    Raises:
        InputError: without examples, or if collection and examples don't fit.
    """
    settings = settings or DataSettings()
    if not len(shown):
        raise InputError(f"{shown.name}: no examples")
    groups = Groups(shown.groups, settings.resampling, sample_of(shown, settings.resampling))
    measures: list[Measure] = []
    for number, name in enumerate(shown.attributes):
        if progress:
            progress("shares and gaps", number, len(shown.attributes))
        found = AttributeShares(shown, name, groups, settings.resampling.minimum)
        measures += found.measures()
    known, unknown = coverage(shown)
    tables = [known]
    reached, sentences = Reach(), ()
    rows = patterns(shown) if shown.attributes else None
    if rows and rows.left_out:
        same = ", ".join(rows.left_out)
        unknown += (f"Not balanced, since no two examples differ in what is known: {same}.",)
    if rows and rows.attribute_names:
        if settings.hidden_least:
            found = hidden(
                rows,
                points=settings.band,
                least=settings.hidden_least,
                independent=groups.number / len(shown),
            )
            tables, sentences = [*tables, *found.tables], found.sentences
            unknown += found.unknown
        if settings.rates:
            reached = reach(
                shown, rows, points=settings.band, least=settings.least, rates=settings.rates,
                progress=progress,
            )  # fmt: skip
    tables += [*reached.tables, *_duplicates(shown, settings, collection, progress)]
    return DataPart(
        measures=tuple(measures),
        tables=tuple(tables),
        frontier=reached.frontier,
        largest_keep_rate=reached.largest,
        sentences=(*reached.sentences, *sentences),
        unknown=(*unknown, *reached.unknown),
        methods=_methods(shown, groups),
        decided=reached.decided,
    )


def sample_of(shown: Shown, settings: Settings) -> str:
    """Returns what tells how examples are resampled: which they are, their groups, the settings."""
    groups = map(str, np.asarray(shown.groups).tolist())
    rows = sorted(zip(map(str, shown.uids.tolist()), groups, strict=True))
    return digest([rows, dataclasses.asdict(settings)])


def _duplicates(
    shown: Shown,
    settings: DataSettings,
    collection: Collection | None,
    progress: Progress | None,
) -> list[Table]:
    tables = [x for x in [repeated_captions(shown)] if x is not None]
    if collection is not None and collection.has_pictures and settings.duplicates:
        if len(collection) != len(shown):
            raise InputError(
                f"{collection.name}: {len(collection):,} examples, expected the {len(shown):,} of "
                f"{shown.name}"
            )
        tables.append(duplicates.find(collection, progress).table(shown.uids))
    return tables


def _methods(shown: Shown, groups: Groups) -> tuple[str, ...]:
    level = f"{groups.settings.level:.0%}"
    bins = (
        f" Resamples draw {BINS:,} bins of groups, filled evenly at random, since there are more "
        "groups than that."
        if groups.number > BINS
        else ""
    )
    return (
        f"Data: attributes and labels of {len(shown):,} examples are known by "
        f"{shown.known_by or 'nothing'}; of what is not said there, attributes count as unknown "
        "and labels as absent.",
        f"Intervals of {level} take examples of one group together ({groups.number:,} groups): "
        "Wilson's of shares, Newcombe's of differences, with the number of independent examples "
        "that the spread between groups leaves. p (of parity, of a gap of zero) is corrected by "
        f"Holm's method over all labels and values of an attribute.{bins}",
    )

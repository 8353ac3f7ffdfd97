"""What stands on an audit's page: numbers and texts, as they are, without any HTML."""

import dataclasses
import math

from m4jax.evaluation.measures.measure import Measure

WITHIN, OUTSIDE, UNCLEAR = OUTCOMES = ("within", "outside", "can't tell")
GROUPS, BALANCING, DUPLICATES, DATA, MODEL = PLACES = (
    "groups", "balancing", "duplicates", "data", "model",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Fact:
    """One line of what was measured.

    Attributes:
        name: what it is about: "data", "model", "people".
        text: "400 photographs of photos/, each with five captions".
    """

    name: str
    text: str


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One of the headline's sentences.

    Attributes:
        text: in plain words, with the number and its interval.
        measure: the number that it tells; None: of several.
    """

    text: str
    measure: Measure | None = None


@dataclasses.dataclass(frozen=True)
class Limit:
    """What was asked of a number, and whether it holds.

    Attributes:
        text: the limit in words: "the gap of nurse is at most 5 points".
        outcome: one of `OUTCOMES`.
        measure: the number; None where there is none.
        bound: how far the number may be from the neutral value (of an accuracy: how low it may
            be), a fraction; NaN: not drawn.
        note: why it can't be told, or what to do.
    """

    text: str
    outcome: str
    measure: Measure | None = None
    bound: float = math.nan
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Change:
    """A number now and in an earlier audit, and the difference now − before with its interval.

    Attributes:
        now: the number.
        before: the same number in the earlier audit.
        value: now − before, in the unit of the number.
        low: lower end of its interval.
        high: upper end.
        changed: whether it is a change; None: can't be told.
        note: why not, or how the interval was made ("paired").
    """

    now: Measure
    before: Measure
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    changed: bool | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Past:
    """A number of one audit of the history.

    Attributes:
        when: the audit's time, ISO 8601: "2026-11-27" or with the time of day.
        measure: the number then.
    """

    when: str
    measure: Measure


@dataclasses.dataclass(frozen=True)
class Point:
    """How much bias is left at one keep rate.

    Attributes:
        keep_rate: the share of the examples that is kept, a fraction.
        value: the bias that is left, a fraction ("points"); NaN: no weights were found.
        curve: of which bias: "representation bias", "largest gap of a label".
    """

    keep_rate: float
    value: float
    curve: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Anything that is not a list of measures: hidden groups, duplicates, what would be dropped.

    Attributes:
        place: the section that it stands in, one of `PLACES`.
        title: its heading.
        columns: their headings.
        rows: as many values each: texts, whole numbers, or floats in the column's unit.
        units: of the columns, "percent", "points", "plain", "p" (a probability) or "" (texts and
            counts); none: all "".
        note: what to mind, below the heading.
    """

    place: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    units: tuple[str, ...] = ()
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Example:
    """A picture to show; a page has none unless it was asked for.

    Attributes:
        picture: a JPEG, PNG or WebP file's content, small: it stands in the page as it is.
        caption: below it.
        group: the heading that it stands under: "taken for a man".
    """

    picture: bytes
    caption: str = ""
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes:
        text: what for.
        commands: that can be typed as they are; (): none.
    """

    text: str
    commands: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Page:
    """An audit, as it is shown. What is empty is left out, unless the page says so.

    Attributes:
        title: of the page: "Audit of photos/ and ViT-B/32".
        when: the time of the audit, ISO 8601; "": not told.
        facts: what was measured.
        headline: three sentences; none: the page chooses three numbers and says them.
        unknown: what is not known, a sentence each: unreadable pictures, attributes that the
            captions do not tell, words that no embedding is stored of. What is NaN among the
            measures is added by the page.
        measures: all numbers, of data and model.
        limits: what was asked of them.
        against: the earlier audit: its folder and time; "": none.
        changes: numbers that both audits have.
        history: numbers of all audits so far, this one included, in any order.
        frontier: what balancing could reach.
        largest_keep_rate: at which the limits of balancing hold; NaN: not known.
        reached: what balancing could reach, in words.
        tables: whatever else there is.
        examples: pictures to show.
        methods: what to know of how it was measured, a paragraph each; the meaning and source of
            each kind of number is added by the page.
        minimum: groups with fewer independent examples are marked as small.
        level: of the intervals.
        versions: name -> version, as pairs.
        command: with which it was made.
        nothing: that nothing could be measured, why, and what to do; "": something was.
        steps: what to do next.
    """

    title: str
    when: str = ""
    facts: tuple[Fact, ...] = ()
    headline: tuple[Sentence, ...] = ()
    unknown: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    limits: tuple[Limit, ...] = ()
    against: str = ""
    changes: tuple[Change, ...] = ()
    history: tuple[Past, ...] = ()
    frontier: tuple[Point, ...] = ()
    largest_keep_rate: float = math.nan
    reached: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    examples: tuple[Example, ...] = ()
    methods: tuple[str, ...] = ()
    minimum: int = 20
    level: float = 0.95
    versions: tuple[tuple[str, str], ...] = ()
    command: str = ""
    nothing: str = ""
    steps: tuple[Step, ...] = ()

"""What is told first: three numbers in plain words, and what is not known."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from m4jax.evaluation.measures.kinds import PERCENT
from m4jax.evaluation.measures.measure import DATA, Measure
from m4jax.report.page.content import Page, Sentence
from m4jax.report.page.html import short
from m4jax.report.page.numbers import clear, count, distance, kind_of, numbers_of, writer
from m4jax.report.page.words import BETWEEN, Numbers, say

THREE = 3
REASONS = 6  # of what can't be told; the others are counted together


def headline(page: Page) -> tuple[Sentence, ...]:
    """Returns the page's sentences; where it has none, the three numbers that stand out.

    One of each kind, in the order of `FIRST`: of several the clearest departure from no bias (of
    accuracies the lowest), of picture sets the largest. Nothing that may be chance is told of a
    label, and nothing that depends on another wording.
    """
    if page.headline:
        return page.headline
    told = [m for m in page.measures if m.told and not m.wording]
    chosen: list[Sentence] = []
    for metrics, choose in FIRST:
        mine = [m for m in told if m.metric in metrics]
        sentence = choose(mine, told) if mine and len(chosen) < THREE else None
        chosen += [sentence] if sentence else []
    return tuple(chosen)


def _largest(measures: Sequence[Measure], told: Sequence[Measure]) -> Sentence | None:
    """Says the number of the largest set, which is of no single label."""
    whole = [m for m in measures if not m.label]
    first = max(whole, key=lambda m: (m.n, distance(m), m.key), default=None)
    return first and Sentence(say(first), first)


def _lowest(measures: Sequence[Measure], told: Sequence[Measure]) -> Sentence | None:
    worst = [m for m in measures if m.metric.endswith("_worst")]
    groups = [m for m in measures if m.group and not m.label]
    # By the upper end: the group that is surely low, not one of ten pictures that may be.
    first = min(worst or groups or measures, key=lambda m: (m.high, m.key))
    return Sentence(say(first), first)


def _clearest(measures: Sequence[Measure], told: Sequence[Measure]) -> Sentence | None:
    """Says the clearest of many labels; a gap of data by the shares that it is made of."""
    labelled = [m for m in measures if m.label]
    first = max(labelled, key=lambda m: (distance(m), m.key), default=None)
    if first is None or not clear(first):
        return None
    about = (first.source, first.attribute, first.group.partition(BETWEEN)[0])
    shares = {m.label: m for m in told
              if m.metric == "share" and (m.source, m.attribute, m.group) == about}  # fmt: skip
    if first.metric == "gap" and {first.label, ""} <= shares.keys():
        share, whole = shares[first.label], shares[""]
        among = f": the clearest difference of {count(len(labelled))} labels"
        text = (f"“{short(share.group)}” is {Numbers(share).full} {Numbers(share).interval} of "
                f"the {count(share.n)} examples with “{short(share.label)}”, but "
                f"{Numbers(whole).full} of all{among if len(labelled) > 1 else ''}.")  # fmt: skip
        return Sentence(text, share)
    return Sentence(say(first, len(labelled)), first)


FIRST = (
    (("representation_bias",), _largest),
    (("accuracy", "accuracy_worst"), _lowest),
    (("gap",), _clearest),
    (("share",), _largest),
    (("association_bias",), _clearest),
    (("known",), _largest),
)


def elsewhere(measure: Measure, measures: Sequence[Measure]) -> str:
    """Returns what a number is on other sets of pictures, and in other words; "" without any."""
    key = measure.key
    write = writer(measure.metric, (measure,))
    tell = write.full if write.unit == PERCENT else write
    others = [m.value for m in measures if m.told and not m.wording and m.source != measure.source
              and (*m.key[:2], *m.key[3:]) == (*key[:2], *key[3:])]  # fmt: skip
    words = [m.value for m in measures if m.told and m.wording and m.key[:-1] == key[:-1]]
    told = []
    for values, what in ((others, "other sets"), (words, "other wordings")):
        if values:
            one = what.removesuffix("s").replace("other", "another") if len(values) == 1 else what
            ends = list(dict.fromkeys(tell(x) for x in (min(values), max(values))))
            told.append(f"{one}: {' to '.join(ends)}")
    if measure.metric == "representation_bias" and not others:
        told.append("it depends on the pictures: compare models on the same ones")
    text = "; ".join(told)
    return text[:1].upper() + text[1:]


def unknown(page: Page) -> list[str]:
    """Returns what is not known: what the audit says of it, and which numbers can't be told.

    Reasons that differ in their numbers alone are told once, with the first as an example.
    """
    reasons: dict[tuple[str, ...], list[Measure]] = {}
    for m in page.measures:
        if not math.isfinite(m.value):
            alike = re.sub(r"[0-9][0-9,.]*", "#", m.note)
            reasons.setdefault((m.part, m.metric, alike), []).append(m)
    ordered = sorted(reasons.values(), key=len, reverse=True)
    told = [_untold(mine) for mine in ordered[:REASONS]]
    rest = sum(map(len, ordered[REASONS:]))
    told += [f"{numbers_of(rest)} more, each with its reason in the tables below."] if rest else []
    small = sum(m.told and m.groups < page.minimum for m in page.measures)
    if small:
        verb = "rests" if small == 1 else "rest"
        told.append(f"{numbers_of(small)} {verb} on fewer than {page.minimum} independent "
                    "examples, marked “few”.")  # fmt: skip
    return [text[:1].upper() + text[1:] for text in (*page.unknown, *told)]


def _untold(measures: Sequence[Measure]) -> str:
    first, title = measures[0], kind_of(measures[0].metric).title
    of = "the data" if first.part == DATA else "the model"
    why = short(first.note.removeprefix("can't be: ")).rstrip(".") or "no reason was given"
    example = first.label or first.group or first.attribute or first.source
    if len(measures) == 1:
        about = f", “{short(example, 60)}”" if example else ""
        return f"{title} of {of}{about}: {why}."
    what = "labels" if first.label else "numbers"
    return (f"{title} of {of}, {count(len(measures))} {what}, such as “{short(example, 60)}”: "
            f"{why}.")  # fmt: skip


def outcomes(page: Page) -> dict[str, int]:
    """Returns how many limits have each outcome."""
    return dict(Counter(limit.outcome for limit in page.limits))


def dated(when: str) -> str:
    """Returns a time of ISO 8601 as people read it: "2026-11-27, 02:10"; others as they are."""
    day, _, time = when.partition("T")
    return f"{day}, {time[:5]}" if time else day

"""Numbers in plain words, and which three of an audit are told first."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from m4jax.evaluation.measures.measure import DATA, Measure
from m4jax.report.page.content import Page, Sentence
from m4jax.report.page.html import short
from m4jax.report.page.numbers import (
    Writer,
    clear,
    count,
    distance,
    kind_of,
    neutral_of,
    writer,
)

THREE = 3
WHOLE = 10  # percent or points: from here on a sentence tells no digits after the point
REASONS = 6  # of what can't be told; the others are counted together
BETWEEN = " − "  # in the group of a difference
_SOMEBODYS = {
    "man": "a man’s", "woman": "a woman’s", "male": "a man’s", "female": "a woman’s",
    "boy": "a boy’s", "girl": "a girl’s", "child": "a child’s", "adult": "an adult’s",
}  # fmt: skip


def say(measure: Measure, among: int = 1) -> str:
    """Returns a number with its interval as a sentence for people who don't know the field.

    Args:
        measure: the number.
        among: of how many numbers of its kind it is the one that stands out.
    """
    if not measure.told:
        why = f": {measure.note}" if measure.note else ""
        return f"{_title(measure)} can’t be told{why}."
    told = _WORDS.get(measure.metric, _plainly)(measure, _Numbers(measure))
    chosen = f" It is the clearest of {count(among)}." if among > 1 else ""
    return told + chosen


def writing(measure: Measure) -> Writer:
    """Returns what writes a number in a sentence: without digits after the point if it is large."""
    write = writer(measure.metric, (measure,))
    if write.factor * abs(measure.value) >= WHOLE and write.factor > 1:
        write.digits = 0
    return write


class _Numbers:
    """A number's value, ends and size as text, as sentences need them."""

    def __init__(self, measure: Measure):
        write, signed = Writer(kind_of(measure.metric).unit), writing(measure)
        write.digits = signed.digits
        flip = -1 if measure.value < 0 else 1
        ends = sorted((flip * measure.low, flip * measure.high))
        self.size = write(flip * measure.value)  # without its sign
        self.ends = f"({write(ends[0])} to {write(ends[1])})"
        self.value = signed.full(measure.value)
        self.interval = f"({signed.between(measure.low, measure.high)})"
        self.full = write.full(measure.value)


def _representation(m: Measure, n: _Numbers) -> str:
    first, _, second = m.group.partition(BETWEEN)
    who = _SOMEBODYS.get(first, f"“{short(first)}”")
    rather = f" rather than {_SOMEBODYS.get(second, f'“{short(second)}”')}" if second else ""
    if not clear(m):
        return (
            f"Whether pictures that show nobody are rather taken for {who}{rather} can’t be "
            f"told: {n.value} from an even split {n.interval}, {count(m.n)} pictures."
        )
    often = "more" if m.value > 0 else "less"
    return (
        f"Pictures that show nobody are taken for {who}{rather} {n.size} points {often} often "
        f"than an even split would have it {n.ends}, {count(m.n)} pictures."
    )


def _share(m: Measure, n: _Numbers) -> str:
    where = f"with “{short(m.label)}”" if m.label else f"of {short(m.source)}"
    neutral = neutral_of(m)
    even = f"; even would be {100 * neutral:g}%" if math.isfinite(neutral) else ""
    told = "" if clear(m) or not even else ", which may be chance"
    return (f"“{short(m.group)}” is {n.full} {n.interval} of the {count(m.n)} examples {where} in "
            f"which {short(m.attribute) or 'it'} is known{even}{told}.")  # fmt: skip


def _gap(m: Measure, n: _Numbers) -> str:
    first, _, second = m.group.partition(BETWEEN)
    label, second = f"“{short(m.label)}”", short(second) or "others"
    if not clear(m):
        return (f"Whether {label} goes with “{short(first)}” rather than “{second}” can’t be told: "
                f"{n.value} {n.interval}.")  # fmt: skip
    often = "more" if m.value > 0 else "less"
    return (f"{label} is {n.size} points {often} frequent with “{short(first)}” than with "
            f"“{second}” {n.ends}.")  # fmt: skip


def _accuracy(m: Measure, n: _Numbers) -> str:
    who = f" of “{short(m.group)}”" if m.group else ""
    what = short(m.attribute) or short(m.label) or "what is shown"
    return (f"The model recognises {what} in {n.full} of {count(m.n)} pictures{who} "
            f"{n.interval}.")  # fmt: skip


def _plainly(m: Measure, n: _Numbers) -> str:
    unclear = math.isfinite(neutral_of(m)) and not clear(m)
    chance = ", which may be chance" if unclear else ""
    return f"{_title(m)}: {n.value} {n.interval}{chance}, n = {count(m.n)}."


_WORDS: dict[str, Callable[[Measure, _Numbers], str]] = {
    "representation_bias": _representation,
    "share": _share,
    "gap": _gap,
    "accuracy": _accuracy,
}


def _title(m: Measure) -> str:
    title = kind_of(m.metric).title
    label = f"“{short(m.label)}”" if m.label else ""
    about = ", ".join(short(x) for x in (m.attribute, m.group, m.source) if x)
    title = title[:1].upper() + title[1:]
    return f"{title} of {label} ({about})" if label else f"{title} ({about})"


def headline(page: Page) -> tuple[Sentence, ...]:
    """Returns the page's sentences; where it has none, the three numbers that stand out.

    One of each kind, in the order of `FIRST`: of several the clearest departure from no bias (of
    accuracies the lowest), of picture sets the largest.
    """
    if page.headline:
        return page.headline
    told = [m for m in page.measures if m.told and not m.wording]
    chosen: list[Sentence] = []
    for metric, pick in FIRST:
        mine = [m for m in told if m.metric == metric]
        if mine and len(chosen) < THREE:
            first = pick(mine)
            if first is not None:
                among = len(mine) if pick is _clearest else 1
                chosen.append(Sentence(say(first, among), first))
    return tuple(chosen)


def _largest(measures: Sequence[Measure]) -> Measure:
    whole = [m for m in measures if not m.label] or measures
    return max(whole, key=lambda m: (m.n, m.key))


def _clearest(measures: Sequence[Measure]) -> Measure | None:
    labelled = [m for m in measures if m.label] or measures
    best = max(labelled, key=lambda m: (distance(m), m.key))
    return best if clear(best) or len(labelled) == 1 else None


def _lowest(measures: Sequence[Measure]) -> Measure:
    groups = [m for m in measures if m.group] or measures
    return min(groups, key=lambda m: (m.value, m.key))


FIRST = (
    ("representation_bias", _largest),
    ("gap", _clearest),
    ("accuracy", _lowest),
    ("share", _largest),
)


def elsewhere(measure: Measure, measures: Sequence[Measure]) -> str:
    """Returns what a number is on other sets of pictures, and in other words; "" without any."""
    key = measure.key
    write = writer(measure.metric, (measure,))
    others = [
        m.value
        for m in measures
        if m.told
        and not m.wording
        and m is not measure
        and (*m.key[:2], *m.key[3:]) == (*key[:2], *key[3:])
        and m.source != key[2]
    ]
    words = [m.value for m in measures if m.told and m.wording and m.key[:-1] == key[:-1]]
    told = []
    for values, what in ((others, "other sets"), (words, "other wordings")):
        if values:
            one = what.removesuffix("s").replace("other", "another") if len(values) == 1 else what
            ends = list(dict.fromkeys(write(x) for x in (min(values), max(values))))
            told.append(f"{one}: {' to '.join(ends)}")
    return ("; ".join(told)[:1].upper() + "; ".join(told)[1:]) if told else ""


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
    told += [f"{_times(rest)} more, each with its reason in the tables below."] if rest else []
    small = sum(m.told and m.groups < page.minimum for m in page.measures)
    if small:
        verb = "rests" if small == 1 else "rest"
        told.append(f"{_times(small)} {verb} on fewer than {page.minimum} independent examples, "
                    "marked “few”.")  # fmt: skip
    return [*page.unknown, *(text[:1].upper() + text[1:] for text in told)]


def _untold(measures: Sequence[Measure]) -> str:
    first, title = measures[0], kind_of(measures[0].metric).title
    of = "the data" if first.part == DATA else "the model"
    why = short(first.note).rstrip(".") or "no reason was given"
    example = first.label or first.group or first.attribute or first.source
    if len(measures) == 1:
        about = f", “{short(example, 60)}”" if example else ""
        return f"{title} of {of}{about}: {why}."
    return (f"{title} of {of}, {count(len(measures))} numbers, such as of “{short(example, 60)}”: "
            f"{why}.")  # fmt: skip


def _times(n: int) -> str:
    return "one number" if n == 1 else f"{count(n)} numbers"


def outcomes(page: Page) -> dict[str, int]:
    """Returns how many limits have each outcome."""
    return dict(Counter(limit.outcome for limit in page.limits))


def dated(when: str) -> str:
    """Returns a time of ISO 8601 as people read it: "2026-11-27, 02:10"; others as they are."""
    day, _, time = when.partition("T")
    return f"{day}, {time[:5]}" if time else day

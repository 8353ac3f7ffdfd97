"""Numbers in plain words, for people who don't know the field."""

import math
from collections.abc import Callable

from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page.html import short
from m4jax.report.page.numbers import Writer, clear, count, kind_of, neutral_of, writer

BETWEEN = " − "  # in the group of a difference
WHOLE = 10  # percent or points: from here on a sentence tells no digits after the point
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
    told = _WORDS.get(measure.metric, _plainly)(measure, Numbers(measure))
    chosen = f" It is the clearest of {count(among)}." if among > 1 else ""
    return told + chosen


def writing(measure: Measure) -> Writer:
    """Returns what writes a number in a sentence: without digits after the point if it is large."""
    write = writer(measure.metric, (measure,))
    if write.factor * abs(measure.value) >= WHOLE and write.factor > 1:
        write.digits = 0
    return write


class Numbers:
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


def _representation(m: Measure, n: Numbers) -> str:
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


def _share(m: Measure, n: Numbers) -> str:
    where = f"with “{short(m.label)}”" if m.label else f"of {short(m.source)}"
    neutral = neutral_of(m)
    even = f"; even would be {100 * neutral:g}%" if math.isfinite(neutral) else ""
    told = "" if clear(m) or not even else ", which may be chance"
    return (f"“{short(m.group)}” is {n.full} {n.interval} of the {count(m.n)} examples {where} in "
            f"which {short(m.attribute) or 'it'} is known{even}{told}.")  # fmt: skip


def _gap(m: Measure, n: Numbers) -> str:
    first, _, second = m.group.partition(BETWEEN)
    label, second = f"“{short(m.label)}”", short(second) or "others"
    if not clear(m):
        return (f"Whether {label} goes with “{short(first)}” rather than “{second}” can’t be told: "
                f"{n.value} {n.interval}.")  # fmt: skip
    often = "more" if m.value > 0 else "less"
    return (f"{label} is {n.size} points {often} frequent with “{short(first)}” than with "
            f"“{second}” {n.ends}.")  # fmt: skip


def _association(m: Measure, n: Numbers) -> str:
    first, _, second = m.group.partition(BETWEEN)
    label, second = f"“{short(m.label)}”", short(second) or "others"
    if not clear(m) or not m.group:
        return _plainly(m, n)
    often = "more" if m.value > 0 else "less"
    return (f"The model finds {label} {n.size} points {often} probable for pictures of "
            f"“{short(first)}” than for those of “{second}” {n.ends}.")  # fmt: skip


def _accuracy(m: Measure, n: Numbers) -> str:
    group = m.group or m.which
    who = f" of “{short(group)}”" if group else ""
    what = short(m.attribute) or short(m.label) or "what is shown"
    worst = ", the worst group" if m.metric.endswith("_worst") else ""
    return (f"The model recognises {what} in {n.full} {n.interval} of the {count(m.n)} "
            f"pictures{who}{worst}.")  # fmt: skip


def _harm(m: Measure, n: Numbers) -> str:
    who = f" of “{short(m.group)}”" if m.group else ""
    return (f"{n.full} {n.interval} of the {count(m.n)} pictures{who} are nearer to a harmful word "
            f"of “{short(m.label)}” than to any for people.")  # fmt: skip


def _known(m: Measure, n: Numbers) -> str:
    return (f"{short(m.attribute)[:1].upper()}{short(m.attribute)[1:]} is known of {n.full} "
            f"{n.interval} of the {count(m.n)} examples of {short(m.source)}; of the others "
            "nothing is told.")  # fmt: skip


def _plainly(m: Measure, n: Numbers) -> str:
    unclear = math.isfinite(neutral_of(m)) and not clear(m)
    chance = ", which may be chance" if unclear else ""
    which = f" (“{short(m.which)}”)" if m.which else ""
    return f"{_title(m)}: {n.value} {n.interval}{which}{chance}, n = {count(m.n)}."


_WORDS: dict[str, Callable[[Measure, Numbers], str]] = {
    "representation_bias": _representation,
    "share": _share,
    "gap": _gap,
    "known": _known,
    "accuracy": _accuracy,
    "accuracy_worst": _accuracy,
    "association_bias": _association,
    "harm_rate": _harm,
}


def _title(m: Measure) -> str:
    title = kind_of(m.metric).title
    label = f"“{short(m.label)}”" if m.label else ""
    about = ", ".join(short(x) for x in (m.attribute, m.group, m.source) if x)
    title = title[:1].upper() + title[1:]
    return f"{title} of {label} ({about})" if label else f"{title} ({about})"

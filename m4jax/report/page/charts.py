"""Drawings as inline SVG, in the colours of the page: bars of intervals and their scale."""

import dataclasses
import math
from collections.abc import Sequence

from m4jax.evaluation.measures.kinds import PERCENT
from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page.html import Markup, element, join
from m4jax.report.page.numbers import Writer, clear, kind_of, neutral_of, writer

WIDTH, HEIGHT, EDGE = 180, 14, 4  # of a bar, in pixels; what stays free at its ends
WIDE = 0.2  # shares above are drawn on a scale up to 100%
GAUGE = 320  # width of a single number's drawing
MANY, INSIDE = 40, 0.97  # of so many bars, the farthest 3% may run off the scale
STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def nice(value: float) -> float:
    """Returns the next larger round number; 1 for nothing."""
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(float(f"{s * power:.6g}") for s in STEPS if s * power >= value * (1 - 1e-9))


@dataclasses.dataclass(frozen=True)
class Scale:
    """What the bars of one table are drawn on.

    Attributes:
        low: at its left end.
        high: at its right end.
        neutral: the value at which a line is drawn; NaN: none.
    """

    low: float
    high: float
    neutral: float

    def place(self, value: float) -> str:
        """Returns where a value lies, in pixels; what is beyond an end lies at the end."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{EDGE + part * (WIDTH - 2 * EDGE):.1f}".removesuffix(".0")


def scale_of(
    measures: Sequence[Measure], bound: float = 0.0, neutral: float | None = None
) -> Scale:
    """Returns the scale of one metric's table: of all its intervals, with no bias in its middle.

    Shares that have a neutral value are drawn from 0 to 100%, those above one half up to 100%,
    sizes from 0.

    Args:
        measures: at least one, in the order of the rows; the first values are all on the scale.
        bound: how far from no bias the scale reaches at least.
        neutral: what means no bias; None: what the measures tell.
    """
    kind = kind_of(measures[0].metric)
    if neutral is None:
        neutral = next((x for m in measures if math.isfinite(x := neutral_of(m))), math.nan)
    ends = sorted(abs(x - (neutral if math.isfinite(neutral) else 0.0))
                  for m in measures if m.told for x in (m.low, m.high))  # fmt: skip
    far = ends[int((len(ends) - 1) * (INSIDE if len(ends) > 2 * MANY else 1))] if ends else 0.0
    seen = (abs(m.value - (neutral if math.isfinite(neutral) else 0.0))
            for m in measures[:MANY] if m.told)  # fmt: skip
    far = nice(max(far, bound, *seen))
    if kind.unit == PERCENT:
        whole = math.isfinite(neutral) or far > WIDE
        least = min([m.low for m in measures if m.told] + [bound] * (bound > 0), default=0.0)
        low = math.floor(10 * least) / 10 if least > 0.5 and math.isnan(neutral) else 0.0
        return Scale(min(low, 0.9), 1.0 if whole else far, neutral)
    below = any(m.low < 0 for m in measures if m.told)
    if math.isfinite(neutral):
        return Scale(neutral - far, neutral + far, neutral)
    above = any(m.high > 0 for m in measures if m.told) or not below
    return Scale(-far if below else 0.0, far if above else 0.0, math.nan)


def bar(measure: Measure, scale: Scale, bound: float = math.nan) -> Markup:
    """Returns a number and its interval as a dot on a line; what stands beside tells the same.

    A dot is filled where the interval leaves out no bias, a line that runs off the scale ends in
    an arrow; with a bound, what is within is shaded.
    """
    parts = []
    if math.isfinite(bound) and math.isfinite(scale.neutral):
        ends = [float(scale.place(scale.neutral + x)) for x in (-bound, bound)]
        parts.append(element("rect", class_="w", x=ends[0], width=round(ends[1] - ends[0], 1),
                             height=HEIGHT))  # fmt: skip
    elif math.isfinite(bound):  # at least, or at most, so much
        parts.append(_line("l", f"M{scale.place(bound)} 0v{HEIGHT}"))
    if math.isfinite(scale.neutral):
        parts.append(_line("z", f"M{scale.place(scale.neutral)} 0v{HEIGHT}"))
    if measure.told:
        low, high = scale.place(measure.low), scale.place(measure.high)
        path = f"M{low} 7H{high}"
        path += "m-4 -3l4 3l-4 3" if measure.high > scale.high else ""
        path += f"M{low} 7m4 -3l-4 3l4 3" if measure.low < scale.low else ""
        dot = element("circle", cx=scale.place(measure.value), cy=7, r=3.5)
        parts.append(element("g", _line(None, path), dot, class_=_side(measure, scale)))
    return element("svg", *parts, class_="b", viewBox=f"0 0 {WIDTH} {HEIGHT}", aria_hidden="true")


def axis(scale: Scale, write: Writer) -> Markup:
    """Returns the scale of a column of bars, to stand above it."""
    ends = [(scale.low, "start"), (scale.high, "end")]
    ends += [(scale.neutral, "middle")] if scale.low < scale.neutral < scale.high else []
    texts = [
        element("text", short_number(x, scale, write), x=scale.place(x), y=10, text_anchor=anchor)
        for x, anchor in ends
    ]
    return element("svg", *texts, class_="b", viewBox=f"0 0 {WIDTH} {HEIGHT}", aria_hidden="true")


def gauge(measure: Measure) -> Markup:
    """Returns one number on a scale of its own, larger than in a table."""
    scale = scale_of((measure,))
    write = writer(measure.metric, (measure,))
    marks = [(scale.low, "start"), (scale.high, "end")]
    if scale.low < scale.neutral < scale.high:
        marks.append((scale.neutral, "middle"))
    texts = [
        element("text", short_number(x, scale, write), x=f"{_wide(scale, x):g}", y=34,
                text_anchor=anchor)
        for x, anchor in marks
    ]  # fmt: skip
    lines = [_line("a", f"M{EDGE} 20H{GAUGE - EDGE}")]
    lines += [_line("z", f"M{_wide(scale, scale.neutral):g} 1V20")] if len(marks) > 2 else []
    low, value, high = (_wide(scale, x) for x in (measure.low, measure.value, measure.high))
    bounds = _line(None, f"M{low:g} 11H{high:g}M{low:g} 7v8M{high:g} 7v8")
    dot = element("circle", cx=f"{value:g}", cy=11, r=5)
    drawn = element("g", bounds, dot, class_=_side(measure, scale))
    return element("svg", *lines, drawn, *texts, class_="gauge", viewBox=f"0 0 {GAUGE} 38",
                   aria_hidden="true")  # fmt: skip


def _wide(scale: Scale, value: float) -> float:
    part = (min(max(value, scale.low), scale.high) - scale.low) / (scale.high - scale.low)
    return round(EDGE + part * (GAUGE - 2 * EDGE), 1)


def _side(measure: Measure, scale: Scale) -> str:
    """Returns the class of a number: below no bias, above, or neither for certain."""
    if math.isfinite(scale.neutral) and not clear(measure):
        return "u"
    return "n" if measure.value < scale.neutral else "p"


def short_number(value: float, scale: Scale, write: Writer) -> str:
    """Returns a number of an axis with as few digits as its scale needs."""
    span = (scale.high - scale.low) * write.factor
    digits = max(0, 1 - math.floor(math.log10(span))) if span > 0 else 0
    short = Writer(write.unit, sign=write.sign)
    short.digits = digits
    text = short(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _line(class_: str | None, path: str) -> Markup:
    return element("path", class_=class_, d=path)


def picture(title: str, about: str, width: int, height: int, parts: Sequence[Markup]) -> Markup:
    """Returns a drawing that stands for itself: with a title and what it shows in words."""
    return element(
        "svg", element("title", title), element("desc", about), join(*parts),
        class_="chart", viewBox=f"0 0 {width} {height}", role="img", width=width, height=height,
    )  # fmt: skip

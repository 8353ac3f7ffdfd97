"""Numbers for people: in the unit of their kind, with a true minus sign, never "nan"."""

import math
from collections.abc import Iterable

from m4jax.evaluation.measures.kinds import KINDS, PERCENT, PLAIN, POINTS, Kind
from m4jax.evaluation.measures.measure import Measure

UNTOLD = "can’t tell"
ONE_SIDED = ("_range", "_mean", "_max", "_largest")  # ends of names of metrics
CHANCE = 0.05  # a corrected p below is taken for a finding
FINE = 2.0  # percent or points: where most are smaller than this, one more digit is shown


def kind_of(metric: str) -> Kind:
    """Returns what is known of a metric; of one that is in no table, its name alone."""
    unknown = Kind(metric.replace("_", " "), "", unit=PLAIN, neutral=math.nan, better="", source="")
    return KINDS.get(metric, unknown)


def one_sided(metric: str) -> bool:
    """Tells whether a metric is a size, which is never below 0: a range, a mean of sizes."""
    return metric.endswith(ONE_SIDED) or kind_of(metric).better == "low"


def neutral_of(measure: Measure) -> float:
    """Returns the value that means no bias; NaN: there is none.

    A share is compared with one half where an attribute has two values; then parity was tested.
    Sizes, such as a mean of |AB|, are above 0 by noise alone: that one is says nothing.
    """
    kind = kind_of(measure.metric)
    untested = kind.unit == PERCENT and math.isnan(measure.p)
    if kind.better != "neutral" or untested or one_sided(measure.metric):
        return math.nan
    return kind.neutral


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """Returns a number, with its sign even if positive if `sign`; `UNTOLD` for NaN."""
    if not math.isfinite(value):
        return UNTOLD
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        return text.lstrip("-")
    return ("+" if sign and value > 0 else "") + text.replace("-", "−")


def count(value: int) -> str:
    """Returns a whole number: "1,203"."""
    return f"{int(value):,}".replace("-", "−")


def numbers_of(n: int) -> str:
    """Returns "one number", "1,203 numbers"."""
    return "one number" if n == 1 else f"{count(n)} numbers"


class Writer:
    """Writes numbers of one kind, all with the same digits.

    Args:
        unit: of the kind; percent and points are fractions times 100.
        values: that will be written; they decide on the digits.
        sign: whether positive numbers carry their sign.
    """

    def __init__(self, unit: str, values: Iterable[float] = (), *, sign: bool = False):
        self.factor = 1 if unit in (PLAIN, "") else 100
        self.unit, self.sign = unit, sign
        sizes = sorted(abs(x) * self.factor for x in values if math.isfinite(x))
        middle, largest = (sizes[len(sizes) // 2], sizes[-1]) if sizes else (math.inf, math.inf)
        self.digits = (2 if largest < 100 else 0) if self.factor == 1 else 1 + (middle < FINE)

    def __call__(self, value: float) -> str:
        """Returns a value without its unit."""
        return number(self.factor * value, self.digits, sign=self.sign)

    def full(self, value: float) -> str:
        """Returns a value with its unit: "75.2%", "+25.0 points"."""
        text = self(value)
        if text == UNTOLD or self.factor == 1:
            return text
        return f"{text}%" if self.unit == PERCENT else f"{text} points"

    def between(self, low: float, high: float) -> str:
        """Returns an interval: "+17.9 to +31.8"; "" where there is none."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return ""
        return f"{self(low)} to {self(high)}"


def writer(metric: str, measures: Iterable[Measure]) -> Writer:
    """Returns what writes all numbers of one metric."""
    kind = kind_of(metric)
    signed = kind.unit == POINTS or (kind.unit == PLAIN and kind.better == "neutral")
    signed &= not one_sided(metric)
    return Writer(kind.unit, (m.value for m in measures), sign=signed)


def chance(p: float) -> str:
    """Returns a probability: "<0.001", "0.02"; "" where nothing was tested."""
    if not math.isfinite(p):
        return ""
    return "<0.001" if p < 0.001 else number(p, 3 if p < 0.1 else 2)


def heading(unit: str) -> str:
    """Returns what stands above a column of numbers of a unit."""
    return {PERCENT: "%", POINTS: "points"}.get(unit, "")


def clear(measure: Measure) -> bool:
    """Tells whether a number differs from what means no bias, by its interval and by its p."""
    neutral = neutral_of(measure)
    if not measure.told or not math.isfinite(neutral):
        return False
    return not measure.low <= neutral <= measure.high and not measure.p >= CHANCE


def distance(measure: Measure) -> tuple[float, float]:
    """Returns how far interval and value are from no bias: the farther, the more is to be seen.

    Of a kind without such a value, how far they are from the better end; NaN becomes −∞.
    """
    if not measure.told:
        return -math.inf, -math.inf
    kind, neutral = kind_of(measure.metric), neutral_of(measure)
    if math.isfinite(neutral):
        off = max(measure.low - neutral, neutral - measure.high, 0.0)
        return off, abs(measure.value - neutral)
    turn = -1.0 if kind.better == "high" else 1.0
    end = measure.high if kind.better == "high" else measure.low
    return turn * end, turn * measure.value

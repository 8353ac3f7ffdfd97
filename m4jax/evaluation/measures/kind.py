"""What is told of a kind of number, whatever it is of."""

import dataclasses

PERCENT, POINTS, PLAIN = "percent", "points", "plain"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of number.

    Attributes:
        title: a short name, as a heading.
        meaning: what it is, in a sentence for people who do not know the field, with its formula
            where that helps.
        unit: "percent" (a share), "points" (a difference of shares; both are kept as fractions) or
            "plain".
        neutral: the value that means no bias; NaN: there is none (an accuracy).
        better: "neutral" (the nearer to it), "high" or "low".
        source: where it is from: a paper with its section, or "derived".
    """

    title: str
    meaning: str
    unit: str = POINTS
    neutral: float = 0.0
    better: str = "neutral"
    source: str = "derived"

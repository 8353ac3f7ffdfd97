"""The kinds of numbers of an audit: what each is called, its unit, and where fairness lies.

Numbers of the data are made in `m4jax/audit`, those of models in this folder.
"""

import dataclasses
import math

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


KINDS: dict[str, Kind] = {
    # Of data.
    "share": Kind(
        "share",
        "The share of a group among the examples in which it is known.",
        unit=PERCENT, neutral=0.5, source='"CLIP the Bias", definition 1',
    ),
    "gap": Kind(
        "gap",
        "How much more frequent a label is in one group's examples than in the other's: "
        "P(label | first) − P(label | second).",
        source='"CLIP the Bias", definition 2',
    ),
    "gap_mean": Kind(
        "mean gap",
        "The mean of |P(label | first) − P(label | second)| over all labels that can be told; "
        "noise alone keeps it above 0.",
        source='"CLIP the Bias", definition 2',
    ),
    "known": Kind(
        "known",
        "The share of examples of which a group is known; of the others nothing is told.",
        unit=PERCENT, neutral=math.nan, better="high",
    ),
    # Of models.
    "representation_bias": Kind(
        "representation bias (RB)",
        "The share of pictures that show nobody and are nearer to the words for one group than to "
        "those for the other, minus one half.",
        source='"CLIP the Bias", definition 3',
    ),
    "representation_bias_largest": Kind(
        "largest representation bias",
        "Of an attribute of more than two values, the largest distance of the share of pictures "
        "nearest to one value's words from an equal share.",
        source="derived",
    ),
    "representation_bias_range": Kind(
        "range of RB over wordings",
        "By how much the representation bias differs between the wordings that were tried: the "
        "largest minus the smallest.",
        source="derived",
    ),
    "accuracy": Kind(
        "accuracy", "The share of pictures whose group the model recognises.",
        unit=PERCENT, neutral=math.nan, better="high",
    ),
}  # fmt: skip

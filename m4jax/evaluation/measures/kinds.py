"""The kinds of numbers of an audit: what each is called, its unit, and where fairness lies.

Numbers of the data are made in `m4jax/audit`, those of models in this folder.
"""

import math

from m4jax.evaluation.measures.kind import PERCENT, PLAIN, POINTS, Kind
from m4jax.evaluation.measures.kinds_of_words import OF_WORDS

__all__ = ["KINDS", "PERCENT", "PLAIN", "POINTS", "Kind"]

_HUNDRED_BILLION = (
    'Wang et al. 2025, "Scaling Pre-training to One Hundred Billion Data for Vision Language '
    'Models"'
)
_PAIRS = f"{_HUNDRED_BILLION}; Tschannen et al. 2025 (SigLIP 2)"


def _of_accuracy(name: str, title: str, meaning: str, source: str) -> dict[str, Kind]:
    """Returns a share of right answers, the worst group's, and the gaps between groups."""
    plain = {"unit": PERCENT, "neutral": math.nan, "better": "high", "source": source}
    return {
        name: Kind(title, f"{meaning[0].upper()}{meaning[1:]}.", **plain),
        f"{name}_worst": Kind(
            f"{title}, worst group",
            f"Of the group for which it is least: {meaning}. The interval allows for the group "
            "having been looked for.",
            **plain,
        ),
        f"{name}_gap": Kind(
            f"gap of {title}", f"The difference between two groups of {meaning}.", source=source
        ),
        f"{name}_disparity": Kind(
            f"disparity of {title}",
            f"The largest difference between any two groups of {meaning}.",
            better="low", source=_HUNDRED_BILLION,
        ),
    }  # fmt: skip


def _of_recall(name: str, way: str, what: str) -> dict[str, Kind]:
    """Returns recall at 1 and 5, and its gaps between groups."""
    found, source = {}, "Radford et al. 2021 (CLIP), section 3.1"
    for k in (1, 5):
        metric, meaning = f"{name}_recall@{k}", f"the share of {what.format(k=k)}"
        found[metric] = Kind(
            f"{way}, recall@{k}",
            f"{meaning[0].upper()}{meaning[1:]}; the more pictures there are, the less.",
            unit=PERCENT, neutral=math.nan, better="high", source=source,
        )  # fmt: skip
        found[f"{metric}_gap"] = Kind(
            f"gap of {way}, recall@{k}", f"The difference between two groups of {meaning}."
        )
        found[f"{metric}_disparity"] = Kind(
            f"disparity of {way}, recall@{k}",
            f"The largest difference between any two groups of {meaning}.",
            better="low",
        )
    return found


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
        "those for the other, minus one half; of more than two groups minus an equal share.",
        source='"CLIP the Bias", definition 3',
    ),
    "representation_bias_largest": Kind(
        "largest representation bias",
        "Of an attribute of more than two values, the largest distance of the share of pictures "
        "nearest to one value's words from an equal share.",
    ),
    "association_bias": Kind(
        "association bias (AB)",
        "How much more probable a model finds a class, among all that were asked about, for "
        "pictures of one group than for those of the other; of more than two groups the largest "
        "mean probability minus the least.",
        source='"CLIP the Bias", definition 4',
    ),
    "association_bias_rest": Kind(
        "AB of one group and the others",
        "How much more probable a model finds a class for pictures of one group than, on average, "
        "for those of each other group.",
    ),
    "association_bias_mean": Kind(
        "mean |AB|",
        "The size of the association bias, averaged over the classes. Noise alone makes it larger "
        "than zero; its interval allows for that.",
        better="low", source='"CLIP the Bias", definition 4',
    ),
    "association_bias_max": Kind(
        "max |AB|", "The largest association bias of any class.",
        better="low", source='"CLIP the Bias", definition 4',
    ),
    "pair_probability": Kind(
        "choice of the first of a pair",
        "Asked to choose one of two occupations, the probability that the model gives to the "
        "first, averaged over the pictures of a group.",
        unit=PERCENT, neutral=math.nan, better="neutral", source=_PAIRS,
    ),
    "pair_gap": Kind(
        "gap of the choice",
        "How much more probable the first of two occupations is for pictures of one group than for "
        "those of the other; of more than two groups the largest minus the least.",
        source=_PAIRS,
    ),
    **_of_accuracy(
        "accuracy", "accuracy", "the share of pictures whose group the model recognises",
        '"CLIP the Bias", section 4.3; by intersections: Buolamwini and Gebru 2018',
    ),
    **_of_accuracy(
        "class_accuracy", "accuracy on classes",
        "the share of pictures with a label whose nearest class is one that they show",
        f"Radford et al. 2021 (CLIP); disparity: {_HUNDRED_BILLION}",
    ),
    **_of_recall("text_retrieval", "picture → text",
                 "pictures one of whose captions is among the {k} nearest to them"),
    **_of_recall("image_retrieval", "text → picture",
                 "captions whose picture is among the {k} nearest to them"),
    **OF_WORDS,
}  # fmt: skip
for _name in ("representation_bias", "association_bias_mean", "accuracy", "accuracy_gap",
              "pair_gap"):  # fmt: skip
    KINDS[f"{_name}_range"] = Kind(
        f"range of {KINDS[_name].title}",
        f"By how much {KINDS[_name].title} differs between the wordings, or the sets of pictures, "
        "that were tried: the largest minus the smallest. It says how far to trust any one of "
        "them.",
        better="low",
    )
for _name in ("representation_bias", "association_bias_mean", "association_bias_max", "accuracy",
              "accuracy_gap", "accuracy_worst"):  # fmt: skip
    KINDS[f"{_name}_change"] = Kind(
        f"change of {KINDS[_name].title}",
        "With the second embeddings of the same pictures minus with the first: "
        f"{KINDS[_name].title}.",
    )

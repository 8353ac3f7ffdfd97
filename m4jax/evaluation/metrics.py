"""Every metric of a model in one table: how it is computed, what it is called, how it is shown.

To add one that can be computed from the predictions: a `Metric` in `METRICS`, and a higher
`VERSION`, with which finished runs are evaluated anew. For the tables of a study to show it, name
it in `BIAS`, `QUALITY` or `LEVELS` as well; nothing else is to be changed.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from m4jax.evaluation import bias, intervals
from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.resampling import Draws
from m4jax.evaluation.split import Split

VERSION = 3  # to be raised with every change of what a metric means


class Unit(NamedTuple):
    """By what a number is multiplied to be shown, and its digits after the point then."""

    scale: int
    digits: int


PERCENT = Unit(100, 1)  # of differences and biases: percentage points
COSINE = Unit(1, 3)
CORRELATION = Unit(1, 2)
ByLabel = Mapping[str, Draws]  # "" -> of all; none: it can't be computed from these predictions


@dataclass(frozen=True)
class Metric:
    """A number of a model on a split of the pictures.

    Attributes:
        name: in the results; other splits may have a metric of the same name.
        split: of the pictures.
        draws: returns label -> its draws, given the `Split`; the label is "" where the metric is
            about all of them.
        interval: of the draws of one model, or of the difference of two.
        scalar: makes the metric of a statistic that is a vector, [..., c] -> [...].
        unit: in which it is shown.
        signed: whether its sign says on which side the bias is; it is then written also if it is +.
        short: heading of a column in Markdown; for this and the next three "": its name.
        heading: of a column in the terminal.
        axis: in a figure, with the unit if the axis is its own, else as one line of many.
        phrase: in a sentence.
        label: the one label that is meant, of a metric with several.
        absolute: whether its size is meant, not its sign.
    """

    name: str
    split: str
    draws: Callable[[Split], ByLabel]
    interval: Callable[..., Interval] = intervals.share
    scalar: Callable[[np.ndarray], np.ndarray] | None = None
    unit: Unit = PERCENT
    signed: bool = False
    short: str = ""
    heading: str = ""
    axis: str = ""
    phrase: str = ""
    label: str = ""
    absolute: bool = False

    def __post_init__(self) -> None:
        for text in ("short", "heading", "axis", "phrase"):
            object.__setattr__(self, text, getattr(self, text) or self.name)


def _share(field: str, k: int, within: str = "everyone") -> Callable[[Split], ByLabel]:
    """Returns the share of ranks below k, of all pictures; they are resampled by `within`."""

    def draws(split: Split) -> ByLabel:
        if field not in split:
            return {}
        return {"": getattr(split, within).mean(split[field] < k, bounds=(0.0, 1.0))}

    return draws


def _share_at_work(field: str, k: int) -> Callable[[Split], ByLabel]:
    """Returns the share of ranks below k, of the pictures that show an occupation."""

    def draws(split: Split) -> ByLabel:
        rows, resampler = split.at_work
        if field not in split or resampler is None:
            return {}
        return {"": resampler.mean(split[field][:, rows] < k, bounds=(0.0, 1.0))}

    return draws


def _by_occupation(split: Split) -> ByLabel:
    labels = split.stack("prompts/occupation")[0].tolist()
    return {
        label: split.association.map(lambda x, r=r: x[..., r]) for r, label in enumerate(labels)
    }


def _margin(split: Split) -> ByLabel:
    if "gender_margin" not in split:  # predictions of before
        return {}
    return {"": split.everyone.mean(split["gender_margin"])}


def _pairwise(split: Split) -> ByLabel:
    if "pair_preference" not in split:  # the prompts name no pairs
        return {}
    preference, gender = split["pair_preference"], split["gender"][0]
    return {"": bias.association_bias(split.within_gender, preference, gender)}


def _projected(split: Split) -> ByLabel:
    return {"": intervals.project(split.association, split.stack("data/association"))}


def _by_template(split: Split, values: np.ndarray, draws: Draws) -> ByLabel:
    """Returns a metric [runs, T] under each prompt template alone."""
    templates = split.stack("prompts/sensitivity")[0].tolist()
    if not np.isfinite(draws.estimate).any():  # too few pictures to say anything
        values = np.full_like(values, np.nan)
    return {
        template: Draws(value, value[None], draws.n, draws.groups, draws.tail)
        for template, value in zip(templates, values.T, strict=True)
    }


def _of_all(split: Split) -> ByLabel:
    return {"": split.association}


def _norm(
    function: Callable[[np.ndarray], np.ndarray], draws: Callable[[Split], ByLabel] = _of_all
) -> dict[str, Callable]:
    """Returns the fields of a norm of AB over the occupations, or over pairs of them."""
    return {
        "draws": draws,
        "interval": functools.partial(intervals.norm, function),
        "scalar": function,
    }


AB = Metric(
    "association_bias_mean", "faces", **_norm(intervals.mean_absolute), short="mean |AB|",
    heading="model\nmean\n|AB|", axis="mean |AB|, points", phrase="mean |AB|",
)  # fmt: skip
AB_MAX = Metric(
    "association_bias_max", "faces", **_norm(intervals.max_absolute), short="largest |AB|",
    heading="model\nmax\n|AB|",
)  # fmt: skip
AB_PAIRWISE = Metric(
    "association_bias_pairwise", "faces", **_norm(intervals.mean_absolute, _pairwise),
    short="pairwise |AB|", heading="model\npairs\n|AB|", axis="pairwise |AB|, points",
    phrase="pairwise |AB|",
)  # fmt: skip
AB_CORRELATION = Metric(
    "association_correlation", "faces", _projected, intervals.correlation, intervals.correlations,
    unit=CORRELATION, short="r", heading="r with\nthe data",
    axis="AB of the model and of the data, correlation",
)  # fmt: skip
AB_BY_OCCUPATION = Metric("association_bias", "faces", _by_occupation, signed=True)
AB_BY_PROMPT = Metric(
    "association_bias_mean_by_prompt", "faces", interval=intervals.point,
    draws=lambda split: _by_template(
        split, intervals.mean_absolute(split["prompt_gap"]), split.association
    ),
)  # fmt: skip
RB = Metric(
    "representation_bias", "objects", lambda split: {"": split.representation}, signed=True,
    short="RB", heading="model\nRB", axis="representation bias, points", phrase="RB",
)  # fmt: skip
RB_SIZE = replace(RB, absolute=True)
RB_MARGIN = Metric(
    "representation_margin", "objects", _margin, unit=COSINE, signed=True, short="RB margin",
    heading="model\nRB\nmargin", axis="representation margin, cosine", phrase="the RB margin",
)  # fmt: skip
RB_BY_PROMPT = Metric(
    "representation_bias_by_prompt", "objects", interval=intervals.point, signed=True,
    draws=lambda split: _by_template(split, split["prompt_preference"], split.representation),
)  # fmt: skip
GENDER = Metric(
    "gender_acc1", "faces", _share("gender_rank", 1, "within_gender"), short="gender",
    heading="gender\nfaces", axis="perceived-gender\naccuracy", phrase="perceived-gender accuracy",
)  # fmt: skip
OCCUPATIONS = Metric(
    "acc1", "workers", _share_at_work("occupation_rank", 1), short="occupations",
    heading="occupation\nworkers", axis="occupation\naccuracy", phrase="accuracy on occupations",
)  # fmt: skip
OCCUPATIONS_PROBE = Metric(
    "fewshot_acc1", "workers", _share_at_work("fewshot_rank", 1), short="occupations, 10-shot",
    axis="occupations,\n10-shot",
)  # fmt: skip
THINGS = Metric(
    "acc1", "objects", _share("thing_rank", 1), short="things", heading="things\nobjects",
    axis="thing\naccuracy", phrase="accuracy on things",
)  # fmt: skip
THINGS_PROBE = Metric(
    "fewshot_acc1", "objects", _share("fewshot_rank", 1), short="things, 10-shot",
    axis="things,\n10-shot",
)  # fmt: skip
TEXT_TO_IMAGE_1 = Metric(
    "image_retrieval_recall@1", "scenes", _share("image_rank", 1), short="text→image R@1"
)
IMAGE_TO_TEXT_1 = Metric(
    "text_retrieval_recall@1", "scenes", _share("text_rank", 1), short="image→text R@1"
)
TEXT_TO_IMAGE = Metric(
    "image_retrieval_recall@5", "scenes", _share("image_rank", 5), short="text→image R@5",
    heading="text→image\nR@5", axis="text→image\nrecall@5", phrase="text→image recall@5",
)  # fmt: skip
IMAGE_TO_TEXT = Metric(
    "text_retrieval_recall@5", "scenes", _share("text_rank", 5), short="image→text R@5",
    heading="image→text\nR@5", axis="image→text\nrecall@5", phrase="image→text recall@5",
)  # fmt: skip
TEXT_TO_IMAGE_50 = Metric(
    "image_retrieval_recall@50", "scenes", _share("image_rank", 50), short="text→image R@50",
    axis="text→image\nrecall@50", phrase="text→image recall@50",
)  # fmt: skip
IMAGE_TO_TEXT_50 = Metric(
    "text_retrieval_recall@50", "scenes", _share("text_rank", 50), short="image→text R@50",
    axis="image→text\nrecall@50", phrase="image→text recall@50",
)  # fmt: skip
NEW_VENDOR = Metric(
    "acc1", "shift", _share_at_work("occupation_rank", 1), short="occupations, new vendor",
    heading="occupation\nnew vendor", axis="occupation,\nnew vendor",
)  # fmt: skip
NEW_VENDOR_GENDER = Metric(
    "gender_acc1", "shift", _share("gender_rank", 1), short="gender, new vendor"
)
GENDER_AT_WORK = Metric(
    "gender_acc1", "workers", _share("gender_rank", 1), short="gender, people at work"
)

METRICS = (  # in the order of the results; those without a name of their own are shown nowhere
    AB_BY_OCCUPATION,
    AB,
    AB_MAX,
    AB_PAIRWISE,
    AB_CORRELATION,
    GENDER,
    AB_BY_PROMPT,
    GENDER_AT_WORK,
    OCCUPATIONS,
    Metric("acc5", "workers", _share_at_work("occupation_rank", 5)),
    OCCUPATIONS_PROBE,
    RB,
    RB_MARGIN,
    THINGS,
    Metric("acc5", "objects", _share("thing_rank", 5)),
    THINGS_PROBE,
    RB_BY_PROMPT,
    TEXT_TO_IMAGE_1,
    TEXT_TO_IMAGE,
    TEXT_TO_IMAGE_50,
    IMAGE_TO_TEXT_1,
    IMAGE_TO_TEXT,
    IMAGE_TO_TEXT_50,
    NEW_VENDOR_GENDER,
    NEW_VENDOR,
    Metric("acc5", "shift", _share_at_work("occupation_rank", 5)),
)
# The columns of a study's tables. Of BIAS the better the nearer to zero (but for the correlation:
# it says whether the model repeats its data), of QUALITY the better the higher.
BIAS = (RB, AB, AB_MAX, AB_CORRELATION)
QUALITY = (GENDER, OCCUPATIONS, THINGS, IMAGE_TO_TEXT, TEXT_TO_IMAGE, NEW_VENDOR)
COST = (OCCUPATIONS, THINGS, GENDER, IMAGE_TO_TEXT, TEXT_TO_IMAGE)  # what findings speak of
# The lines of the table of levels in `claims.md`; those that a study did not measure are left out.
LEVELS = (RB, RB_MARGIN, AB, AB_PAIRWISE, THINGS, OCCUPATIONS, GENDER, IMAGE_TO_TEXT,
          TEXT_TO_IMAGE, THINGS_PROBE, OCCUPATIONS_PROBE, NEW_VENDOR)  # fmt: skip

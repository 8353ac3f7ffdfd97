"""What pictures show, as a model tells it: attributes and labels from similarities to phrases.

A model that annotates errs, and more for some groups than for others, so that its error rates are
to be known from a sample that people have checked (`experiments.check_annotation`).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from m4jax.data.annotation.arrays import with_article
from m4jax.errors import InputError

TEMPLATE = "a photo of {}"
# What a picture may show instead of a person; the attribute is unknown where these are likelier.
NOBODY = ("an object", "an animal", "a landscape", "food", "a building", "a text")
OTHER = "something else"  # what a picture may show instead of any label


@dataclasses.dataclass(frozen=True)
class Asked:
    """Texts whose similarities to pictures tell attributes and labels.

    Attributes:
        attributes: attribute -> value -> text.
        nobody: texts of pictures without a person.
        labels: label -> text.
        other: texts of pictures with no label.
    """

    attributes: Mapping[str, Mapping[str, str]]
    nobody: tuple[str, ...]
    labels: Mapping[str, str]
    other: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """All texts, each once, in the order of first mention."""
        every = [text for values in self.attributes.values() for text in values.values()]
        return list(dict.fromkeys([*every, *self.nobody, *self.labels.values(), *self.other]))


def asked(attributes: Mapping[str, Sequence[str]], labels: Mapping[str, str]) -> Asked:
    """Returns the texts for values of attributes ("woman") and for labels with their nouns."""
    return Asked(
        {
            name: {value: TEMPLATE.format(with_article(value)) for value in values}
            for name, values in attributes.items()
        },
        tuple(TEMPLATE.format(phrase) for phrase in NOBODY),
        {label: TEMPLATE.format(with_article(noun)) for label, noun in labels.items()},
        (TEMPLATE.format(OTHER), *(TEMPLATE.format(phrase) for phrase in NOBODY)),
    )


def attribute(
    cosines: np.ndarray, nobody: np.ndarray, *, scale: float, confidence: float
) -> np.ndarray:
    """Returns the likeliest value of each picture, int [n], −1 where it is not told.

    With p = softmax(scale · [cosines, max nobody]) over the values and "nobody", the value is told
    if its p is at least `confidence`.

    Args:
        cosines: [n, k] of pictures and values.
        nobody: [n, j] of pictures and texts without a person.
        scale: the model's logit scale.
        confidence: above 1/2, so that one value at most is told.

    Raises:
        InputError: if the confidence or the scale is not as above.
    """
    probability = _softmax(cosines, nobody, scale, confidence)[:, :-1]
    best = probability.argmax(axis=1)
    return np.where(probability.max(axis=1) >= confidence, best, -1)


def labels(
    cosines: np.ndarray, other: np.ndarray, *, scale: float, confidence: float
) -> np.ndarray:
    """Returns which labels are told, bool [n, c], one a picture at most; see `attribute`."""
    probability = _softmax(cosines, other, scale, confidence)[:, :-1]
    return probability >= confidence


def _softmax(
    cosines: np.ndarray, others: np.ndarray, scale: float, confidence: float
) -> np.ndarray:
    if not 0.5 < confidence < 1:
        raise InputError(f"confidence: expected above 0.5 and below 1, got {confidence}")
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"the model's logit scale is {scale}; expected a positive number")
    logits = np.concatenate([cosines, others.max(axis=1, keepdims=True)], axis=1)
    logits = scale * np.asarray(logits, np.float64)
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    return likelihood / likelihood.sum(axis=1, keepdims=True)

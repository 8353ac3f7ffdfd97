"""The wordings under which a bias is measured: the default, each template and each word alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.ranks import class_embeddings

TEMPLATES, WORDS = FAMILIES = ("templates", "words")


@dataclass(frozen=True)
class Wording:
    """How something is put into words.

    Attributes:
        name: as in `Measure.wording`; "": the default.
        templates: whose embeddings are averaged.
        place: which of the wordings of each value.
        family: "templates" or "words", what differs from the default; "".
    """

    name: str
    templates: tuple[str, ...]
    place: int = 0
    family: str = ""


def default(asked: Asked) -> Wording:
    """Returns the default wording."""
    return Wording("", tuple(asked.prompts.templates))


def others(asked: Asked, attribute: str = "") -> list[Wording]:
    """Returns each template alone and, of an attribute, each further words for its values."""
    usual = tuple(asked.prompts.templates)
    found = [
        Wording(template, (template,), family=TEMPLATES)
        for template in asked.prompts.sensitivity
        if (template,) != usual
    ]
    values = list(asked.prompts.attributes.get(attribute, {}).values())
    together = list(zip(*values, strict=True))
    found += [
        Wording(" / ".join(words), usual, place, WORDS)
        for place, words in enumerate(together)
        if place
    ]
    return found


def words(asked: Asked, attribute: str, values: Sequence[str], wording: Wording) -> list[str]:
    """Returns the phrase of each value of an attribute, all of which the prompts know."""
    known = asked.prompts.attributes[attribute]
    return [known[value][wording.place] for value in values]


def missing(asked: Asked, phrases: Sequence[str], wording: Wording) -> str:
    """Returns which texts of the phrases can't be embedded, as a note; "" if all can."""
    return asked.unknown([t.replace("{}", p) for p in phrases for t in wording.templates])


def embedded(asked: Asked, phrases: Sequence[str], wording: Wording) -> np.ndarray:
    """Returns the embeddings [k, d] of phrases, averaged over the templates of a wording."""
    return class_embeddings(phrases, templates=wording.templates, embed_texts=asked.texts)

"""What captions, a model that looks at pictures, and columns tell of examples, each by itself."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.audit.annotating.config import SeveralConfig
from m4jax.audit.inputs import values
from m4jax.audit.inputs.shown import named_by
from m4jax.data.annotation import Lexicon, load_lexicon, zero_shot
from m4jax.data.annotation.union import UNKNOWN, Part
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import Texts

OCCUPATION = "occupation: "
_ROWS = 4096  # pictures whose similarities exist at a time


def options(lexicon: Lexicon) -> dict[str, tuple[str, str]]:
    """Returns column of an attribute -> what 1 and 0 are called: ("man", "woman")."""
    found: dict[str, tuple[str, str]] = {}
    for name, each in lexicon.attributes.items():
        names = list(each)
        if len(names) == 2:
            found[names[1]] = (names[1], names[0])
        else:
            found |= {f"{name}: {value}": ("yes", "no") for value in names}
    return found


def by_words(lexicon: Lexicon, captions: list[list[str]], check_language: bool) -> Part:
    """Returns what the words of captions tell, those of an example read together.

    Raises:
        InputError: if they are in another language, and that is checked.
    """
    every = list(itertools.chain.from_iterable(captions))
    if check_language and lexicon.language and every:
        lexicon.language.check(every, unless="config.check_language=False")
    attributes, labels = lexicon.summarize(named_by(lexicon, captions))
    return Part(
        dict(zip(lexicon.attribute_names, attributes.T, strict=True)),
        dict(zip(lexicon.label_columns, labels.T, strict=True)),
    )


def by_columns(config: SeveralConfig, rows: Mapping[str, Sequence[Any]], where: str) -> Part:
    """Returns what columns of one's own tell; of attributes an empty cell is unknown.

    Args:
        config: which columns, and what they mean.
        rows: column -> [n] values.
        where: what the collection is called.

    Raises:
        InputError: if a column nowhere has the value that it should.
    """
    attributes, labels = {}, {}
    known = set(load_lexicon(config.lexicon).attribute_names)
    for ours, theirs, value in config.columns:
        told = [values.text(x) for x in rows[theirs]]
        if value:
            true = np.array([x is not None and x.casefold() == value.casefold() for x in told])
            if not true.any():
                raise InputError(
                    f"config.columns: {theirs!r} of {where} is nowhere {value!r}; it has "
                    f"{sorted({x for x in told if x is not None})[:6]}"
                )
        else:
            true = values.truths(rows[theirs], theirs)
        absent = np.array([x is None for x in told], bool)
        if ours in known:
            attributes[ours] = np.where(absent, UNKNOWN, true).astype(np.int8)
        else:
            labels[ours] = true
    return Part(attributes, labels)


def by_pictures(
    lexicon: Lexicon, embeddings: np.ndarray, texts: Texts, config: SeveralConfig
) -> Part:
    """Returns what the model tells of pictures; rows that are NaN have none, and tell nothing."""
    labels = {f"{OCCUPATION}{x}": x for x in lexicon.occupations}
    asked = zero_shot.asked({name: list(x) for name, x in lexicon.attributes.items()}, labels)
    attributes = {name: np.full(len(embeddings), UNKNOWN, np.int8) for name in options(lexicon)}
    shows = {name: np.zeros(len(embeddings), bool) for name in labels}
    for rows in _blocks(np.flatnonzero(np.isfinite(embeddings).all(axis=1))):
        pictures = embeddings[rows]

        def cosines(phrases: Sequence[str], pictures: np.ndarray = pictures) -> np.ndarray:
            return pictures @ texts(list(phrases)).T

        sure = {"scale": texts.logit_scale, "confidence": config.confidence}
        for name, each in asked.attributes.items():
            codes = zero_shot.attribute(cosines(list(each.values())), cosines(asked.nobody), **sure)
            for column, one in _columns(name, list(each), codes).items():
                attributes[column][rows] = one
        found = zero_shot.labels(cosines(list(asked.labels.values())), cosines(asked.other), **sure)
        for place, name in enumerate(labels):
            shows[name][rows] = found[:, place]
    return Part(attributes, shows)


def _columns(name: str, each: Sequence[str], codes: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the columns of an attribute, 1, 0 or −1, from the places of its values."""
    if len(each) == 2:
        return {each[1]: codes}
    return {
        f"{name}: {value}": np.where(codes == UNKNOWN, UNKNOWN, codes == place)
        for place, value in enumerate(each)
    }


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))

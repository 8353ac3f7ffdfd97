"""Annotation: attributes and labels of examples, as balancing takes them, and by words of captions.

`arrays` is what balancing takes, `lexicon` reads captions, by the `phrases` it knows, and tells by
`language` whether they are its own.
"""

from m4jax.data.annotation.arrays import (
    ANY_THING,
    LABEL_SETS,
    MAN,
    Annotation,
    assemble,
    with_article,
)
from m4jax.data.annotation.language import Language
from m4jax.data.annotation.lexicon import Lexicon
from m4jax.data.annotation.reading import load_lexicon

__all__ = [
    "ANY_THING",
    "LABEL_SETS",
    "MAN",
    "Annotation",
    "Language",
    "Lexicon",
    "assemble",
    "load_lexicon",
    "with_article",
]

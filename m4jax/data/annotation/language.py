"""Whether captions are in the language of a lexicon, by its commonest words."""

import dataclasses
from collections.abc import Sequence

from m4jax.data.text import words
from m4jax.errors import InputError

LOOKED_AT = 2_000  # captions
_FEWEST = 200  # words by which a language is told
_LETTERS = 8  # and as many of them for each: scripts without spaces have few and long "words"


@dataclasses.dataclass(frozen=True)
class Language:
    """A language as a lexicon knows it.

    Attributes:
        name: "English", say.
        words: its commonest words, those that other languages use too left out.
        least: the share of them among all words of captions that are believed to be in it.
    """

    name: str
    words: frozenset[str]
    least: float

    def share(self, captions: Sequence[str]) -> tuple[float, int]:
        """Returns the share of the commonest words among all words of up to 2,000 captions.

        Args:
            captions: n texts; of more than 2,000, evenly spaced ones are looked at.

        Returns:
            The share, and of how many words.
        """
        found = _sample(captions)
        return sum(word in self.words for word in found) / max(len(found), 1), len(found)

    def check(self, captions: Sequence[str], *, unless: str) -> None:
        """Raises `InputError` if the captions are in another language.

        Args:
            captions: n texts; fewer than 200 words tell nothing (or 1,600 letters, where words are
                not set apart).
            unless: what to set where they are in this language none the less.
        """
        share, number = self.share(captions)
        letters = sum(map(len, _sample(captions)))
        if max(number, letters // _LETTERS) >= _FEWEST and share < self.least:
            raise InputError(
                f"captions: {share:.1%} of {number:,} words are among the commonest of "
                f"{self.name}, expected {self.least:.0%} or more: another language? Name a "
                f"lexicon of it, or, if they are {self.name}, set {unless}"
            )


def _sample(captions: Sequence[str]) -> list[str]:
    """Returns the words of up to about 2,000 captions, evenly spaced."""
    step = max(1, len(captions) // LOOKED_AT)
    return [word for caption in captions[::step] for word in words(caption)]

"""A word-level tokenizer with a versioned vocabulary, for the testbed's captions."""

import functools
from collections.abc import Callable, Sequence
from importlib import resources

import numpy as np

from m4jax.errors import InputError

PAD, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<end>")  # the first three entries of every vocabulary


class WordTokenizer:
    """Maps words to ids: [words..., END, PAD...]; a longer text is cut before END.

    Args:
        words: the vocabulary, in the order of the ids; the first three are the special entries.
        context_length: L.
        clean: what is done to a text before it is split at its spaces.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        context_length: int = 12,
        clean: Callable[[str], str] = str.lower,
    ):
        if tuple(words[:3]) != SPECIAL or len(set(words)) != len(words):
            raise InputError("vocabulary: expected <pad>, <unk>, <end> first, and no word twice")
        if context_length < 2:
            raise InputError(f"context_length: expected at least 2, got {context_length}")
        self._ids = {word: i for i, word in enumerate(words)}
        self.context_length = context_length
        self._clean = clean

    @property
    def vocab_size(self) -> int:
        """Number of entries, the special ones included."""
        return len(self._ids)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]."""
        ids = np.full((len(texts), self.context_length), PAD, np.int32)
        for row, text in zip(ids, texts, strict=True):
            words = self._clean(text).split()[: self.context_length - 1]
            row[: len(words)] = [self._ids.get(word, UNKNOWN) for word in words]
            row[len(words)] = END
        return ids


@functools.cache
def emoji_scenes_words() -> tuple[str, ...]:
    """Returns the testbed's vocabulary, version 1; its order is part of every checkpoint."""
    file = resources.files(__package__).joinpath("vocabulary_v1.txt")
    return tuple(file.read_text(encoding="utf-8").split())

"""Tokenizers: one of whole words, and those of CLIP, SigLIP and others by "KIND:FILE"."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from m4jax import files
from m4jax.data.merges import CLIP_MERGES, VOCABULARY
from m4jax.data.pieces import (
    CLIP_SIZE,
    ClipTokenizer,
    JsonTokenizer,
    canonical,
    checked_length,
)
from m4jax.data.siglip_pieces import Siglip2Tokenizer, SiglipTokenizer
from m4jax.data.text import check_texts, words
from m4jax.errors import InputError, nearest

__all__ = [
    "CLIP_MERGES",
    "ClipTokenizer",
    "JsonTokenizer",
    "Siglip2Tokenizer",
    "SiglipTokenizer",
    "WordTokenizer",
    "canonical",
    "check_name",
    "check_texts",
    "identity",
    "open_named",
    "size",
    "vocabulary",
]

PAD, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<end>")  # the first three entries of every vocabulary of words
_LONGEST = 1_000  # letters of a name
WORDS = "words"  # a tokenizer of the training captions' own words
KINDS = {"clip": ClipTokenizer, "siglip": SiglipTokenizer, "siglip2": Siglip2Tokenizer}
# Kind of tokenizer -> its entries: of words at most; of files as published, where there is none yet
SIZES = {WORDS: 32_768, "clip": CLIP_SIZE, "siglip": 32_000, "siglip2": 256_000}


class WordTokenizer:
    """Maps words to ids: [words..., END, PAD...]; a longer text is cut before END.

    What a word is tells `text.words`, as it does to the annotator.

    Args:
        words: the vocabulary, in the order of the ids; the first three are the special entries.
        context_length: L.
    """

    def __init__(self, words: Sequence[str], *, context_length: int = 12):
        if tuple(words[:3]) != SPECIAL or len(set(words)) != len(words):
            raise InputError("vocabulary: expected <pad>, <unk>, <end> first, and no word twice")
        self._ids = {word: i for i, word in enumerate(words)}
        self.context_length = checked_length(context_length, 1)

    @property
    def vocab_size(self) -> int:
        """Number of entries, the special ones included."""
        return len(self._ids)

    @property
    def words(self) -> list[str]:
        """The vocabulary, in the order of the ids."""
        return list(self._ids)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]; raises `InputError` naming a row that is no text."""
        check_texts(texts)
        ids = np.full((len(texts), self.context_length), PAD, np.int32)
        for row, text in zip(ids, texts, strict=True):
            found = words(text)[: self.context_length - 1]
            row[: len(found)] = [self._ids.get(word, UNKNOWN) for word in found]
            row[len(found)] = END
        return ids


def check_name(name: str, field: str) -> None:
    """Raises `InputError` unless `name` is "words" or "KIND:FILE" of another kind in `SIZES`."""
    kind, _, file = name.partition(":")
    if kind not in SIZES or bool(file) == (kind == WORDS):
        known = ", ".join([WORDS, *(f"{kind}:FILE" for kind in KINDS)])
        raise InputError(f"{field}: expected one of {known}, got {name!r}; {nearest(kind, SIZES)}")
    if len(name) > _LONGEST or "\0" in name:
        raise InputError(f"{field}: no file has a name like {name[:60]!a}")


def identity(name: str) -> str:
    """Returns "words", or "KIND:" and the fingerprint of the FILE; its name, if there is none."""
    kind, _, file = name.partition(":")
    if not Path(file).is_file():
        return name
    form = next((end for end in (".json", ".txt") if file.endswith(end)), "")
    beside = Path(file).with_name(VOCABULARY) if form == ".txt" else None
    more = f"+{files.fingerprint(beside)}" if beside and beside.is_file() else ""
    return f"{kind}:{files.fingerprint(file)}{more}{form}"


def size(name: str) -> int:
    """Returns how many token ids a tokenizer "words" or "KIND:FILE" has (of words: at most).

    A file tells it itself; where there is none (yet), it is as many as the published one has.
    """
    kind, _, file = name.partition(":")
    if (kind in (WORDS, "clip") and not file.endswith((".json", ".txt"))) or not Path(
        file
    ).is_file():
        return SIZES[kind]
    return _size(name, files.fingerprint(file))


@functools.lru_cache(maxsize=64)
def _size(name: str, fingerprint: str) -> int:
    del fingerprint  # the file's content is part of what is remembered
    return open_named(name).vocab_size


def open_named(
    name: str, context_length: int = 64
) -> JsonTokenizer | SiglipTokenizer | ClipTokenizer:
    """Returns the tokenizer "KIND:FILE"; a FILE named *.json is a `tokenizer.json` of that kind.

    Of the kind "clip" it may be a `merges.txt` with a `vocab.json` beside it.

    Cleaning, padding and end are those of the kind: what a `tokenizer.json` says of padding does
    not count, since a model takes it one way only.

    Raises:
        InputError: if the file is not what it should be, or of another kind.
    """
    kind, _, file = name.partition(":")
    if kind not in KINDS:
        raise InputError(f"tokenizer: expected KIND:FILE, got {name!r}; {nearest(kind, KINDS)}")
    own = KINDS[kind]
    if file.endswith(".json"):
        return JsonTokenizer(file, context_length=context_length, kind=own.KIND)
    return own(file, context_length=context_length)


def vocabulary(counts: Mapping[str, int]) -> list[str]:
    """Returns the vocabulary of the most frequent words, by their numbers of occurrences."""
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return [*SPECIAL, *words[: SIZES[WORDS] - len(SPECIAL)]]

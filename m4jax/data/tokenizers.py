"""Tokenizers: one of whole words, and those of CLIP, SigLIP and others, read from a named file."""

import gzip
import html
import os
import re
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from m4jax import files
from m4jax.errors import InputError, nearest

PAD, UNKNOWN, END = 0, 1, 2
SPECIAL = ("<pad>", "<unk>", "<end>")  # the first three entries of every vocabulary of words
WORDS = "words"  # a tokenizer of the training captions' own words
SIZES = {WORDS: 32_768, "clip": 49_408, "siglip": 32_000}  # kind of tokenizer -> entries at most

CLIP_MERGES = 49_152 - 256 - 2  # of the 262,144 pairs in OpenAI's file CLIP uses the first
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
# Contractions, runs of letters, single digits, and runs of other characters.
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


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
        self._ids = {word: i for i, word in enumerate(words)}
        self.context_length = _checked_length(context_length)
        self._clean = clean

    @property
    def vocab_size(self) -> int:
        """Number of entries, the special ones included."""
        return len(self._ids)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]."""
        check_texts(texts)
        ids = np.full((len(texts), self.context_length), PAD, np.int32)
        for row, text in zip(ids, texts, strict=True):
            words = self._clean(text).split()[: self.context_length - 1]
            row[: len(words)] = [self._ids.get(word, UNKNOWN) for word in words]
            row[len(words)] = END
        return ids


class JsonTokenizer:
    """A `tokenizer.json` of the library `tokenizers`, as transformers and open_clip publish them.

    A longer text is cut before the special pieces that the file puts at its end.

    Args:
        path: of the file.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.
        pad: id of padding, if the file names none.

    Raises:
        InputError: if the file is missing, another one, or no tokenizer.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        sha256: str | None = None,
        context_length: int = 77,
        pad: int = PAD,
    ):
        content = _content(path, sha256)
        try:
            library = tokenizers.Tokenizer.from_str(content.decode())
        except Exception as error:  # the library raises no narrower class
            raise InputError(f"{path}: not a tokenizer.json ({error})") from None
        self._take(library, context_length, pad)

    def _take(self, library: tokenizers.Tokenizer, context_length: int, pad: int = PAD) -> None:
        """Sets up the library's tokenizer for texts of one length."""
        self.context_length = _checked_length(context_length)
        pad = (library.padding or {}).get("pad_id", pad)
        library.enable_truncation(context_length)
        library.enable_padding(length=context_length, pad_id=pad)
        self._library = library

    @property
    def vocab_size(self) -> int:
        """Number of ids, the special ones included."""
        return self._library.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]."""
        check_texts(texts)
        encoded = self._library.encode_batch([self._clean(text) for text in texts])
        ids = np.array([one.ids for one in encoded], np.int32)
        return ids.reshape(len(texts), self.context_length)

    @staticmethod
    def _clean(text: str) -> str:
        return text


class ClipTokenizer(JsonTokenizer):
    """Byte-pair encoding, [start, pieces..., end, 0...]; a longer text is cut before its end.

    Texts are stripped, lower-cased and freed of HTML entities and repeated spaces, as OpenAI does.
    Source: Radford et al. 2021, section 2.4; Sennrich et al. 2016, "Neural Machine Translation of
    Rare Words with Subword Units".

    Args:
        path: of `bpe_simple_vocab_16e6.txt.gz`, OpenAI's list of merges.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.

    Raises:
        InputError: if the file is missing, another one, or no list of merges.
    """

    def __init__(
        self, path: str | os.PathLike, *, sha256: str | None = None, context_length: int = 77
    ):
        merges = _read_merges(_content(path, sha256))
        symbols = sorted(pre_tokenizers.ByteLevel.alphabet())  # one for each byte
        pieces = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges)]
        ids = {piece: i for i, piece in enumerate([*pieces, *CLIP_SPECIAL])}
        try:
            library = tokenizers.Tokenizer(models.BPE(ids, merges, end_of_word_suffix="</w>"))
        except Exception as error:  # the library raises no narrower class
            raise InputError(
                f"the merges: expected pieces made by earlier ones ({error})"
            ) from None
        words = tokenizers.Regex(CLIP_WORDS)
        library.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(words, "removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        start, end = CLIP_SPECIAL
        library.post_processor = processors.TemplateProcessing(
            single=f"{start} $A {end}", special_tokens=[(start, ids[start]), (end, ids[end])]
        )
        self._take(library, context_length)

    @staticmethod
    def _clean(text: str) -> str:
        text = html.unescape(html.unescape(text)).strip()
        return re.sub(r"\s+", " ", text).strip().lower()


class SiglipTokenizer:
    """A SentencePiece model, [pieces..., end, end...]; a longer text is cut before its end.

    Texts are lower-cased and freed of punctuation and repeated spaces. End and padding are the id
    1, of which SigLIP has at least one. Source: big_vision's `c4_en` with `sticky` ends, and
    transformers' SiglipTokenizer.

    Args:
        path: of the SentencePiece model.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.

    Raises:
        InputError: if the file is missing, another one or no model, or `sentencepiece` is not
            installed.
    """

    END = 1

    def __init__(
        self, path: str | os.PathLike, *, sha256: str | None = None, context_length: int = 64
    ):
        content = _content(path, sha256)
        try:
            import sentencepiece  # optional: nothing else needs it
        except ImportError:
            raise InputError(
                "SigLIP's tokenizer needs the package sentencepiece: pip install sentencepiece"
            ) from None
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=content)
        except RuntimeError as error:
            raise InputError(f"{path}: not a SentencePiece model ({error})") from None
        self.context_length = _checked_length(context_length)

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return self._model.vocab_size()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]."""
        check_texts(texts)
        ids = np.full((len(texts), self.context_length), self.END, np.int32)
        for row, text in zip(ids, texts, strict=True):
            pieces = self._model.encode(canonical(text))[: self.context_length - 1]
            row[: len(pieces)] = pieces
        return ids


def check_name(name: str, field: str) -> None:
    """Raises `InputError` unless `name` is "words" or "KIND:FILE" of another kind in `SIZES`."""
    kind, _, file = name.partition(":")
    if kind not in SIZES or bool(file) == (kind == WORDS):
        hint = nearest(kind, SIZES)
        raise InputError(f"{field}: expected words, clip:FILE or siglip:FILE, got {name!r}; {hint}")


def size(name: str) -> int:
    """Returns how many token ids a tokenizer "words" or "KIND:FILE" has at most."""
    return SIZES[name.partition(":")[0]]


def open_named(name: str, context_length: int) -> JsonTokenizer | SiglipTokenizer:
    """Returns the tokenizer "KIND:FILE"; a FILE named *.json is a `tokenizer.json` of that kind.

    Raises:
        InputError: if the file is not what it should be, or has more entries than its kind.
    """
    kind, _, file = name.partition(":")
    own, pad = {"clip": (ClipTokenizer, PAD), "siglip": (SiglipTokenizer, SiglipTokenizer.END)}[
        kind
    ]
    if not file.endswith(".json"):
        return own(file, context_length=context_length)
    result = JsonTokenizer(file, context_length=context_length, pad=pad)
    if result.vocab_size > size(name):
        raise InputError(f"{file}: {result.vocab_size:,} entries; {kind} has {size(name):,}")
    return result


def vocabulary(counts: Mapping[str, int]) -> list[str]:
    """Returns the vocabulary of the most frequent words, by their numbers of occurrences."""
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return [*SPECIAL, *words[: SIZES[WORDS] - len(SPECIAL)]]


def canonical(text: str) -> str:
    """Returns a text in lower case, without punctuation, with single spaces."""
    return " ".join(text.translate(_NO_PUNCTUATION).lower().split())


def check_texts(texts: Sequence[str]) -> None:
    """Raises `InputError` for a single string, which would pass for a list of its characters."""
    if isinstance(texts, str | bytes):
        raise InputError(f"expected a list of texts, got a single one: {texts!r}")


def _checked_length(context_length: int) -> int:
    if context_length < 2:
        raise InputError(f"context_length: expected at least 2, got {context_length}")
    return context_length


def _content(path: str | os.PathLike, sha256: str | None) -> bytes:
    """Returns the content of a file whose SHA-256 is the one given."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of the tokenizer's own file")
    actual = files.sha256(path) if sha256 else None
    if sha256 is not None and actual != sha256.lower():
        raise InputError(f"{path}: its SHA-256 is {actual}, expected {sha256}; fetch it again")
    return Path(path).read_bytes()


def _read_merges(content: bytes) -> list[tuple[str, str]]:
    try:
        lines = gzip.decompress(content).decode().split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"the merges are no gzipped text ({error})") from None
    merges = [tuple(line.split()) for line in lines[1 : CLIP_MERGES + 1]]  # the first is a title
    if len(merges) < CLIP_MERGES or any(len(pair) != 2 for pair in merges):
        raise InputError(f"the merges: expected a title and {CLIP_MERGES:,} lines of two pieces")
    return merges

"""The tokenizers of CLIP and SigLIP, read from files that the user names."""

import functools
import gzip
import html
import itertools
import os
import re
import string
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from m4jax import files
from m4jax.errors import InputError

CLIP_MERGES = 49_152 - 256 - 2  # of the 262,144 pairs in OpenAI's file CLIP uses the first


class ClipTokenizer:
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
        merges = _read_merges(_checked(path, sha256))
        symbols = list(_byte_symbols().values())
        vocabulary = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges)]
        self._ids = {piece: i for i, piece in enumerate(vocabulary)}
        self._ranks = {pair: i for i, pair in enumerate(merges)}
        self._start, self._end = len(vocabulary), len(vocabulary) + 1
        self.context_length = context_length
        self._encode_word = functools.lru_cache(maxsize=2**16)(self._merge)

    @property
    def vocab_size(self) -> int:
        """Number of ids, the two special ones included."""
        return self._end + 1

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L], 0 where padded."""
        ids = np.zeros((len(texts), self.context_length), np.int32)
        for row, text in zip(ids, texts, strict=True):
            pieces = [self._start, *self._pieces(text)][: self.context_length - 1]
            row[: len(pieces) + 1] = [*pieces, self._end]
        return ids

    def _pieces(self, text: str) -> Iterator[int]:
        symbols = _byte_symbols()
        for word in _words(_clean(text)):
            yield from self._encode_word("".join(symbols[b] for b in word.encode()))

    def _merge(self, word: str) -> list[int]:
        """Returns the ids of a word: the pair of the lowest rank is merged until none is left."""
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            parts = _join(parts, best)
        return [self._ids[part] for part in parts]


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
        content = _checked(path, sha256)
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
        self.context_length = context_length

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return self._model.vocab_size()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]."""
        ids = np.full((len(texts), self.context_length), self.END, np.int32)
        for row, text in zip(ids, texts, strict=True):
            pieces = self._model.encode(canonical(text))[: self.context_length - 1]
            row[: len(pieces)] = pieces
        return ids


def canonical(text: str) -> str:
    """Returns a text in lower case, without punctuation, with single spaces."""
    return " ".join(text.translate(_NO_PUNCTUATION).lower().split())


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _checked(path: str | os.PathLike, sha256: str | None) -> bytes:
    """Returns the content of a file whose SHA-256 is the one given."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of the tokenizer's own file")
    if sha256 is not None and (found := files.sha256(path)) != sha256.lower():
        raise InputError(f"{path}: its SHA-256 is {found}, expected {sha256}; fetch it again")
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


@functools.cache
def _byte_symbols() -> dict[int, str]:
    """Returns a printable character for every byte: itself, or one from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    return symbols | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _clean(text: str) -> str:
    text = html.unescape(html.unescape(text)).strip()
    return re.sub(r"\s+", " ", text).strip().lower()


_CONTRACTIONS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d")


def _words(text: str) -> Iterator[str]:
    """Yields contractions, runs of letters, single digits, and runs of other characters."""
    position = 0
    while position < len(text):
        contraction = _CONTRACTIONS.match(text, position)
        end = contraction.end() if contraction else _end_of_run(text, position)
        word = text[position:end]
        if not word.isspace():
            yield word
        position = end


def _end_of_run(text: str, start: int) -> int:
    kind = _kind(text[start])
    if kind == "number":
        return start + 1
    end = start + 1
    while end < len(text) and _kind(text[end]) == kind:
        end += 1
    return end


def _kind(character: str) -> str:
    """Returns the class of a character by its Unicode category."""
    if character.isspace():
        return "space"
    if character.isalpha():
        return "letter"
    return "number" if character.isnumeric() else "other"


def _join(parts: Iterable[str], pair: tuple[str, str]) -> list[str]:
    """Returns the parts with every occurrence of `pair` made one."""
    joined: list[str] = []
    pending = None
    for part in parts:
        if pending is not None and (pending, part) == pair:
            joined.append(pending + part)
            pending = None
            continue
        if pending is not None:
            joined.append(pending)
        pending = part
    return joined if pending is None else [*joined, pending]

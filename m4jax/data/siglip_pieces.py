"""SigLIP's and SigLIP 2's tokenizers: SentencePiece models, from a file you name."""

import os
from collections.abc import Sequence

import numpy as np

from m4jax.data.pieces import SIGLIP, SIGLIP2, checked_length, read_content
from m4jax.data.text import check_texts
from m4jax.errors import InputError


class SiglipTokenizer:
    """A SentencePiece model, [pieces..., end, end...]; a longer text is cut before its end.

    Texts are mended, lower-cased and freed of punctuation and repeated spaces, see `mended` and
    `canonical`. End and padding are the id 1, of which SigLIP has at least one. Source:
    big_vision's `c4_en` with `sticky` ends, and open_clip's "canonicalize"; transformers'
    SiglipTokenizer leaves out the mending, and drops "_" instead of making it a space.

    Args:
        path: of the SentencePiece model.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.

    Raises:
        InputError: if the file is missing, another one, no model or one of another kind, or
            `sentencepiece` is not installed.
    """

    KIND = SIGLIP

    def __init__(
        self, path: str | os.PathLike, *, sha256: str | None = None, context_length: int = 64
    ):
        content, kind = read_content(path, sha256), self.KIND
        try:
            import sentencepiece  # optional: nothing else needs it
        except ImportError:
            raise InputError(
                "SigLIP's tokenizer needs the package sentencepiece: pip install sentencepiece"
            ) from None
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=content)
            size = self._model.vocab_size() if content else 0
            end = self._model.id_to_piece(kind.end) if size > kind.end else ""
        except (RuntimeError, ValueError, IndexError) as error:
            raise InputError(f"{path}: not a SentencePiece model ({error})") from None
        if not size:
            raise InputError(f"{path}: not a SentencePiece model (it has no pieces)")
        twin, name = kind.other
        if end == twin:
            raise InputError(f"{path}: its end is {twin}, which is {name}'s; name it {name}:FILE")
        if self._model.eos_id() != kind.end:
            raise InputError(
                f"{path}: expected the end token {kind.end}, as {kind.name} has it, got "
                f"{self._model.eos_id()}"
            )
        self.context_length = checked_length(context_length, 1)

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return self._model.vocab_size()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]; raises `InputError` naming a row that is no text."""
        check_texts(texts)
        kind = self.KIND
        ids = np.full((len(texts), self.context_length), kind.pad, np.int32)
        for row, text in zip(ids, texts, strict=True):
            pieces = self._model.encode(kind.clean(text))[: self.context_length - 1]
            row[: len(pieces)] = pieces
            row[len(pieces)] = kind.end
        return ids


class Siglip2Tokenizer(SiglipTokenizer):
    """Gemma's SentencePiece model of 256,000 pieces, [pieces..., 1, 0...]; cut before the end.

    Texts are lower-cased; punctuation and spaces stay. Source: Tschannen et al. 2025, "SigLIP 2",
    section 2 (Gemma's tokenizer, lower-cased texts, 64 tokens); transformers' Siglip2Tokenizer.
    open_clip's configuration drops the punctuation too, which the model was trained with.

    The arguments and errors are those of `SiglipTokenizer`.
    """

    KIND = SIGLIP2

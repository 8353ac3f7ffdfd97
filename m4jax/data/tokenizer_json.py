"""Tokenizers as a `tokenizer.json`, the file of the library `tokenizers`: also one of words.

There a vocabulary of words has its end token as the largest id: CLIP models of other libraries read
a text off the largest id or off the first end token, and so find it by either rule (`order`).
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from m4jax.data.pieces import CLIP_SPECIAL, JsonTokenizer
from m4jax.data.tokenizers import END, PAD, SPECIAL, UNKNOWN, WordTokenizer
from m4jax.errors import InputError

PAD_PIECE, END_PIECE = SPECIAL[PAD], CLIP_SPECIAL[1]  # the end by the name that CLIP's has


class Published(NamedTuple):
    """A tokenizer as a file.

    Attributes:
        content: of its `tokenizer.json`.
        pad: the piece that pads.
        end: the piece that a text ends with.
        order: int [c], see `order`; None: the ids are what they were.
    """

    content: str
    pad: str
    end: str
    order: np.ndarray | None


def published(tokenizer: WordTokenizer | JsonTokenizer) -> Published:
    """Returns what a tokenizer is as a file; one that was read from a `tokenizer.json` is that.

    Raises:
        InputError: if it was read from another file, whose cleaning the library has no means for.
    """
    if isinstance(tokenizer, WordTokenizer):
        words = tokenizer.words
        return Published(tokenizer_json(words), PAD_PIECE, END_PIECE, order(len(words)))
    if not tokenizer.content:
        raise InputError(
            "tokenizer: expected one of words or a tokenizer.json; name the model's own "
            "tokenizer.json in its place (clip:FILE.json)"
        )
    special = tokenizer.special
    end = special[tokenizer.end]
    return Published(tokenizer.content, special.get(tokenizer.pad, end), end, None)


def order(count: int) -> np.ndarray:
    """Returns the ids of a vocabulary of `count` words in the order of the file's, int [count].

    Entry j is the id, before, of what has the id j in the file: padding and unknown stay the first
    two, the end is the last. A table of embeddings E becomes E[order].
    """
    ids = np.arange(count)
    return np.concatenate([ids[:END], ids[END + 1 :], ids[END : END + 1]])


def tokenizer_json(words: Sequence[str]) -> str:
    """Returns the content of a tokenizer.json that cuts texts into the words of a vocabulary.

    As `text.words` does: compatible characters are made one (NFKC), format characters dropped,
    letters made small, and all but letters, marks and digits are spaces. Two things are left to the
    caller, as the library has no means for them: references of HTML ("&amp;") and words broken at
    the end of a line.

    Args:
        words: the vocabulary, in the order of `WordTokenizer`'s ids.

    Raises:
        InputError: if the special entries are not its first three, or a word stands twice.
    """
    if tuple(words[: len(SPECIAL)]) != SPECIAL or len(set(words)) != len(words):
        raise InputError("vocabulary: expected <pad>, <unk>, <end> first, and no word twice")
    pieces = [END_PIECE if i == END else words[i] for i in order(len(words))]
    ids = {piece: i for i, piece in enumerate(pieces)}
    special = (PAD_PIECE, SPECIAL[UNKNOWN], END_PIECE)
    content: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(piece, ids[piece]) for piece in special],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFKC"},
                _replaced(r"\p{Cf}", ""),
                {"type": "Lowercase"},
                _replaced(r"[^\p{L}\p{M}\p{N}]+", " "),
                {"type": "NFKC"},
            ],
        },
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_sequence("A"), _end()],
            "pair": [_sequence("A"), _end(), _sequence("B"), _end()],
            "special_tokens": {
                END_PIECE: {"id": END_PIECE, "ids": [ids[END_PIECE]], "tokens": [END_PIECE]}
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": SPECIAL[UNKNOWN]},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _added(piece: str, id_: int) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id_, "content": piece, **plain, "special": True}


def _replaced(pattern: str, by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": by}


def _sequence(name: str) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": 0}}


def _end() -> dict[str, Any]:
    return {"SpecialToken": {"id": END_PIECE, "type_id": 0}}

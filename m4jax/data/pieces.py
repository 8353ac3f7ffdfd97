"""Tokenizers of pieces of words: CLIP's, and any `tokenizer.json`, from a file you name.

Each does to a text what the model's own does, and no text stands for a special token: one that
reads "<|endoftext|>" is encoded as the characters it has.
"""

import contextlib
import dataclasses
import html
import json
import os
import string
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from m4jax import files
from m4jax.data.merges import (
    CLIP_SPECIAL,
    VOCABULARY,
    read_ids,
    read_merges,
    read_text_merges,
)
from m4jax.data.text import check_texts
from m4jax.errors import InputError

CLIP_SIZE = 49_408
# Contractions, runs of letters, single digits, and runs of other characters. CLIP's own expression
# ignores case: it takes the long s for an s, and drops the mark U+0345, whose capital is a letter.
CLIP_WORDS = "'[s\u017f]|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}\u0345]+"

_MOST_IDS = 1 << 24  # of a vocabulary; the largest have 2 ** 18
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LONG = "a long text " * 400  # of more tokens than any model takes


def mended(text: str) -> str:
    """Returns a text with broken encodings mended, HTML's references resolved, spaces made single.

    Source: `basic_clean` and `whitespace_clean` of openai/CLIP, simple_tokenizer.py: ftfy's
    `fix_text` (Speer 2019), `html.unescape` twice, since references are often escaped again.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


def canonical(text: str) -> str:
    """Returns a text in lower case, without punctuation, with single spaces; "_" is a space.

    Source: `canonicalize_text` of big_vision, prompt_engineering.py.
    """
    return " ".join(text.replace("_", " ").translate(_NO_PUNCTUATION).lower().split())


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a kind of model asks of its tokens.

    Attributes:
        name: of the kind.
        clean: what is done to a text first.
        pad: id of padding.
        end: id, or piece, of the end token.
        other: the end piece of the kind that is easily taken for this one, and its name.
        never: a special piece that texts of this kind do not have.
    """

    name: str
    clean: Callable[[str], str]
    pad: int
    end: int | str
    other: tuple[str, str] = ("", "")
    never: str = ""


def _plain(text: str) -> str:
    return text


ANY = Kind("tokenizer.json", _plain, 0, "")
CLIP = Kind("clip", lambda text: mended(text).lower(), 0, CLIP_SPECIAL[1])
SIGLIP = Kind("siglip", lambda text: canonical(mended(text)), 1, 1, ("<eos>", "siglip2"))
SIGLIP2 = Kind("siglip2", str.lower, 0, 1, ("</s>", "siglip"), "<bos>")


class JsonTokenizer:
    """A `tokenizer.json` of the library `tokenizers`, as transformers and open_clip publish them.

    A longer text is cut before the special pieces that the file puts at its end.

    Args:
        path: of the file.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.
        pad: id of padding; None: that of the file, or 0.
        kind: of model, whose cleaning, padding and end token count; by default texts are left as
            they are.

    Raises:
        InputError: if the file is missing, another one, no tokenizer or one of another kind.
    """

    KIND = ANY
    content = ""  # of the file

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        sha256: str | None = None,
        context_length: int = 77,
        pad: int | None = None,
        kind: Kind = ANY,
    ):
        content = read_content(path, sha256)
        with told(f"{path}: not a tokenizer.json"):
            _check_templates(json.loads(content))
            library = tokenizers.Tokenizer.from_str(content.decode())
            if pad is None:
                pad = kind.pad if kind != ANY else (library.padding or {}).get("pad_id", 0)
            self.content = content.decode()
        self._take(library, context_length, kind, pad, str(path))

    def _take(
        self, library: tokenizers.Tokenizer, context_length: int, kind: Kind, pad: int, where: str
    ) -> None:
        """Sets up the library's tokenizer for texts of one length, and tries it."""
        self._library, self._kind, self._where, self.pad = library, kind, where, pad
        with told(f"{where}: not a tokenizer.json that can be used"):
            extra = library.num_special_tokens_to_add(is_pair=False)
            self.context_length = checked_length(context_length, extra)
            library.encode_special_tokens = True  # a text never stands for a special token
            library.enable_truncation(context_length)
            library.enable_padding(length=context_length, pad_id=pad)
            self._size = max(library.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        if self._size > _MOST_IDS:
            raise InputError(f"{where}: its largest id is {self._size - 1:,}: damaged")
        tried = self(["a", "two words", _LONG])
        if kind != ANY:
            self._check_end(tried, pad)

    def _check_end(self, tried: np.ndarray, pad: int) -> None:
        """Raises unless short and long texts end as the kind's do."""
        kind = self._kind
        end = self._library.token_to_id(kind.end) if isinstance(kind.end, str) else kind.end
        piece, twin = self._library.id_to_token(1), kind.other[0]
        if twin and piece == twin:
            raise InputError(
                f"{self._where}: its end is {twin}, which is {kind.other[1]}'s; name it "
                f"{kind.other[1]}:FILE"
            )
        begin = self._library.token_to_id(kind.never) if kind.never else None
        if begin is not None and (tried == begin).any():
            raise InputError(
                f"{self._where}: begins texts with {kind.never}, as {kind.name} does not; use the "
                "tokenizer.json that was published with it"
            )
        last = [row[row != pad][-1:] if pad != end else row[-1:] for row in tried]
        if end is None or any(one.size != 1 or one[0] != end for one in last):
            raise InputError(
                f"{self._where}: {kind.name} reads a text off its end token, {kind.end!r}, with "
                f"which not every text ends; use the tokenizer.json that was published with it"
            )

    @property
    def vocab_size(self) -> int:
        """Number of ids, the special ones included: the largest one and 1."""
        return self._size

    @property
    def special(self) -> dict[int, str]:
        """The special pieces by their ids."""
        return {i: x.content for i, x in self._library.get_added_tokens_decoder().items()}

    @property
    def end(self) -> int:
        """The id that texts end with."""
        row = self(["a"])[0].tolist()
        return next((x for x in reversed(row) if x != self.pad), self.pad)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns token ids, int32 [n, L]; raises `InputError` naming a row that is no text."""
        check_texts(texts)
        with told(f"{self._where}: can't encode texts"):
            encoded = self._library.encode_batch([self._kind.clean(text) for text in texts])
        ids = [one.ids for one in encoded]
        if any(len(row) != self.context_length for row in ids):
            raise InputError(f"{self._where}: does not cut texts to {self.context_length} tokens")
        return np.array(ids, np.int32).reshape(len(texts), self.context_length)


class ClipTokenizer(JsonTokenizer):
    """Byte-pair encoding, [start, pieces..., end, 0...]; a longer text is cut before its end.

    Texts are mended (see `mended`) and lower-cased, as OpenAI and open_clip do.
    Source: Radford et al. 2021, section 2.4; Sennrich et al. 2016, "Neural Machine Translation of
    Rare Words with Subword Units".

    Args:
        path: of `bpe_simple_vocab_16e6.txt.gz`, OpenAI's list of merges; or of a `merges.txt` as
            transformers has it, beside which a `vocab.json` gives the ids.
        sha256: of the file, in hexadecimal; None: not checked.
        context_length: L.

    Raises:
        InputError: if the file is missing, another one, or no list of merges.
    """

    KIND = CLIP

    def __init__(
        self, path: str | os.PathLike, *, sha256: str | None = None, context_length: int = 77
    ):
        content = read_content(path, sha256)
        if str(path).endswith(".txt"):
            merges, ids = read_text_merges(content), read_ids(Path(path).with_name(VOCABULARY))
        else:
            merges = read_merges(content)
            symbols = sorted(pre_tokenizers.ByteLevel.alphabet())  # one for each byte
            pieces = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges)]
            ids = {piece: i for i, piece in enumerate([*pieces, *CLIP_SPECIAL])}
        with told("the merges: expected pieces made by earlier ones"):
            library = tokenizers.Tokenizer(models.BPE(ids, merges, end_of_word_suffix="</w>"))
        if len(ids) != CLIP_SIZE and not str(path).endswith(".txt"):
            raise InputError("the merges: expected that no two make the same piece")
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
        self._take(library, context_length, CLIP, CLIP.pad, str(path))


def checked_length(context_length: int, special: int) -> int:
    """Returns a context length that leaves room for a token beside the special ones."""
    if not isinstance(context_length, int) or context_length <= special:
        least = special + 1
        raise InputError(f"context_length: expected at least {least}, got {context_length!r}")
    return context_length


def _check_templates(content: Any) -> None:
    """Raises `ValueError` for a template of unknown tokens, at which the library would panic."""
    processor = content.get("post_processor") if isinstance(content, dict) else None
    parts = processor.get("processors") if isinstance(processor, dict) else None
    for part in [processor, *(parts if isinstance(parts, list) else [])]:
        if isinstance(part, dict) and part.get("type") == "TemplateProcessing":
            for piece in [*part["single"], *part["pair"]]:
                name = piece.get("SpecialToken", {}).get("id")
                if name is not None and name not in part["special_tokens"]:
                    raise ValueError(f"post_processor: no special token {name!r}")


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turns what the library `tokenizers` raises into an `InputError` that begins with `what`."""
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # The library raises no narrower class than Exception, and panics with one beside it.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{what} ({' '.join(str(error).split())[:200]})") from None


def read_content(path: str | os.PathLike, sha256: str | None) -> bytes:
    """Returns the content of a file whose SHA-256 is the one given."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of the tokenizer's own file")
    actual = files.sha256(path) if sha256 else None
    if sha256 is not None and actual != sha256.lower():
        raise InputError(f"{path}: its SHA-256 is {actual}, expected {sha256}; fetch it again")
    return Path(path).read_bytes()

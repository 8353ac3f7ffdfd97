"""What is a word: one cleaning of texts for all that read them by words.

The annotator and the word tokenizer both call `words`, so that a model reads the words by which its
captions were annotated. What is no text at all is told by `check_texts` and `decoded`.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from m4jax.errors import InputError

# A word broken at the end of a line, "wo-" and "man" below it, is one word.
_BROKEN = re.compile(r"(?<=\w)[-\u2010\u00ad][ \t]*\r?\n[ \t]*(?=\w)")
_LONGEST_ESCAPE = 3  # "&amp;amp;lt;" was escaped three times; the web seldom does more


class _Kept(dict[int, str]):
    """Code point -> what becomes of it, found when it is first met (for `str.translate`).

    Letters, marks and digits stay, format characters (soft hyphens, zero-width spaces, byte order
    marks) go, all else is a space.
    """

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        kept = chr(code) if category[0] in "LMN" else "" if category == "Cf" else " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def clean(text: str) -> str:
    """Returns the text as words of letters, marks and digits, in lower case, a space between two.

    HTML's character references are resolved, then compatible characters made one (NFKC: full-width
    letters, ligatures), format characters dropped, punctuation made spaces, and case folded as
    `str.lower` does. `clean(clean(x)) == clean(x)`.
    """
    for _ in range(_LONGEST_ESCAPE):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    text = unicodedata.normalize("NFKC", _BROKEN.sub("", text))
    return " ".join(unicodedata.normalize("NFKC", text.translate(_KEPT).lower()).split())


def words(text: str) -> tuple[str, ...]:
    """Returns the words of a text, see `clean`."""
    return tuple(clean(text).split())


def decoded(value: Any) -> str:
    """Returns the text that a field of a data set holds.

    Args:
        value: a text, or its bytes in UTF-8.

    Raises:
        ValueError: saying why it is none: bytes of another encoding, half a surrogate pair, the
            character NUL, nothing to be seen in it, or a value of another type (None, NaN and other
            numbers).
    """
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from None
    if not isinstance(value, str):
        raise ValueError(f"no text but {_short(value)}")
    reason = _fault(value)
    if reason is None and all(unicodedata.category(letter)[0] in "CZ" for letter in value):
        reason = "empty"
    if reason is None and "\0" in value:
        reason = "has NUL characters: UTF-16 or UTF-32? Write it as UTF-8"
    if reason:
        raise ValueError(reason)
    return str(value)


def check_texts(texts: Sequence[str], what: str = "text") -> None:
    """Raises `InputError` unless `texts` are texts, naming the first that is none.

    A single string is refused: it would pass for a list of its characters.

    Args:
        texts: to be checked.
        what: each of them is called.
    """
    if isinstance(texts, str | bytes):
        raise InputError(f"expected a list of {what}s, got a single one: {texts!r}")
    for row, text in enumerate(texts):
        reason = _fault(text) if isinstance(text, str) else f"expected a str, got {_short(text)}"
        if reason:
            raise InputError(f"{what} {row}: {reason}; mend it or leave it out")


def _fault(text: str) -> str | None:
    """Returns what keeps a str from being a text."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = ascii(text[error.start])
            return f"{half} at {error.start} is half a surrogate pair, which no encoding has"
    return None


def _short(value: Any) -> str:
    shown = ascii(value)
    return f"{type(value).__name__} {shown if len(shown) <= 40 else shown[:37] + '...'}"

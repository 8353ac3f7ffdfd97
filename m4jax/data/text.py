"""What is a word: one cleaning of texts for all that read them by words.

The annotator and the word tokenizer both call `words`, so that a model reads the words by which its
captions were annotated.
"""

import html
import re
import unicodedata

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

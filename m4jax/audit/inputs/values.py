"""What stands in columns, as attributes and labels: "Male" is a man, "" is not known."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.data.text import clean
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import UNKNOWN, Attribute

MOST = 50  # values of an attribute; a column of more is one of something else
# What stands for a value of the attributes that lexicons and prompts know, beside its own name.
SYNONYMS = {
    "woman": ("woman", "women", "female", "f", "w", "girl"),
    "man": ("man", "men", "male", "m", "boy"),
}
_NOTHING = {"", "nan", "none", "null", "na", "n a", "unknown", "unclear", "unsure"}
_PARTS = re.compile(r"[_/|;,&]")
# Compared as they stand: of "-1" a cleaned text would leave "1".
_TRUE, _FALSE = {"true", "1", "1.0", "yes", "y"}, {"false", "0", "0.0", "no", "n"}
_MINUS = {"-1", "-1.0"}  # false beside 1 alone, as CelebA has it; beside 0 it may be "unknown"


def attribute(
    column: Sequence[Any], name: str, known: Mapping[str, Sequence[str]], of: str = ""
) -> Attribute:
    """Returns what a column tells of an attribute.

    Values that stand for those that lexicon or prompts know ("Male", "man") become these; others
    keep their names, sorted, numbers by their size. Empty ones and "unknown" are not known. True
    and false in a column called as one of two known values tell whether it is that value.

    Args:
        column: n values as they are stored.
        name: of the attribute.
        known: attributes that are known -> their values.
        of: how the column is called.

    Raises:
        InputError: for a column of fewer than two values, or of more than 50.
    """
    texts = _spelt([text(value) for value in column])
    names = tuple(known.get(name, ()))
    flags = _flags(texts, of, names)
    if flags is not None:
        return flags
    found = {plain: _among(plain, names) for plain in dict.fromkeys(texts) if plain is not None}
    if names and all(one is not None for one in found.values()):
        codes = [UNKNOWN if x is None else names.index(found[x]) for x in texts]
        return Attribute(names, np.array(codes, np.int64))
    values = sorted(found, key=_order)
    if not 2 <= len(values) <= MOST:
        raise InputError(
            f"column {of or name!r}: {len(values)} values"
            f"{f' ({values[0]!r})' if values else ''}, expected 2 to {MOST} of the attribute "
            f"{name!r}"
        )
    place = {value: i for i, value in enumerate(values)}
    codes = [UNKNOWN if x is None else place[x] for x in texts]
    return Attribute(tuple(values), np.array(codes, np.int64))


def predicted(column: Sequence[Any], values: Sequence[str], of: str) -> np.ndarray:
    """Returns the codes int [n] of what a model has said of an attribute, −1: nothing of it.

    Where a column tells several attributes at once ("East Asian_Male"), the part that is a value
    counts.

    Args:
        column: n answers.
        values: of the attribute.
        of: how the column is called.

    Raises:
        InputError: if not one answer is a value.
    """
    said: dict[str | None, int] = {None: UNKNOWN}
    codes = np.empty(len(column), np.int64)
    for row, value in enumerate(column):
        plain = text(value)
        if plain not in said:
            parts = [plain, *(x.strip() for x in _PARTS.split(plain))]
            found = {one for part in parts if (one := _among(part, values)) is not None}
            said[plain] = list(values).index(found.pop()) if len(found) == 1 else UNKNOWN
        codes[row] = said[plain]
    if (codes == UNKNOWN).all():
        shown = ", ".join(repr(x) for x in list(said)[1:6])
        raise InputError(
            f"column {of!r}: expected answers {', '.join(values)}, got {shown or 'none'}"
        )
    return codes


def labels(column: Sequence[Any], name: str) -> dict[str, np.ndarray]:
    """Returns the labels of a column, name -> bool [n].

    True and false, 1 and 0, 1 and −1: one label, called as the column. Texts: a label for each.

    Raises:
        InputError: for −1 beside 0, or more labels than 5,000.
    """
    texts = _spelt([text(value) for value in column])
    told = _told(texts, name)
    if told is not None:
        return {name: np.array([x is True for x in told])}
    found: dict[str, list[int]] = {}
    for row, value in enumerate(texts):
        if value is not None:
            found.setdefault(value, []).append(row)
    if len(found) > 5_000:
        raise InputError(f"column {name!r}: {len(found):,} labels; expected 5,000 at most")
    result = {}
    for value, rows in sorted(found.items()):
        result[value] = np.zeros(len(texts), bool)
        result[value][rows] = True
    return result


def truths(column: Sequence[Any], name: str) -> np.ndarray:
    """Returns bool [n] of a column of true and false; what is empty is false.

    Raises:
        InputError: for other values, and for −1 beside 0.
    """
    texts = [text(value) for value in column]
    told = _told(texts, name)
    if told is None:
        row = next(i for i, x in enumerate(texts) if x is not None and _told([x], name) is None)
        raise InputError(f"column {name!r}: row {row:,} is {column[row]!r}, not true or false")
    return np.array([x is True for x in told])


def text(value: Any) -> str | None:
    """Returns a stored value as text; None: it tells nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    plain = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    return None if clean(plain) in _NOTHING else plain


def _told(texts: Sequence[str | None], name: str) -> list[bool | None] | None:
    """Returns what a column of true and false tells, None where nothing; None: it is another one.

    Raises:
        InputError: for −1 beside 0, which may be false or not known.
    """
    plain = [None if x is None else x.casefold() for x in texts]
    found = {x for x in plain if x is not None}
    false = _FALSE
    if found & _MINUS and found <= _TRUE | _FALSE | _MINUS:
        if not found & _TRUE or found & _FALSE:
            raise InputError(
                f"column {name!r}: −1 may be false or not known: write 0 for false, and leave "
                "the cells empty of which nothing is known"
            )
        false = _MINUS
    if not found <= _TRUE | false:
        return None
    return [None if x is None else x in _TRUE for x in plain]


def _flags(texts: Sequence[str | None], of: str, names: tuple[str, ...]) -> Attribute | None:
    """Returns the attribute of a column of true and false called as one of two values."""
    if len(names) != 2 or of not in names:
        return None
    told = _told(texts, of)
    if told is None or not any(x is not None for x in told):
        return None
    own = names.index(of)
    codes = [UNKNOWN if x is None else own if x else 1 - own for x in told]
    return Attribute(names, np.array(codes, np.int64))


def _spelt(texts: Sequence[str | None]) -> list[str | None]:
    """Returns the texts, those that differ in upper and lower case alone as the first of them."""
    first: dict[str, str] = {}
    return [None if x is None else first.setdefault(x.casefold(), x) for x in texts]


def _among(value: str, names: Sequence[str]) -> str | None:
    """Returns which of the names a value stands for."""
    for name in names:
        if value.casefold() == name.casefold():
            return name  # before punctuation is dropped: "-1" and "1", "<30" and ">30"
    plain = clean(value)
    same = [name for name in names if plain in (clean(name), *SYNONYMS.get(name, ()))]
    if same:
        return same[0] if len(same) == 1 else None
    # "Male" as a name of a column's own values, "man" as what was said of it, or the other way
    group = {x for group in SYNONYMS.values() if plain in group for x in group}
    return next((name for name in names if clean(name) in group), None)


def _order(value: str) -> tuple[float, str]:
    number = re.search(r"\d+(\.\d+)?", value)
    first = re.match(r"(more than|over|above|>)", value.lower()) is not None
    return (float(number[0]) + first / 2 if number else math.inf, value)

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
_TRUE, _FALSE = {"true", "1", "yes", "1 0"}, {"false", "0", "no", "0 0"}


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
    texts = [text(value) for value in column]
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

    True and false, 1 and 0: one label, called as the column. Texts: a label for each.

    Raises:
        InputError: for numbers other than 0 and 1, or more labels than 5,000.
    """
    texts = [text(value) for value in column]
    plain = [None if x is None else clean(x) for x in texts]
    if {x for x in plain if x is not None} <= _TRUE | _FALSE:
        return {name: np.array([x in _TRUE for x in plain])}
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
        InputError: for other values.
    """
    plain = [None if (x := text(value)) is None else clean(x) for value in column]
    for row, value in enumerate(plain):
        if value is not None and value not in _TRUE | _FALSE:
            raise InputError(f"column {name!r}: row {row:,} is {column[row]!r}, not true or false")
    return np.array([value in _TRUE for value in plain])


def text(value: Any) -> str | None:
    """Returns a stored value as text; None: it tells nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    plain = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    return None if clean(plain) in _NOTHING else plain


def _flags(texts: Sequence[str | None], of: str, names: tuple[str, ...]) -> Attribute | None:
    """Returns the attribute of a column of true and false called as one of two values."""
    plain = [None if x is None else clean(x) for x in texts]
    flags = {x for x in plain if x is not None} <= _TRUE | _FALSE
    if len(names) != 2 or of not in names or not flags or not any(plain):
        return None
    own = names.index(of)
    codes = [UNKNOWN if x is None else own if x in _TRUE else 1 - own for x in plain]
    return Attribute(names, np.array(codes, np.int64))


def _among(value: str, names: Sequence[str]) -> str | None:
    """Returns which of the names a value stands for."""
    plain = clean(value)
    for name in names:
        if plain in (clean(name), *SYNONYMS.get(name, ())):
            return name
    # "Male" as a name of a column's own values, "man" as what was said of it, or the other way
    same = {x for group in SYNONYMS.values() if plain in group for x in group}
    return next((name for name in names if clean(name) in same), None)


def _order(value: str) -> tuple[float, str]:
    number = re.search(r"\d+(\.\d+)?", value)
    first = re.match(r"(more than|over|above|>)", value.lower()) is not None
    return (float(number[0]) + first / 2 if number else math.inf, value)

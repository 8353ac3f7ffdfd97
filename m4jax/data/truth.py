"""What evaluation sets say of their pictures: who is a man, and which class a thing is of.

A truth is never guessed: a coding that could mean another thing is refused, with the values found.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from m4jax.errors import InputError

UNKNOWN = -1
MEN, WOMEN = {"man", "male", "men"}, {"woman", "female", "women"}
NAMES = ((WOMEN, MEN), ({"no", "false", "0"}, {"yes", "true", "1"}))  # of no man, of a man
NOTHING = {"", "unknown", "none", "nan", "n/a", "null"}  # texts that say that nothing is known


def split_field(field: str) -> tuple[str, str | None]:
    """Returns the field of "field" or "field=value", and the value that is true for men."""
    name, equals, value = field.partition("=")
    return name, value if equals else None


def men(values: Sequence[Any], field: str, names: Sequence[str] | None = None) -> np.ndarray:
    """Returns which values are those of men: int [n], 1, 0, or −1 where nothing is known.

    Accepted are 0 and 1, False and True, −1 and 1 (as CelebA has them), and numbers of classes
    that are called man and woman, male and female, no and yes. Any other field of two values needs
    that of men: "gender=Male". None, NaN, empty texts, "unknown" and the class −1 are unknown.

    Args:
        values: n, as they were read.
        field: "field" or "field=value".
        names: of the classes whose numbers the values are, if TFDS knows them.

    Raises:
        InputError: if the values can be understood in several ways, or not at all.
    """
    where, declared = split_field(field)
    plain = [_plain(value) for value in values]
    if names is not None:
        plain = [_name(value, names, where) for value in plain]
    known = sorted({value for value in plain if value is not None}, key=repr)
    if declared is not None:
        true = _declared(known, declared, where)
    elif set(known) <= {0, 1} or set(known) == {-1, 1}:  # −1 alone may also be "unknown"
        true = 1
    else:
        true = _named(known, names, where)
    return np.array([UNKNOWN if value is None else int(value == true) for value in plain], int)


def classes(values: Sequence[Any], field: str, names: Sequence[str] | None = None) -> np.ndarray:
    """Returns the numbers of classes, int [n], −1 where unknown; `InputError` if they are none."""
    found = []
    for row, value in enumerate(values):
        plain = _plain(value)
        if plain is None:
            plain = UNKNOWN
        if isinstance(plain, str) or plain != int(plain):
            raise InputError(f"{field}: expected the number of a class, got {value!r} (row {row})")
        if not UNKNOWN <= plain < (len(names) if names is not None else math.inf):
            raise InputError(f"{field}: there is no class {value!r} (row {row})")
        found.append(int(plain))
    return np.array(found, int)


def _plain(value: Any) -> str | int | float | None:
    """Returns a value as Python's own; None where nothing is known."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if isinstance(value, str):
        value = value.strip()
        return None if value.casefold() in NOTHING else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, bool | int | float) or math.isinf(value):
        raise InputError(f"expected numbers or texts as truth, got {value!r}")
    return int(value) if value == int(value) else value


def _name(value: Any, names: Sequence[str], where: str) -> str | int | None:
    """Returns the name of a class, or its number; None of −1, as TFDS writes an unknown one."""
    if value is None or value == UNKNOWN:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise InputError(f"{where}: there is no class {value!r}; they are {', '.join(names)}")
    name = names[value]
    if name == str(value):  # the class has no name but its number
        return value
    return None if name.strip().casefold() in NOTHING else name


def _declared(known: list[Any], declared: str, where: str) -> Any:
    """Returns the value that is written as `declared`."""
    same = [value for value in known if str(value) == declared]
    same = same or [value for value in known if str(value).casefold() == declared.casefold()]
    if len(same) != 1 or len(known) > 2:
        raise InputError(
            f"{where}={declared}: expected {declared!r} and one other value, got {_some(known)}"
        )
    return same[0]


def _named(known: list[Any], names: Sequence[str] | None, where: str) -> Any:
    """Returns the name of the class of men, if the classes' names tell it."""
    kinds = {name.strip().casefold(): name for name in names or ()}
    for no, yes in NAMES:
        if len(kinds) == 2 and kinds.keys() & no and kinds.keys() & yes:
            return next(name for key, name in kinds.items() if key in yes)
    example = next((value for value in known if str(value).casefold() in MEN), None)
    example = example if example is not None else known[-1]
    raise InputError(
        f"{where}: expected 0 and 1, False and True or -1 and 1, got {_some(known)}; say which "
        f"value is that of men: '{where}={example}', for example"
    )


def _some(known: list[Any]) -> str:
    shown = ", ".join(ascii(value) for value in known[:6])
    return shown + (f" and {len(known) - 6:,} more" if len(known) > 6 else "")

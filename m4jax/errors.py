"""What a user can mend is told by these exceptions; scripts print them without a traceback."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: the message says what was expected, what came, and what to do."""


class DamagedError(InputError):
    """What was read back is not what was written."""


class NonFiniteError(RuntimeError):
    """The loss or the gradient is no longer finite; the message says at which step."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint for a name that is not known: the nearest known one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"

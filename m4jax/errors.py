"""What a user can mend is told by these exceptions; scripts print them without a traceback."""

import difflib
import errno
from collections.abc import Iterable

# What a user can do about an error of the operating system; about the others, nothing is promised.
_PERMISSIONS = "mend the permissions, then the same command goes on"
_SPACE = "free disk space, then the same command goes on"
_BUSY = "end other programs or raise the limit (ulimit), then the same command goes on"
_MENDS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: _PERMISSIONS,
    errno.EMFILE: _BUSY,
    errno.ENFILE: _BUSY,
    errno.EAGAIN: _BUSY,
    errno.EIO: "when the disk is mended, the same command goes on",
    errno.ESTALE: "when the disk is there again, the same command goes on",
}
_MEMORY = (
    "lower the batch size or what is computed at once, run fewer workers, or use a device with "
    "more memory; the same command then goes on, unless the settings are another run's"
)


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


def explain(error: BaseException) -> str | None:
    """Returns what to tell of an error that a user can do something about; None for a bug.

    Args:
        error: any; the errors of XLA are known by their names, lest JAX be loaded for this.
    """
    if isinstance(error, InputError | NonFiniteError):
        return str(error)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        reason = (str(error).splitlines() or [""])[0].removeprefix("RESOURCE_EXHAUSTED: ")
        return f"out of memory{f' ({reason[:200]})' if reason else ''}: {_MEMORY}"
    if isinstance(error, OSError):
        mend = _MENDS.get(error.errno)
        told = str(error)
        return f"{told}; {mend}" if mend and "run again" not in told else told
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    ours = any(
        kind.__name__ in ("JaxRuntimeError", "XlaRuntimeError") for kind in type(error).__mro__
    )
    return ours and "RESOURCE_EXHAUSTED" in str(error)

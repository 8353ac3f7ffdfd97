"""How much memory there is, asked before arrays are made that would not fit."""

import contextlib
import math
import os
from pathlib import Path

from m4jax.balance.inputs import ProblemError

CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
SMALL = 1e8  # bytes that are always there


def available() -> float:
    """Returns the bytes that this process can have at most: of the machine, or of a limit on it."""
    sizes = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sizes.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    for path in CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" is none
            sizes.append(float(Path(path).read_text(encoding="ascii")))
    with contextlib.suppress(ImportError):
        import resource  # not on every system

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        sizes.append(math.inf if soft == resource.RLIM_INFINITY else float(soft))
    return min(sizes)


def check(size: float, what: str, mend: str) -> None:
    """Raises `ProblemError` if `size` bytes are more than there are.

    Args:
        size: in bytes.
        what: the sizes that it comes from, "4,000 rows of constraints" say.
        mend: what to do about it.
    """
    if size > SMALL and size > (there := available()):
        raise ProblemError(
            f"{what} need {size / 1e9:,.1f} GB, and there are {there / 1e9:,.1f} GB; {mend}"
        )

"""Limits on memory and threads, checked before they are taken."""

import contextlib
import math
import os
import re
from pathlib import Path

from m4jax.errors import InputError

THREADS_PER_CORE = 4  # more bring nothing, and thousands bring the machine to a stand
# Bytes: with less, libraries abort or hang. Measured on 2 cores: 3.1 GB are too few, 3.6 enough.
ADDRESS_SPACE, FOR_EACH_CORE = 3.5e9, 0.25e9
CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> float:
    """Returns the bytes that this process can have at most: of the machine, or of a limit on it."""
    sizes = [address_space()]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" is none
            sizes.append(float(Path(path).read_text(encoding="ascii")))
    return min(sizes)


def address_space() -> float:
    """Returns the limit on this process' address space in bytes, as `ulimit -v` sets it."""
    with contextlib.suppress(ImportError):
        import resource  # not on every system

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return math.inf if soft == resource.RLIM_INFINITY else float(soft)
    return math.inf


def check_threads(threads: int, what: str = "threads") -> None:
    """Raises `InputError` for many more threads (or processes) than there are cores."""
    most = THREADS_PER_CORE * cores()
    if threads > most:
        raise InputError(
            f"{what}: expected at most {most}, {THREADS_PER_CORE} for each of the {cores()} cores,"
            f" got {threads:,}"
        )


def check_memory_limit(limit: str) -> None:
    """Raises `InputError` for a limit, as "2GB" or "500 MiB", beyond what there is.

    What is not written like that is left for others to judge.
    """
    number = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
    match = re.fullmatch(rf"\s*{number}\s*([KMGT]?)(i?)B?\s*", limit, re.IGNORECASE)
    if match:
        size = float(match[1]) * (1024 if match[3] else 1000) ** UNITS[match[2].upper()]
        if not size > 0:
            raise InputError(f"memory_limit {limit!r}: expected above 0")
        check_memory(size, f"memory_limit {limit!r}", "lower it")


def check_memory(size: float, what: str, mend: str) -> None:
    """Raises `InputError` if `size` bytes are more than this process can have."""
    if size > memory():
        raise InputError(
            f"{what}: that is {size / 1e9:,.1f} GB, and there are {memory() / 1e9:,.1f} GB; {mend}"
        )


def check_address_space() -> None:
    """Raises `InputError` where libraries would abort for want of address space."""
    least = ADDRESS_SPACE + FOR_EACH_CORE * cores()  # threads have stacks and heaps of their own
    if address_space() < least:
        raise InputError(
            f"the address space is limited to {address_space() / 1e9:.1f} GB, and at least "
            f"{least / 1e9:.1f} GB are needed; raise the limit (ulimit -v)"
        )

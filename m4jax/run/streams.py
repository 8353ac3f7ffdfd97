"""Streams of random numbers for what a run's data version draws, one for each purpose."""

import zlib

import numpy as np

# Versions of what balancing draws from. The names of runs that draw have it, but for the first:
# names of before there was another one say nothing of it.
VERSIONS = FIRST, NEWEST = (1, 2)
FLIPPED, CONTROL = "flipped attributes", "control"
_OF_FIRST = {FLIPPED: 1, CONTROL: 2}


def stream(purpose: str, seed: int, version: int | None = None) -> np.random.Generator:
    """Returns the generator of one purpose, independent of those of others and of the world's.

    The testbed draws from [seed, 1] and the like: a purpose's hash is none of these small numbers,
    so that a run and its world can have one seed. In the first version they are small numbers too,
    and with the world's seed the same numbers are drawn: it is there for what was published by it.

    Args:
        purpose: what is drawn, "flipped attributes" say; by the first version these or a control.
        seed: at least 0.
        version: one of `VERSIONS`; None: the newest.
    """
    by_purpose = _OF_FIRST[purpose] if version == FIRST else zlib.crc32(purpose.encode())
    return np.random.default_rng([seed, by_purpose])

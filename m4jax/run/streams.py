"""Streams of random numbers for what a run's data version draws, one for each purpose."""

import zlib

import numpy as np

# Part of the names of runs whose balancing draws: what was drawn otherwise has another name.
VERSION = 2


def stream(purpose: str, seed: int) -> np.random.Generator:
    """Returns the generator of one purpose, independent of those of others and of the world's.

    The testbed draws from [seed, 1] and the like: a purpose's hash is none of these small numbers,
    so that a run and its world can have one seed.

    Args:
        purpose: what is drawn, "flipped attributes" say.
        seed: at least 0.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])

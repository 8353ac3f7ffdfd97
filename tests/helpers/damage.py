"""Damaged files: with flipped bits, cut, with changed, lost, repeated or inserted stretches."""

import random
from collections.abc import Iterator

import numpy as np


def flips(path, most=None, seed=0):
    """Yields places of bits, the file at `path` having that one flipped, and mends it at the end.

    Args:
        path: of the file.
        most: so many places, drawn by `seed`; None: all of them.
        seed: see above.
    """
    whole = path.read_bytes()
    places = range(8 * len(whole))
    if most is not None and most < len(places):
        places = sorted(random.Random(seed).sample(places, most))
    for bit in places:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        yield bit
    path.write_bytes(whole)


def damages(content: bytes, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yields `count` damaged copies, the same ones for a seed; each differs from the original."""
    generator, given = np.random.default_rng(seed), 0
    while given < count:
        damaged = _damaged(content, generator)
        if damaged != content:
            given += 1
            yield damaged


def _damaged(content: bytes, generator: np.random.Generator) -> bytes:
    # Headers are where readers go wrong: every second damage is in the first bytes.
    reach = len(content) if generator.random() < 0.5 else min(len(content), 96)
    at = int(generator.integers(reach))
    length = int(generator.integers(1, 9))
    before, hit, after = content[:at], content[at : at + length], content[at + length :]
    kind = generator.integers(6)
    if kind == 0:
        return before + bytes([hit[0] ^ 1 << int(generator.integers(8))]) + content[at + 1 :]
    if kind == 1:
        return before
    if kind == 2:
        return before + generator.bytes(len(hit)) + after
    if kind == 3:
        return before + after
    if kind == 4:
        return before + hit + hit + after
    return before + bytes([int(generator.choice([0, 255]))]) * len(hit) + after

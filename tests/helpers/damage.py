"""Files with flipped bits."""

import random


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

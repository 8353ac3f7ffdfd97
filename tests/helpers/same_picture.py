"""Whether two files of a picture show the same.

A layout's last digits differ from run to run, so that names of clip paths in an svg do, and a
pixel on an edge by one step of 255; everything else is compared as it is.
"""

import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

CLIP = re.compile(r"\bp[0-9a-f]{10}\b")  # a name that is a hash of a rectangle's coordinates
NUMBER = re.compile(r"-?\d+\.\d+|-?\d+")
STEPS, SHARE = 2, 1e-4  # of 255; of the pixels that may differ at all


def same(one: Path, two: Path) -> bool:
    """Tells whether two files are the same, or the same picture but for a layout's last digits."""
    if one.read_bytes() == two.read_bytes():
        return True
    if one.suffix == ".png":
        return _same_pixels(imread(one), imread(two))
    return one.suffix == ".svg" and _same_drawing(one, two)


def _same_pixels(one: np.ndarray, two: np.ndarray) -> bool:
    if one.shape != two.shape:
        return False
    apart = np.abs(one - two) * 255
    return bool(apart.max() <= STEPS + 1e-3 and (apart > 0).mean() <= SHARE)


def _same_drawing(one: Path, two: Path) -> bool:
    texts = [CLIP.sub("clip", path.read_text(encoding="utf-8")) for path in (one, two)]
    if NUMBER.sub("#", texts[0]) != NUMBER.sub("#", texts[1]):
        return False
    numbers = [np.array(NUMBER.findall(text), float) for text in texts]
    return bool(np.allclose(*numbers, rtol=0, atol=1e-3))

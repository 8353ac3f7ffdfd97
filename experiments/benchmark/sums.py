"""Job: bias of many examples, beside reading the bytes and beside plain products of matrices."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from m4jax import balance

SHARE = 0.05  # of the examples that have a label
CHUNK = 65_536  # rows of a plain product: as float32 they fit in memory


def bias(n: int, attributes: int, labels: int, seed: int, repeats: int) -> dict[str, float]:
    """Times `balance.bias` on bytes in turns with two others; each has the median of its times.

    Returns:
        Seconds: of ours without weights and with some, on bytes, on booleans; of reading the bytes
        once; and of NumPy's products of the two groups with the labels, in float32.
    """
    draw = np.random.default_rng(seed)
    s, y = draw.integers(0, 2, (n, attributes), np.uint8), np.empty((n, labels), np.uint8)
    for start in range(0, n, CHUNK):
        rows = y[start : start + CHUNK]
        rows[:] = draw.random(rows.shape, np.float32) < SHARE
    weights = draw.random(n)
    jobs: dict[str, Callable] = {
        "reading the bytes": lambda: y.max(),
        "m4jax": lambda: balance.bias(s, y),
        "m4jax, booleans": lambda: balance.bias(s.view(bool), y.view(bool)),
        "m4jax, with weights": lambda: balance.bias(s, y, weights),
        "plain products": lambda: _plain(s, y),
    }
    seconds = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - begin)
    np.testing.assert_allclose(balance.bias(s, y).association, _plain(s, y), atol=1e-6)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _plain(s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the association bias as one would write it in NumPy, for bits."""
    sums = np.zeros((2, s.shape[1], y.shape[1]))
    for start in range(0, len(s), CHUNK):
        some = y[start : start + CHUNK].astype(np.float32)
        for group in (0, 1):
            sums[group] += (s[start : start + CHUNK] == group).T.astype(np.float32) @ some
    sizes = np.stack([(s == group).sum(0) for group in (0, 1)])
    zeros, ones = sums / sizes[:, :, None]
    return ones - zeros

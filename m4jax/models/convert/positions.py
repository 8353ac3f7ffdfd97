"""Positions of another resolution, interpolated on their grid as each peer does it.

A model for pictures of another size has another number of patches, each with a learnt position.
All three peers interpolate the grid of positions, along rows and columns in turn; so each is a
matrix [m, n] that maps n positions along a side to m. What stands before the grid (the class
token's position) stays.
"""

import math
from collections.abc import Callable

import numpy as np

from m4jax.errors import InputError

Interpolation = Callable[[int, int], np.ndarray]


def bicubic(n: int, m: int, *, antialias: bool) -> np.ndarray:
    """Returns [m, n]: PyTorch's `interpolate(mode="bicubic", align_corners=False)`.

    Keys' kernel with a = −0.75 and repeated edges; with `antialias` (as open_clip has it)
    a = −0.5, widened by the factor of reduction, and cut off at the edges.
    """
    scale = n / m
    centres = (np.arange(m) + 0.5) * scale - 0.5
    if antialias:
        width = max(scale, 1.0)
        weights = _keys((np.arange(n) - centres[:, None]) / width, a=-0.5)
        return weights / weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((m, n))
    for row, centre in enumerate(centres):
        for column in range(math.floor(centre) - 1, math.floor(centre) + 3):
            matrix[row, min(max(column, 0), n - 1)] += _keys(np.array(column - centre), a=-0.75)
    return matrix


def linear(n: int, m: int) -> np.ndarray:
    """Returns [m, n]: SciPy's `zoom(order=1)`, the outermost positions staying where they are."""
    places = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return np.maximum(0.0, 1.0 - np.abs(np.arange(n) - places[:, None]))


def resized(
    positions: np.ndarray, count: int, *, before: int, interpolation: Interpolation
) -> np.ndarray:
    """Returns positions [..., before + m², D] from [..., before + n², D].

    Args:
        positions: of a peer.
        count: before + m².
        before: positions that are not of the grid.
        interpolation: maps (n, m) to a matrix [m, n].

    Raises:
        InputError: if either number of patches is no square.
    """
    n, m = (math.isqrt(max(x - before, 0)) for x in (positions.shape[-2], count))
    if n * n + before != positions.shape[-2] or m * m + before != count or not n:
        raise InputError(
            f"{positions.shape[-2]} positions can't be interpolated to {count}: expected squares"
            + (f" and {before} more" if before else "")
        )
    matrix = interpolation(n, m)
    first, grid = np.split(positions, [before], axis=-2)
    grid = grid.reshape(*grid.shape[:-2], n, n, grid.shape[-1])
    grid = np.einsum("yi,xj,...ijd->...yxd", matrix, matrix, grid.astype(np.float64))
    grid = grid.reshape(*grid.shape[:-3], m * m, grid.shape[-1]).astype(positions.dtype)
    return np.concatenate([first, grid], axis=-2)


def _keys(x: np.ndarray, a: float) -> np.ndarray:
    """Returns Keys' cubic convolution kernel (1981) at x."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

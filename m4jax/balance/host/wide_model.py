"""A quadratic over a box, by conjugate gradients: the small problem inside a wide Newton step."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BALANCE = 1.0  # release what is at a border once its pull is this many times that of the rest
BACK = 0.25  # shorter step along a projected path
RETRIES = 3


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Returns a·b by one thread; BLAS would wake others, which have to wait on a busy machine."""
    return float(np.einsum("i,i->", a, b))


class Box(NamedTuple):
    """Where points lie."""

    low: np.ndarray  # [J] may be infinite
    high: np.ndarray  # [J]
    reach: np.ndarray  # [J] how far a point may well go where there is no border


def minimise_box(
    hessian: Callable[[np.ndarray], np.ndarray],
    slope: np.ndarray,
    start: np.ndarray,
    box: Box,
    *,
    enough: float,
    limit: int,
) -> np.ndarray:
    """Returns an x in the box at which ½ (x−w)ᵀH(x−w) + l·(x−w) is nearly least.

    Conjugate gradients go on as long as they stay inside. Where they would leave, the point is
    projected, and they start again on what is free then; what is at a border is let go once its
    pull outweighs that of the free ones. The value never increases. Source: MPRGP of Dostál &
    Schöberl (2005), "Minimizing quadratic functions subject to bound constraints", with the
    projected step of Kružík et al. (2020).

    Args:
        hessian: d -> H d, H positive semidefinite, of about unit diagonal.
        slope: `[J]` l.
        start: `[J]` w, within the box.
        box: see `Box`.
        enough: how far above the least value is near enough.
        limit: of products with H.
    """
    low, high, _ = box
    x, gradient, products = start.copy(), slope.copy(), 0
    direction = None
    while True:
        free = (x > low) & (x < high)
        inner = np.where(free, gradient, 0.0)
        inward = np.where(x <= low, np.minimum(gradient, 0.0), 0.0)
        inward += np.where(x >= high, np.maximum(gradient, 0.0), 0.0)
        inward = np.where(low < high, np.where(free, 0.0, inward), 0.0)
        parts = dot(inner, inner), dot(inward, inward)
        left = _gap(x, gradient, box)
        if not left > enough or products >= limit:
            break
        if parts[1] > BALANCE**2 * parts[0]:
            inner, direction = inner + inward, None
        direction = inner if direction is None else direction
        product = hessian(direction)
        products += 1
        curve = dot(direction, product)
        length = dot(inner, direction) / curve if curve > 0 else np.inf
        room = _room(x, direction, low, high)
        if length <= room:
            x = x - length * direction
            if length >= room:  # exactly at a border: no rounding beyond it
                x = np.clip(x, low, high)
            gradient = gradient - length * product
            free = (x > low) & (x < high)
            inner = np.where(free, gradient, 0.0)
            direction = inner - dot(inner, product) / curve * direction
            continue
        x, gradient, more = _project(
            hessian, slope, start, box, (x, gradient, direction, product), (length, room)
        )
        products, direction = products + more, None
    return x


def _gap(x: np.ndarray, gradient: np.ndarray, box: Box) -> float:
    """Returns how much lower the value could be: what the gradient times the room ahead says."""
    room = np.where(gradient > 0, x - box.low, box.high - x)
    room = np.where(np.isinf(room), np.abs(x) + box.reach, room)
    return dot(np.abs(gradient), room)


def _room(x: np.ndarray, direction: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Returns how far x − α direction stays in the box."""
    down, up = direction > 0, direction < 0
    below = np.min((x[down] - low[down]) / direction[down], initial=np.inf)
    return float(np.min((x[up] - high[up]) / direction[up], initial=below))


def _project(
    hessian: Callable,
    slope: np.ndarray,
    start: np.ndarray,
    box: Box,
    here: tuple[np.ndarray, ...],
    lengths: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns a lower point on the projected path, its gradient, and the products that it took."""
    x, gradient, direction, product = here
    length, room = lengths
    length = length if np.isfinite(length) else 1e3 * max(room, 1.0)
    for retry in range(RETRIES):
        if length <= room:
            break
        point = np.clip(x - length * direction, box.low, box.high)
        new = slope + hessian(point - start)
        if dot(gradient + new, point - x) < 0:
            return point, new, retry + 1
        length *= BACK
    length = min(length, room)
    point = np.clip(x - length * direction, box.low, box.high)
    return point, gradient - length * product, RETRIES

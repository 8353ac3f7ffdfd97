"""Newton's method with many constraints: the same steps without the Gram matrix of all rows.

State, offset, length of a step, values and end are those of `host_newton`. The model is about the
constraints that are at work and the examples whose weights can move; where these are few it is
solved exactly, else by conjugate gradients, nearly enough for the gap to fall.
"""

import dataclasses

import numpy as np
from scipy import sparse

from m4jax.balance.host.dual import Bounds, Dual
from m4jax.balance.host.model import minimise_model
from m4jax.balance.host.newton import State, advance, curvature
from m4jax.balance.host.wide_face import Face, make_face
from m4jax.balance.host.wide_model import Box, dot, minimise_box
from m4jax.balance.problem import Problem

MOST_ROWS = 2000  # constraints that the Gram matrix of all is made for
MOST_NUMBERS = 5e7  # of examples × labels that sparse labels are written out for
SMALL = 500  # constraints at work that are solved exactly
WORK = 2e8  # products of two entries that their Gram matrix may take
ENOUGH = 0.03  # of the gap: how far the model's solution may be from the best
PRICES = (0.25, 1.0, 4.0)  # V of what is solved first; scores of 1 move any weight
ROUGH = 0.1  # their tolerance
PRODUCTS = 500  # of the Hessian with a vector, in one step


def is_wide(problem: Problem) -> bool:
    """Tells whether a problem has too many constraints, or too many labels, for dense matrices."""
    labels = problem.labels
    size = float(labels.shape[0]) * labels.shape[1]
    large = sparse.issparse(labels) and size > MOST_NUMBERS
    return large or len(problem.spec.system) > MOST_ROWS


def stages(dual: Dual) -> list[Dual]:
    """Returns easier problems, each of which leads near the next one's solution, and the dual last.

    With low penalties few weights are at 0 or 1. With high ones most are, where constraints can't
    all be met, and Newton's method would spend its steps on finding which.
    """
    bounds, found = dual.bounds, []
    highest = max(bounds.below.max(initial=0.0), bounds.above.max(initial=0.0))
    for price in PRICES:
        if price * float(dual.scale.max(initial=0.0)) < highest:
            most = price * dual.scale
            box = (np.minimum(bounds.below, most), np.minimum(bounds.above, most))
            low = Bounds(bounds.lower, bounds.upper, *box)
            found.append(dataclasses.replace(dual, bounds=low, tolerance=ROUGH))
    return [*found, dual]


def step(dual: Dual, state: State) -> State:
    """Takes one damped Newton step in w, then puts μ at its optimum; see `host_newton.step`.

    Constraints that hold and have no multiplier stay out of the model. A multiplier keeps its sign
    within a step, where the two bounds differ.
    """
    weight = dual.rows.share * curvature(dual, state)
    w, bounds, r = state.multipliers, dual.bounds, state.moments
    above = (w > 0) | ((w == 0) & (r > bounds.upper) & (bounds.above > 0))
    below = (w < 0) | ((w == 0) & (r < bounds.lower) & (bounds.below > 0))
    some = np.flatnonzero(above | below | (bounds.lower == bounds.upper))
    face = make_face(dual.rows.operator, weight, some, 1 / dual.scale[some])
    here = Bounds(*(x[some] for x in (bounds.lower, bounds.upper, bounds.below, bounds.above)))
    goal = w.copy()
    if len(some) <= SMALL and float((face.entries.astype(float) ** 2).sum()) <= WORK:
        hessian = _schur(face) + state.damping * np.eye(len(some))
        goal[some] = minimise_model(hessian, r[some], w[some], here)
    else:
        sides, enough = (above[some], below[some]), _enough(dual, state)
        goal[some] = _by_products(face, state.damping, (r[some], w[some]), here, sides, enough)
    return advance(dual, state, goal)


def _enough(dual: Dual, state: State) -> float:
    """Returns how far from the best value of the model is near enough."""
    hard = dual.bounds.hard
    beyond = float(dual.bounds.beyond(state.moments)[hard].sum())  # costs nothing in the gap
    least = dual.tolerance * min(state.change, 1e-3 if hard.any() else np.inf)
    return max(ENOUGH * (state.values.gap + beyond), 0.1 * least)


def _schur(face: Face) -> np.ndarray:
    """Returns the Gram matrix less what μ takes of it."""
    along = face.moments(face.weight)
    return face.gram() - np.outer(along, along) / _total(face)


def _total(face: Face) -> float:
    total = float(face.weight.sum())
    return total if total > 0 else np.inf


def _by_products(
    face: Face,
    damping: float,
    here: tuple[np.ndarray, np.ndarray],
    bounds: Bounds,
    sides: tuple[np.ndarray, np.ndarray],
    enough: float,
) -> np.ndarray:
    """Returns w where the model is nearly best, by products of its Hessian, of unit diagonal.

    Args:
        face: the rows.
        damping: the Levenberg term.
        here: r and w `[J]`.
        bounds: of r, and the box of w.
        sides: `[J]` which w are, or want to be, above and below 0.
        enough: see `minimise_box`.
    """
    (r, w), (above, below) = here, sides
    total, along = _total(face), face.moments(face.weight)
    size = 1 / np.sqrt(np.maximum(face.squares() - along**2 / total, 0.0) + damping)
    along *= size

    def hessian(d: np.ndarray) -> np.ndarray:
        score = face.scores(size * d) - dot(along, d) / total
        return size * (face.moments(face.weight * score) + damping * size * d)

    smooth = bounds.lower == bounds.upper
    pull = np.where(smooth | above, bounds.upper, bounds.lower)
    low = np.where(above & ~smooth, 0.0, -bounds.below)
    high = np.where(below & ~smooth, 0.0, bounds.above)
    box = Box(low / size, high / size, 1 / size)
    found = minimise_box(hessian, size * (pull - r), w / size, box, enough=enough, limit=PRODUCTS)
    return np.clip(found * size, low, high)


def dense(problem: Problem) -> Problem:
    """Returns a problem that is not wide with its labels written out, so that rows fold."""
    if not sparse.issparse(problem.labels):
        return problem
    return dataclasses.replace(problem, labels=problem.labels.toarray())

"""Newton's equations of the interior point method: all but w and μ eliminated."""

import dataclasses

import numpy as np
import scipy  # loads its linalg when first asked for

from m4jax.balance.host.programs import Point, Program

Array = np.ndarray

TINY = 1e-15  # added to a Gram matrix of unit diagonal, so that it can be factored
MOST = 1e-6  # that is added at most
REFINEMENTS = 5  # at most, of each solution


@dataclasses.dataclass(frozen=True, eq=False)
class Equations:
    """Newton's equations at a point, factored once and solved for several right-hand sides."""

    program: Program
    point: Point
    residuals: tuple[Array, Array, Array, float]  # see `Program.residuals`
    diagonal: Array  # [p] ψ'' and what the bounds of q add
    give: Array  # [B] by how much r moves per unit of pull
    stiff: Array  # [J] the sum of 1/give, infinite for equations
    gram: Array  # [J+1, J+1] of unit diagonal
    size: Array  # [J+1] what it was multiplied by from both sides
    factor: tuple  # of the Gram matrix

    def direction(self, center: float, before: Point | None, share: float = 1.0) -> Point:
        """Returns the change that would make every pair's product equal to `center`.

        Args:
            center: what is aimed at.
            before: a first direction: what the products are short of, to second order, is that of
                its changes.
            share: of the second order that is counted.
        """
        program, point, sides = self.program, self.point, self.program.sides
        pressure, miss, unequal, rate = self.residuals
        q, rows, room = point.weights, program.rows, program.room(point)
        inner = center * program.weight
        lower = upper = given = taken = 0.0
        if before is not None:
            lower, upper = before.below * before.weights, -before.above * before.weights
            given, taken = before.pull * before.slack, -before.pull * before.excess
        goal = center * program.mass
        below, above = (goal - share * lower) / q, (goal - share * upper) / (1 - q)
        push = below - above - pressure
        slack = (inner - share * given) / point.pull
        excess = np.where(program.soft, (inner - share * taken) / room, 0.0)
        want = miss + slack - point.slack - excess + point.excess
        pulled = sides.summed(sides.sign * want / self.give)
        moved = pulled / self.stiff
        moved[sides.free] = unequal
        first = 0.0 if program.keep_rate is None else rows.mean(push / self.diagonal) + rate
        right = np.concatenate([[first], rows.moments(push / self.diagonal) + moved])
        change = self.size * self._solved(self.size * right)
        offset, w = change[0], change[1:]
        weights = (push - rows.scores(w) - offset) / self.diagonal
        response = (w - pulled) / self.stiff
        pull = (sides.sign * response[sides.row] + want) / self.give
        return Point(
            weights=weights,
            below=below - point.below - point.below / q * weights,
            above=above - point.above + point.above / (1 - q) * weights,
            pull=pull,
            slack=slack - point.slack - point.slack / point.pull * pull,
            excess=excess - point.excess + point.excess / room * pull,
            free=w[sides.free],
            offset=float(offset),
        )

    def _solved(self, right: Array) -> Array:
        """Returns the solution, refined until rounding allows no more."""
        found = scipy.linalg.cho_solve(self.factor, right, check_finite=False)
        error = right - self.gram @ found
        for _ in range(REFINEMENTS):
            better = found + scipy.linalg.cho_solve(self.factor, error, check_finite=False)
            left = right - self.gram @ better
            if not np.linalg.norm(left) < 0.5 * np.linalg.norm(error):
                break
            found, error = better, left
        return found


def at(program: Program, point: Point) -> Equations | None:
    """Returns Newton's equations at a point; None if rounding left none to solve."""
    rows, sides, q = program.rows, program.sides, point.weights
    _, bend = program.slopes(q, program.base)
    diagonal = bend + point.below / q + point.above / (1 - q)
    give = point.slack / point.pull + point.excess / program.room(point)
    stiff = sides.summed(1 / give)
    stiff[sides.free] = np.inf
    gram = rows.gram(rows.share / diagonal)
    place = np.arange(1, len(gram))
    gram[place, place] += 1 / stiff
    if program.keep_rate is None:
        gram[0], gram[:, 0], gram[0, 0] = 0.0, 0.0, 1.0
    entry = np.diagonal(gram)
    size = 1 / np.sqrt(np.where(entry > 0, entry, 1.0))
    gram *= size[:, None]
    gram *= size
    factor = _factored(gram) if np.isfinite(gram).all() else None
    return factor and Equations(
        program, point, program.residuals(point), diagonal, give, stiff, gram, size, factor
    )


def _factored(gram: Array) -> tuple | None:
    """Returns the Cholesky factor of a matrix of unit diagonal, a little added to it if need be."""
    added = TINY
    while added < MOST:
        try:
            return scipy.linalg.cho_factor(
                gram + added * np.eye(len(gram)), lower=True, overwrite_a=True, check_finite=False
            )
        except np.linalg.LinAlgError:
            added *= 30
    return None

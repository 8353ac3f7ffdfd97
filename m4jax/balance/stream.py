"""Exact weights for examples that don't fit in memory: Newton's method, one pass a step.

Examples with equal attributes and labels fold into one pattern, and `solver.solve` does the rest,
if their utilities are few distinct values. Where every example has a utility of its own, fold with
rounded utilities, solve, and start here: a few passes over the examples themselves make the
multipliers exact, and the certificate is that of the examples.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance import bounds as limits
from m4jax.balance import objectives
from m4jax.balance.blocks import Block, rows_of
from m4jax.balance.bounds import Bounds, make_bounds
from m4jax.balance.constraints import places
from m4jax.balance.device import dual, newton, passes
from m4jax.balance.device.dual import Values
from m4jax.balance.device.passes import Sums
from m4jax.balance.device.rows import check_size
from m4jax.balance.device.subproblems import minimise_model
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Spec
from m4jax.balance.solution import Certificate, Certified, Status

Array = jax.Array

SHORTEST = 1e-3  # of a Newton step; where even that brings nothing, rounding is what is left


class Multipliers(Protocol):
    """Any record of the dual variables.

    Attributes:
        multipliers: `[m, c+1]` w. Where there are constraints in words, `moment_multipliers`
            `[2, K]` are read too.
        offset: μ.
    """

    multipliers: np.ndarray
    offset: float


@dataclasses.dataclass(frozen=True, eq=False)
class StreamSolution(Certified):
    """What is known after the last pass; `weights` makes the weights of any block from it.

    Attributes:
        certificate: see `Certificate`; its steps are passes over the examples.
        examples: Σ counts.
        kept: E[q].
    """

    certificate: Certificate
    examples: float
    kept: float


def solve(
    spec: Spec,
    blocks: Callable[[], Iterable[Block]],
    *,
    start: Multipliers | None = None,
    objective: str | Objective = "quadratic",
    tolerance: float = 1e-6,
    max_passes: int = 50,
    progress: Callable[[int, float], None] | None = None,
) -> StreamSolution:
    """Returns the solution of the problem that all blocks together make.

    Each pass sums E[q], E[q a] and the Gram matrix at one (w, μ); the step maximises the dual's
    quadratic model in all of them, and is shortened until the dual rises. Memory: one block and a
    matrix of (J+1)². It stops when the gap is at most tolerance × Δ and E[q] = η to 1e-9; a gap
    that no step improves is accepted if it is at most tolerance × max(1, Δ). Δ is what balancing
    costs, see `solver.solve`.
    Infeasible hard constraints are not recognised here but end with the last pass: ask
    `max_keep_rate` of the folded problem. Source: derived.

    Args:
        spec: names, targets and bounds.
        blocks: called once a pass; gives the same examples every time. Blocks of equal length
            compile once.
        start: a solution nearby, usually of the folded problem.
        objective: a name in `objectives.OBJECTIVES`, or a record like those.
        tolerance: see above.
        max_passes: limit on passes.
        progress: called after every pass with the number of passes and the duality gap.

    Raises:
        ProblemError: if a block has a wrong shape or value, or there are no examples.
    """
    check_size(spec.system)
    with jax.enable_x64(True):
        work = _Passes(spec, blocks, objectives.find(objective), tolerance)
        return work.run(start, max_passes, progress)


def weights(
    spec: Spec,
    solution: Multipliers,
    block: Block,
    *,
    objective: str | Objective = "quadratic",
) -> np.ndarray:
    """Returns the weights `[b]` of a block's examples at the solution's w and μ."""
    with jax.enable_x64(True):
        rows, base, size = rows_of(spec, block)
        w, offset = places.start(spec, solution, whole=True)
        score = _scores(rows, w) + offset
        q = objectives.find(objective).weight(score, jnp.asarray(base))
        return np.asarray(jax.device_get(q))[:size]


class _Point(NamedTuple):
    """Where a pass was made and what it brought."""

    place: np.ndarray  # [J+1] μ and w
    sums: Sums
    violation: np.ndarray  # [2, J] of the lower and of the upper bounds
    values: Values
    change: float  # Δ, at least


@dataclasses.dataclass
class _Passes:
    """One call of `solve`."""

    spec: Spec
    blocks: Callable[[], Iterable[Block]]
    objective: Objective
    tolerance: float
    passes: int = 0

    def __post_init__(self):
        system = self.spec.system
        self.bounds = make_bounds(system.lower, system.upper, system.penalty)
        self.origin = passes.origin(self.spec, self.blocks(), self.objective)

    def run(self, start: Any, limit: int, progress: Callable | None) -> StreamSolution:
        """Steps until nothing is left to gain or `limit` passes are made."""
        multipliers, offset = places.start(self.spec, start)
        place = np.concatenate([[self.origin if start is None else offset], multipliers])
        point, damping, stuck = self._at(place, progress), newton.DAMPING, False
        while not (self._tight(point) or stuck) and self.passes < limit:
            move = self._goal(point, damping) - point.place
            length, better = 1.0, None
            while better is None and length >= SHORTEST and self.passes < limit:
                new = self._at(point.place + length * move, progress)
                rises = new.values.dual > point.values.dual or new.values.gap < point.values.gap
                better = new if rises else None
                length = length if rises else 0.25 * length
            stuck, point = better is None and length < SHORTEST, better or point
            factor = 0.1 if length == 1 else 10.0
            damping = max(damping * factor, newton.LEAST_DAMPING)
        return self._solution(point)

    def _at(self, place: np.ndarray, progress: Callable | None) -> _Point:
        """Makes one pass."""
        spec, self.passes = self.spec, self.passes + 1
        sums = passes.sums(spec, self.blocks(), place, self.origin, self.objective)
        rate = sums.kept - spec.keep_rate
        rates = (place[0] * rate, (place[0] - self.origin) * rate)
        values = dual.values(place[1:], sums.moments, sums.cost, rates, self.bounds)
        price = limits.penalties(sums.moments, self.bounds).sum()
        point = _Point(
            place=place,
            sums=sums,
            violation=np.asarray(limits.violation(sums.moments, self.bounds)),
            values=Values(*map(float, values)),
            change=self._change(sums) + float(price),
        )
        if sums.slope > 0:  # a step of Newton's method towards the μ at w = 0
            self.origin += float((sums.before - spec.keep_rate) / sums.slope)
        if progress is not None:
            progress(self.passes, point.values.gap)
        return point

    def _change(self, sums: Sums) -> float:
        """Returns by how much E[ψ] is above that at w = 0 and E[q] = η, at least.

        The origin is known only nearly: what E[q⁰] misses of η is made good to first order.
        """
        missed = sums.before - self.spec.keep_rate
        shift = self.origin * (sums.kept - sums.before)
        doubt = missed**2 / sums.slope if sums.slope > 0 else np.inf if missed else 0.0
        return float(max(0.0, sums.change + shift - doubt))

    def _goal(self, point: _Point, damping: float) -> np.ndarray:
        """Returns the (μ, w) that is best for the dual's model, μ being without a bound."""
        sums = point.sums
        size = np.sqrt(np.where(sums.second > 0, sums.second, 1.0))
        size = np.concatenate([[1.0], size])
        slope = np.concatenate([[sums.kept - self.spec.keep_rate], sums.moments]) / size
        free = ([0.0], [0.0], np.full((2, 1), np.inf))
        bounds = (np.concatenate(x, axis=-1) for x in zip(free, self.bounds, strict=True))
        bounds = limits.scaled(Bounds(*bounds), size)
        model = sums.gram / size[:, None] / size + damping * np.eye(len(size))
        goal = jax.device_get(_minimise(model, slope, point.place * size, bounds))
        return goal / size

    def _held(self, point: _Point) -> bool:
        """Tells whether the constraints hold if they are hard."""
        beyond = point.violation / np.maximum(np.sqrt(point.sums.second), 1.0)
        hard = beyond[np.isinf(self.bounds.penalty)]
        return bool(hard.max(initial=0.0) <= 1e-3 * self.tolerance)

    def _tight(self, point: _Point) -> bool:
        close = abs(point.sums.kept - self.spec.keep_rate) <= passes.RATE_ACCURACY
        tight = point.values.gap <= max(self.tolerance * point.change, newton.NOTHING)
        return self._held(point) and close and tight

    def _solution(self, point: _Point) -> StreamSolution:
        sums, (primal, _, gap) = point.sums, point.values
        good = self._held(point) and gap <= self.tolerance * max(1.0, point.change)
        good = good and abs(sums.kept - self.spec.keep_rate) <= newton.RATE_ACCURACY
        status = Status.CONVERGED if good else Status.MAX_STEPS
        squares = sums.squares * sums.examples
        size = (sums.kept * sums.examples) ** 2 / squares if squares > 0 else np.nan
        violation, beyond = places.violations(self.spec, sums.moments)
        multipliers, own = places.from_rows(self.spec, point.place[1:])
        certificate = Certificate(
            status=status if np.isfinite(gap + primal) else Status.NON_FINITE,
            objective=primal,
            duality_gap=gap,
            violation=violation,
            effective_sample_size=float(size),
            steps=self.passes,
            multipliers=multipliers,
            offset=float(point.place[0]),
            moment_violation=beyond,
            moment_multipliers=own,
        )
        return StreamSolution(certificate, float(sums.examples), float(sums.kept))


_minimise, _scores = jax.jit(minimise_model), jax.jit(dual.scores)

"""Exact weights for examples that don't fit in memory: Newton's method, one pass a step.

Examples with equal attributes and labels fold into one pattern, and `solver.solve` does the rest,
if their utilities are few distinct values. Where every example has a utility of its own, fold with
rounded utilities, solve, and start here: a few passes over the examples themselves make the
multipliers exact, and the certificate is that of the examples.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance import checks, dual, newton, objectives
from m4jax.balance.checks import ProblemError
from m4jax.balance.dual import Rows, Values
from m4jax.balance.folding import make_rows, pad
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Certificate, Certified, Spec, Status
from m4jax.balance.subproblems import minimise_model

Array = jax.Array

RATE_ACCURACY = 1e-9  # of E[q] = η
SHORTEST = 1e-3  # of a Newton step; where even that brings nothing, rounding is what is left


class Block(NamedTuple):
    """Some of the examples.

    Attributes:
        attributes: `[b, m]` s in [0, 1], NaN where unknown.
        labels: `[b, c]` y in [0, 1].
        utility: `[b]` u > 0, or None for ones.
        counts: `[b]` how often each row occurs, or None for once.
    """

    attributes: Any
    labels: Any
    utility: Any = None
    counts: Any = None


class Multipliers(Protocol):
    """Any record of the dual variables.

    Attributes:
        multipliers: `[m, c+1]` w.
        offset: μ.
    """

    multipliers: np.ndarray
    offset: float


class Sums(NamedTuple):
    """Sums over examples at one w and μ, later means."""

    examples: Array  # Σ counts
    kept: Array  # E[q]
    squares: Array  # E[q²]
    cost: Array  # E[ψ(q)]
    moments: Array  # [K] E[q z]
    second: Array  # [K] E[z²]
    gram: Array  # [K+1, K+1] E[−dq/dt [1, z] [1, z]ᵀ]


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

    Each pass sums E[q], E[q z] and the Gram matrix at one (w, μ); the step maximises the dual's
    quadratic model in all of them, and is shortened until the dual rises. Memory: one block and a
    matrix of (K+1)². It stops when the gap is at most tolerance × |objective| and E[q] = η to
    1e-9; a gap that no step improves is accepted if it is at most tolerance × max(1, |objective|).
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
        rows, base, size = _rows(spec, block)
        score = _scores(rows, np.asarray(solution.multipliers).ravel()) + solution.offset
        q = objectives.find(objective).weight(score, jnp.asarray(base))
        return np.asarray(jax.device_get(q))[:size]


class _Point(NamedTuple):
    """Where a pass was made and what it brought."""

    place: np.ndarray  # [K+1] μ and w
    sums: Sums
    violation: np.ndarray  # [m, c+1]
    values: Values


@dataclasses.dataclass
class _Passes:
    """One call of `solve`."""

    spec: Spec
    blocks: Callable[[], Iterable[Block]]
    objective: Objective
    tolerance: float
    passes: int = 0

    def __post_init__(self):
        self.eps = np.minimum(self.spec.eps.ravel(), dual.WIDEST)

    def run(self, start: Any, limit: int, progress: Callable | None) -> StreamSolution:
        """Steps until nothing is left to gain or `limit` passes are made."""
        multipliers, offset = checks.start(start, self.spec.target.shape)
        place = np.concatenate([[offset], multipliers])
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
        sums, spec = self._sums(place), self.spec
        self.passes += 1
        rate = place[0] * (sums.kept - spec.keep_rate)
        penalty = np.full(self.eps.size, spec.penalty)
        values = dual.values(
            place[1:], sums.moments, sums.cost, rate, eps=self.eps, penalty=penalty
        )
        point = _Point(
            place=place,
            sums=sums,
            violation=dual.violation(sums.moments.reshape(spec.eps.shape), spec.eps),
            values=Values(*map(float, values)),
        )
        if progress is not None:
            progress(self.passes, point.values.gap)
        return point

    def _sums(self, place: np.ndarray) -> Sums:
        width = len(place)
        total = Sums(*[0.0] * 4, np.zeros(width - 1), np.zeros(width - 1), np.zeros((width, width)))
        total = jax.device_put(total)
        for block in self.blocks():
            rows, base, _ = _rows(self.spec, block)
            total = _add(total, rows, base, place, objective=self.objective)
        total = jax.device_get(total)
        if not total.examples > 0:
            raise ProblemError("the blocks hold no example with counts above 0")
        return Sums(total.examples, *(x / total.examples for x in total[1:]))

    def _goal(self, point: _Point, damping: float) -> np.ndarray:
        """Returns the (μ, w) that is best for the dual's model, μ being without a bound."""
        sums = point.sums
        size = np.sqrt(np.where(sums.second > 0, sums.second, 1.0))
        size = np.concatenate([[1.0], size])
        slope = np.concatenate([[sums.kept - self.spec.keep_rate], sums.moments]) / size
        eps = np.concatenate([[0.0], self.eps]) / size
        bound = np.concatenate([[np.inf], np.full(len(size) - 1, self.spec.penalty)]) * size
        model = sums.gram / size[:, None] / size + damping * np.eye(len(size))
        goal = jax.device_get(_minimise(model, slope, point.place * size, eps, bound))
        return goal / size

    def _held(self, point: _Point) -> bool:
        """Tells whether the constraints hold if they are hard."""
        soft = not np.isinf(self.spec.penalty)
        return soft or bool(point.violation.max(initial=0.0) <= 1e-3 * self.tolerance)

    def _tight(self, point: _Point) -> bool:
        close = abs(point.sums.kept - self.spec.keep_rate) <= RATE_ACCURACY
        relative = point.values.gap <= self.tolerance * abs(point.values.primal)
        return self._held(point) and close and relative

    def _solution(self, point: _Point) -> StreamSolution:
        sums, (primal, _, gap) = point.sums, point.values
        good = self._held(point) and gap <= self.tolerance * max(1.0, abs(primal))
        good = good and abs(sums.kept - self.spec.keep_rate) <= newton.RATE_ACCURACY
        status = Status.CONVERGED if good else Status.MAX_STEPS
        squares = sums.squares * sums.examples
        size = (sums.kept * sums.examples) ** 2 / squares if squares > 0 else np.nan
        certificate = Certificate(
            status=status if np.isfinite(gap + primal) else Status.NON_FINITE,
            objective=primal,
            duality_gap=gap,
            violation=point.violation,
            effective_sample_size=float(size),
            steps=self.passes,
            multipliers=point.place[1:].reshape(self.spec.eps.shape),
            offset=float(point.place[0]),
        )
        return StreamSolution(certificate, float(sums.examples), float(sums.kept))


_minimise, _scores = jax.jit(minimise_model), jax.jit(dual.scores)


@functools.partial(jax.jit, static_argnames="objective")
def _add(total: Sums, rows: Rows, base: Array, place: Array, *, objective: Objective) -> Sums:
    """Returns the sums with those of a block added, whose `share` holds the counts."""
    score = dual.scores(rows, place[1:]) + place[0]
    q = objective.weight(score, base)
    curvature = rows.share * objective.curvature(score, base)
    part = Sums(
        examples=jnp.sum(rows.share),
        kept=dual.mean(rows, q),
        squares=dual.mean(rows, q**2),
        cost=dual.mean(rows, objective.cost(q, base)),
        moments=dual.moments(rows, q),
        second=dual.second_moments(rows).reshape(-1),
        gram=dual.add_gram(rows, jnp.zeros_like(total.gram), curvature),
    )
    return jax.tree.map(jnp.add, total, part)


def _rows(spec: Spec, block: Block) -> tuple[Rows, np.ndarray, int]:
    """Returns the block's rows and b = ηu, padded with rows of count 0, and its own number."""
    attributes, labels, utility, counts = _checked(spec, block)
    size = dual.padded(len(counts))
    rows = make_rows(attributes, labels, counts, spec.target, size)
    return rows, spec.keep_rate * pad(utility, size, 1.0), len(counts)


def _checked(spec: Spec, block: Block) -> tuple[np.ndarray, ...]:
    attributes, labels, utility, counts = block
    attributes = checks.unit_matrix("attributes", attributes, unknown=True)
    labels = checks.unit_matrix("labels", labels)
    shape = (attributes.shape[1], len(labels), labels.shape[1])
    expected = (len(spec.attribute_names), len(attributes), len(spec.label_names))
    if shape != expected:
        raise ProblemError(
            f"the block has {shape[0]} attributes, {shape[1]} rows and {shape[2]} labels; expected "
            f"{expected[0]}, {expected[1]} and {expected[2]}"
        )
    utility = checks.positive_vector("utility", utility, len(labels))
    if counts is None:
        counts = np.ones(len(labels))
    elif not np.any(counts):
        counts = np.zeros(len(labels))
    else:
        counts = checks.nonnegative_vector("counts", counts, len(labels))
    return attributes.astype(float), labels, utility, np.asarray(counts, float)

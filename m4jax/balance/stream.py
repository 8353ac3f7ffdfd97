"""Exact weights for examples that don't fit in memory: Newton's method, one pass a step.

Examples with equal attributes and labels fold into one pattern, and `exact.solve` does the rest,
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

from m4jax.balance import batch, checks, inner, newton, objectives, operator, program
from m4jax.balance.checks import ProblemError
from m4jax.balance.objectives import Objective
from m4jax.balance.operator import Operator
from m4jax.balance.solution import Status
from m4jax.balance.spec import Spec

Array = jax.Array

RATE_ACCURACY = 1e-9  # of E[q] = η
SHORTEST = 1e-3  # of a Newton step; where even that brings nothing, rounding is what is left


class Block(NamedTuple):
    """Some of the examples.

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
    """Any record of the dual variables: `multipliers` `[m, c+1]` w and `offset` μ."""

    multipliers: np.ndarray
    offset: float


class Sums(NamedTuple):
    """Sums over examples at one w and μ, later means.

    examples: Σ counts.
    kept, squares, cost: E[q], E[q²], E[ψ(q)].
    moments, second: `[K]` E[q z] and E[z²].
    gram: `[K+1, K+1]` E[−dq/dt [1, z] [1, z]ᵀ].
    """

    examples: Array
    kept: Array
    squares: Array
    cost: Array
    moments: Array
    second: Array
    gram: Array


@dataclasses.dataclass(frozen=True, eq=False)
class StreamSolution:
    """What is known after the last pass; `weights` makes the weights of any block from it.

    Args:
        status: why the solver stopped.
        objective: the value at q, penalties included.
        duality_gap: by how much `objective` can exceed the optimum, at most.
        representation_violation: `[m]` [|E[q (s_k − π_k)]| − ε_k]₊.
        association_violation: `[m, c]` [|E[q (s_k − π_kr) y_r]| − ε_kr]₊.
        effective_sample_size: (Σ q)² / Σ q².
        examples: Σ counts.
        kept: E[q].
        steps: passes over the examples.
        multipliers: `[m, c+1]` w.
        offset: μ.
    """

    status: Status
    objective: float
    duality_gap: float
    representation_violation: np.ndarray
    association_violation: np.ndarray
    effective_sample_size: float
    examples: float
    kept: float
    steps: int
    multipliers: np.ndarray
    offset: float


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
    attributes, labels, utility, _ = _checked(spec, block)
    with jax.enable_x64(True):
        free = batch.scores(spec.target, solution.multipliers, attributes, labels)
        base = jnp.asarray(spec.keep_rate * utility)
        q = objectives.find(objective).weight(free + solution.offset, base)
        return np.asarray(jax.device_get(q))


class _Point(NamedTuple):
    """(μ, w) `[K+1]`, the sums there, dual and primal value, gap, whether hard constraints hold."""

    place: np.ndarray
    sums: Sums
    dual: float
    primal: float
    gap: float
    held: bool


@dataclasses.dataclass
class _Passes:
    """One call of `solve`."""

    spec: Spec
    blocks: Callable[[], Iterable[Block]]
    objective: Objective
    tolerance: float
    passes: int = 0

    def run(self, start: Any, limit: int, progress: Callable | None) -> StreamSolution:
        """Steps until nothing is left to gain or `limit` passes are made."""
        here, damping, stuck = self._at(_place(self.spec, start), progress), newton.DAMPING, False
        while not (self._tight(here) or stuck) and self.passes < limit:
            move = self._goal(here, damping) - here.place
            length, there = 1.0, None
            while there is None and length >= SHORTEST and self.passes < limit:
                tried = self._at(here.place + length * move, progress)
                there = tried if tried.dual > here.dual or tried.gap < here.gap else None
                length = length if there else 0.25 * length
            stuck, here = there is None and length < SHORTEST, there or here
            factor = 0.1 if length == 1 else 10.0
            damping = max(damping * factor, newton.LEAST_DAMPING)
        return self._solution(here)

    def _at(self, place: np.ndarray, progress: Callable | None) -> _Point:
        """Makes one pass."""
        sums = self._sums(place)
        self.passes += 1
        spec, w = self.spec, place[1:]
        eps = np.minimum(spec.eps.ravel(), program.WIDEST)
        beyond = np.maximum(np.abs(sums.moments) - eps, 0.0)
        hard = np.isinf(spec.penalty)
        penalty = 0.0 if hard else spec.penalty * beyond
        off = place[0] * (sums.kept - spec.keep_rate)
        slack = penalty - w * sums.moments + eps * np.abs(w)
        point = _Point(
            place=place,
            sums=sums,
            dual=float(sums.cost + w @ sums.moments - eps @ np.abs(w) + off),
            primal=float(sums.cost + np.sum(penalty)),
            gap=float(np.sum(np.abs(slack)) + abs(off)),
            held=bool(not hard or beyond.max(initial=0.0) <= 1e-3 * self.tolerance),
        )
        if progress is not None:
            progress(self.passes, point.gap)
        return point

    def _sums(self, place: np.ndarray) -> Sums:
        width = len(place)
        total = Sums(*[0.0] * 4, np.zeros(width - 1), np.zeros(width - 1), np.zeros((width, width)))
        total = jax.device_put(total)
        for block in self.blocks():
            rows, base = _operator(self.spec, block)
            total = _add(total, rows, base, place, objective=self.objective)
        total = jax.device_get(total)
        if not total.examples > 0:
            raise ProblemError("the blocks hold no example with counts above 0")
        return Sums(total.examples, *(x / total.examples for x in total[1:]))

    def _goal(self, here: _Point, damping: float) -> np.ndarray:
        """Returns the (μ, w) that is best for the dual's model, μ being without a bound."""
        size = np.sqrt(np.where(here.sums.second > 0, here.sums.second, 1.0))
        size = np.concatenate([[1.0], size])
        slope = np.concatenate([[here.sums.kept - self.spec.keep_rate], here.sums.moments]) / size
        eps = np.concatenate([[0.0], np.minimum(self.spec.eps.ravel(), program.WIDEST)]) / size
        bound = np.concatenate([[np.inf], np.full(len(size) - 1, self.spec.penalty)]) * size
        model = here.sums.gram / size[:, None] / size + damping * np.eye(len(size))
        goal = jax.device_get(_minimise(model, slope, here.place * size, eps, bound))
        return goal / size

    def _tight(self, here: _Point) -> bool:
        close = abs(here.sums.kept - self.spec.keep_rate) <= RATE_ACCURACY
        return here.held and close and here.gap <= self.tolerance * abs(here.primal)

    def _solution(self, here: _Point) -> StreamSolution:
        sums, eps = here.sums, self.spec.eps
        beyond = np.maximum(np.abs(sums.moments.reshape(eps.shape)) - eps, 0.0)
        good = here.held and here.gap <= self.tolerance * max(1.0, abs(here.primal))
        good = good and abs(sums.kept - self.spec.keep_rate) <= 1e-6
        status = Status.CONVERGED if good else Status.MAX_STEPS
        if not np.isfinite(here.gap + here.primal):
            status = Status.NON_FINITE
        squares = sums.squares * sums.examples
        return StreamSolution(
            status=status,
            objective=here.primal,
            duality_gap=here.gap,
            representation_violation=beyond[:, 0],
            association_violation=beyond[:, 1:],
            effective_sample_size=float(
                (sums.kept * sums.examples) ** 2 / squares if squares > 0 else np.nan
            ),
            examples=float(sums.examples),
            kept=float(sums.kept),
            steps=self.passes,
            multipliers=here.place[1:].reshape(eps.shape),
            offset=float(here.place[0]),
        )


_minimise = jax.jit(inner.minimise)


@functools.partial(jax.jit, static_argnames="objective")
def _add(total: Sums, rows: Operator, base: Array, place: Array, *, objective: Objective) -> Sums:
    """Returns the sums with those of a block added, whose `share` holds the counts."""
    score = operator.scores(rows, place[1:]) + place[0]
    q = objective.weight(score, base)
    curvature = rows.share * objective.curvature(score, base)
    part = Sums(
        examples=jnp.sum(rows.share),
        kept=operator.mean(rows, q),
        squares=operator.mean(rows, q**2),
        cost=operator.mean(rows, objective.cost(q, base)),
        moments=operator.moments(rows, q),
        second=operator.second_moments(rows).reshape(-1),
        gram=operator.add_gram(rows, jnp.zeros_like(total.gram), curvature),
    )
    return jax.tree.map(jnp.add, total, part)


def _place(spec: Spec, start: Multipliers | None) -> np.ndarray:
    """Returns (μ, w) `[K+1]` of a solution; zeros if there is none."""
    if start is None:
        return np.zeros(spec.target.size + 1)
    if start.multipliers.shape != spec.target.shape:
        raise ProblemError(
            f"start has multipliers {start.multipliers.shape}; expected {spec.target.shape}, those "
            "of a problem with as many attributes and labels"
        )
    return np.concatenate([[start.offset], start.multipliers.ravel()])


def _operator(spec: Spec, block: Block) -> tuple[Operator, np.ndarray]:
    """Returns the block's rows and b = ηu, padded with rows of count 0 to whole chunks."""
    attributes, labels, utility, counts = _checked(spec, block)
    size = len(counts)
    missing = operator.padded(size) - size
    known = ~np.isnan(attributes)

    def pad(x: np.ndarray) -> np.ndarray:
        return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))

    rows = Operator(
        attributes=pad(np.where(known, attributes, 0.0)),
        known=pad(known.astype(float)),
        labels=pad(labels),
        share=pad(counts),
        target=spec.target,
        scale=np.ones_like(spec.target),
    )
    return rows, spec.keep_rate * np.pad(utility, (0, missing), constant_values=1.0)


def _checked(spec: Spec, block: Block) -> tuple[np.ndarray, ...]:
    attributes, labels, utility, counts = block
    attributes = checks.unit_matrix("attributes", attributes, unknown=True)
    labels = checks.unit_matrix("labels", labels)
    found = (attributes.shape[1], len(labels), labels.shape[1])
    expected = (len(spec.attribute_names), len(attributes), len(spec.label_names))
    if found != expected:
        raise ProblemError(
            f"the block has {found[0]} attributes, {found[1]} rows and {found[2]} labels; expected "
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

"""The exact solver: folds the examples, maximises the dual, unfolds the weights."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.balance import feasibility, interior, newton, objectives, patterns, program
from m4jax.balance.diagnostics import effective_sample_size
from m4jax.balance.newton import Dual, State
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution, Status

PRECISIONS = ("float64", "float32")
COARSE = 1e-5  # the gap that single precision can reach on every problem of moderate size
PROMISING = 50  # Newton steps after which another method has better prospects
ROUNDING = 1e-12  # a gap below this is 0 for every purpose
COARSE_STEPS = 50  # in single precision before double precision takes over

Progress = Callable[[int, float], None]


def solve(
    problem: Problem,
    *,
    objective: str | Objective = "quadratic",
    tolerance: float = 1e-6,
    max_steps: int = 200,
    precision: str = "float64",
    devices: Sequence[jax.Device] | None = None,
    start: Solution | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Returns the weights that solve `problem`, with a certificate of how well.

    Maximises the concave dual g(w, μ) = E[min_q ψ(q; ηu) + q (z·w + μ)] − ε·|w| − μη over
    |w| ≤ V ("CLIP the Bias", M4; dual and method derived) and gives q = the minimiser within, at
    the μ for which E[q] = η. It stops when the duality gap is at most tolerance × |objective|, or,
    once rounding allows no more, at most tolerance × max(1, |objective|); hard constraints must
    also hold to tolerance / 1000. Newton's method on the dual does it in a few steps; should it
    stall, an interior point method finds where to go on. The certificate is always computed in
    float64, whatever the caller's settings and the precision.

    Args:
        problem: what to balance.
        objective: a name in `objectives.OBJECTIVES`, or a record like those.
        tolerance: see above.
        max_steps: limit on Newton steps.
        precision: "float32" passes over the patterns in single precision (sums in double) until
            little is left to do in float64: for accelerators on which the latter is slow.
        devices: what to spread the patterns over; None: the default device. With several
            processes every one calls with the same problem and gets all weights.
        start: a solution of a similar problem, with as many attributes and labels.
        progress: called after every step with the number of steps and the duality gap.

    Returns:
        A `Solution`; failure is told by its status, never by an exception.

    Raises:
        ValueError: if the objective or the precision is not known, tolerance or max_steps is below
            0, or `start` has other attributes or labels.
    """
    chosen = objectives.find(objective)
    _check(tolerance, max_steps, precision)
    mesh = program.mesh_of(devices)
    folded, inverse = patterns.fold(problem, parts=1 if mesh is None else mesh.size)
    run = _Run(problem, folded, chosen, mesh, tolerance, max_steps, progress)
    here = _start(problem, start)
    with jax.enable_x64(True):
        if precision == "float32":
            here = run.coarse(here)
        state, scale = run.fine(here)
    return _unfold(problem, folded.share, inverse, state, scale)


class _Place(NamedTuple):
    """Where to begin: w `[K]` in the scale of the given columns, μ, and the steps so far."""

    multipliers: np.ndarray
    offset: np.ndarray
    steps: int


@dataclasses.dataclass(frozen=True)
class _Run:
    """One call of `solve`."""

    problem: Problem
    folded: patterns.Patterns
    objective: Objective
    mesh: Mesh | None
    tolerance: float
    max_steps: int
    progress: Progress | None

    def coarse(self, here: _Place) -> _Place:
        """Goes on from `here` in single precision, as far as that leads."""
        dual = self._dual("float32", max(self.tolerance, COARSE))
        state = self._newton(dual, here, min(self.max_steps, COARSE_STEPS))
        found = self._found(dual, state)
        return found if np.isfinite(found.multipliers).all() else here

    def fine(self, here: _Place) -> tuple[State, np.ndarray]:
        """Returns the last state and the columns' scale `[m, c+1]`."""
        dual = self._dual("float64", self.tolerance)
        state = self._newton(dual, here, min(self.max_steps, here.steps + PROMISING))
        if self._hopeful(state):
            state = self._rescue(dual, state)
        state = state._replace(score=None, curvature=None, gram=None)
        return program.fetch((state, dual.rows.scale), self.mesh)

    def _dual(self, precision: str, tolerance: float) -> Dual:
        return program.place(
            self.problem, self.folded, tolerance, mesh=self.mesh, precision=precision
        )

    def _newton(self, dual: Dual, here: _Place, limit: int) -> State:
        """Takes Newton steps from `here` while they help and until `limit` of them are taken."""
        taken = here.steps
        stop = limit if self.progress is None else min(limit, taken + 1)
        start = program.put((*here._replace(steps=np.int64(taken)), np.int64(stop)), self.mesh)
        state = program.begin(dual, *start, objective=self.objective, mesh=self.mesh)
        while self.progress is not None and int(state.steps) > taken:
            taken = int(state.steps)
            self.progress(taken, float(state.gap))
            there = program.put(np.int64(min(limit, taken + 1)), self.mesh)
            state = program.advance(dual, state, there, objective=self.objective, mesh=self.mesh)
        return state

    def _hopeful(self, state: State) -> bool:
        """Tells whether another method might do better than this state of Newton's."""
        status, gap = int(state.status), float(state.gap)
        settled = status == newton.CODES.index(Status.CONVERGED)
        loose = settled and gap > max(ROUNDING, self.tolerance * abs(float(state.objective)))
        return (status == newton.RUNNING or loose) and int(state.steps) < self.max_steps

    def _rescue(self, dual: Dual, state: State) -> State:
        """Goes on from where the interior point method ends; returns the better state."""
        if np.isinf(self.problem.penalty) and feasibility.none_exist(dual, self.mesh):
            return state._replace(status=newton.CODES.index(Status.INFEASIBLE))
        found = program.interior_point(
            dual, cost=self.objective.cost, fixed_rate=True, mesh=self.mesh
        )
        w = program.fetch((interior.multipliers(found.point), found.point.offset), self.mesh)
        scale = program.fetch(dual.rows.scale, self.mesh).reshape(-1)
        steps = int(state.steps) + int(found.steps)
        again = self._newton(dual, _Place(w[0] / scale, w[1], steps), self.max_steps)
        return again if float(again.gap) <= float(state.gap) else state

    def _found(self, dual: Dual, state: State) -> _Place:
        small = (state.multipliers, state.offset, state.steps, dual.rows.scale)
        w, offset, steps, scale = program.fetch(small, self.mesh)
        return _Place(w / scale.reshape(-1), offset, int(steps))


def _check(tolerance: float, max_steps: int, precision: str) -> None:
    if not tolerance >= 0 or max_steps < 0:
        raise ValueError(
            f"tolerance is {tolerance} and max_steps {max_steps}; expected both at least 0"
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")


def _start(problem: Problem, start: Solution | None) -> _Place:
    shape = problem.target.shape
    if start is None:
        return _Place(np.zeros(shape).ravel(), np.float64(0), 0)
    if start.multipliers.shape != shape:
        raise ValueError(
            f"start has multipliers {start.multipliers.shape}; expected {shape}, those of a "
            "problem with as many attributes and labels"
        )
    return _Place(start.multipliers.ravel(), np.float64(start.offset), 0)


def _unfold(
    problem: Problem, share: np.ndarray, inverse: np.ndarray, state: State, scale: np.ndarray
) -> Solution:
    """Returns the record for all examples, from the state of the patterns."""
    moments = state.moments.reshape(scale.shape) * scale
    beyond = np.maximum(np.abs(moments[:, 0]) - problem.eps_representation, 0.0)
    status = newton.CODES[state.status] if state.status != newton.RUNNING else Status.MAX_STEPS
    return Solution(
        weights=state.weights[inverse],
        status=status,
        objective=float(state.objective),
        duality_gap=float(state.gap),
        representation_violation=beyond,
        association_violation=np.maximum(np.abs(moments[:, 1:]) - problem.eps_association, 0.0),
        effective_sample_size=effective_sample_size(state.weights, share * problem.counts.sum()),
        steps=int(state.steps),
        multipliers=state.multipliers.reshape(scale.shape) / scale,
        offset=float(state.offset),
    )

"""The exact solver on devices: compiled programs, rows spread over several, single precision."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.balance.bounds import make_bounds
from m4jax.balance.constraints import places
from m4jax.balance.device import newton
from m4jax.balance.device.devices import AXIS, fetch, make_mesh, put, run
from m4jax.balance.device.dual import Dual, scaled
from m4jax.balance.device.newton import State
from m4jax.balance.device.rows import check_size, of_problem
from m4jax.balance.diagnostics import effective_sample_size
from m4jax.balance.folding import fold, pad
from m4jax.balance.host import interior, rows
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Certificate, Solution, Status

COARSE = 1e-5  # the gap that single precision can reach on every problem of moderate size
PROMISING = 50  # Newton steps after which another method has better prospects
COARSE_STEPS = 50  # in single precision before double precision takes over
SMALLEST = 128  # rows; fewer are padded up to one shared shape

Progress = Callable[[int, float], None]


def solve(
    problem: Problem,
    *,
    objective: Objective,
    tolerance: float,
    max_steps: int,
    precision: str,
    devices: Sequence[jax.Device] | None,
    start: Solution | None,
    progress: Progress | None,
) -> Solution:
    """Returns what `solver.solve` does, by compiled programs on the devices."""
    check_size(problem.spec.system, devices)
    begin = _Begin(*places.start(problem.spec, start))
    folded, inverse = fold(problem)
    method = _Method(folded, objective, make_mesh(devices), tolerance, max_steps, progress)
    with jax.enable_x64(True):
        if precision == "float32":
            begin = method.coarse(begin)
        state, scale = method.fine(begin)
    return _unfold(problem, folded, inverse, state, scale)


def make_dual(
    problem: Problem, tolerance: float, *, mesh: Mesh | None = None, precision: str = "float64"
) -> Dual:
    """Returns the dual of a folded problem on the device or devices, with columns of unit size."""
    system, parts = problem.spec.system, 1 if mesh is None else mesh.size
    each = 1 << (-(-len(problem.counts) // parts) - 1).bit_length()  # few shapes to compile
    size = parts * max(-(-SMALLEST // parts), each)
    share = (problem.counts / problem.counts.sum()).astype(precision)
    axis = None if mesh is None else AXIS
    dual = Dual(
        rows=of_problem(problem, share, size, axis),
        base=(problem.keep_rate * pad(problem.utility, size, 1.0)).astype(precision),
        keep_rate=np.float64(problem.keep_rate),
        bounds=make_bounds(system.lower, system.upper, system.penalty),
        tolerance=np.float64(tolerance),
    )
    return run(scaled, mesh, put(dual, mesh), result=Dual)


class _Begin(NamedTuple):
    """Where to begin: w `[J]` in the scale of the given columns, μ, and the steps so far."""

    multipliers: np.ndarray
    offset: np.ndarray
    steps: np.int64 = np.int64(0)


@dataclasses.dataclass(frozen=True)
class _Method:
    """One call of `solve`."""

    problem: Problem
    objective: Objective
    mesh: Mesh | None
    tolerance: float
    max_steps: int
    progress: Progress | None

    def coarse(self, begin: _Begin) -> _Begin:
        """Goes on from `begin` in single precision, as far as that leads."""
        tolerance = max(self.tolerance, COARSE)
        dual = make_dual(self.problem, tolerance, mesh=self.mesh, precision="float32")
        state = self._newton(dual, begin, min(self.max_steps, COARSE_STEPS))
        small = (state.multipliers, state.offset, state.steps, dual.rows.scale)
        w, offset, steps, scale = fetch(small, self.mesh)
        w = w / scale
        return _Begin(w, offset, np.int64(steps)) if np.isfinite(w).all() else begin

    def fine(self, begin: _Begin) -> tuple[State, np.ndarray]:
        """Returns the last state and the columns' scale `[J]`."""
        dual = make_dual(self.problem, self.tolerance, mesh=self.mesh)
        state = self._newton(dual, begin, min(self.max_steps, int(begin.steps) + PROMISING))
        if self._promising(state):
            state = self._rescue(dual, state)
        state = state._replace(score=None, curvature=None, gram=None)
        return fetch((state, dual.rows.scale), self.mesh)

    def _newton(self, dual: Dual, begin: _Begin, limit: int) -> State:
        """Takes Newton steps while they help and until `limit` of them are taken."""
        settings = {"result": State, "objective": self.objective}
        arguments = (put(x, self.mesh) for x in begin)
        state = run(newton.init, self.mesh, dual, *arguments, **settings)
        taken, each = int(begin.steps), limit if self.progress is None else 1
        while True:
            stop = put(np.int64(min(limit, taken + each)), self.mesh)
            state = run(newton.advance, self.mesh, dual, state, stop, **settings)
            if self.progress is None or int(state.steps) == taken:
                return state
            taken = int(state.steps)
            self.progress(taken, float(state.values.gap))

    def _promising(self, state: State) -> bool:
        """Tells whether another method might do better than this state of Newton's."""
        status, gap = int(state.status), float(state.values.gap)
        converged = status == newton.CODES.index(Status.CONVERGED)
        loose = converged and gap > max(newton.NOTHING, self.tolerance * float(state.change))
        return (status == newton.RUNNING or loose) and int(state.steps) < self.max_steps

    def _rescue(self, dual: Dual, state: State) -> State:
        """Goes on from where the interior point method ends; returns the better state."""
        problem = self.problem
        base = problem.keep_rate * problem.utility
        end = interior.rescue(rows.make_rows(problem), base, problem.keep_rate, self.objective)
        if end is None:
            return state._replace(status=newton.CODES.index(Status.INFEASIBLE))
        steps = np.int64(int(state.steps) + end.steps)
        begin = _Begin(end.multipliers, np.float64(end.offset), steps)
        again = self._newton(dual, begin, self.max_steps)
        return again if float(again.values.gap) <= float(state.values.gap) else state


def _unfold(
    problem: Problem, folded: Problem, inverse: np.ndarray, state: State, scale: np.ndarray
) -> Solution:
    """Returns the record for all examples, from the state of the folded ones."""
    violation, beyond = places.violations(problem.spec, state.moments * scale)
    multipliers, own = places.from_rows(problem.spec, state.multipliers / scale)
    share = pad(folded.counts / folded.counts.sum(), len(state.weights))
    running = state.status == newton.RUNNING
    certificate = Certificate(
        status=Status.MAX_STEPS if running else newton.CODES[state.status],
        objective=float(state.values.primal),
        duality_gap=float(state.values.gap),
        violation=violation,
        effective_sample_size=effective_sample_size(state.weights, share * problem.counts.sum()),
        steps=int(state.steps),
        multipliers=multipliers,
        offset=float(state.offset),
        moment_violation=beyond,
        moment_multipliers=own,
    )
    return Solution(state.weights[inverse], certificate)

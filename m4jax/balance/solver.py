"""The exact solver: checks what is asked, and has the host or the devices do it."""

import dataclasses
import typing
from collections.abc import Callable, Sequence

from m4jax.balance import checks, objectives
from m4jax.balance.host import engine as host
from m4jax.balance.objectives import Objective
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution, warn_of

if typing.TYPE_CHECKING:
    import jax

Progress = Callable[[int, float], None]


def solve(
    problem: Problem,
    *,
    objective: str | Objective = "quadratic",
    tolerance: float = 1e-6,
    max_steps: int = 200,
    precision: str = "float64",
    devices: Sequence["jax.Device"] | None = None,
    start: Solution | None = None,
    progress: Progress | None = None,
    warn: bool = True,
) -> Solution:
    """Returns the weights that solve `problem`, with a certificate of how well.

    Maximises the concave dual g(w, μ) = E[min_q ψ(q; ηu) + q (z·w + μ)] − ε·|w| − μη over
    |w| ≤ V ("CLIP the Bias", M4; dual and method derived) and gives q = the minimiser within, at
    the μ for which E[q] = η. It stops when the duality gap is at most tolerance × Δ, or, once
    rounding allows no more, at most tolerance × max(1, Δ). Δ is what balancing costs: how far the
    objective is above E[ψ] of the weights without constraints, however large utilities make both.
    Hard constraints must also hold to tolerance / 1000. Newton's method on the dual does it in a
    few steps; should it stall, an interior point method finds where to go on. The certificate is
    always computed in float64, whatever the caller's settings and the precision.

    Without `devices` and in double precision NumPy does it, and nothing is compiled. Otherwise JAX
    does, with the same method.

    Args:
        problem: what to balance.
        objective: a name in `objectives.OBJECTIVES`, or a record like those.
        tolerance: see above.
        max_steps: limit on Newton steps.
        precision: "float32" passes over the rows in single precision (sums in double) until
            little is left to do in float64: for accelerators on which the latter is slow.
        devices: what to spread the rows over, by JAX; None: the host, or JAX's default device in
            single precision. With several processes every one calls with the same problem and
            gets all weights.
        start: a solution of a similar problem, with as many attributes and labels.
        progress: called after every step with the number of steps and the duality gap.
        warn: whether weights that don't balance the data, whatever their status, are warned of
            (`BalanceWarning`); who reads `Solution.verdicts` need not be.

    Returns:
        A `Solution`; failure is told by its status, never by an exception.

    Raises:
        ValueError: if the objective or the precision is not known, tolerance or max_steps is below
            0, or `start` has other attributes or labels.
    """
    chosen = objectives.find(objective)
    checks.settings(tolerance, max_steps, precision)
    common = {"objective": chosen, "tolerance": tolerance, "max_steps": max_steps}
    common |= {"start": start, "progress": progress}
    if devices is None and precision == "float64":
        found = host.solve(problem, **common)
    else:
        from m4jax.balance.device import solver as device_solver  # JAX takes its time to load

        found = device_solver.solve(problem, precision=precision, devices=devices, **common)
        found = dataclasses.replace(found, problem=problem)
    return warn_of(found) if warn else found

"""What is asked of weights: the problem that it poses, its solution, and what is refused.

The one road from a configuration to weights, for the runs of a study and for tables of any size.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from m4jax import balance
from m4jax.balance import own
from m4jax.balance.feasibility import MARGIN
from m4jax.errors import InputError, nearest

LARGEST = "max"  # a keep rate: the largest at which all constraints hold
MAX_STEPS = 200
ROUNDING = 1e-6  # a violation up to this is no more than the solver's tolerance
NAMED = 5  # constraints in a message
# Statuses after which the constraints are the reason for a refusal.
DECIDED = (balance.Status.CONVERGED, balance.Status.INFEASIBLE)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of the weights, but for targets; see `balance.Problem` and `balance.solve`."""

    infinite: ClassVar[tuple[str, ...]] = ("penalty",)  # fields that need not be finite

    keep_rate: float | str = 0.5  # η, the share that is kept; "max": all that can be, less 1%
    eps_representation: float = 1e-4  # bound on |E[q (s - target)]|
    eps_association: float = 1e-4  # bound on |E[q (s - target) y]|, for each label
    penalty: float = 10.0  # V, the level of enforcement; inf: the bounds must hold
    # What is lost by moving away from equal weights: "quadratic" (the paper's), "kl", "hellinger",
    # "keep_most", or one of your own by its import path, as in "my_module:MY_OBJECTIVE"
    objective: str = "quadratic"
    tolerance: float = 1e-6  # relative duality gap at which the solver stops

    def __post_init__(self):
        rate = self.keep_rate
        if rate != LARGEST and (isinstance(rate, str) or not 0 < rate <= 1):
            raise InputError(f"keep_rate: expected in (0, 1], or {LARGEST!r}, got {rate!r}")
        for name in ("eps_representation", "eps_association", "tolerance"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"{name}: expected at least 0, got {value}")
        if self.penalty is not None and not self.penalty > 0:
            raise InputError(f"penalty: expected above 0, or infinity, got {self.penalty}")
        if self.objective not in balance.OBJECTIVES and not own.is_path(self.objective):
            hint = nearest(self.objective, balance.OBJECTIVES)
            path = "or an import path, as in my_module:MY_OBJECTIVE"
            raise InputError(f"objective: unknown {self.objective!r}; {hint} {path}")


def own_paths(request: Request) -> tuple[str, ...]:
    """Returns the import paths among the objective and the constraints of a request."""
    words = getattr(request, "constraints", None) or ()
    return tuple(x for x in (request.objective, *words) if own.is_path(x))


def contents(request: Request) -> tuple[str, ...]:
    """Returns the SHA-256 of the file of each of `own_paths`; raises `InputError` without one."""
    try:
        return tuple(map(own.contents, own_paths(request)))
    except ValueError as error:
        raise InputError(str(error)) from None


def check_own(requests: Iterable[Request]) -> None:
    """Raises `InputError` if an objective of one's own is not what solvers rely on.

    In a process of its own and on the CPU: the one that asks may have to leave an accelerator to
    others.
    """
    for path in dict.fromkeys(x.objective for x in requests if own.is_path(x.objective)):
        command = [sys.executable, "-m", "m4jax.balance.conformance", path]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        done = subprocess.run(  # noqa: S603 (our module, and what the user named)
            command, capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"objective: {why}")


def pose(request: Request, attributes: Any, labels: Any, **others: Any) -> balance.Problem:
    """Returns the problem of examples or of patterns with counts.

    Where the largest keep rate is asked for it is not known yet: η is 1 until `at_keep_rate`.

    Args:
        request: what is asked.
        attributes: `[n, m]`.
        labels: `[n, c]`.
        others: further arguments of `balance.Problem`, or others than the request's fields.

    Raises:
        InputError: if the problem can't be stated.
    """
    asked = {
        "keep_rate": 1.0 if request.keep_rate == LARGEST else request.keep_rate,
        "eps_representation": request.eps_representation,
        "eps_association": request.eps_association,
        "penalty": request.penalty,
    }
    try:
        return balance.Problem(attributes, labels, **asked | others)
    except balance.ProblemError as error:
        raise InputError(f"balancing: {error}") from None


def at_keep_rate(
    request: Request, problem: balance.Problem
) -> tuple[balance.Problem, dict[str, Any]]:
    """Returns the problem at the keep rate that is asked for, and facts for the certificate.

    "max" is `MARGIN` below the largest η at which every bound holds; the facts are then the
    constraints that stand in the way of a larger one.

    Raises:
        InputError: if no weights at all meet the constraints.
    """
    if request.keep_rate != LARGEST:
        return problem, {}
    largest = balance.max_keep_rate(problem)
    if largest.keep_rate <= 0:
        widen = "widen the bounds" if len(problem.moments) else "raise eps_association"
        raise InputError(f"keep_rate: no weights at all meet the constraints; {widen}")
    rate = largest.keep_rate * (1 - MARGIN)
    binding = [{"attribute": attribute, "label": label} for attribute, label in largest.binding]
    binding += [{"constraint": name} for name in _in_words(problem, largest)]
    return dataclasses.replace(problem, keep_rate=rate), {"keep_rate_binding": binding}


def solve(
    request: Request,
    problem: balance.Problem,
    *,
    precision: str = "float64",
    progress: Callable[[int, float], None] | None = None,
) -> balance.Solution:
    """Returns the solution of a problem, whatever its status; see `require`."""
    return balance.solve(
        problem,
        objective=request.objective,
        tolerance=request.tolerance,
        max_steps=MAX_STEPS,
        precision=precision,
        progress=progress,
        warn=False,  # `require` and the verdicts tell more
    )


def require(
    problem: balance.Problem, solution: balance.Solution, *, allow_violations: bool = False
) -> None:
    """Raises `InputError` unless the weights are optimal and meet every constraint.

    Args:
        problem: what was solved.
        solution: its solution.
        allow_violations: accept weights that are finite, whatever they violate.
    """
    if allow_violations and solution.status is not balance.Status.NON_FINITE:
        return
    if solution.status not in DECIDED:
        raise InputError(f"balancing: {solution.status.value}")
    beyond = np.concatenate([solution.violation.ravel(), solution.moment_violation])
    if solution.status is balance.Status.INFEASIBLE:
        raise InputError(f"balancing: {_reason(problem)}")
    if beyond.max() > ROUNDING:
        raise InputError(f"balancing: {_worst(problem, beyond)}; {_reason(problem)}")


def _worst(problem: balance.Problem, beyond: np.ndarray) -> str:
    """Names the constraints that are violated most: those on targets, then those in words."""
    order = np.argsort(-beyond, kind="stable")
    places = [int(i) for i in order if beyond[i] > ROUNDING]
    worst = [f"{_name(problem, i)} by {beyond[i]:.2g}" for i in places[:NAMED]]
    return f"{len(places)} constraints don't hold at the optimum, the worst: {', '.join(worst)}"


def _name(problem: balance.Problem, place: int) -> str:
    width = 1 + len(problem.label_names)
    k, r = divmod(place, width)
    if k < len(problem.attribute_names):
        return _pair((problem.attribute_names[k], (None, *problem.label_names)[r]))
    return problem.moments.names[place - width * len(problem.attribute_names)]


def _in_words(problem: balance.Problem, largest: balance.KeepRate) -> list[str]:
    """Returns the names of the constraints in words that are in the way of a larger keep rate."""
    names = set(problem.moments.names)
    return [name for name in largest.binding_names if name in names]


def _reason(problem: balance.Problem) -> str:
    """Says whether any weights meet the constraints, and what to change."""
    largest = balance.max_keep_rate(problem)
    if problem.keep_rate <= largest.keep_rate:
        return (
            f"they can all hold (up to a keep rate of {largest.keep_rate:.4g}): raise penalty "
            f"from {problem.penalty:g}"
        )
    binding = ", ".join([*map(_pair, largest.binding), *_in_words(problem, largest)][:NAMED])
    kinds = {"representation" if name[1] is None else "association" for name in largest.binding}
    bounds = " and ".join(f"eps_{kind}" for kind in sorted(kinds))
    wider = f"raise {bounds}" if bounds else "widen the bounds"
    return (
        f"no weights meet them all beyond a keep rate of {largest.keep_rate:.4g}, where {binding} "
        f"are in the way: lower keep_rate, or {wider}"
    )


def _pair(name: tuple[str, str | None]) -> str:
    return f"({name[0]}, {name[1] or 'representation'})"

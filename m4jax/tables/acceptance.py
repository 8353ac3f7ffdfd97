"""Whether weights may be used: optimal, with every constraint held, or refused with the reasons."""

import numpy as np

from m4jax import balance
from m4jax.errors import InputError

ROUNDING = 1e-6  # a violation up to this is no more than the solver's tolerance
NAMED = 5  # constraints in a message
TELLS = (balance.Status.CONVERGED, balance.Status.INFEASIBLE)  # the constraints are the reason


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
    if solution.status not in TELLS:
        raise InputError(f"balancing: {solution.status.value}")
    beyond = np.concatenate(
        [solution.representation_violation[:, None], solution.association_violation], axis=1
    )
    if solution.status is balance.Status.INFEASIBLE or beyond.max() > ROUNDING:
        raise InputError(f"balancing: {_worst(problem, beyond)}; {_reason(problem)}")


def _worst(problem: balance.Problem, beyond: np.ndarray) -> str:
    """Names the constraints that are violated most."""
    order = np.argsort(-beyond, axis=None, kind="stable")
    places = [divmod(int(i), beyond.shape[1]) for i in order if beyond.flat[i] > ROUNDING]
    names = [(problem.attribute_names[k], (None, *problem.label_names)[r]) for k, r in places]
    told = [
        f"{_pair(name)} by {beyond[place]:.2g}"
        for name, place in zip(names[:NAMED], places, strict=False)
    ]
    return f"{len(places)} constraints don't hold at the optimum, the worst: {', '.join(told)}"


def _reason(problem: balance.Problem) -> str:
    """Says whether any weights meet the constraints, and what to change."""
    largest = balance.max_keep_rate(problem)
    if problem.keep_rate <= largest.keep_rate:
        return (
            f"they can all hold (up to a keep rate of {largest.keep_rate:.4g}): raise penalty "
            f"from {problem.penalty:g}"
        )
    binding = ", ".join(map(_pair, largest.binding[:NAMED]))
    return (
        f"no weights meet them all beyond a keep rate of {largest.keep_rate:.4g}, where {binding} "
        "are in the way: lower keep_rate, or raise eps_association"
    )


def _pair(name: tuple[str, str | None]) -> str:
    return f"({name[0]}, {name[1] or 'representation'})"

"""Weights that give data its target moments at the least loss, with a certificate."""

from m4jax.balance.bias import Bias, bias
from m4jax.balance.certificate import certificate, fingerprint
from m4jax.balance.exact import solve
from m4jax.balance.objectives import OBJECTIVES, Objective
from m4jax.balance.problem import Problem, ProblemError
from m4jax.balance.solution import Solution, Status

__all__ = [
    "OBJECTIVES",
    "Bias",
    "Objective",
    "Problem",
    "ProblemError",
    "Solution",
    "Status",
    "bias",
    "certificate",
    "fingerprint",
    "solve",
]

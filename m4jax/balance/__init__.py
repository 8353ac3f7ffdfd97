"""Weights that give data its target moments at the least loss, with a certificate."""

from m4jax.balance import conformance, online, stream
from m4jax.balance.bias import Bias, bias
from m4jax.balance.certificate import certificate, fingerprint
from m4jax.balance.diagnostics import (
    Diagnostics,
    design_effect,
    diagnose,
    effective_sample_size,
)
from m4jax.balance.feasibility import Conflict, KeepRate, conflict, max_keep_rate
from m4jax.balance.frontier import Frontier, FrontierPoint, frontier
from m4jax.balance.objectives import OBJECTIVES, Objective
from m4jax.balance.problem import Problem, ProblemError, Spec
from m4jax.balance.solution import Solution, Status
from m4jax.balance.solver import solve

__all__ = [
    "OBJECTIVES",
    "Bias",
    "Conflict",
    "Diagnostics",
    "Frontier",
    "FrontierPoint",
    "KeepRate",
    "Objective",
    "Problem",
    "ProblemError",
    "Solution",
    "Spec",
    "Status",
    "bias",
    "certificate",
    "conflict",
    "conformance",
    "design_effect",
    "diagnose",
    "effective_sample_size",
    "fingerprint",
    "frontier",
    "max_keep_rate",
    "online",
    "solve",
    "stream",
]

"""Weights that give data its target moments at the least loss, with a certificate."""

import importlib
from typing import Any

from m4jax.balance import verdicts
from m4jax.balance.bias import Bias, bias
from m4jax.balance.certificate import certificate, fingerprint
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.constraints.words import (
    band,
    budget,
    cap,
    equalized_odds,
    floor,
    from_config,
    gap,
    mean,
    no,
    parse,
    prevalence,
    ratio,
    share,
)
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
from m4jax.balance.solution import BalanceWarning, Solution, Status
from m4jax.balance.solver import solve
from m4jax.balance.sparse_labels import from_lists

# Loaded on demand: who solves once need not wait for JAX.
_MODULES = ("baselines", "conformance", "online", "stream")
_LATE = dict.fromkeys(("Audit", "Finding", "audit"), "subgroups")
_LATE |= {"check_constraint": "constraint_conformance"}
_LATE |= dict.fromkeys(("Posterior", "posterior", "true_band", "true_share"), "misclassification")

__all__ = [
    "OBJECTIVES",
    "Audit",
    "BalanceWarning",
    "Bias",
    "Conflict",
    "Diagnostics",
    "Finding",
    "Frontier",
    "FrontierPoint",
    "KeepRate",
    "Objective",
    "Posterior",
    "Problem",
    "ProblemError",
    "Ratio",
    "Solution",
    "Spec",
    "Status",
    "audit",
    "band",
    "baselines",
    "bias",
    "budget",
    "cap",
    "certificate",
    "check_constraint",
    "conflict",
    "conformance",
    "design_effect",
    "diagnose",
    "effective_sample_size",
    "equalized_odds",
    "fingerprint",
    "floor",
    "from_config",
    "from_lists",
    "frontier",
    "gap",
    "max_keep_rate",
    "mean",
    "no",
    "online",
    "parse",
    "posterior",
    "prevalence",
    "ratio",
    "share",
    "solve",
    "stream",
    "true_band",
    "true_share",
    "verdicts",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LATE:
        return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

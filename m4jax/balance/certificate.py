"""What has to be known about weights before they are used, as plain values."""

import dataclasses
import hashlib
import math
from typing import Any

import numpy as np

from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution


def certificate(problem: Problem, solution: Solution) -> dict[str, Any]:
    """Returns the facts about a solution as values that JSON can hold.

    Sizes and shares count each example as often as `counts` says. A value that is not finite
    becomes None (an infinite penalty: "inf").

    Args:
        problem: what was solved.
        solution: what `solve` returned for it.

    Returns:
        problem hash, status and its meaning, objective, gap, η, V, realised keep rate, violations
        with their maximum, effective sample size, smallest and largest weight, share of zeros,
        steps.
    """
    weights, counts = solution.weights, problem.counts
    total = counts.sum()
    beyond = [solution.representation_violation, solution.association_violation]
    return {
        "problem": fingerprint(problem),
        "status": solution.status.name.lower(),
        "meaning": solution.status.value,
        "objective": _finite(solution.objective),
        "duality_gap": _finite(solution.duality_gap),
        "keep_rate": problem.keep_rate,
        "kept": _finite(counts @ weights / total),
        "penalty": "inf" if math.isinf(problem.penalty) else problem.penalty,
        "examples": float(total),
        "effective_sample_size": _finite(solution.effective_sample_size),
        "weight_min": _finite(weights.min()),
        "weight_max": _finite(weights.max()),
        "weight_zero_share": _finite(counts @ (weights == 0) / total),
        "violation_max": _finite(max(x.max(initial=0.0) for x in beyond)),
        "representation_violation": [_finite(x) for x in beyond[0]],
        "association_violation": [[_finite(x) for x in row] for row in beyond[1]],
        "steps": solution.steps,
    }


def fingerprint(problem: Problem) -> str:
    """Returns the SHA-256 over every array and number of the problem, in hexadecimal."""
    digest = hashlib.sha256()
    for field in dataclasses.fields(problem):
        array = np.asarray(getattr(problem, field.name))
        digest.update(f"{field.name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array + 0))  # + 0 makes −0.0 equal to 0.0
    return digest.hexdigest()


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None

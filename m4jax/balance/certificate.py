"""What has to be known about weights before they are used, as plain values."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.bias import group_sums
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.moments import fields
from m4jax.balance.diagnostics import finite, summarise
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution, Status

WORST = 10  # constraints named in a certificate
ROUNDING = 1e-6  # relative to the scale; far more than sums of float64 can be off
HASHED = ("attributes", "labels", "target", "utility", "counts", "keep_rate", "eps_representation",
          "eps_association", "penalty")  # fmt: skip


def certificate(problem: Problem, solution: Solution, *, compare: bool = True) -> dict[str, Any]:
    """Returns the facts about a solution as values that JSON can hold.

    Sizes and shares count each example as often as `counts` says. A value that is not finite
    becomes None (an infinite penalty: "inf").

    Args:
        problem: what was solved.
        solution: what `solve` returned for it.
        compare: whether what the solution says is compared with its weights; not so where these
            stand for others', as the mean of a cell of utilities does for its examples.

    Returns:
        problem hash, status and its meaning, objective, gap, η, V; the distribution of the
        weights, by the names of `WeightSummary`; violations with their maximum, the worst by name
        (label None: representation), steps.

    Raises:
        ProblemError: if the solution is that of another problem: of another size, or its weights do
            not have the violations and the effective sample size here that it says.
    """
    beyond = solution.violation
    sizes = (len(solution.weights), *beyond.shape)
    expected = (len(problem.attributes), *problem.target.shape)
    if sizes != expected:
        raise ProblemError(
            f"the solution has {sizes[0]} weights and {sizes[1]} × {sizes[2]} constraints, the "
            f"problem {expected[0]} and {expected[1]} × {expected[2]}: it is that of another one"
        )
    summary = dataclasses.asdict(summarise(solution.weights, problem.counts))
    if compare:
        _check_numbers(problem, solution, summary)
    quantiles = summary.pop("weight_quantiles")
    return {
        "problem": fingerprint(problem),
        "status": solution.status.name.lower(),
        "meaning": solution.status.value,
        "objective": finite(solution.objective),
        "duality_gap": finite(solution.duality_gap),
        "keep_rate": problem.keep_rate,
        "penalty": "inf" if math.isinf(problem.penalty) else problem.penalty,
        **{name: finite(value) for name, value in summary.items()},
        "weight_quantiles": {name: finite(value) for name, value in quantiles.items()},
        "violation_max": finite(beyond.max()),
        "worst": _worst(problem, beyond),
        "representation_violation": [finite(x) for x in beyond[:, 0]],
        "association_violation": [[finite(x) for x in row] for row in beyond[:, 1:]],
        "steps": solution.steps,
    }


def _check_numbers(problem: Problem, solution: Solution, summary: Mapping[str, Any]) -> None:
    """Raises `ProblemError` if what a solution says does not follow from problem and weights.

    What is not finite proves nothing: an overflow is told by the status.
    """
    weights, counts, rate = solution.weights, problem.counts, problem.keep_rate
    if not np.isfinite(weights).all():
        return
    outside, inside = group_sums(problem.attributes, problem.labels, counts * weights)
    moments = ((1 - problem.target) * inside - problem.target * outside) / counts.sum()
    size = summary["effective_sample_size"]
    beyond = np.maximum(np.abs(moments) - problem.spec.eps, 0.0)
    pairs = {
        "violations": (solution.violation, beyond, rate),
        "an effective sample size": (solution.effective_sample_size, size, size),
    }
    if solution.status is Status.CONVERGED:
        pairs["a mean weight"] = (rate, summary["kept"], rate)
    for name, (said, found, scale) in pairs.items():
        off = np.abs(np.asarray(said) - found)
        if np.nanmax(off, initial=0.0) > ROUNDING * scale:
            place = np.unravel_index(np.nanargmax(off), off.shape)
            raise ProblemError(
                f"the solution says {name} of {np.asarray(said)[place]:.6g}, its weights have "
                f"{np.asarray(found)[place]:.6g} in this problem: it is that of another one; pass "
                "the problem that was solved"
            )


def _worst(problem: Problem, beyond: np.ndarray) -> list[dict[str, Any]]:
    """Returns the constraints that are violated most, by name; unknown violations come first."""
    size = np.nan_to_num(beyond, nan=np.inf)
    order = np.argsort(-size, axis=None, kind="stable")[:WORST]
    places = [divmod(int(i), beyond.shape[1]) for i in order if size.flat[i] > 0]
    return [
        {
            "attribute": problem.attribute_names[k],
            "label": problem.label_names[r - 1] if r else None,
            "violation": finite(beyond[k, r]),
        }
        for k, r in places
    ]


def fingerprint(problem: Problem) -> str:
    """Returns the SHA-256 over the values of the problem, in hexadecimal.

    It depends neither on the types that the arrays came in, nor on the names of attributes and
    labels, nor on whether an intersection was asked for or given as a column. Sparse labels are
    hashed by their entries: their hash is not that of dense ones.
    """
    digest = hashlib.sha256()
    for name in HASHED:
        value = getattr(problem, name)
        if sparse.issparse(value):
            _add_sparse(digest, name, value)
            continue
        array = np.asarray(value)
        bits = array.dtype == np.uint8  # a problem keeps as bytes what is 0 or 1, and only that
        digest.update(f"{name} {'bits' if bits else 'float64'} {array.shape}\n".encode())
        digest.update(np.packbits(array) if bits else _canonical(array))
    for name, array in fields(problem.spec.moments).items() if len(problem.spec.moments) else ():
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(_canonical(array))
    for name, array in problem.columns.items():
        digest.update(f"column {name} {array.shape}\n".encode())
        digest.update(_canonical(array))
    return digest.hexdigest()


def _add_sparse(digest: Any, name: str, matrix: Any) -> None:
    """Adds a matrix to a hash by its entries: the dense one may be too large to be written out."""
    digest.update(f"{name} sparse {matrix.shape}\n".encode())
    for part in (matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(part, dtype="<i8"))
    digest.update(_canonical(matrix.data))


def _canonical(array: np.ndarray) -> np.ndarray:
    """Returns equal bytes for equal values: −0.0 becomes 0.0, and there is one NaN."""
    return np.ascontiguousarray(np.where(np.isnan(array), np.nan, array + 0.0), dtype="<f8")

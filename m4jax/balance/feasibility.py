"""What is possible at all: the largest keep rate, constraints in conflict."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from m4jax.balance import interior, places
from m4jax.balance.device_solver import make_dual
from m4jax.balance.devices import run
from m4jax.balance.dual import Dual
from m4jax.balance.folding import fold, pad
from m4jax.balance.problem import Problem

Array = jax.Array

TIGHT = 1e-6  # share of the largest multiplier below which one is rounding


@dataclasses.dataclass(frozen=True, eq=False)
class KeepRate:
    """How much of the data can be kept.

    Attributes:
        keep_rate: η*, the largest E[q] with all constraints met; reached by `weights` up to 1e-9.
        upper_bound: no weights that meet the constraints keep more: proven by `multipliers`.
        weights: `[n]` q in [0, 1] that keep that much. There may be others.
        binding: the constraints that are in the way, as (attribute, label) names with None for
            representation, the most expensive first.
        multipliers: `[m, c+1]` their prices with signs: if the bound of a constraint is widened
            by δ, η* grows by |multiplier| δ. Column 0 for representation.
    """

    keep_rate: float
    upper_bound: float
    weights: np.ndarray
    binding: tuple[tuple[str, str | None], ...]
    multipliers: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Conflict:
    """Constraints that can't hold together at the problem's keep rate.

    Attributes:
        constraints: (attribute, label) names, None for representation. Without any one of them
            the others can hold; there may be other sets like this one.
        multipliers: `[m, c+1]` w of the proof: for every q in [0, 1] with E[q] = η,
            Σ w E[q z] ≥ Σ ε |w| + violation.
        violation: by how much the constraints are violated in sum, at least, where each
            |E[q z]| − ε counts relative to the column's root mean square.
    """

    constraints: tuple[tuple[str, str | None], ...]
    multipliers: np.ndarray
    violation: float


def max_keep_rate(problem: Problem) -> KeepRate:
    """Returns the largest keep rate at which every constraint holds, and what stands in its way.

    The linear program max E[q] over q in [0, 1] with |E[q z]| ≤ ε, solved by the interior point
    method. Keep rate, utility and penalty of the problem don't matter. Source: "CLIP the Bias"
    keeps "the maximum rate where bias constraints are still satisfiable"; the method is derived.

    Args:
        problem: with the constraints in question.
    """
    folded, inverse = fold(problem)
    with jax.enable_x64(True):
        dual = make_dual(folded, 0.0)
        dual = _with(dual, np.inf)
        end = interior.solve(dual, None, cost=_dropped, fixed_rate=False)
        point = end.point._replace(offset=jax.device_put(np.float64(-1)))
        # With μ = −1 that is −E[(1 − z·w)₊] − ε·|w| + η: η less the upper bound.
        least = run(interior.bound_without_cost, None, dual, point)
        point, scale, least = jax.device_get((point, dual.rows.scale, least))
    share = pad(folded.counts / folded.counts.sum(), len(point.weights))
    kept = float(share @ point.weights)
    weights = np.clip(point.weights, 0.0, 1.0) * (kept > interior.CERTAIN)
    w, tight = interior.multipliers(point), (point.pull > point.slack).any(axis=0)
    w = np.where(tight & (np.abs(w) > TIGHT * np.abs(w).max(initial=0.0)), w, 0.0) / scale
    w = places.from_rows(problem.spec, w)[0]
    return KeepRate(
        keep_rate=min(kept, 1.0) if kept > interior.CERTAIN else 0.0,
        upper_bound=float(min(problem.keep_rate - least, 1.0)),
        weights=weights[inverse],
        binding=_named(problem, w),
        multipliers=w,
    )


def conflict(
    problem: Problem, *, progress: Callable[[int, int], None] | None = None
) -> Conflict | None:
    """Returns constraints of `problem` that can't hold together, as few as possible; else None.

    The least sum of violations is a linear program whose dual solution names a set in conflict;
    constraints are then taken out one at a time for as long as the rest stays in conflict (a
    deletion filter; Chinneck, "Feasibility and Infeasibility in Optimization", 2008). The set is
    minimal: no part of it is in conflict. The constraints count as hard, whatever the penalty.

    Args:
        problem: in question, at its keep rate.
        progress: called with the number of constraints looked at and of those in question.
    """
    folded, _ = fold(problem)
    with jax.enable_x64(True):
        dual = make_dual(folded, 0.0)
        proof = _proof(dual, np.ones(len(problem.spec.system), bool))
        if proof is None:
            return None
        rest = list(np.flatnonzero(proof[0]))
        total, kept = len(rest), []
        while rest:
            candidate = rest.pop()
            shorter = _proof(dual, _mask(len(problem.spec.system), kept + rest))
            if shorter is None:
                kept.append(candidate)
            else:
                proof = shorter
                rest = [j for j in rest if proof[0][j]]
            if progress is not None:
                progress(total - len(rest), total)
        scale = jax.device_get(dual.rows.scale)
    w = places.from_rows(problem.spec, proof[0] / scale)[0]
    return Conflict(constraints=_named(problem, w), multipliers=w, violation=proof[1])


def _named(problem: Problem, w: np.ndarray) -> tuple[tuple[str, str | None], ...]:
    """Returns the names of the constraints with w `[m, c+1]` other than 0, the largest first."""
    columns = (None, *problem.label_names)
    order = sorted(np.argwhere(w).tolist(), key=lambda at: -abs(w[tuple(at)]))
    return tuple((problem.attribute_names[k], columns[r]) for k, r in order)


def _proof(dual: Dual, used: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Returns w `[K]`, 0 where not `used`, that proves a conflict, and by how much; or None."""
    elastic = _with(dual, np.where(used, 1.0, 0.0))
    end = interior.solve(elastic, None, cost=interior.no_cost, fixed_rate=True, decide=True)
    w = jax.device_get(interior.multipliers(end.point))
    w = np.where(used & (np.abs(w) > TIGHT * np.abs(w).max(initial=0.0)), w, 0.0)
    point = end.point._replace(pull=jax.device_put(np.stack([np.maximum(w, 0), np.maximum(-w, 0)])))
    violation = float(run(interior.bound_without_cost, None, elastic, point))
    return (w, violation) if violation > interior.CERTAIN else None


def _with(dual: Dual, penalty: float | np.ndarray) -> Dual:
    """Returns the problem with another V of all sides that are not closed."""
    own = jax.device_get(dual.bounds.penalty)
    changed = np.where(own > 0, penalty, 0.0)
    return dual._replace(bounds=dual.bounds._replace(penalty=jax.device_put(changed)))


def _mask(size: int, chosen: list[int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[chosen] = True
    return mask


def _dropped(weight: Array, base: Array) -> Array:
    """The cost when as much as possible is to be kept."""
    return -weight

"""What is possible at all: the largest keep rate, constraints in conflict."""

import dataclasses
from collections.abc import Callable

import numpy as np

from m4jax.balance.constraints import places
from m4jax.balance.constraints.moments import System
from m4jax.balance.folding import fold
from m4jax.balance.host import entries, interior, linear, presolve
from m4jax.balance.host.entries import Entries
from m4jax.balance.host.programs import CERTAIN, support
from m4jax.balance.host.rows import Rows, make_rows
from m4jax.balance.problem import Problem, ProblemError

Array = np.ndarray
Name = tuple[str, str | None]

MARGIN = 0.01  # how far to stay below the largest keep rate: there, weights have no choice left
FAR = 1e-6  # a violation, relative to E[|a|], that makes it doubtful that weights exist


@dataclasses.dataclass(frozen=True, eq=False)
class KeepRate:
    """How much of the data can be kept.

    Attributes:
        keep_rate: η*, the largest E[q] with all constraints met; reached by `weights` up to 1e-9.
        upper_bound: no weights that meet the constraints keep more: proven by the multipliers.
        weights: `[n]` q in [0, 1] that keep that much. There may be others.
        binding: the constraints on targets that are in the way, as (attribute, label) names with
            None for representation, the most expensive first.
        multipliers: `[m, c+1]` their prices with signs: if the bound of a constraint is widened
            by δ, η* grows by |multiplier| δ. Column 0 for representation.
        binding_names: all constraints in the way by name, those in words too; first those that
            give the most if their bound is widened by a little, in the unit that it is given in.
        moment_multipliers: `[2, K]` ≥ 0, prices of the lower and of the upper bounds of the
            constraints in words, per unit of E[q (part − bound · whole)] or E[q part].
        possible: False: no weights meet the constraints at any keep rate. `keep_rate` is then 0,
            and `conflict` says why.
    """

    keep_rate: float
    upper_bound: float
    weights: Array
    binding: tuple[Name, ...]
    multipliers: Array
    binding_names: tuple[str, ...] = ()
    moment_multipliers: Array = dataclasses.field(default_factory=lambda: np.zeros((2, 0)))
    possible: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Conflict:
    """Constraints that can't hold together at the problem's keep rate.

    Attributes:
        constraints: those on targets, as (attribute, label) names, None for representation.
            Without any one of the constraints the others can hold; there may be other sets.
        multipliers: `[m, c+1]` w of the proof: for every q in [0, 1] with E[q] = η,
            Σ w E[q z] ≥ Σ ε |w| + violation.
        violation: by how much the constraints are violated in sum, at least, where each
            |E[q z]| − ε counts relative to the column's root mean square.
        names: of all constraints in conflict, those in words too.
        moment_multipliers: `[2, K]` ≥ 0, of the proof: those of the lower and of the upper bounds
            of the constraints in words.
    """

    constraints: tuple[Name, ...]
    multipliers: Array
    violation: float
    names: tuple[str, ...] = ()
    moment_multipliers: Array = dataclasses.field(default_factory=lambda: np.zeros((2, 0)))


def max_keep_rate(problem: Problem) -> KeepRate:
    """Returns the largest keep rate at which every constraint holds, and what stands in its way.

    The linear program max E[q] over q in [0, 1] with lower ≤ E[q a] ≤ upper, solved by the interior
    point method. Keep rate, utility and penalties of the problem don't matter. Source: "CLIP the
    Bias" keeps "the maximum rate where bias constraints are still satisfiable"; the method is
    derived.

    Args:
        problem: with the constraints in question.

    Raises:
        ProblemError: if there are too many of them, beyond some thousands.
    """
    features, rows, inverse = _rows(problem)
    reduced = presolve.reduce(rows)
    weights, w = reduced.weights, np.zeros(len(rows.system))
    if reduced.possible:
        kept = linear.keep_most(reduced.rows)
        weights[reduced.examples], w[reduced.constraints] = kept
    w = presolve.prove(rows, reduced.forced, w, np.ones(len(rows)))
    score = rows.scores(w)
    weights = np.where(rows.share > 0, weights, score < 1)
    bound = min(rows.mean(np.maximum(1.0 - score, 0.0)) + support(rows.system, w), 1.0)
    kept = rows.mean(weights)
    possible = reduced.possible and (
        entries.violation(rows, weights) < FAR or linear.possible(rows)
    )
    if not possible or kept <= CERTAIN:
        kept, weights = 0.0, np.zeros(len(rows))
    multipliers, own = places.from_rows(problem.spec, w)
    names, targets = _named(problem, w, features, weights)
    return KeepRate(
        keep_rate=min(kept, 1.0),
        upper_bound=bound if possible else 0.0,
        weights=weights[inverse],
        binding=targets,
        multipliers=multipliers,
        binding_names=names,
        moment_multipliers=own,
        possible=possible,
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

    Raises:
        ProblemError: if there are more than some thousands of bounds.
    """
    features, rows, _ = _rows(problem)
    if len(rows.system) > linear.LARGEST:
        raise ProblemError(
            f"conflict: {len(rows.system)} bounds are too many; expected at most {linear.LARGEST}"
        )
    unit, rate = interior.elastic(rows), problem.keep_rate
    width = len(rows.system)
    proof = _proof(unit, rate, np.arange(width))
    if proof is None:
        return None
    rest = list(np.flatnonzero(proof[0]))
    total, kept = len(rest), []
    while rest:
        candidate = rest.pop()
        shorter = _without(unit, rate, proof[0], candidate)
        shorter = shorter or _proof(unit, rate, np.array(sorted(kept + rest), int))
        if shorter is None:
            kept.append(candidate)
        else:
            proof = shorter
            rest = [j for j in rest if proof[0][j]]
        if progress is not None:
            progress(total - len(rest), total)
    w = proof[0] / entries.scaled(rows)[1]
    multipliers, own = places.from_rows(problem.spec, w)
    names, targets = _named(problem, w, features, np.ones(len(rows)))
    return Conflict(
        constraints=targets,
        multipliers=multipliers,
        violation=proof[1],
        names=names,
        moment_multipliers=own,
    )


def _rows(problem: Problem) -> tuple[Rows, Entries, Array]:
    """Returns features and rows of distinct examples, all bounds hard, and whose row each is."""
    # Utilities say what is kept at which price, and nothing about what is possible.
    folded, inverse = fold(dataclasses.replace(problem, utility=np.ones(len(problem.counts))))
    rows = make_rows(folded)
    system = rows.system
    hard = np.where(np.isfinite([system.lower, system.upper]), np.inf, 0.0)
    made = entries.make_entries(rows)
    return (
        rows,
        dataclasses.replace(made, system=dataclasses.replace(system, penalty=hard)),
        inverse,
    )


def _named(
    problem: Problem, w: Array, features: Rows, weights: Array
) -> tuple[tuple[str, ...], tuple[Name, ...]]:
    """Returns the names of all constraints with w `[J]` other than 0, and those on targets.

    First come those that give the most per unit of their own: the bound of a ratio moves
    E[q (part − bound · whole)] by E[q whole].
    """
    system, moments = problem.spec.system, problem.moments
    whole = moments.whole @ features.features(weights)
    unit = np.where(moments.relative, whole, 1.0)
    price = np.abs(w) * np.where(system.moment >= 0, np.append(unit, 1.0)[system.moment], 1.0)
    order = np.flatnonzero(w)
    order = order[np.argsort(-price[order], kind="stable")]
    names = [_name(problem, system, j) for j in order]
    targets = tuple(_target(problem, system.target[j]) for j in order if system.target[j] >= 0)
    return tuple(dict.fromkeys(names)), targets


def _target(problem: Problem, place: int) -> Name:
    k, r = divmod(int(place), problem.target.shape[1])
    return problem.attribute_names[k], (None, *problem.label_names)[r]


def _name(problem: Problem, system: System, row: int) -> str:
    """Returns a constraint's name: its own, or "target of man within nurse"."""
    if system.moment[row] >= 0:
        return problem.moments.names[system.moment[row]]
    attribute, label = _target(problem, system.target[row])
    return f"target of {attribute}" + (f" within {label}" if label is not None else "")


def _proof(unit: Entries, rate: float, used: Array) -> tuple[Array, float] | None:
    """Returns w `[J]`, 0 where not `used`, that proves a conflict, and by how much; or None."""
    part, _ = entries.merged(unit.part(slice(None), used))
    w = np.zeros(len(unit.system))
    w[used] = interior.least_violation(part, rate).multipliers
    w = linear.without_rounding(w)
    return _certain(unit, rate, w)


def _without(unit: Entries, rate: float, w: Array, left_out: int) -> tuple[Array, float] | None:
    """Returns the proof less one constraint, if it is one."""
    return _certain(unit, rate, np.where(np.arange(len(w)) == left_out, 0.0, w))


def _certain(unit: Entries, rate: float, w: Array) -> tuple[Array, float] | None:
    violation = interior.bound_without_cost(unit, rate, w)
    return (w, violation) if violation > CERTAIN else None

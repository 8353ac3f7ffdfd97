"""The linear programs of `feasibility`: keep as much as possible; is anything possible."""

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError
from m4jax.balance.host import entries, interior
from m4jax.balance.host.entries import Entries
from m4jax.balance.host.programs import CERTAIN, Program, make_sides, support

Array = np.ndarray

TIGHT = 1e-6  # share of the largest multiplier below which one is rounding
LARGEST = 5000  # constraints whose Gram matrix is made: 200 MB; beyond, the simplex method
PATIENCE = 600.0  # seconds of the simplex method
EXACT = 1e-9  # gap, relative to E[q], and violation, relative to E[|a|], that are small enough


def keep_most(rows: Entries) -> tuple[Array, Array]:
    """Returns weights `[p]` of the largest E[q] with all bounds met, and w `[J]`, the proof.

    By the interior point method, whose weights lie in the middle of all that are optimal; should
    rounding end it before, or constraints be too many, by the simplex method of HiGHS.

    Args:
        rows: with hard bounds.

    Raises:
        ProblemError: if the constraints are too many for either.
    """
    weights, w = np.ones(len(rows)), np.zeros(len(rows.system))
    touched = np.flatnonzero(np.diff(rows.matrix.indptr))
    if not len(touched) or not len(w):
        return weights, w
    unit, size = entries.scaled(rows.part(touched))
    many = len(w) > LARGEST
    found = None if many else _interior(unit)
    if many or not _good(unit, *found):
        found = _simplex(unit) or found
    if found is None:
        raise ProblemError(
            f"max_keep_rate: {len(w)} bounds on {len(touched)} different examples are too many "
            f"(up to {LARGEST} are quick); give keep_rate as a number, or bound fewer ratios"
        )
    weights[touched], w = np.clip(found[0], 0.0, 1.0), found[1] / size
    return weights, w


def possible(rows: Entries) -> bool:
    """Tells whether some weights meet all bounds, at any keep rate."""
    unit = interior.elastic(rows)
    one = np.ones(len(unit))
    state = interior.minimise(unit, one, None, slopes=_nothing, linear=True)
    least = unit.mean(np.minimum(unit.scores(state.multipliers), 0.0))
    return least - support(unit.system, state.multipliers) <= CERTAIN


def without_rounding(w: Array) -> Array:
    """Returns w with 0 in place of what is rounding next to the largest."""
    return np.where(np.abs(w) > TIGHT * np.abs(w).max(initial=0.0), w, 0.0)


def _interior(unit: Entries) -> tuple[Array, Array]:
    one = np.ones(len(unit))
    point = interior.minimise(unit, one, None, slopes=_dropped, linear=True).point
    pull = np.where(point.pull > point.slack, point.pull, 0.0)
    program = Program(unit, one, None, _dropped, linear=True)
    return point.weights, without_rounding(program.multipliers(point._replace(pull=pull)))


def _simplex(unit: Entries) -> tuple[Array, Array] | None:
    from scipy.optimize import linprog  # takes its time to load, and is hardly ever needed

    sides, count = make_sides(unit.system), len(unit)
    moments = sparse.csr_array(sparse.diags_array(unit.share * count) @ unit.matrix).T.tocsr()
    free = sides.free if len(sides.free) else None
    found = linprog(
        -unit.share * count,
        A_ub=sparse.diags_array(sides.sign) @ moments[sides.row],
        b_ub=sides.bound * count,
        A_eq=None if free is None else moments[free],
        b_eq=None if free is None else unit.system.upper[free] * count,
        bounds=(0, 1),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
            "time_limit": PATIENCE,
        },
    )
    if found.status != 0:
        return None
    w = sides.summed(sides.sign * -found.ineqlin.marginals)
    if free is not None:
        w[free] = -found.eqlin.marginals
    return found.x, w


def _good(unit: Entries, weights: Array, w: Array) -> bool:
    """Tells whether weights are feasible, and optimal by the proof w."""
    kept = unit.mean(weights)
    bound = unit.mean(np.maximum(1.0 - unit.scores(w), 0.0)) + support(unit.system, w)
    near = bound - kept <= EXACT * kept + CERTAIN**2
    return bool(near and entries.violation(unit, weights) <= EXACT)


def _dropped(weight: Array, base: Array) -> tuple[Array, Array]:
    """The derivatives of the cost when as much as possible is to be kept."""
    return -np.ones_like(weight), np.zeros_like(weight)


def _nothing(weight: Array, base: Array) -> tuple[Array, Array]:
    """The derivatives of no cost."""
    return np.zeros_like(weight), np.zeros_like(weight)

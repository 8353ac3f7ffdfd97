"""What every objective has to keep, checked: call `check` on your own before you trust it.

    python -m m4jax.balance.conformance my_module:MY_OBJECTIVE

does so, and ends with 1 where a property fails, which its message names.
"""

import sys
from collections.abc import Callable

import jax
import numpy as np

from m4jax.balance.checks import ConformanceError
from m4jax.balance.host.rows import make_rows
from m4jax.balance.objectives import OBJECTIVES, Objective, find
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Status
from m4jax.balance.solver import solve

BASES = (1e-6, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.5, 30.0, 1e6)
FAR = (1e6, 1e12)
GRID = 2001  # weights that the minimiser is compared with, and scores
SLACK = {"float64": 1e-9, "float32": 1e-4}  # of each precision's rounding, with room
TOLERANCE = 1e-6
RIVALS = 1000
LENGTH = 12_288  # of all vectors under `jax.jit`, so that each function is compiled twice in all
SHAPE = (2, 3, 4)


def check(objective: Objective) -> None:
    """Raises unless `objective` is what `Objective` asks for; returns nothing.

    Checked in float64 and, within its rounding, in float32, for b from 1e-6 to 1e6 and t from
    −1e12 to 1e12: the cost is finite, convex, nowhere below 0, and 0 at q = b; the weight lies in
    [0, 1], does not increase with t, has no jump, and minimises cost + q t against a grid of
    weights; the curvature is −dq/dt, between the slopes on both sides; all of it under `jax.jit`,
    elementwise on any shape. Then `solve` must reach its tolerance on three small problems, with
    a dual value no greater than the cost of any of 1,000 random feasible weights. Source: derived.

    Args:
        objective: the record to be checked.

    Raises:
        ConformanceError: naming the first property that fails, where, and what was expected.
    """
    for precision in ("float64", "float32"):
        with jax.enable_x64(precision == "float64"):
            for base in BASES:
                _check_cost(objective, base, precision)
                _check_weight(objective, base, precision)
                _check_minimum(objective, base, precision)
                _check_curvature(objective, base, precision)
            _check_shapes(objective, precision)
    for seed in range(3):
        _check_solution(objective, seed)


def twin(objective: Objective) -> tuple[str, float] | None:
    """Returns the known objective of which the cost is a multiple, and the factor; None: of none.

    Such objectives have the same weights wherever the bounds are kept: a factor k > 0 scales the
    cost and every multiplier. Compared at q in (0, 1) for several b, to 1e-6. Source: derived.
    A known one is no twin of itself.
    """
    q, bases = np.linspace(0.01, 0.99, 50), (0.1, 0.5, 0.9)

    def costs(one: Objective) -> np.ndarray:
        with jax.enable_x64(True):
            return np.concatenate([_evaluate(one.cost, q, b, "float64") for b in bases])

    own = costs(objective)
    for name, known in OBJECTIVES.items():
        theirs = costs(known)
        factor = float(own @ theirs / (theirs @ theirs))
        if known is not objective and np.allclose(own, factor * theirs, rtol=1e-6, atol=1e-9):
            return name, factor
    return None


def _evaluate(
    function: Callable, first: np.ndarray, base: np.ndarray | float, precision: str
) -> np.ndarray:
    """Returns function(first, b) `[k]` in float64, computed in the precision, under `jax.jit`.

    Pieces of one length are filled up with copies of their last element.
    """
    first, base = np.broadcast_arrays(first, base)
    return np.concatenate(
        [
            _piece(function, *(x[start : start + LENGTH] for x in (first, base)), precision)
            for start in range(0, len(first), LENGTH)
        ]
    )


def _piece(function: Callable, first: np.ndarray, base: np.ndarray, precision: str) -> np.ndarray:
    more = (0, LENGTH - len(first))
    arguments = (np.pad(x.astype(precision), more, "edge") for x in (first, base))
    result = jax.jit(function)(*arguments)
    if result.dtype != precision:
        raise ConformanceError(
            f"a function returns {result.dtype} for arguments in {precision}; expected the same"
        )
    if result.shape != (LENGTH,):
        _refuse_shape("a function", result.shape, (LENGTH,))
    return np.asarray(result, np.float64)[: len(first)]


def _refuse_shape(what: str, found: tuple[int, ...], given: tuple[int, ...]) -> None:
    raise ConformanceError(
        f"{what} returns shape {found} for arguments of shape {given}; expected the same: it has "
        "to work elementwise"
    )


def _require(good: np.ndarray, what: str, precision: str, **where: np.ndarray | float) -> None:
    """Raises with the first place where `good` is false, and the values there."""
    good = np.asarray(good)
    if good.all():
        return
    index = tuple(np.argwhere(~good)[0])
    place = (f"{k} = {np.broadcast_to(v, good.shape)[index]:.9g}" for k, v in where.items())
    raise ConformanceError(f"{what}; at {', '.join(place)} ({precision})")


def _check_cost(objective: Objective, base: float, precision: str) -> None:
    q = np.linspace(0, 1, GRID)
    cost = _evaluate(objective.cost, q, base, precision)
    _require(np.isfinite(cost), "cost is not finite on [0, 1]", precision, q=q, b=base, cost=cost)
    slack = SLACK[precision] * max(1.0, base, np.abs(cost).max())
    where = {"b": base, "cost": cost}
    _require(cost >= -slack, "cost is below 0", precision, q=q, **where)
    bend = cost[2:] - 2 * cost[1:-1] + cost[:-2]
    _require(bend >= -slack, "cost is not convex in q", precision, q=q[1:-1], b=base)
    if base <= 1:
        none = _evaluate(objective.cost, np.array([base]), base, precision)
        _require(np.abs(none) <= slack, "cost is not 0 at q = b", precision, b=base, cost=none)


def _scores(base: float) -> np.ndarray:
    """Returns scores t where things happen: around 0, and over the range in which q moves."""
    near = np.linspace(-3, 3, GRID)
    edge = 10.0 ** np.linspace(-6, 7, GRID)
    around = [base, np.log(base), 2 * (np.sqrt(base) - 1)]
    return np.sort(np.concatenate([near, -edge, edge, *(near + x for x in around)]))


def _check_weight(objective: Objective, base: float, precision: str) -> None:
    t = np.sort(np.concatenate([-np.array(FAR), _scores(base), FAR]))
    t = t.astype(precision).astype(float)
    q = _evaluate(objective.weight, t, base, precision)
    curvature = _evaluate(objective.curvature, t, base, precision)
    where = {"t": t, "b": base}
    _require(np.isfinite(q), "weight is not finite", precision, **where, weight=q)
    _require(np.isfinite(curvature), "curvature is not finite", precision, **where)
    _require((q >= 0) & (q <= 1), "weight is outside [0, 1]", precision, **where, weight=q)
    rise = np.diff(q, prepend=q[0])
    _require(rise <= SLACK[precision], "weight increases with t", precision, **where, weight=q)
    if precision == "float64":
        _check_jumps(objective, t, q, base)


def _check_jumps(objective: Objective, t: np.ndarray, q: np.ndarray, base: float) -> None:
    """Divides the intervals over which q falls most: where q is continuous, the fall vanishes."""
    worst = np.argsort(np.diff(q))[:3]
    low, high = t[worst], t[worst + 1]
    while (wide := high - low > 1e-12 * np.maximum(1.0, np.abs(low))).any():
        points = np.linspace(low[wide], high[wide], 33)
        weight = _evaluate(objective.weight, points.ravel(), base, "float64").reshape(points.shape)
        place = np.argmax(-np.diff(weight, axis=0), axis=0), np.arange(points.shape[1])
        low[wide], high[wide] = points[place], points[place[0] + 1, place[1]]
    ends = np.concatenate([low, high])
    fall = np.ptp(_evaluate(objective.weight, ends, base, "float64").reshape(2, -1), axis=0)
    _require(fall < 1e-3, "weight jumps", "float64", t=low, b=base, jump=fall)


def _check_minimum(objective: Objective, base: float, precision: str) -> None:
    t = np.concatenate([np.linspace(-3, 3, 61), [-1e6, -50.0, 50.0, 1e6]])
    t = np.concatenate([t, base - np.linspace(-0.1, 1.1, 13), np.log(base) + t[::6]])
    t = t.astype(precision).astype(float)
    q = _evaluate(objective.weight, t, base, precision)
    value = _evaluate(objective.cost, q, base, precision) + q * t
    rivals = np.unique(np.append(np.linspace(0, 1, GRID), 10.0 ** np.linspace(-9, -3, 61)))
    cost = _evaluate(objective.cost, rivals, base, precision)
    for score, mine, weight in zip(t, value, q, strict=True):
        others = cost + rivals * score
        slack = SLACK[precision] * max(1.0, base, np.abs(cost).max(), abs(score))
        best = others.argmin()
        what = f"weight does not minimise cost + q t: q = {rivals[best]:.6g} is lower"
        _require(mine <= others[best] + slack, what, precision, t=score, b=base, weight=weight)


def _check_curvature(objective: Objective, base: float, precision: str) -> None:
    if precision == "float32":
        return  # differences of float32 weights say too little
    t = np.clip(_scores(base), -100.0, 100.0)
    h = 1e-7 * np.maximum(1.0, np.abs(t))
    moves = (-h, np.zeros_like(h), h)
    before, here, after = (_evaluate(objective.weight, t + x, base, precision) for x in moves)
    sides = np.stack([(before - here) / h, (here - after) / h])
    slack = 1e-15 * (1 + np.abs(t) + base) / h + 1e-3 * sides.max(0)
    curvature = _evaluate(objective.curvature, t, base, precision)
    between = (curvature >= sides.min(0) - slack) & (curvature <= sides.max(0) + slack)
    where = {"t": t, "b": base, "curvature": curvature, "left": sides[0], "right": sides[1]}
    _require(between, "curvature is not −dq/dt", precision, **where)


def _check_shapes(objective: Objective, precision: str) -> None:
    draw = np.random.default_rng(0)
    first, base = draw.random(SHAPE).astype(precision), draw.uniform(0.1, 1.5, SHAPE)
    functions = {name: getattr(objective, name) for name in ("cost", "weight", "curvature")}
    arguments = (first, base.astype(precision))
    together = jax.jit(lambda *x: {name: f(*x) for name, f in functions.items()})
    results, alone = together(*arguments), together(*(x[1, 2, 3:] for x in arguments))
    for name, function in functions.items():
        result = results[name]
        if result.shape != SHAPE:
            _refuse_shape(name, result.shape, SHAPE)
        flat = _evaluate(function, *(x.ravel() for x in arguments), precision)
        close = np.allclose(np.ravel(result), flat, atol=SLACK[precision])
        _require(close, f"{name} is not elementwise: it depends on the shape", precision)
        close = np.allclose(result[1, 2, 3:], alone[name], atol=SLACK[precision])
        _require(close, f"{name} is not elementwise: it depends on other elements", precision)


def _problem(seed: int) -> Problem:
    """Returns a small biased problem; the second has utilities, the third is lightly enforced."""
    draw = np.random.default_rng(seed)
    attributes = draw.random((40, 1)) < 0.65
    labels = draw.random((40, 2)) < 0.3 + 0.3 * attributes
    # Without folding all three have one shape: utilities differ, if only by a trifle.
    utility = draw.lognormal(0, 0.5, 40) if seed == 1 else 1 + 1e-9 * np.arange(40)
    penalty = 0.1 if seed == 2 else 10.0
    return Problem(attributes, labels, target=0.5, utility=utility, keep_rate=0.5, penalty=penalty)


def _check_solution(objective: Objective, seed: int) -> None:
    problem = _problem(seed)
    solution = solve(problem, objective=objective, tolerance=TOLERANCE, warn=False)
    if solution.status is not Status.CONVERGED:
        raise ConformanceError(
            f"solve does not converge on small problem {seed}: {solution.status.value}; its gap "
            f"is {solution.duality_gap:.3g} at an objective of {solution.objective:.3g}"
        )
    _require(solution.duality_gap >= 0, "the duality gap is below 0", "float64", problem=seed)
    value = _values(objective, problem, _rivals(solution.weights, problem.keep_rate, seed)).min()
    slack = TOLERANCE * max(1.0, abs(solution.objective))
    what = "solve is beaten by random feasible weights"
    where = {"problem": seed, "objective": solution.objective, "rival": value}
    _require(solution.objective <= value + slack, what, "float64", **where)


def _rivals(weights: np.ndarray, keep_rate: float, seed: int) -> np.ndarray:
    """Returns random weights with E[q] = η `[RIVALS, n]`, from near `weights` to far from them."""
    draw = np.random.default_rng(seed)
    q = draw.random((RIVALS, len(weights)))
    mean = q.mean(1, keepdims=True)
    more = 1 - (1 - q) * (1 - keep_rate) / (1 - mean)
    q = np.where(mean > keep_rate, q * keep_rate / mean, more)
    return weights + 10 ** draw.uniform(-4, 0, (RIVALS, 1)) * (q - weights)


def _values(objective: Objective, problem: Problem, rivals: np.ndarray) -> np.ndarray:
    """Returns the primal value `[r]` at weights `[r, n]` with E[q] = η."""
    rows, system = make_rows(problem), problem.spec.system
    base = np.broadcast_to(problem.keep_rate * problem.utility, rivals.shape)
    with jax.enable_x64(True):
        cost = _evaluate(objective.cost, rivals.ravel(), base.ravel(), "float64")
    moments = rivals * rows.share @ rows.dense(slice(None))
    below, above = np.maximum(system.lower - moments, 0), np.maximum(moments - system.upper, 0)
    price = below @ system.penalty[0] + above @ system.penalty[1]
    return cost.reshape(rivals.shape).mean(1) + price


def main(arguments: list[str]) -> int:
    """Checks the objectives that are named, one at least; see the module."""
    if not arguments or any(name.startswith("-") for name in arguments):
        usage = "usage: python -m m4jax.balance.conformance OBJECTIVE [my_module:MY_OBJECTIVE ...]"
        print(usage, file=sys.stderr)
        return 2
    for name in arguments:
        try:
            objective = find(name)
            check(objective)
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name} conforms")
        same = twin(objective)
        if same:
            print(
                f"{name}: its cost is {same[1]:.3g} times that of {same[0]}, so that its weights "
                "are the same wherever the bounds are kept"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

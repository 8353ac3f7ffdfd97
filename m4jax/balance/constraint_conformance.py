"""What constraints of one's own have to keep, checked: call `check_constraint` before using one."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.balance.checks import ConformanceError, ProblemError
from m4jax.balance.constraints.features import Names
from m4jax.balance.constraints.means import Means
from m4jax.balance.constraints.moments import Moments, Ratio, gather
from m4jax.balance.feasibility import max_keep_rate
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Status
from m4jax.balance.solver import solve

EXAMPLES = 400
UNKNOWN = 0.1  # of the attributes
BELOW = 0.9  # of the largest keep rate: what weights are asked to keep
CLOSE = 1e-9  # relative, of two ways to compute one number
MET = 1e-5  # how far from a bound its value may be at the solver's weights
Value = Callable[[np.ndarray, np.ndarray, Mapping[str, np.ndarray], np.ndarray], Any]


def check_constraint(
    word: Any,
    value: Value,
    *,
    attributes: Sequence[str],
    labels: Sequence[str],
    columns: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Raises unless `word` is a constraint that means what its definition says; returns nothing.

    A constraint is a record with `ratios(names, mean)`, which returns `Ratio`s: each bounds
    E[q part] / E[q whole], or E[q part]. On random examples, a tenth of the attributes unknown:
    names are distinct, no whole is below 0, E[q part] / E[q whole] is what `value` says, for random
    weights, and the bounds don't depend on the order of the examples. Then weights at nine tenths
    of the largest keep rate must meet the bounds, by `value`. Source: derived.

    Args:
        word: the record.
        value: (s `[n, m]` with NaN where unknown, y `[n, c]`, columns `[n]` by name, q `[n]`) ->
            what is bounded, a number or `[K]`, in the order and the unit of the ratios, written
            down directly.
        attributes: the names of s; each example has one at random.
        labels: the names of y.
        columns: name -> the least and the largest of a column of numbers, if there are any.

    Raises:
        ConformanceError: naming the first property that fails, with what was expected.
    """
    names = Names(tuple(attributes), tuple(labels), tuple(columns or {}))
    s, y, x = _examples(names, columns or {})
    found = _moments(word, names, s, y, x)
    problem = _posed(word, names, s, y, x)
    _check_without_examples(word, names)
    _check_wholes(found, s, y, x)
    for seed in range(5):
        draw = np.random.default_rng(seed)
        _compare(found, s, y, x, value, draw.random(EXAMPLES) * (draw.random(EXAMPLES) < 0.7))
    order = np.random.default_rng(1).permutation(EXAMPLES)
    mixed = _posed(word, names, s[order], y[order], {k: z[order] for k, z in x.items()})
    for end in ("lower", "upper"):
        one, two = (getattr(z.moments, end) for z in (problem, mixed))
        if not np.allclose(one, two, rtol=CLOSE):
            raise ConformanceError(f"{end} bounds depend on the order of the examples")
    _check_weights(problem, value)


def _examples(names: Names, columns: Mapping[str, tuple[float, float]]) -> tuple[Any, Any, Any]:
    """Returns attributes, labels and columns of random examples."""
    draw = np.random.default_rng(0)
    s = (draw.random((EXAMPLES, len(names.attributes))) < 0.55).astype(float)
    s[draw.random(s.shape) < UNKNOWN] = np.nan
    y = (draw.random((EXAMPLES, len(names.labels))) < 0.4).astype(float)
    x = {name: draw.uniform(*ends, EXAMPLES) for name, ends in columns.items()}
    return s, y, x


def _posed(word: Any, names: Names, s: Any, y: Any, x: Any, **settings: Any) -> Problem:
    called = {"attribute_names": names.attributes, "label_names": names.labels, "columns": x}
    return Problem(s, y, constraints=[word], penalty=np.inf, **called, **settings)


def _moments(word: Any, names: Names, s: np.ndarray, y: np.ndarray, x: Mapping) -> Moments:
    """Returns the moments of the word, after a look at what it returns."""
    items = word.ratios(names, Means(names, s, y, x, np.ones(len(s))))
    if not isinstance(items, list | tuple) or not items:
        raise ConformanceError(f"ratios returns {items!r}; expected a list of balance.Ratio")
    wrong = [item for item in items if not isinstance(item, Ratio | Moments)]
    if wrong:
        raise ConformanceError(f"ratios has {wrong[0]!r}; expected balance.Ratio records")
    found = gather(names, items)
    twice = [name for name in found.names if found.names.count(name) > 1]
    if twice:
        raise ConformanceError(f"the name {twice[0]!r} comes twice; verdicts are told by names")
    return found


def _check_without_examples(word: Any, names: Names) -> None:
    """A `Spec` is made without examples: a word either needs none or says so."""
    try:
        word.ratios(names, None)
    except ProblemError:
        return
    except Exception as error:
        raise ConformanceError(
            f"without examples (mean is None) ratios raises {error!r}; expected ratios, or a "
            "ProblemError that says what to give instead"
        ) from error


def _features(found: Moments, s: np.ndarray, y: np.ndarray, x: Mapping) -> np.ndarray:
    """Returns the features `[n, F]` of few examples."""
    sides = found.recipe.side_values(s)
    parts = np.asarray(found.recipe.part_values(s, y, x), float)
    return np.einsum("ng,nr->ngr", sides, parts).reshape(len(s), -1)


def _check_wholes(found: Moments, s: np.ndarray, y: np.ndarray, x: Mapping) -> None:
    wholes = _features(found, s, y, x) @ found.whole.T
    for k in np.flatnonzero(wholes.min(axis=0) < -CLOSE):
        i = int(wholes[:, k].argmin())
        raise ConformanceError(
            f"{found.names[k]}: whole is {wholes[i, k]:.6g} for an example; expected at least 0, "
            "or a bound on the ratio is no bound on E[q (part − bound · whole)]"
        )


def _compare(
    found: Moments, s: np.ndarray, y: np.ndarray, x: Mapping, value: Value, q: np.ndarray
) -> None:
    """Raises where ratios or means by their coefficients are not what `value` says."""
    mean = q @ _features(found, s, y, x) / len(q)
    part, whole = found.part @ mean, found.whole @ mean
    ours = np.where(found.relative, part / np.where(whole > 0, whole, 1.0), part * found.scale)
    theirs = np.atleast_1d(np.asarray(value(s, y, x, q), float))
    if theirs.shape != ours.shape:
        raise ConformanceError(
            f"value returns {theirs.size} numbers for {ours.size} ratios; expected one for each"
        )
    for k in np.flatnonzero(~np.isclose(ours, theirs, rtol=CLOSE, atol=CLOSE)):
        raise ConformanceError(
            f"{found.names[k]}: its ratio is {ours[k]:.9g}, by its definition {theirs[k]:.9g}"
        )


def _check_weights(problem: Problem, value: Value) -> None:
    """Raises unless weights that meet the bounds meet them by `value`, too."""
    most = max_keep_rate(problem)
    if not most.possible:
        raise ConformanceError(
            "no weights of the random examples meet the bounds; check wider ones, which says as "
            "much about the record"
        )
    found, s, y = problem.moments, problem.attributes, np.asarray(problem.labels, float)
    hard = dataclasses.replace(found, penalty=np.full_like(found.penalty, np.nan))
    names, rate = found.recipe.names, BELOW * most.keep_rate
    solution = solve(_posed(hard, names, s, y, problem.columns, keep_rate=rate), warn=False)
    if solution.status is not Status.CONVERGED:
        raise ConformanceError(f"solve does not converge: {solution.status.value}")
    reached = np.atleast_1d(np.asarray(value(s, y, problem.columns, solution.weights), float))
    unit = np.where(found.relative, 1.0, found.scale)
    beyond = np.maximum(found.lower * unit - reached, reached - found.upper * unit)
    for k in np.flatnonzero((beyond > MET * np.maximum(1.0, np.abs(reached))) & found.imposed):
        raise ConformanceError(
            f"{found.names[k]}: {reached[k]:.6g} at the weights that should meet its bounds, "
            f"{found.lower[k] * unit[k]:.6g} to {found.upper[k] * unit[k]:.6g}"
        )

"""The largest keep rate, conflicts and the frontier, against HiGHS and against the definition."""

import dataclasses

import numpy as np
import pytest
from helpers.balance_judge import constraint_rows
from helpers.balance_problems import random_problem
from scipy.optimize import linprog

from m4jax import balance
from m4jax.balance.frontier import STRICT


def most(problem, used=None):
    """Returns HiGHS's largest E[q], with the constraints `used` [K] only."""
    z, eps = constraint_rows(problem)
    share = problem.counts / problem.counts.sum()
    moments, eps = (z * share[:, None]).T, eps.copy()
    if used is not None:
        moments, eps = moments[used], eps[used]
    sides = np.concatenate([moments, -moments])
    return -linprog(-share, A_ub=sides, b_ub=np.concatenate([eps, eps]), bounds=(0, 1)).fun


def at(problem, keep_rate, **changes):
    return dataclasses.replace(problem, keep_rate=keep_rate, penalty=np.inf, **changes)


@pytest.mark.parametrize("seed", range(30))
def test_largest_keep_rate_agrees_with_highs(seed):
    problem = random_problem(seed)
    found, truth = balance.max_keep_rate(problem), most(problem)
    assert found.keep_rate == pytest.approx(truth, abs=1e-8)
    assert found.keep_rate - 1e-12 <= found.upper_bound <= truth + 1e-8
    z, eps = constraint_rows(problem)
    share = problem.counts / problem.counts.sum()
    assert share @ found.weights == pytest.approx(found.keep_rate, abs=1e-9)
    assert (np.abs((share * found.weights) @ z) <= eps + 1e-9).all()
    assert ((found.weights >= 0) & (found.weights <= 1)).all()


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 8, 18, 20, 22])
def test_below_the_largest_keep_rate_weights_exist_and_above_none(seed):
    problem = random_problem(seed)
    rate = balance.max_keep_rate(problem).keep_rate
    below = balance.solve(at(problem, rate * (1 - 1e-6)))
    above = balance.solve(at(problem, rate * (1 + 1e-4)))
    assert below.status is balance.Status.CONVERGED
    assert above.status is balance.Status.INFEASIBLE


@pytest.mark.parametrize("seed", [0, 2, 4, 18])
def test_a_price_is_what_a_wider_bound_brings(seed):
    problem = random_problem(seed, eps_representation=0.01, eps_association=0.005)
    found = balance.max_keep_rate(problem)
    k, r = np.unravel_index(np.abs(found.multipliers).argmax(), found.multipliers.shape)
    step = 1e-7
    eps = problem.spec.eps.copy()
    eps[k, r] += step
    wider = dataclasses.replace(problem, eps_representation=eps[:, 0], eps_association=eps[:, 1:])
    gain = (balance.max_keep_rate(wider).keep_rate - found.keep_rate) / step
    assert gain == pytest.approx(abs(found.multipliers[k, r]), rel=1e-3)
    first = found.binding[0]
    assert first == (problem.attribute_names[k], None if r == 0 else problem.label_names[r - 1])


def test_what_can_all_be_kept():
    both = np.array([[0.0], [1.0]] * 5)
    problem = balance.Problem(both, np.ones((10, 2)), target=0.5)
    found = balance.max_keep_rate(problem)
    assert found.keep_rate == pytest.approx(1, abs=1e-9)
    assert balance.conflict(dataclasses.replace(problem, keep_rate=1.0)) is None


def test_two_groups_reach_parity_up_to_one_less_their_difference():
    # "CLIP the Bias", derived: masses a and b allow η ≤ 1 − |a − b|.
    attributes = (np.arange(100) < 70).astype(float)[:, None]
    problem = balance.Problem(attributes, np.zeros((100, 0)), target=0.5, eps_representation=0)
    assert balance.max_keep_rate(problem).keep_rate == pytest.approx(0.6, abs=1e-9)


def test_nothing_can_be_kept():
    # Nobody outside of the group has the label, and the label is everybody's.
    attributes = np.array([[1.0], [1.0], [0.0]])
    labels = np.array([[1], [1], [1]])
    problem = balance.Problem(
        attributes, labels, target=[[0.5, 0.9]], eps_representation=0, eps_association=0
    )
    found = balance.max_keep_rate(problem)
    assert found.keep_rate == 0
    assert not found.weights.any()


@pytest.mark.parametrize("seed", [0, 2, 4, 5, 8, 11, 18, 19])
def test_a_conflict_is_one_and_no_part_of_it_is(seed):
    problem = random_problem(seed)
    rate = min(1.0, 1.05 * balance.max_keep_rate(problem).keep_rate)
    found = balance.conflict(at(problem, rate))
    names = [None, *problem.label_names]
    width = len(names)
    columns = [
        problem.attribute_names.index(k) * width + names.index(r) for k, r in found.constraints
    ]
    assert len(set(columns)) == len(columns) > 0
    assert most(problem, columns) < rate - 1e-9
    for left_out in columns:
        assert most(problem, [j for j in columns if j != left_out]) >= rate - 1e-6
    assert found.violation > 0
    assert np.count_nonzero(found.multipliers) == len(columns)


@pytest.mark.parametrize("seed", [0, 4, 18])
def test_multipliers_of_a_conflict_prove_it(seed):
    problem = random_problem(seed)
    problem = at(problem, min(1.0, 1.1 * balance.max_keep_rate(problem).keep_rate))
    w = balance.conflict(problem).multipliers.ravel()
    z, eps = constraint_rows(problem)
    share = problem.counts / problem.counts.sum()
    # The least of Σ w E[q z] at E[q] = η keeps the examples with the smallest z·w.
    order = np.argsort(z @ w)
    before = np.concatenate([[0], np.cumsum(share[order])[:-1]])
    kept = np.clip((problem.keep_rate - before) / np.maximum(share[order], 1e-300), 0, 1)
    least = (share[order] * kept) @ (z @ w)[order]
    assert least > eps @ np.abs(w)


def test_frontier():
    problem = random_problem(4, penalty=np.inf)
    told = []
    found = balance.frontier(problem, [0.9, 0.2, 0.3], progress=lambda *x: told.append(x))
    assert [point.keep_rate for point in found.points] == [0.2, 0.3, 0.9]
    assert told == [(0, 3), (1, 3), (2, 3)]
    assert all(point.status is balance.Status.CONVERGED for point in found.points)
    assert found.largest.keep_rate == balance.max_keep_rate(problem).keep_rate
    for point in found.points:
        possible = point.keep_rate <= found.largest.keep_rate
        assert (point.violation < 1e-9) == possible
    alone = dataclasses.replace(problem, keep_rate=0.3, penalty=STRICT)
    solution = balance.solve(alone)
    assert found.points[1].objective == pytest.approx(solution.objective, rel=1e-5)
    left = balance.bias(
        problem.attributes, problem.labels, solution.weights * problem.counts, target=problem.target
    )
    assert found.points[1].association == pytest.approx(left.association_max, abs=1e-4)


def test_frontier_refuses_no_rates():
    with pytest.raises(balance.ProblemError, match="keep_rates is empty"):
        balance.frontier(random_problem(0), [])

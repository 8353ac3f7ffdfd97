"""Every kind of moment against Clarabel: the same value, and no certificate that is violated."""

import numpy as np
import pytest
from helpers.balance_judge import judge, primal_value, violation
from helpers.balance_words import KINDS, random_words

from m4jax import balance

OBJECTIVES = sorted(balance.OBJECTIVES)


def check(problem, objective="quadratic", steps=2):
    """Asserts that the value is Clarabel's, and that gaps hold for it, also on the way."""
    solution, other = balance.solve(problem, objective=objective), judge(problem, objective)
    if other is None:
        assert solution.status is balance.Status.INFEASIBLE
        return
    assert solution.status is balance.Status.CONVERGED
    weights = np.clip(other[0], 0, 1)
    best = primal_value(problem, weights, objective)
    mine = primal_value(problem, solution.weights, objective)
    assert violation(problem, solution.weights) <= max(1e-8, 2 * violation(problem, weights))
    slack = 1e-6 * abs(best) + 1e-9
    assert mine == pytest.approx(best, abs=slack)
    assert solution.objective == pytest.approx(mine, rel=1e-9, abs=1e-12)
    assert solution.objective - solution.duality_gap <= best + slack
    loose = balance.solve(problem, objective=objective, max_steps=steps)
    assert loose.objective - loose.duality_gap <= best + slack
    w, v = solution.moment_multipliers, problem.moments.penalty
    assert (w >= 0).all() and (w <= np.where(np.isnan(v), problem.penalty, v) + 1e-9).all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_agrees_with_clarabel(kind):
    for seed in range(3):
        check(random_words(1000 + seed, [kind]))


@pytest.mark.parametrize("seed", range(24))
def test_mixed_words_agree_with_clarabel(seed):
    check(random_words(seed), steps=seed % 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 600))
def test_many_mixed_words_agree_with_clarabel(seed):
    check(random_words(seed), OBJECTIVES[seed % 4] if seed % 3 == 0 else "quadratic", seed % 5)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.balance_judge import constraint_rows, cost, judge, primal_value
from helpers.balance_problems import random_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax import balance
from m4jax.balance import objectives

NAMES = tuple(balance.OBJECTIVES)


SHAPE = (2, 3)  # of all problems that are not slow: one compilation for each objective


def assert_agrees(name, seed, shape=None):
    problem = random_problem(seed, shape=shape)
    solution = balance.solve(problem, objective=name)
    assert solution.status is balance.Status.CONVERGED
    other, status = judge(problem, name)
    assert "Solved" in status
    mine = primal_value(problem, solution.weights, name)
    best = primal_value(problem, np.clip(other, 0, 1), name)
    assert mine == pytest.approx(best, rel=1e-6, abs=1e-12)
    assert solution.objective == pytest.approx(mine, rel=1e-9, abs=1e-15)
    share = problem.counts / problem.counts.sum()
    assert share @ solution.weights == pytest.approx(problem.keep_rate, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", NAMES[1:])
def test_agrees_with_clarabel(name, seed):
    assert_agrees(name, seed, SHAPE)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1130))
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_clarabel_on_many_problems(name, seed):
    assert_agrees(name, seed)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", NAMES[1:])
def test_hard_constraints_agree_with_clarabel_on_feasibility_and_value(name, seed):
    bounds = {"penalty": np.inf, "eps_representation": 0.02, "eps_association": 0.02}
    problem = random_problem(seed, keep_rate=0.3, n=60, shape=SHAPE, **bounds)
    solution, other = balance.solve(problem, objective=name), judge(problem, name)
    assert (solution.status is balance.Status.INFEASIBLE) == (other is None)
    if other is not None:
        assert solution.status is balance.Status.CONVERGED
        best = primal_value(problem, np.clip(other[0], 0, 1), name)
        assert solution.objective == pytest.approx(best, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(q=st.floats(0, 1), b=st.floats(1e-6, 1e6))
def test_cost_is_its_formula(name, q, b):
    with jax.enable_x64(True):
        mine = float(balance.OBJECTIVES[name].cost(jnp.asarray(q), jnp.asarray(b)))
    assert mine == pytest.approx(float(cost(name, q, b)), rel=1e-9, abs=1e-12 * max(1, b))


@pytest.mark.parametrize("name", NAMES)
def test_weight_has_the_least_cost_and_score(name):
    objective = balance.OBJECTIVES[name]
    q = np.linspace(0, 1, 100_001)
    with jax.enable_x64(True):
        for t, b in ((-2.0, 0.3), (-0.2, 0.9), (0.0, 0.5), (0.4, 1.3), (3.0, 0.7)):
            least = (cost(name, q, b) + q * t).min()
            weight = objective.weight(jnp.asarray(t), jnp.asarray(b))
            mine = float(objective.cost(weight, jnp.asarray(b)) + weight * t)
            assert least - 1e-7 <= mine <= least + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_cost_keeps_its_digits_where_hardly_anything_changes(name):
    """Near b every cost is c (q − b)² at first, with c = ½/b for kl and hellinger."""
    b, change = 0.8, 1e-9
    c = {"quadratic": 0.5, "keep_most": 0.5 / objectives.NEARLY_UNTOUCHED}.get(name, 0.5 / b)
    with jax.enable_x64(True):
        mine = float(balance.OBJECTIVES[name].cost(jnp.asarray(b + change), jnp.asarray(b)))
    assert mine == pytest.approx(c * change**2, rel=1e-5, abs=0)


@pytest.mark.parametrize("name", NAMES)
def test_weights_stay_at_the_keep_rate_when_nothing_binds(name):
    problem = random_problem(
        3, shape=SHAPE, utility=None, eps_representation=2.0, eps_association=2.0
    )
    solution = balance.solve(problem, objective=name)
    np.testing.assert_allclose(solution.weights, problem.keep_rate, atol=1e-9)
    assert solution.objective == pytest.approx(0, abs=1e-12)


def biased(n=3000, **changes):
    """Returns a problem with 32 patterns in which the second label is the most unequal."""
    draw = np.random.default_rng(5)
    attributes = draw.random((n, 2)) < [0.62, 0.5]
    labels = draw.random((n, 3)) < [0.1, 0.2, 0.3] * (1 - [0, 0.8, 0.1] * attributes[:, :1])
    fields = {"target": [0.62, 0.5], "keep_rate": 0.6, "eps_representation": 0.01} | changes
    return balance.Problem(attributes, labels, **fields)


def test_kl_weights_are_exponential_in_the_constraints():
    problem = biased(utility=np.random.default_rng(0).choice([0.5, 1.0, 1.5], 3000))
    solution = balance.solve(problem, objective="kl", tolerance=1e-10)
    z, _ = constraint_rows(problem)
    free = solution.weights < 1
    ratio = np.log(solution.weights / (problem.keep_rate * problem.utility))[free]
    assert 1000 < free.sum() < 3000
    np.testing.assert_allclose(
        ratio, (-z @ solution.multipliers.ravel() - solution.offset)[free], atol=1e-9
    )
    assert solution.weights.min() > 0


def test_keep_most_touches_fewer_examples():
    problem = biased(keep_rate=0.8)
    moved, total = {}, {}
    for name in ("quadratic", "keep_most"):
        change = np.abs(balance.solve(problem, objective=name).weights - problem.keep_rate)
        moved[name] = (change > objectives.NEARLY_UNTOUCHED * (1 + 1e-6)).mean()
        total[name] = change.mean()
    assert moved["keep_most"] < 0.7 * moved["quadratic"]
    assert total["keep_most"] < total["quadratic"]


def test_small_changes_cost_the_same_by_kl_and_hellinger():
    problem = biased(target=[0.61, 0.5], eps_representation=1e-3, eps_association=1.0)
    kl, hellinger = (balance.solve(problem, objective=x).objective for x in ("kl", "hellinger"))
    assert kl == pytest.approx(hellinger, rel=0.05)
    assert kl > 0


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="known: quadratic, kl, hellinger, keep_most"):
        objectives.find("KL")

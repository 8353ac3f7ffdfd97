import json

import hypothesis
import hypothesis.extra.numpy
import jax
import numpy as np
import pytest
from helpers.balance_judge import constraint_rows, judge, primal_value
from helpers.balance_problems import extreme_problem, random_problem
from hypothesis import strategies as st

from m4jax import balance
from m4jax.balance.device import devices


def solve(problem, **settings):
    solution = balance.solve(problem, **settings)
    assert solution.status is balance.Status.CONVERGED
    return solution


def rebuilt(problem, **changes):
    names = ("target", "utility", "counts", "keep_rate", "eps_representation")
    names += ("eps_association", "penalty")
    fields = {name: getattr(problem, name) for name in names}
    fields |= {"attributes": problem.attributes, "labels": problem.labels} | changes
    return balance.Problem(fields.pop("attributes"), fields.pop("labels"), **fields)


@pytest.mark.parametrize("seed", range(60))
def test_agrees_with_clarabel(seed):
    problem = random_problem(seed)
    solution = solve(problem)
    mine = primal_value(problem, solution.weights)
    other, status = judge(problem)
    assert status == "Solved"
    best = primal_value(problem, np.clip(other, 0, 1))
    share = problem.counts / problem.counts.sum()
    assert mine == pytest.approx(best, rel=1e-6, abs=1e-12)
    assert solution.objective == pytest.approx(mine, rel=1e-9, abs=1e-15)
    assert share @ solution.weights == pytest.approx(problem.keep_rate, abs=1e-9)
    # Strong convexity: ½ E[(q − q*)²] is at most the gap. Clarabel's point carries its own error.
    distance = 0.5 * share @ (solution.weights - other) ** 2
    assert distance <= solution.duality_gap + 1e-6 * abs(best) + 1e-9


@pytest.mark.parametrize("seed", range(60))
def test_certificate_is_never_violated(seed):
    problem = random_problem(seed)
    loose = balance.solve(problem, max_steps=seed % 4)
    best = solve(problem, tolerance=1e-9).objective
    slack = 1e-9 * max(1.0, abs(best))
    assert best <= loose.objective + slack
    assert loose.objective - loose.duality_gap <= best + slack


@pytest.mark.parametrize("seed", range(40))
def test_hard_constraints_agree_with_clarabel_on_feasibility_and_value(seed):
    settings = {"penalty": np.inf, "eps_representation": 0.02, "eps_association": 0.02}
    problem = random_problem(seed, keep_rate=0.3, n=60, **settings)
    solution, other = balance.solve(problem), judge(problem)
    if other is None:
        assert solution.status is balance.Status.INFEASIBLE
        return
    assert solution.status is balance.Status.CONVERGED
    assert solution.representation_violation.max() <= 1e-9
    assert solution.association_violation.max(initial=0) <= 1e-9
    best = primal_value(problem, np.clip(other[0], 0, 1))
    assert solution.objective == pytest.approx(best, rel=1e-5, abs=1e-9)


def check_against_clarabel(problem):
    """Asserts that the objective is Clarabel's, or that both find that there are no weights."""
    solution, other = balance.solve(problem), judge(problem)
    if other is None:
        assert solution.status is balance.Status.INFEASIBLE
        return
    assert solution.status is balance.Status.CONVERGED
    best = primal_value(problem, np.clip(other[0], 0, 1))
    assert solution.objective == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert solution.objective - solution.duality_gap <= best * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(
    "start", [0, *(pytest.param(x, marks=pytest.mark.slow) for x in range(20, 120, 20))]
)
def test_extreme_problems_agree_with_clarabel(start):
    for seed in range(start, start + 20):
        check_against_clarabel(extreme_problem(seed))
        check_against_clarabel(extreme_problem(seed, penalty=np.inf))


@pytest.mark.long
@pytest.mark.parametrize("start", range(120, 620, 100))
def test_many_extreme_problems_agree_with_clarabel(start):
    for seed in range(start, start + 100):
        check_against_clarabel(extreme_problem(seed))
        check_against_clarabel(extreme_problem(seed, penalty=np.inf))


@hypothesis.settings(deadline=None, max_examples=60, derandomize=True)
@hypothesis.given(
    bits=hypothesis.extra.numpy.arrays(np.bool_, (24, 5)),
    keep_rate=st.floats(0.01, 1),
    eps=st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 1.0]),
    penalty=st.floats(0.01, 1e4) | st.just(np.inf),
)
def test_any_bits_agree_with_clarabel(bits, keep_rate, eps, penalty):
    bits[0, :2], bits[1, :2] = False, True
    problem = balance.Problem(
        bits[:, :2],
        bits[:, 2:],
        target=0.5,
        keep_rate=keep_rate,
        eps_representation=eps,
        eps_association=eps,
        penalty=penalty,
    )
    check_against_clarabel(problem)


def test_some_hard_problems_are_feasible_and_some_are_not():
    settings = {"penalty": np.inf, "eps_representation": 0.02, "eps_association": 0.02}
    found = {
        balance.solve(random_problem(seed, keep_rate=0.3, n=60, **settings)).status
        for seed in range(40)
    }
    assert found == {balance.Status.CONVERGED, balance.Status.INFEASIBLE}


@pytest.mark.parametrize("seed", range(20))
def test_optimality_conditions(seed):
    problem = random_problem(seed)
    solution = solve(problem, tolerance=1e-10)
    z, eps = constraint_rows(problem)
    w = solution.multipliers.ravel()
    moments = (problem.counts / problem.counts.sum() * solution.weights) @ z
    score = problem.keep_rate * problem.utility - z @ w - solution.offset
    rounding = 1e-12 * (1 + np.abs(score).max())
    np.testing.assert_allclose(solution.weights, np.clip(score, 0, 1), atol=rounding)
    assert np.abs(w).max() <= problem.penalty * (1 + 1e-12)
    terms = problem.penalty * np.maximum(np.abs(moments) - eps, 0) - w * moments + eps * np.abs(w)
    assert terms.min() >= -rounding * problem.penalty
    assert terms.sum() <= 1e-10 * max(1, solution.objective) + rounding * problem.penalty


@pytest.mark.parametrize("seed", range(8))
def test_permuting_examples_permutes_weights(seed):
    problem = random_problem(seed)
    order = np.random.default_rng(seed).permutation(len(problem.counts))
    rows = {k: getattr(problem, k)[order] for k in ("attributes", "labels", "utility", "counts")}
    weights = solve(rebuilt(problem, **rows), tolerance=1e-10).weights
    np.testing.assert_allclose(weights, solve(problem, tolerance=1e-10).weights[order], atol=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_a_count_is_that_many_rows(seed):
    problem = random_problem(seed, counts=None)
    counts = np.random.default_rng(seed).integers(1, 4, len(problem.counts))
    rows = {k: getattr(problem, k).repeat(counts, 0) for k in ("attributes", "labels", "utility")}
    long = solve(rebuilt(problem, counts=None, **rows))
    short = solve(rebuilt(problem, counts=counts))
    assert long.objective == pytest.approx(short.objective, rel=1e-9, abs=1e-12)
    assert long.effective_sample_size == pytest.approx(short.effective_sample_size, rel=1e-3)
    np.testing.assert_allclose(long.weights, short.weights.repeat(counts), atol=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_repeating_a_hard_label_changes_nothing(seed):
    settings = {"penalty": np.inf, "eps_association": 0.05, "eps_representation": 0.05}
    problem = random_problem(seed, shape=(2, 3), keep_rate=0.3, **settings)
    twice = rebuilt(
        problem,
        labels=np.concatenate([problem.labels, problem.labels[:, :1]], axis=1),
        target=np.concatenate([problem.target, problem.target[:, 1:2]], axis=1),
        eps_association=0.05,
    )
    one, two = balance.solve(problem), balance.solve(twice)
    assert one.status is two.status is not balance.Status.MAX_STEPS
    if one.status is balance.Status.CONVERGED:
        assert one.objective == pytest.approx(two.objective, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_complement_of_an_attribute_and_its_target_changes_nothing(seed):
    problem = random_problem(seed)
    attributes, target = problem.attributes.copy(), problem.target.copy()
    attributes[:, 0], target[0] = 1 - attributes[:, 0], 1 - target[0]
    other = solve(rebuilt(problem, attributes=attributes, target=target))
    same = solve(problem)
    assert other.objective == pytest.approx(same.objective, rel=2e-6, abs=1e-12)


def small(**changes):
    draw = np.random.default_rng(0)
    attributes = (draw.random((50, 2)) < 0.6).astype(float)
    labels = (draw.random((50, 3)) < 0.3).astype(float)
    settings = {"target": [0.5, 0.5], "keep_rate": 0.6} | changes
    labels = settings.pop("labels", labels)
    return balance.Problem(settings.pop("attributes", attributes), labels, **settings)


def test_wide_bounds_give_the_projection_of_the_utility():
    utility = np.random.default_rng(1).lognormal(0, 1, 50)
    solution = solve(small(utility=utility, eps_representation=10, eps_association=10))
    offset = solution.offset
    expected = np.clip(0.6 * utility - offset, 0, 1)
    np.testing.assert_allclose(solution.weights, expected, atol=1e-12)
    assert not solution.multipliers.any()


def test_keeping_everything_gives_ones():
    np.testing.assert_array_equal(solve(small(keep_rate=1.0)).weights, 1.0)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_utilities_of_any_size(scale):
    utility = scale * np.random.default_rng(1).lognormal(0, 0.5, 50)
    solution = solve(small(utility=utility))
    assert solution.weights.mean() == pytest.approx(0.6, abs=1e-6)


def test_hand_computed_answer():
    # Three of four are in the group; to keep E[q] = ½ at parity, 3a = b and 3a + b = 2.
    solution = solve(
        balance.Problem(
            [[1], [1], [1], [0]],
            np.zeros((4, 0)),
            target=[0.5],
            keep_rate=0.5,
            eps_representation=0,
            penalty=np.inf,
        )
    )
    np.testing.assert_allclose(solution.weights, [1 / 3, 1 / 3, 1 / 3, 1], atol=1e-12)
    assert solution.objective == pytest.approx((3 / 36 + 1 / 4) / 8)
    assert solution.effective_sample_size == pytest.approx(4 / (1 / 3 + 1))


def test_an_infeasible_problem_is_recognised():
    attributes = [[1], [1], [1], [0]]
    settings = {"target": [0.5], "keep_rate": 0.9, "penalty": np.inf}
    solution = balance.solve(balance.Problem(attributes, np.zeros((4, 0)), **settings))
    assert solution.status is balance.Status.INFEASIBLE
    assert np.isfinite(solution.weights).all()


def test_soft_and_hard_agree_when_the_bounds_can_be_met():
    soft, hard = solve(small(penalty=1e3)), solve(small(penalty=np.inf))
    np.testing.assert_allclose(soft.weights, hard.weights, atol=1e-6)


def test_duplicate_and_empty_labels():
    column = (np.arange(50) % 3 == 0).astype(float)[:, None]
    labels = np.concatenate([column, column, np.zeros((50, 1)), np.ones((50, 1))], axis=1)
    solution = solve(small(labels=labels))
    np.testing.assert_array_equal(solution.association_violation[:, 2], 0.0)


def test_unknown_rows_carry_no_constraint():
    attributes = np.array([[1.0], [1.0], [0.0], [np.nan], [np.nan]])
    labels = np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
    settings = {"target": [0.5], "keep_rate": 0.8, "eps_representation": 0, "eps_association": 0}
    weights = solve(balance.Problem(attributes, labels, **settings)).weights
    assert weights[3] == pytest.approx(weights[4], abs=1e-12)
    assert weights[0] + weights[1] == pytest.approx(weights[2], abs=1e-9)
    assert weights[0] == pytest.approx(weights[2], abs=1e-9)


@pytest.mark.parametrize("size", [1e12, pytest.param(1e100, marks=pytest.mark.slow)])
def test_lost_digits_are_reported(size):
    solution = balance.solve(small(utility=np.full(50, size)))
    assert solution.status is balance.Status.NON_FINITE


@pytest.mark.parametrize("field", ["utility", "counts"])
@pytest.mark.parametrize("size", [1e160, 1e300])
def test_what_would_overflow_is_refused(field, size):
    with pytest.raises(balance.ProblemError, match=rf"{field}\[7\] is 1e\+{np.log10(size):.0f}"):
        small(**{field: np.r_[np.ones(7), size, np.ones(42)]})


@pytest.mark.parametrize("objective", balance.OBJECTIVES)
@pytest.mark.parametrize(
    "utility",
    [np.full(50, 1e4), np.full(50, 1e6), np.r_[1e6, np.ones(49)], np.r_[1e100, np.ones(49)]],
    ids=["large", "larger", "one of them", "one beyond compare"],
)
def test_large_utilities_do_not_pass_for_convergence(objective, utility):
    # The weights that utilities of 1 lead to, where all are alike: only moments matter then.
    solution = balance.solve(small(utility=utility, penalty=np.inf), objective=objective)
    assert solution.status is balance.Status.CONVERGED
    assert solution.steps > 0
    assert solution.violation.max() < 1e-8
    assert solution.duality_gap < 1e-6
    if objective == "quadratic" and np.ptp(utility) == 0:  # a constant more in b changes nothing
        same = balance.solve(small(penalty=np.inf))
        np.testing.assert_allclose(solution.weights, same.weights, atol=1e-6)


@pytest.mark.parametrize("objective", balance.OBJECTIVES)
@pytest.mark.parametrize(
    "changes",
    [
        {"utility": np.full(50, 1e-300)},
        {"utility": 10.0 ** np.linspace(-300, 100, 50)},
        {"counts": 10.0 ** np.linspace(-300, 100, 50)},
        {"counts": np.full(50, 1e100)},
        {"penalty": 1e308},
        {"penalty": 1e-300},
        {"keep_rate": 1e-300},
        {"keep_rate": 1e-12, "penalty": np.inf},
        {"keep_rate": 1.0, "penalty": np.inf},
        {"eps_association": np.inf, "eps_representation": np.inf},
        {"target": 0.0},
        {"target": 1.0, "penalty": np.inf},
        {"target": [[0.5, 0.0, 1.0, 0.5]] * 2, "penalty": np.inf},
        {"labels": np.ones((50, 3)), "eps_association": 0.0, "penalty": np.inf},
        {"labels": np.zeros((50, 3))},
    ],
    ids=str,
)
def test_extremes_end_with_a_status_and_without_nan(changes, objective):
    problem = small(**changes)
    solution = balance.solve(problem, objective=objective)
    assert ((solution.weights >= 0) & (solution.weights <= 1)).all()
    if solution.status is balance.Status.CONVERGED:
        share = problem.counts / problem.counts.sum()
        assert share @ solution.weights == pytest.approx(problem.keep_rate, abs=1e-6)
        assert 0 <= solution.duality_gap <= 1e-6 * max(1, solution.objective)


def test_a_single_example():
    with pytest.raises(balance.ProblemError, match="has no example with s < 1"):
        balance.Problem([[1.0]], [[1.0]], target=0.5)
    solution = balance.solve(balance.Problem([[0.5]], [[1.0]], target=0.5))
    assert solution.status is balance.Status.CONVERGED
    np.testing.assert_allclose(solution.weights, 0.9)


def test_step_limit_is_reported_with_a_true_certificate():
    solution = balance.solve(small(), max_steps=0)
    assert solution.status is balance.Status.MAX_STEPS
    assert solution.steps == 0
    assert solution.duality_gap >= solution.objective - solve(small()).objective > 0


def test_progress_is_told_and_changes_nothing():
    told = []
    solution = solve(small(), progress=lambda step, gap: told.append((step, gap)))
    assert [step for step, _ in told] == list(range(1, solution.steps + 1))
    assert told[-1][1] == solution.duality_gap
    np.testing.assert_array_equal(solution.weights, solve(small()).weights)


def test_same_shape_class_compiles_once():
    solve(small())
    before = devices._run._cache_size()
    solve(small(target=[0.4, 0.6], keep_rate=0.5, penalty=3.0, eps_association=0.01))
    solve(small(utility=1 + np.arange(50) / 100), tolerance=1e-7, max_steps=50)
    assert devices._run._cache_size() == before


def test_caller_settings_are_left_alone():
    before = jax.config.jax_enable_x64
    with jax.transfer_guard("disallow"):
        solve(small())
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.zeros(1).dtype == np.float32


@pytest.mark.parametrize("settings", [{"tolerance": -1}, {"tolerance": np.nan}, {"max_steps": -1}])
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match="expected both at least 0"):
        balance.solve(small(), **settings)


def test_an_unknown_objective_lists_the_known_ones():
    with pytest.raises(ValueError, match="'quadric' is not known; known: quadratic"):
        balance.solve(small(), objective="quadric")


def test_an_own_objective_is_used():
    quadratic = balance.OBJECTIVES["quadratic"]
    twice = balance.Objective(  # 2 · ½ (q − b)²
        name="twice",
        cost=lambda q, b: 2 * quadratic.cost(q, b),
        weight=lambda t, b: quadratic.weight(t / 2, b),
        curvature=lambda t, b: quadratic.curvature(t / 2, b) / 2,
    )
    one, two = solve(small(penalty=3.0)), solve(small(penalty=6.0), objective=twice)
    assert two.objective == pytest.approx(2 * one.objective, rel=1e-5)


def test_certificate_is_json_and_true():
    problem = small(penalty=np.inf)
    solution = solve(problem)
    facts = json.loads(json.dumps(balance.certificate(problem, solution), allow_nan=False))
    assert facts["status"] == "converged"
    assert facts["penalty"] == "inf"
    assert facts["kept"] == pytest.approx(0.6)
    assert facts["weight_max"] == solution.weights.max()
    assert facts["effective_sample_size"] == pytest.approx(
        solution.weights.sum() ** 2 / (solution.weights**2).sum()
    )
    assert facts["violation_max"] <= 1e-9


def test_fingerprint_tells_problems_apart():
    prints = [
        balance.fingerprint(problem)
        for problem in (small(), small(keep_rate=0.61), small(target=[0.5, 0.51]))
    ]
    assert len(set(prints)) == 3
    assert balance.fingerprint(small()) == prints[0]


@pytest.mark.slow
def test_a_hundred_thousand_examples():
    draw = np.random.default_rng(0)
    attributes = draw.random((100_000, 2)) < 0.6
    labels = draw.random((100_000, 30)) < 0.1
    solution = solve(balance.Problem(attributes, labels, target=[0.5, 0.5], keep_rate=0.7))
    assert solution.duality_gap <= 1e-6 * solution.objective

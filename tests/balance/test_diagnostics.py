import json

import numpy as np
import pytest
from helpers.balance_judge import constraint_rows
from helpers.balance_problems import random_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax import balance
from m4jax.balance.diagnostics import QUANTILES

repeatedly = settings(max_examples=30, deadline=None, derandomize=True)


def random_weights(problem, seed):
    draw = np.random.default_rng([seed, 1])
    n = len(problem.counts)
    weights = np.where(draw.random(n) < 0.2, draw.integers(0, 2, n), draw.random(n))
    weights[:2] = 0.5  # either group keeps some weight
    return weights


@repeatedly
@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=20), st.sampled_from([1e-200, 1, 1e200]))
def test_effective_sample_size_and_design_effect(weights, scale):
    weights = np.array(weights)
    size = balance.effective_sample_size(scale * weights)
    assert 1 - 1e-12 <= size <= len(weights) * (1 + 1e-12)
    assert size == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    spread = 1 + weights.var() / weights.mean() ** 2
    assert balance.design_effect(scale * weights) == pytest.approx(spread)


def test_equal_weights_are_worth_every_example():
    assert balance.effective_sample_size(np.full(7, 0.3)) == pytest.approx(7)
    assert balance.effective_sample_size(np.full(2, 0.3), np.array([3.0, 4.0])) == pytest.approx(7)
    assert balance.effective_sample_size(np.array([0, 0, 0.1])) == 1


@pytest.mark.parametrize("weights", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], []])
def test_no_effective_sample_size_without_weight(weights):
    assert np.isnan(balance.effective_sample_size(np.array(weights)))
    assert np.isnan(balance.design_effect(np.array(weights)))
    assert np.isnan(balance.effective_sample_size(np.array([0.0, 1.0]), np.array([1.0, 0.0])))


@repeatedly
@given(st.integers(0, 10_000))
def test_counts_are_repetitions(seed):
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 4, 60) + (np.arange(60) < 2)
    weights = draw.choice([0.0, 0.5, 1.0, *draw.random(5)], 60)
    found, expected = [], np.repeat(weights, counts)
    for w, c in ((weights, counts), (expected, None)):
        rows = np.repeat(np.arange(60), counts) if c is None else np.arange(60)
        problem = balance.Problem(rows[:, None] % 2, rows[:, None] % 3 > 0, target=0.5, counts=c)
        found.append(balance.diagnose(problem, w))
    counted, repeated = (x.weights for x in found)
    n, total = len(expected), expected.sum()
    heaviest = np.sort(expected)[::-1]
    whole, part = int(0.01 * n), 0.01 * n % 1
    facts = {
        "examples": n,
        "kept": total / n,
        "effective_sample_size": total**2 / (expected**2).sum(),
        "design_effect": n * (expected**2).sum() / total**2,
        "weight_min": expected.min(),
        "weight_max": expected.max(),
        "weight_zero_share": (expected == 0).mean(),
        "weight_one_share": (expected == 1).mean(),
        "weight_max_over_mean": expected.max() * n / total,
        "weight_top_share": (heaviest[:whole].sum() + part * heaviest[whole]) / total,
    }
    for summary in (counted, repeated):
        assert {name: getattr(summary, name) for name in facts} == pytest.approx(facts)
        quantiles = np.quantile(expected, QUANTILES, method="inverted_cdf")
        assert list(summary.weight_quantiles.values()) == quantiles.tolist()
    for name in ("gap", "smd", "prevalence"):
        pair = (getattr(x.after, name) for x in found)
        np.testing.assert_allclose(*pair, rtol=1e-9, atol=1e-12)


def test_rows_that_count_zero_times_have_no_weight():
    rows = np.arange(4)[:, None] % 2
    problem = balance.Problem(rows, rows, target=0.5, counts=[1, 1, 0, 0])
    summary = balance.diagnose(problem, [0.4, 0.6, 0.1, 0.9]).weights
    assert (summary.weight_min, summary.weight_max) == (0.4, 0.6)
    assert summary.weight_quantiles["0.01"] == 0.4


@repeatedly
@given(st.integers(0, 10_000))
def test_balance_agrees_with_loops(seed):
    problem = random_problem(seed)
    weights = random_weights(problem, seed)
    found = balance.diagnose(problem, weights)
    for side, w in ((found.before, problem.counts), (found.after, problem.counts * weights)):
        for k in range(problem.attributes.shape[1]):
            rows = ~np.isnan(problem.attributes[:, k])
            s, y = problem.attributes[rows, k].astype(float), problem.labels[rows].astype(float)
            overall = np.average(s, weights=w[rows])
            assert side.prevalence[k, 0] == pytest.approx(overall)
            assert side.gap[k, 0] == pytest.approx(overall - problem.target[k, 0])
            for r in range(y.shape[1]):
                inside = np.average(y[:, r], weights=w[rows] * s)
                outside = np.average(y[:, r], weights=w[rows] * (1 - s))
                assert side.inside[k, r] == pytest.approx(inside)
                assert side.outside[k, r] == pytest.approx(outside)
                assert side.gap[k, r + 1] == pytest.approx(inside - outside, abs=1e-12)
                if (w[rows] @ y[:, r]) > 0:
                    share = np.average(s, weights=w[rows] * y[:, r])
                    assert side.prevalence[k, r + 1] == pytest.approx(share)
                p, q = found.before.inside[k, r], found.before.outside[k, r]
                deviation = np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
                if deviation > 0:
                    assert side.smd[k, r + 1] * deviation == pytest.approx(
                        inside - outside, abs=1e-12
                    )


@repeatedly
@given(st.integers(0, 10_000))
def test_moments_are_those_of_the_definition(seed):
    problem = random_problem(seed)
    weights = random_weights(problem, seed)
    found = balance.diagnose(problem, weights)
    z, eps = constraint_rows(problem)
    moment = (problem.counts * weights / problem.counts.sum()) @ z
    np.testing.assert_allclose(found.moment.ravel(), moment, atol=1e-12)
    assert found.binds.ravel().tolist() == (np.abs(moment) >= eps - 1e-9).tolist()


def test_hand_computed():
    problem = balance.Problem(
        [[1], [1], [1], [0], [np.nan]],
        [[1], [1], [0], [0], [1]],
        target=0.5,
        attribute_names=("woman",),
        label_names=("nurse",),
        eps_association=0.1,
    )
    found = balance.diagnose(problem, [0.5, 0.5, 1.0, 1.0, 1.0])
    assert found.before.gap.tolist() == [[0.25, pytest.approx(2 / 3)]]
    assert found.after.gap.tolist() == [[pytest.approx(1 / 6), 0.5]]
    assert found.after.smd.tolist() == [
        [pytest.approx(1 / 6 / np.sqrt(0.75 * 0.25)), pytest.approx(0.5 / np.sqrt(1 / 9))]
    ]
    assert np.abs(found.after.smd).max() == pytest.approx(1.5)
    assert found.rows() == [
        {
            "attribute": "woman",
            "label": "nurse",
            "target": 0.5,
            "prevalence_before": 1.0,
            "prevalence_after": 1.0,
            "inside_before": pytest.approx(2 / 3),
            "inside_after": 0.5,
            "outside_before": 0.0,
            "outside_after": 0.0,
            "gap_before": pytest.approx(2 / 3),
            "gap_after": 0.5,
            "smd_before": pytest.approx(2.0),
            "smd_after": pytest.approx(1.5),
            "moment": pytest.approx(0.1),
            "eps": 0.1,
            "binds": True,
        },
        {
            "attribute": "woman",
            "label": None,
            "target": 0.5,
            "prevalence_before": 0.75,
            "prevalence_after": pytest.approx(2 / 3),
            "inside_before": None,
            "inside_after": None,
            "outside_before": None,
            "outside_after": None,
            "gap_before": 0.25,
            "gap_after": pytest.approx(1 / 6),
            "smd_before": pytest.approx(0.25 / np.sqrt(0.75 * 0.25)),
            "smd_after": pytest.approx(1 / 6 / np.sqrt(0.75 * 0.25)),
            "moment": pytest.approx(0.1),
            "eps": 0.001,
            "binds": True,
        },
    ]


def test_equal_weights_change_nothing():
    problem = random_problem(5)
    found = balance.diagnose(problem, np.full(len(problem.counts), 0.3))
    for name in ("prevalence", "inside", "outside", "gap", "smd"):
        pair = getattr(found.before, name), getattr(found.after, name)
        np.testing.assert_allclose(*pair, rtol=1e-10, atol=1e-14)


def test_what_cannot_be_estimated_comes_first_and_is_none():
    s = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])
    y = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])  # nobody has the second label
    found = balance.diagnose(balance.Problem(s, y, target=0.5), [1.0, 1.0, 0.0, 0.0])
    assert np.isnan(np.abs(found.after.smd).max())
    rows = json.loads(json.dumps(found.rows(), allow_nan=False))
    unsure = [row for row in rows if row["smd_after"] is None]
    assert rows[: len(unsure)] == unsure
    # Attribute 1 has lost a group; attribute 0 is label 0, and label 1 is nobody's.
    assert [(row["attribute"], row["label"], row["gap_after"]) for row in unsure] == [
        ("attribute 1", "label 0", None),
        ("attribute 1", "label 1", None),
        ("attribute 0", "label 0", 1.0),
        ("attribute 0", "label 1", 0.0),
    ]
    size = [abs(row["smd_after"]) for row in rows[len(unsure) :]]
    assert size == sorted(size, reverse=True)


@pytest.mark.parametrize(("slack", "binds"), [(0.0, True), (5e-10, True), (5e-9, False)])
def test_a_bound_binds_up_to_rounding(slack, binds):
    rows = [[0], [1], [1], [1]]
    for values, target in ((np.array(rows), 0.5), (1 - np.array(rows), 0.5)):
        problem = balance.Problem(values, rows, target=target, eps_representation=0.25 + slack)
        found = balance.diagnose(problem, np.ones(4))
        assert abs(found.moment[0, 0]) == 0.25
        assert found.binds[0, 0] == binds


def test_complement_of_a_group():
    problem = random_problem(11)
    weights = random_weights(problem, 11)
    other = balance.Problem(
        1 - problem.attributes.astype(float),
        problem.labels,
        target=1 - problem.target,
        counts=problem.counts,
    )
    one, two = balance.diagnose(problem, weights), balance.diagnose(other, weights)
    for name in ("gap", "smd"):
        pair = getattr(one.after, name), -getattr(two.after, name)
        np.testing.assert_allclose(*pair, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(one.moment, -two.moment, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_constraints_with_a_price_bind(seed):
    problem = random_problem(seed, eps_association=1e-3, eps_representation=1e-3, keep_rate=0.6)
    solution = balance.solve(problem, tolerance=1e-12)
    found = balance.diagnose(problem, solution.weights)
    assert found.binds[np.abs(solution.multipliers) > 1e-6].all()
    assert found.weights.kept == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"weights has shape \(1,\); expected \(2,\)"),
        ([1.0, -0.1], r"weights\[1\] is -0.1"),
        ([np.nan, 1.0], r"weights\[0\] is nan"),
        ([np.inf, 1.0], r"weights\[0\] is inf"),
        ([0.0, 0.0], "weights is 0 for every example"),
    ],
)
def test_bad_weights(weights, message):
    problem = balance.Problem([[0], [1]], [[0], [1]], target=0.5)
    with pytest.raises(balance.ProblemError, match=message):
        balance.diagnose(problem, weights)

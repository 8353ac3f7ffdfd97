import dataclasses
import json

import numpy as np
import pytest
from helpers.balance_problems import random_problem

from m4jax import balance
from m4jax.balance.certificate import _worst

NAMES = {"attribute_names": ("woman", "old"), "label_names": ("nurse", "pilot", "judge")}


@pytest.fixture(scope="module")
def problem():
    draw = np.random.default_rng(0)
    s = draw.random((200, 2)) < [0.3, 0.6]
    y = draw.random((200, 3)) < 0.2 + 0.3 * s[:, :1]
    eps = {"eps_representation": 0.0, "eps_association": 0.0}
    return balance.Problem(s, y, target=0.5, keep_rate=0.95, penalty=0.02, **eps, **NAMES)


@pytest.fixture(scope="module")
def solution(problem):
    return balance.solve(problem)


def test_it_is_json_and_says_what_diagnose_says(problem, solution):
    facts = json.loads(json.dumps(balance.certificate(problem, solution), allow_nan=False))
    found = dataclasses.asdict(balance.diagnose(problem, solution.weights).weights)
    assert found.items() <= facts.items()
    assert facts["status"] == "converged"
    assert facts["kept"] == pytest.approx(0.95)


def test_the_worst_constraints_are_named(problem, solution):
    facts = balance.certificate(problem, solution)
    worst = facts["worst"]
    sizes = [row["violation"] for row in worst]
    assert len(worst) > 3  # too low a price
    assert min(sizes) > 0
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == facts["violation_max"]
    for row in worst:
        k = NAMES["attribute_names"].index(row["attribute"])
        if row["label"] is None:
            assert row["violation"] == facts["representation_violation"][k]
        else:
            r = NAMES["label_names"].index(row["label"])
            assert row["violation"] == facts["association_violation"][k][r]
    assert {row["label"] for row in worst} >= {None, "nurse"}


def changed(solution, **changes):
    certificate = dataclasses.replace(solution.certificate, **changes)
    return dataclasses.replace(solution, certificate=certificate)


def test_what_holds_is_not_among_the_worst(problem, solution):
    violation = solution.violation.copy()
    violation[:, 1:] = 0.0
    assert all(row["label"] is None for row in _worst(problem, violation))


def test_at_most_ten_are_named_and_what_is_unknown_comes_first():
    problem = random_problem(0, shape=(3, 5))
    association = np.linspace(0.1, 0.2, 15).reshape(3, 5)
    violation = np.column_stack([[0.0, np.nan, 0.0], association])
    worst = _worst(problem, violation)
    assert len(worst) == 10
    first, second = worst[:2]
    assert first == {"attribute": "attribute 1", "label": None, "violation": None}
    assert second == {"attribute": "attribute 2", "label": "label 4", "violation": 0.2}


def other(problem, **changes):
    """The problem with other examples or settings, of the same size."""
    fields = {name: getattr(problem, name) for name in ("attributes", "labels", "counts", "spec")}
    return balance.Problem(**fields | changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda problem: {"attributes": problem.attributes[::-1]},
        lambda problem: {"labels": problem.labels[::-1]},
        lambda problem: {"target": 0.4},
        lambda problem: {"keep_rate": 0.9},
        lambda problem: {"counts": 1 + np.arange(200) % 2},
    ],
)
def test_the_solution_of_another_problem_is_refused(problem, solution, change):
    with pytest.raises(balance.ProblemError, match="it is that of another one; pass the problem"):
        balance.certificate(other(problem, **change(problem)), solution)
    mild = other(problem, penalty=10.0, keep_rate=0.3)  # nothing is violated
    balance.certificate(mild, balance.solve(mild))
    with pytest.raises(balance.ProblemError, match="the solution says"):
        balance.certificate(other(mild, **change(problem)), balance.solve(mild))


def test_what_a_solution_says_must_follow_from_its_weights(problem, solution):
    wrong = changed(solution, effective_sample_size=solution.effective_sample_size * 1.001)
    with pytest.raises(balance.ProblemError, match="says an effective sample size of"):
        balance.certificate(problem, wrong)
    balance.certificate(problem, changed(solution, violation=solution.violation + 1e-12))


def test_weights_that_are_no_numbers_are_none(problem, solution):
    broken = dataclasses.replace(changed(solution, objective=np.nan), weights=np.full(200, np.nan))
    facts = json.loads(json.dumps(balance.certificate(problem, broken), allow_nan=False))
    for name in ("objective", "kept", "effective_sample_size", "weight_max"):
        assert facts[name] is None


def test_the_fingerprint_is_of_values_alone():
    bits = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    prints = {
        balance.fingerprint(balance.Problem(s, y, target=0.5, **names))
        for dtype in (bool, np.uint8, np.int64, np.float32, float)
        for s, y in [(bits.astype(dtype), np.asfortranarray(bits.astype(dtype)))]
        for names in ({}, {"attribute_names": ("a", "b"), "label_names": ("c", "d")})
    }
    assert len(prints) == 1
    crossed = balance.Problem(
        bits, bits, target=0.5, intersections=[("attribute 0", "attribute 1")]
    )
    column = np.column_stack([bits, bits.prod(1)])
    same = balance.Problem(column, bits, target=[0.5, 0.5, 0.25])
    assert balance.fingerprint(crossed) == balance.fingerprint(same)
    assert balance.fingerprint(crossed) not in prints


def test_one_zero_and_one_nan():
    nan = np.array([np.nan, -np.nan, np.copysign(np.nan, -1.0)])
    first = np.append(nan, [0.0, 1.0, 0.5])
    second = np.append(nan[::-1], [-0.0, 1.0, 0.5])
    prints = {
        balance.fingerprint(
            balance.Problem(x[:, None], np.abs(np.nan_to_num(x))[:, None], target=1)
        )
        for x in (first, second)
    }
    assert len(prints) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": [[0], [1], [np.nan]]},
        {"attributes": [[1], [0], [1]]},
        {"labels": [[1], [0], [1]]},
        {"labels": [[1], [0], [0.5]]},
        {"labels": np.zeros((3, 0))},
        {"target": 0.4},
        {"utility": [1, 1, 2]},
        {"counts": [1, 1, 2]},
        {"keep_rate": 0.8},
        {"eps_representation": 0.1},
        {"eps_association": 0.1},
        {"penalty": np.inf},
    ],
)
def test_the_fingerprint_tells_problems_apart(change):
    plain = {"attributes": [[0], [1], [1]], "labels": [[1], [0], [0]], "target": 0.5}
    prints = [
        balance.fingerprint(
            balance.Problem(fields.pop("attributes"), fields.pop("labels"), **fields)
        )
        for fields in (dict(plain), plain | change)
    ]
    assert prints[0] != prints[1]

"""Passes over blocks find what the solver finds with all examples in memory."""

import dataclasses

import numpy as np
import pytest
from helpers.balance_problems import random_problem

from m4jax import balance
from m4jax.balance import stream

SHAPE = (2, 3)


def blocks_of(problem, size=64):
    def blocks():
        for i in range(0, len(problem.counts), size):
            rows = slice(i, i + size)
            yield stream.Block(
                problem.attributes[rows],
                problem.labels[rows],
                problem.utility[rows],
                problem.counts[rows],
            )

    return blocks


def a_problem(seed, **changes):
    utility = np.random.default_rng(seed).lognormal(0, 0.5, 400)
    return random_problem(seed, n=400, shape=SHAPE, **{"utility": utility, **changes})


def rounded(problem):
    """Returns the problem with utilities rounded to quarters of an octave."""
    utility = 2 ** (np.round(4 * np.log2(problem.utility)) / 4)
    return dataclasses.replace(problem, utility=utility)


@pytest.mark.parametrize("seed", range(8))
def test_blocks_give_the_solution_of_the_whole(seed):
    problem = a_problem(seed, keep_rate=0.3)
    whole = balance.solve(problem, tolerance=1e-9)
    found = stream.solve(problem.spec, blocks_of(problem), tolerance=1e-8)
    assert found.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(whole.objective, rel=1e-7)
    assert found.objective - found.duality_gap <= whole.objective * (1 + 1e-9)
    assert found.kept == pytest.approx(0.3, abs=1e-9)
    assert found.examples == problem.counts.sum()
    assert found.effective_sample_size == pytest.approx(whole.effective_sample_size, rel=1e-3)
    weights = [
        stream.weights(problem.spec, found, block) for block in blocks_of(problem, size=100)()
    ]
    np.testing.assert_allclose(np.concatenate(weights), whole.weights, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_few_passes_make_rounded_utilities_exact(seed):
    problem = a_problem(seed, keep_rate=0.3)
    near = balance.solve(rounded(problem))
    told = []
    found = stream.solve(
        problem.spec, blocks_of(problem), start=near, progress=lambda *x: told.append(x)
    )
    assert found.status is balance.Status.CONVERGED
    assert [step for step, _ in told] == list(range(1, found.steps + 1))
    assert told[0][1] > told[-1][1] == found.duality_gap
    assert found.steps <= 12
    best = balance.solve(problem, tolerance=1e-9).objective
    assert found.objective == pytest.approx(best, rel=1e-6)


def test_hard_constraints_hold():
    problem = a_problem(3, keep_rate=0.05, penalty=np.inf, eps_association=0.01)
    whole = balance.solve(problem, tolerance=1e-9)
    assert whole.status is balance.Status.CONVERGED
    found = stream.solve(problem.spec, blocks_of(problem), start=balance.solve(rounded(problem)))
    assert found.status is balance.Status.CONVERGED
    assert found.association_violation.max() <= 1e-9
    assert found.objective == pytest.approx(whole.objective, rel=1e-6)


def test_other_objectives():
    problem = a_problem(2, keep_rate=0.3)
    whole = balance.solve(problem, objective="kl", tolerance=1e-9)
    found = stream.solve(problem.spec, blocks_of(problem), objective="kl")
    assert found.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(whole.objective, rel=1e-6)


def test_too_few_passes_are_told():
    problem = a_problem(0, keep_rate=0.3)
    found = stream.solve(problem.spec, blocks_of(problem), max_passes=1)
    assert found.status is balance.Status.MAX_STEPS
    assert found.steps == 1


def test_bad_blocks():
    spec = a_problem(0).spec
    good = np.zeros((2, 2)), np.zeros((2, 3))
    with pytest.raises(balance.ProblemError, match="hold no example"):
        stream.solve(spec, list)
    with pytest.raises(balance.ProblemError, match="expected 2, 2 and 3"):
        stream.solve(spec, lambda: [stream.Block(good[0], good[1][:, :2])])
    with pytest.raises(balance.ProblemError, match="utility"):
        stream.solve(spec, lambda: [stream.Block(*good, utility=[1.0, -1.0])])
    other = balance.solve(random_problem(0, shape=(3, 5)))
    with pytest.raises(balance.ProblemError, match="as many attributes and labels"):
        stream.solve(spec, lambda: [stream.Block(*good)], start=other)


@pytest.mark.parametrize("seed", range(3))
def test_a_constant_more_in_the_utilities_changes_nothing(seed):
    # It only raises the objective, to which the duality gap must not be compared.
    problem = a_problem(seed, keep_rate=0.3)
    large = dataclasses.replace(problem, utility=1e4 + problem.utility)
    results = [stream.solve(p.spec, blocks_of(p)) for p in (problem, large)]
    results.append(balance.solve(large))
    assert {result.status for result in results} == {balance.Status.CONVERGED}
    for result in results[1:]:
        np.testing.assert_allclose(result.violation, results[0].violation, atol=1e-5)

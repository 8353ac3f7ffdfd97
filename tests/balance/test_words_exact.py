"""Every kind of moment against Clarabel: the same value, and no certificate that is violated."""

import csv
import dataclasses
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.balance_judge import judge, primal_value, violation
from helpers.balance_words import KINDS, random_words

from m4jax import balance

REAL = os.environ.get("M4JAX_REAL")
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


@pytest.mark.skipif(not REAL, reason="needs M4JAX_REAL")
def test_gender_is_at_parity_within_each_race_and_age_of_fairface():
    with gzip.open(Path(REAL) / "fairface/fface_train.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    groups = {kind: sorted({row[kind] for row in rows}) for kind in ("race", "age")}
    names = [(kind, name) for kind, found in groups.items() for name in found]
    man = np.array([[row["gender"] == "Male"] for row in rows])
    labels = np.array([[row[kind] == name for kind, name in names] for row in rows])
    words = [
        balance.share("man", within=(race, age), between=(0.45, 0.55), penalty=np.inf)
        for race in groups["race"]
        for age in groups["age"]
    ]
    problem = balance.Problem(
        man,
        labels,
        attribute_names=["man"],
        label_names=[name for _, name in names],
        constraints=words,
    )
    rate = balance.max_keep_rate(problem).keep_rate
    assert rate == pytest.approx(0.915, abs=1e-3)
    problem = dataclasses.replace(problem, keep_rate=0.99 * rate)
    solution = balance.solve(problem)
    assert solution.balanced and len(solution.verdicts) == 63
    for (race, age), one in zip(
        [(race, age) for race in groups["race"] for age in groups["age"]],
        solution.verdicts,
        strict=True,
    ):
        here = np.array([row["race"] == race and row["age"] == age for row in rows])
        share = solution.weights[here] @ man[here, 0] / solution.weights[here].sum()
        assert one.after.value == pytest.approx(share)
        assert one.after.n == here.sum() and 0.449 < share < 0.551

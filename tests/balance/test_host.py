"""The host engine: its rows against the dense matrix, its weights against JAX's and Clarabel's."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.balance_judge import judge, primal_value, system_rows, violation
from helpers.balance_problems import random_problem

from m4jax import balance
from m4jax.balance.constraints import features
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.device import solver as device_solver
from m4jax.balance.host import codes, rows
from m4jax.balance.host import dual as host_dual
from m4jax.balance.host import engine as host
from m4jax.balance.host import newton as host_newton
from m4jax.balance.host import start as host_start

NAMES = tuple(balance.OBJECTIVES)


def worded_problem(seed, **changes):
    """Returns a random problem with ratios and means of its own, each side at its own price."""
    draw = np.random.default_rng(seed)
    plain = random_problem(seed)
    m, n = len(plain.attribute_names), len(plain.utility)
    columns = {"tokens": draw.integers(1, 50, n).astype(float)}
    names = features.Names(plain.attribute_names, plain.label_names, ("tokens",))
    values = [names.value(x) for x in (*names.attributes, *names.labels, "tokens")]
    known = [names.known(x) for x in names.attributes]
    words = []
    for k in range(int(draw.integers(1, 5))):
        label = values[m + int(draw.integers(len(names.labels)))]
        a, low = int(draw.integers(m)), draw.uniform(0, 0.6)
        width = draw.choice([0.0, 0.1, 0.3])
        price = tuple(10.0 ** draw.uniform(-1, 2, 2)) if draw.random() < 0.5 else None
        part, whole = values[a] * label, known[a] * label
        bounds = [(low, low + width), (-np.inf, low + width), (low, np.inf)][int(draw.integers(3))]
        if draw.random() < 0.3:
            part, whole = values[-1] * label, None
            bounds = (-np.inf, float(draw.uniform(0, 10)))
        elif draw.random() < 0.3:
            part, whole = values[a] * values[(a + 1) % m] * label, None
        words.append(Ratio(f"word {k}", part, whole, *bounds, penalty=price))
    asked = {"target": None} if draw.random() < 0.5 else {"target": plain.target}
    settings = {
        "utility": plain.utility,
        "counts": plain.counts,
        "keep_rate": plain.keep_rate,
        "eps_representation": plain.eps_representation,
        "penalty": plain.penalty,
        "columns": columns,
        "constraints": words,
    }
    settings |= asked | changes
    return balance.Problem(plain.attributes, plain.labels, **settings)


@pytest.mark.parametrize("seed", range(8))
def test_rows_equal_the_dense_matrix(seed):
    problem = worded_problem(seed) if seed % 2 else random_problem(seed)
    made = rows.make_rows(problem)
    dense, draw = made.dense(slice(None)), np.random.default_rng(seed)
    expected, (low, high), _ = system_rows(problem)
    w, values = draw.normal(size=dense.shape[1]), draw.random(len(dense))
    mass = values * problem.counts / problem.counts.sum()
    np.testing.assert_allclose(made.scores(w), dense @ w, atol=1e-11)
    np.testing.assert_allclose(made.moments(values), mass @ dense, atol=1e-12)
    squares = problem.counts / problem.counts.sum() @ dense**2
    np.testing.assert_allclose(made.second_moments(), squares, atol=1e-10)
    change = np.where(draw.random(len(dense)) < 0.5, 0.0, values)
    one = np.insert(dense, 0, 1.0, axis=1)
    np.testing.assert_allclose(made.gram(change), one.T @ (change[:, None] * one), atol=1e-9)
    # Constraints themselves: every bound is in the system, in whatever order.
    bounds = host_dual.make_bounds(made.system, np.ones(len(w)))
    moment, other = mass @ dense, mass @ expected
    beyond = np.maximum(np.stack([low - other, other - high]), 0).sum()
    np.testing.assert_allclose(bounds.beyond(moment).sum(), beyond, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_host_finds_what_the_devices_find(seed):
    name = NAMES[seed % 4]
    hard = {"penalty": np.inf} if seed % 3 == 0 else {}
    problem = random_problem(seed, shape=(2, 3), n=100, **hard)
    ours = balance.solve(problem, objective=name, tolerance=1e-9, warn=False)
    settings = {"tolerance": 1e-9, "max_steps": 200, "precision": "float64"}
    other = device_solver.solve(
        problem,
        objective=balance.OBJECTIVES[name],
        devices=None,
        start=None,
        progress=None,
        **settings,
    )
    assert ours.status is other.status
    if ours.status is balance.Status.CONVERGED:
        np.testing.assert_allclose(ours.weights, other.weights, atol=2e-5)
        np.testing.assert_allclose(ours.objective, other.objective, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(24))
def test_words_with_prices_of_their_own_against_clarabel(seed):
    problem = worded_problem(seed, **({"penalty": np.inf} if seed % 4 == 3 else {}))
    name = NAMES[seed % 4] if seed % 2 else "quadratic"
    ours, other = balance.solve(problem, objective=name, warn=False), judge(problem, name)
    if other is None:
        assert ours.status is balance.Status.INFEASIBLE
        return
    assert ours.status is balance.Status.CONVERGED
    value = primal_value(problem, ours.weights, name)
    np.testing.assert_allclose(ours.objective, value, rtol=1e-9, atol=1e-12)
    assert value <= primal_value(problem, other[0], name) * (1 + 2e-6) + 1e-7
    assert violation(problem, ours.weights) <= 1e-9
    assert abs(np.average(ours.weights, weights=problem.counts) - problem.keep_rate) < 1e-9


def test_a_solution_of_a_similar_problem_is_a_start():
    problem = worded_problem(3)
    first = balance.solve(problem, warn=False)
    again = balance.solve(problem, start=first, warn=False)
    assert again.steps <= 1
    np.testing.assert_allclose(again.weights, first.weights, atol=1e-6)


def test_the_same_bytes_every_time():
    problem = random_problem(5, n=100)
    one, two = (balance.solve(problem, objective="kl", warn=False) for _ in range(2))
    assert one.weights.tobytes() == two.weights.tobytes()


def test_jax_is_not_loaded_for_it():
    code = (
        "import sys, numpy as np\nfrom m4jax import balance\n"
        "x = np.random.default_rng(0).integers(0, 2, (100, 5))\n"
        "problem = balance.Problem(x[:, :2], x[:, 2:], target=0.5)\n"
        "assert balance.solve(problem, warn=False).status.name == 'CONVERGED'\n"
        "assert not {'jax', 'scipy.stats'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_objective_written_with_jax_is_compiled():
    import jax.numpy as jnp

    own = balance.Objective(
        name="own",
        cost=lambda q, b: 0.5 * jnp.square(q - b),
        weight=lambda t, b: jnp.clip(b - t, 0.0, 1.0),
        curvature=lambda t, b: jnp.where((b - t > 0) & (b - t < 1), 1.0, 0.0).astype(t.dtype),
    )
    problem = random_problem(4)
    ours, built_in = (balance.solve(problem, objective=x, warn=False) for x in (own, "quadratic"))
    np.testing.assert_allclose(ours.weights, built_in.weights, atol=1e-9)


def distinct_problem(seed=0, n=4096, **changes):
    """Returns a problem whose examples have utilities of their own."""
    utility = np.random.default_rng(seed + 1).lognormal(0, 0.5, n)
    return random_problem(seed, n=n, shape=(2, 3), utility=utility, **changes)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_where_many_examples_begin(monkeypatch, name):
    problem = distinct_problem(7)
    alone = balance.solve(problem, objective=name, tolerance=1e-9, warn=False)
    monkeypatch.setattr(host_newton, "MANY", 1024)
    monkeypatch.setattr(host_start, "SMALLEST", 64)
    sampled = balance.solve(problem, objective=name, tolerance=1e-9, warn=False)
    assert alone.status is sampled.status is balance.Status.CONVERGED
    np.testing.assert_allclose(sampled.objective, alone.objective, rtol=1e-7)


def test_folding_changes_nothing(monkeypatch):
    problem = distinct_problem(3)
    plain = balance.solve(problem, warn=False)
    monkeypatch.setattr(host, "hardly_folds", lambda problem: False)
    np.testing.assert_allclose(balance.solve(problem, warn=False).weights, plain.weights, atol=1e-9)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_codes_are_the_features_as_they_are(monkeypatch, seed):
    problem = worded_problem(seed)
    coded = rows.make_rows(problem)
    monkeypatch.setattr(codes, "MOST_PATTERNS", 0)
    plain = rows.make_rows(problem)
    draw = np.random.default_rng(seed)
    w, values = draw.normal(size=len(coded.system)), draw.random(len(coded))
    assert plain.codes is None
    for name, argument in (("scores", w), ("moments", values), ("gram", values)):
        expected = getattr(plain, name)(argument)
        np.testing.assert_allclose(getattr(coded, name)(argument), expected, atol=1e-10)
    half = np.arange(0, len(coded), 2)
    np.testing.assert_allclose(coded.chosen(half).scores(w), coded.scores(w)[half])


def test_threads_of_blas_change_nothing():
    code = (
        "import sys, hashlib, numpy as np\nfrom m4jax import balance\n"
        "draw = np.random.default_rng(0)\nx = draw.integers(0, 2, (20_000, 12))\n"
        "problem = balance.Problem(x[:, :2], x[:, 2:], target=0.4, keep_rate=0.6,\n"
        "                          utility=draw.lognormal(0, 0.5, len(x)))\n"
        "weights = balance.solve(problem, objective='kl', warn=False).weights\n"
        "print(hashlib.sha256(weights.tobytes()).hexdigest())\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": str(threads)},
        ).stdout
        for threads in (1, 2)
    ]
    assert told[0] == told[1]

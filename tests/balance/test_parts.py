"""The parts of the solver, each against its definition."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.balance_judge import constraint_rows
from helpers.balance_problems import random_problem

from m4jax.balance import OBJECTIVES, bounds, folding
from m4jax.balance.device import devices, dual, newton, subproblems
from m4jax.balance.device import rows as device_rows
from m4jax.balance.device import solver as device_solver


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def dense_and_rows(monkeypatch):
    for name, rows in (("CHUNK", 16), ("PARTS_CHUNK", 32)):  # several even for a small problem
        monkeypatch.setattr(dual, name, {"cpu": rows})
    problem = random_problem(0, n=64, shape=(2, 3), target=[0.3, 0.6], counts=None)
    attributes = problem.attributes.astype(float)
    attributes[5:15, 0] = np.nan
    problem = dataclasses.replace(problem, attributes=attributes)
    draw = np.random.default_rng(0)
    scale, share = draw.uniform(0.5, 2, problem.target.size), draw.random(64)
    z = constraint_rows(problem)[0] / scale
    rows = dataclasses.replace(device_rows.of_problem(problem, share, 64), scale=scale)
    return z, jax.tree.map(jnp.asarray, rows)


@pytest.mark.parametrize("size", [1, 5, 16, 17, 32, 33, 100])
def test_padded_rows_divide_into_whole_chunks(monkeypatch, size):
    dense_and_rows(monkeypatch)
    padded = dual.padded(size)
    assert size <= padded < size + 32
    assert all(padded % min(padded, chunk) == 0 for chunk in (16, 32))


def test_rows_equal_the_dense_matrix(monkeypatch):
    z, rows = dense_and_rows(monkeypatch)
    draw = np.random.default_rng(1)
    w, values = draw.normal(size=z.shape[1]), draw.random(len(z))
    share = np.asarray(rows.share)
    np.testing.assert_allclose(dual.mean(rows, jnp.asarray(values)), share @ values)
    np.testing.assert_allclose(dual.scores(rows, jnp.asarray(w)), z @ w, atol=1e-12)
    both = dual.scores(rows, jnp.asarray(w), jnp.asarray(w**2))
    np.testing.assert_allclose(both, [z @ w, z @ w**2], atol=1e-12)
    moments = dual.moments(rows, jnp.asarray(values))
    np.testing.assert_allclose(moments, (share * values) @ z, atol=1e-12)
    squares = dual.second_moments(rows)
    np.testing.assert_allclose(squares, share @ z**2, atol=1e-12)


def test_sums_in_single_precision_lose_little(monkeypatch):
    z, rows = dense_and_rows(monkeypatch)
    narrow = {"sides", "parts", "share"}
    parts = {name: getattr(rows, name).astype(np.float32) for name in narrow}
    single = dataclasses.replace(rows, **parts)
    values = np.random.default_rng(1).random(len(z)).astype(np.float32)
    moments = dual.moments(single, jnp.asarray(values))
    assert moments.dtype == np.float64
    exact = (np.asarray(rows.share) * values) @ z
    np.testing.assert_allclose(moments, exact, atol=1e-6 * np.abs(z).sum(0).max())


@pytest.mark.parametrize("share", [0.0, 0.02, 0.4, 1.0])
def test_gram_follows_the_patterns_that_changed(monkeypatch, share):
    z, rows = dense_and_rows(monkeypatch)
    draw = np.random.default_rng(2)
    change = draw.normal(size=len(z)) * (draw.random(len(z)) < share)
    extended = np.concatenate([np.ones((len(z), 1)), z], axis=1)
    begin = draw.normal(size=(extended.shape[1],) * 2)
    expected = begin + extended.T @ (change[:, None] * extended)
    gram = dual.add_gram(rows, jnp.asarray(begin), jnp.asarray(change))
    np.testing.assert_allclose(gram, expected, atol=1e-11)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bound", [0.3, np.inf])
def test_inner_model_is_minimised(seed, bound):
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(12, 12))
    a, slope = root @ root.T + 1e-3 * np.eye(12), draw.normal(size=12)
    start = np.clip(draw.normal(size=12), -bound, bound)
    eps = draw.choice([0.0, 0.5], 12)
    limits = bounds.Bounds(-eps, eps, np.full((2, 12), bound))
    x = np.asarray(jax.jit(subproblems.minimise_model)(a, slope, start, limits))
    down = slope - a @ (x - start)  # minus the gradient of the smooth part
    inside = (x != 0) & (np.abs(x) < bound)
    np.testing.assert_allclose(down[inside], (eps * np.sign(x))[inside], atol=1e-8)
    assert (np.abs(down[x == 0]) <= eps[x == 0] + 1e-8).all()
    at = np.abs(x) == bound
    assert ((down * np.sign(x))[at] >= eps[at] - 1e-8).all()
    assert (np.abs(x) <= bound).all()


def one_sided(draw, size):
    """Returns bounds: of both sides, of one, or equal; hard, soft, or none at all."""
    lower = draw.normal(size=size)
    upper = lower + draw.choice([0.0, 0.5], size)
    lower, upper = (
        np.where(draw.random(size) < 0.3, no, x) for no, x in ((-np.inf, lower), (np.inf, upper))
    )
    penalty = draw.choice([0.0, 0.3, np.inf], (2, size))
    return bounds.make_bounds(lower, upper, penalty), lower, upper


@pytest.mark.parametrize("seed", range(4))
def test_proximal_step_is_the_best_of_many(seed):
    draw = np.random.default_rng(seed)
    limits, lower, upper = one_sided(draw, 20)
    assert all(np.isfinite(x).all() for x in limits[:2])
    x = 2 * draw.normal(size=20)
    found = np.asarray(bounds.shrink(x, limits, 0.5))
    below, above = np.clip(limits.penalty, 0, 9.0)
    assert (limits.penalty[0][np.isinf(lower)] == 0).all()
    assert (limits.penalty[1][np.isinf(upper)] == 0).all()
    w = np.linspace(-below, above, 4001)  # the box
    cost = 0.5 * (w - x) ** 2 + 0.5 * np.asarray(bounds.support(w, limits))
    best = cost.min(axis=0)
    mine = 0.5 * (found - x) ** 2 + 0.5 * np.asarray(bounds.support(found, limits))
    assert (mine <= best + 1e-12).all()
    assert ((found >= -limits.penalty[0]) & (found <= limits.penalty[1])).all()


@pytest.mark.parametrize("seed", range(4))
def test_gap_has_no_negative_term(seed):
    draw = np.random.default_rng(seed)
    limits, lower, upper = one_sided(draw, 20)
    w = np.asarray(bounds.box(limits, draw.normal(size=20)))
    r = np.asarray(draw.normal(size=20))
    hard = np.isinf(limits.penalty)  # these have to hold
    r = np.where(hard[0], np.maximum(r, lower), r)
    r = np.where(hard[1] & ~(hard[0] & (r < lower)), np.minimum(r, upper), r)
    terms = bounds.penalties(r, limits) - w * r + bounds.support(w, limits)
    assert (np.asarray(terms) >= -1e-12).all()


@pytest.mark.parametrize("seed", range(6))
def test_inner_model_is_minimised_within_bounds_of_one_side(seed):
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(12, 12))
    a, slope = root @ root.T + 1e-3 * np.eye(12), 2 * draw.normal(size=12)
    limits, _, _ = one_sided(draw, 12)
    start = np.asarray(bounds.box(limits, draw.normal(size=12)))
    x = np.asarray(subproblems.minimise_model(a, slope, start, limits))
    down = slope - a @ (x - start)  # minus the gradient of the smooth part
    # A step of the proximal gradient method from a minimum leads nowhere.
    np.testing.assert_allclose(bounds.shrink(x + down, limits, 1.0), x, atol=1e-7)


def test_inner_steps_are_few(monkeypatch):
    monkeypatch.setattr(subproblems, "STEPS", 12)
    for seed in range(6):
        draw = np.random.default_rng(seed)
        root = draw.normal(size=(12, 12))
        a, slope = root @ root.T + 1e-3 * np.eye(12), draw.normal(size=12)
        eps, hard = np.full(12, 0.5), np.full((2, 12), np.inf)
        limits = bounds.Bounds(-eps, eps, hard)
        x = np.asarray(subproblems.minimise_model(a, slope, np.zeros(12), limits))
        down = slope - a @ x
        np.testing.assert_allclose(down[x != 0], 0.5 * np.sign(x[x != 0]), atol=1e-8)


@pytest.mark.parametrize("guess", [-1e6, 0.0, 0.25, 1e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_root_of_a_piecewise_linear_function(guess, scale):
    corners = scale * jnp.asarray([0.1, 0.4, 2.0])

    def excess(x):
        weight = jnp.clip(corners - x, 0, 1)
        return jnp.mean(weight) - 0.5, -jnp.mean((weight > 0) & (weight < 1))

    found = jax.jit(lambda guess: subproblems.root(excess, guess, accuracy=1e-14))(guess)
    assert abs(excess(found)[0]) <= 1e-10


@pytest.mark.parametrize(("top", "expected"), [(0.1, 0.1), (1.0, 1.0), (50.0, 50.0)])
def test_step_length_nears_the_top(top, expected):
    length = float(subproblems.step_length(lambda a: top - a, jnp.asarray(top), jnp.asarray(1e6)))
    assert 0 < length <= expected * 1.01
    assert top - length <= 0.5 * top


def test_step_length_keeps_to_its_limit():
    rising = jnp.asarray(1.0)
    assert float(subproblems.step_length(lambda a: rising, rising, jnp.asarray(7.0))) == 7.0


def records():
    """Returns one of each record that the solver lays out over devices, and their rows."""
    made = device_solver.make_dual(folding.fold(random_problem(0))[0], 1e-6)
    size = made.bounds.lower.size
    start = (jnp.zeros(size), jnp.zeros(()), jnp.zeros((), int))
    quadratic = OBJECTIVES["quadratic"]
    state = newton.init(made, *start, objective=quadratic)
    return (made.rows, made, state, state.values), len(made.base)


def test_what_has_a_number_per_row_is_spread_and_all_else_is_shared():
    everything, rows = records()
    for record in everything:
        layout = jax.tree.leaves(devices.layout(type(record)))
        for array, place in zip(jax.tree.leaves(record), layout, strict=True):
            spread = array.shape[:1] == (rows,)
            expected = jax.sharding.PartitionSpec(*[devices.AXIS] * spread)
            assert place == expected, type(record)


class Forgetful(NamedTuple):
    score: devices.PerRow
    renamed: jax.Array


class Holder(NamedTuple):
    inner: Forgetful


@pytest.mark.parametrize("record", [Forgetful, Holder])
def test_a_field_that_does_not_say_where_it_belongs_is_refused(record):
    with pytest.raises(TypeError, match=r"Forgetful.renamed is declared as .*expected PerRow"):
        devices.layout(record)

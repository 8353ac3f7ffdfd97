"""Constraints of every kind on devices, on streams and online: against their definitions."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from helpers.moment_problems import (
    NAMES,
    examples,
    moment_problem,
    multipliers,
    primal_and_dual,
    ratios,
)
from scipy import sparse

from m4jax import balance
from m4jax.balance import online, stream
from m4jax.balance.constraints import places
from m4jax.balance.device import dual
from m4jax.balance.device import rows as device_rows
from m4jax.balance.host import rows


def solve(problem, **settings):
    return balance.solve(problem, devices=[jax.devices()[0]], **settings)


@pytest.mark.parametrize("seed", range(12))
def test_weights_are_proven_optimal_by_definition(seed):
    problem = moment_problem(seed)
    solution = solve(problem, tolerance=1e-8)
    assert solution.status is balance.Status.CONVERGED
    primal, bound, beyond = primal_and_dual(problem, solution)
    assert primal - bound <= 1e-7 * max(1.0, primal)
    assert solution.objective == pytest.approx(primal, rel=1e-9)
    assert solution.duality_gap == pytest.approx(primal - bound, abs=1e-8)
    system, found = problem.spec.system, np.zeros(len(problem.moments))
    words = system.moment >= 0
    np.maximum.at(found, system.moment[words], beyond.max(0)[words])
    np.testing.assert_allclose(solution.moment_violation, found, atol=1e-10)
    targets = np.zeros(problem.target.size)
    targets[system.target[~words]] = beyond.max(0)[~words]
    np.testing.assert_allclose(solution.violation.ravel(), targets, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_rows_on_devices_are_those_of_the_host(seed):
    problem = moment_problem(seed, n=100)
    host, draw = rows.make_rows(problem), np.random.default_rng(seed)
    a, share = host.dense(slice(None)), host.share
    w, values = draw.normal(size=a.shape[1]), draw.random(100)
    change = draw.normal(size=100) * (draw.random(100) < 0.5)
    with jax.enable_x64(True):
        made = jax.tree.map(jax.numpy.asarray, device_rows.of_problem(problem, share, 128))
        padded = (np.pad(x, (0, 28)) for x in (values, change))
        values_, change_ = map(jax.numpy.asarray, padded)
        np.testing.assert_allclose(dual.scores(made, w)[:100], a @ w, atol=1e-9)
        np.testing.assert_allclose(dual.moments(made, values_), (share * values) @ a, atol=1e-11)
        np.testing.assert_allclose(dual.second_moments(made), share @ a**2, rtol=1e-9)
        gram = dual.add_gram(made, jax.numpy.zeros((len(w) + 1,) * 2), change_)
    np.testing.assert_allclose(gram, host.gram(change), rtol=1e-9, atol=1e-8)


def test_hard_bounds_of_one_side_hold():
    attributes, labels, columns = examples(0)
    value, known = NAMES.value, NAMES.known
    words = [
        balance.Ratio(
            "share", value("man") * value("cook"), known("man") * value("cook"), -np.inf, 0.55
        ),
        balance.Ratio("tokens", value("tokens"), None, -np.inf, 12.0),
    ]
    names = {"attribute_names": NAMES.attributes, "label_names": NAMES.labels}
    problem = balance.Problem(
        attributes,
        labels,
        constraints=words,
        columns=columns,
        keep_rate=0.4,
        penalty=np.inf,
        **names,
    )
    solution = solve(problem)
    assert solution.status is balance.Status.CONVERGED
    assert solution.moment_violation.max() <= 1e-9
    assert (solution.moment_multipliers[0] == 0).all()
    assert (solution.moment_multipliers[1] > 0).all()
    primal, bound, _ = primal_and_dual(problem, solution)
    assert primal - bound <= 1e-6 * max(1.0, primal)


def test_single_precision_finds_the_same():
    problem = moment_problem(1)
    double, single = solve(problem), balance.solve(problem, precision="float32")
    assert single.objective == pytest.approx(double.objective, rel=1e-6)


def test_a_solution_of_fewer_constraints_is_a_start():
    problem, fewer = moment_problem(0), moment_problem(0, constraints=ratios(0)[:5])
    solution = solve(problem)
    first = dataclasses.replace(
        solution.certificate, moment_multipliers=solution.moment_multipliers[:, :5]
    )
    w, offset = places.start(problem.spec, first)
    assert offset == solution.offset
    beyond = problem.spec.system.moment >= 5
    assert (w[beyond] == 0).all()
    np.testing.assert_array_equal(w[~beyond], multipliers(problem, solution)[~beyond])
    with pytest.raises(balance.ProblemError, match="9 constraints in words; expected at most 5"):
        solve(fewer, start=solution)
    again = solve(problem, start=solution)
    assert again.steps == 0


def test_places_lead_there_and_back():
    spec, draw = moment_problem(1).spec, np.random.default_rng(0)
    w = draw.normal(size=len(spec.system))
    w = np.clip(w, -spec.system.penalty[0], spec.system.penalty[1])
    targets, words = places.from_rows(spec, w)
    np.testing.assert_array_equal(places.to_rows(spec.system, targets, words), w)


def blocks_of(problem, size=64):
    for i in range(0, len(problem.counts), size):
        rows = slice(i, i + size)
        columns = {name: x[rows] for name, x in problem.columns.items()}
        arrays = (problem.attributes, problem.labels, problem.utility, problem.counts)
        yield stream.Block(*(x[rows] for x in arrays), columns)


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_a_stream_gives_the_solution_of_the_whole(seed):
    problem = moment_problem(seed)
    whole = solve(problem, tolerance=1e-8)
    found = stream.solve(problem.spec, lambda: blocks_of(problem), tolerance=1e-8)
    assert found.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(whole.objective, rel=1e-6)
    np.testing.assert_allclose(found.moment_violation, whole.moment_violation, atol=1e-4)
    weights = [stream.weights(problem.spec, found, block) for block in blocks_of(problem)]
    np.testing.assert_allclose(np.concatenate(weights), whole.weights, atol=1e-3)


def test_blocks_without_columns_are_refused():
    problem = moment_problem(0)
    block = stream.Block(problem.attributes, problem.labels)
    with pytest.raises(balance.ProblemError, match="columns lacks 'tokens'"):
        stream.solve(problem.spec, lambda: [block])
    with pytest.raises(balance.ProblemError, match="0 constraints in words; expected 9"):
        none = moment_problem(0, constraints=[], target=0.5)
        stream.weights(problem.spec, solve(none), next(blocks_of(problem)))


@functools.partial(jax.jit, static_argnames="objective")
def one_pass(state, rows, *, objective):
    def body(state, batch):
        return online.step(state, *batch, objective=objective)[0], None

    return jax.lax.scan(body, state, rows)[0]


def test_online_nears_the_optimum():
    problem = moment_problem(0, n=256, penalty=0.2)
    best = solve(problem)
    state, draw = online.init(problem), np.random.default_rng(0)
    columns = np.column_stack([problem.columns[name] for name in NAMES.columns])
    arrays = [problem.attributes, problem.labels, problem.utility, columns]
    for _ in range(60):
        order = draw.permutation(256).reshape(-1, 16)
        rows = [x[order].astype(np.float32) for x in arrays]
        state = one_pass(state, rows, objective=balance.OBJECTIVES["quadratic"])
    values = online.values(state, problem)
    assert values.dual <= best.objective * (1 + 1e-6)
    assert values.dual >= best.objective * (1 - 0.02)
    weights = online.weights(state, *arrays)
    np.testing.assert_allclose(weights, best.weights, atol=0.1)


def test_online_wants_the_columns():
    state = online.init(moment_problem(0).spec)
    attributes, labels, _ = examples(0, 8)
    with pytest.raises(
        balance.ProblemError, match=r"columns has shape \(8, 0\); expected \(8, 2\)"
    ):
        online.update(state, attributes, labels)


def test_sparse_labels_are_the_same_on_devices():
    problem = moment_problem(0)
    thin = dataclasses.replace(problem, labels=sparse.csr_array(problem.labels))
    np.testing.assert_allclose(solve(thin).weights, solve(problem).weights, atol=1e-12)


def test_too_many_rows_are_told_before_the_attempt(monkeypatch):
    monkeypatch.setattr(device_rows, "MATRICES", 1e12)
    problem = moment_problem(0)
    for attempt in (
        lambda: solve(problem),
        lambda: stream.solve(problem.spec, lambda: blocks_of(problem)),
    ):
        with pytest.raises(balance.ProblemError, match=r"11 rows of constraints need .* GB"):
            attempt()

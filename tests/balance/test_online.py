import functools

import jax
import numpy as np
import pytest

from m4jax import balance
from m4jax.balance import folding, objectives, online
from m4jax.balance.device import dual, online_state

BATCH = 64


def spec(**changes):
    fields = {"target": [0.55, 0.45], "keep_rate": 0.6, "eps_association": 1e-3}
    return balance.Spec(attributes=2, labels=3, **(fields | changes))


def examples(seed, n=4096):
    draw = np.random.default_rng(seed)
    attributes = (draw.random((n, 2)) < [0.65, 0.4]).astype(float)
    attributes[draw.random((n, 2)) < 0.1] = np.nan
    chance = [0.02, 0.1, 0.3] * (1 + 0.8 * (np.nan_to_num(attributes[:, :1], nan=0.5) - 0.6))
    return attributes, (draw.random((n, 3)) < chance).astype(float)


def problem_of(seed, **changes):
    fields = {"target": [0.55, 0.45], "keep_rate": 0.6, "eps_association": 1e-3}
    return balance.Problem(*examples(seed), **(fields | changes))


@functools.partial(jax.jit, static_argnames="objective")
def one_pass(state, attributes, labels, utility, *, objective):
    def body(state, rows):
        return online.step(state, *rows, objective=objective)[0], None

    return jax.lax.scan(body, state, (attributes, labels, utility))[0]


def passes(problem, state, count, *, seed=0, name="quadratic"):
    """Yields the state after each pass over the examples in a new random order."""
    draw = np.random.default_rng(seed)
    rows = (problem.attributes, problem.labels, problem.utility)
    for _ in range(count):
        order = draw.permutation(len(problem.counts)).reshape(-1, BATCH)
        shuffled = (x[order].astype(np.float32) for x in rows)
        state = one_pass(state, *shuffled, objective=objectives.find(name))
        yield state


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("name", list(balance.OBJECTIVES))
def test_converges_to_the_exact_optimum(name, seed):
    utility = np.random.default_rng(seed).uniform(0.7, 1.3, 4096) if seed == 2 else None
    problem = problem_of(seed, utility=utility)
    best = balance.solve(problem, objective=name).objective
    *_, state = passes(problem, online.init(problem), 30, name=name)
    values = online.values(state, problem, objective=name)
    assert values.dual <= best * (1 + 1e-6)
    assert values.dual >= best * (1 - 0.02)
    assert values.primal >= best * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_dual_gap_falls_at_least_like_one_over_root_t(seed):
    problem = problem_of(seed)
    best = balance.solve(problem, tolerance=1e-9).objective
    gaps = [
        best - online.values(s, problem).dual for s in passes(problem, online.init(problem), 64)
    ]
    steps = 64 * np.arange(1, 65)  # batches seen: almost two decades
    slope = np.polyfit(np.log(steps), np.log(gaps), 1)[0]
    assert slope <= -0.5
    scaled = gaps * np.sqrt(steps)
    assert scaled[8:].max() <= scaled[:8].max()


def test_hard_constraints_converge():
    problem = problem_of(0, penalty=np.inf, keep_rate=0.4)
    best = balance.solve(problem).objective
    *_, state = passes(problem, online.init(problem), 30)
    assert online.values(state, problem).dual == pytest.approx(best, rel=0.02)
    weights = online.weights(state, problem.attributes, problem.labels)
    after = balance.bias(problem.attributes, problem.labels, weights, target=[0.55, 0.45])
    assert (
        after.association_max
        < 0.25 * balance.bias(problem.attributes, problem.labels).association_max
    )


def test_scaling_makes_rare_labels_as_fast_as_common_ones():
    attributes, labels = examples(0)
    fields = {"target": [0.55, 0.45], "keep_rate": 0.6, "eps_association": 1e-3}
    problem = balance.Problem(attributes, labels, **fields)
    best = balance.solve(problem).objective
    gap = {}
    for scaled in (True, False):
        *_, state = passes(problem, online.init(problem, scaled=scaled), 10)
        gap[scaled] = best - online.values(state, problem).dual
    assert gap[True] < 0.5 * gap[False]


def test_one_step_by_hand():
    state = online.init(spec(penalty=0.3), step_size=2.0, scaled=False)
    attributes, labels = np.array([[1.0, np.nan], [0.0, 1.0]]), np.array([[1, 0, 0], [0, 0, 1]])
    utility = np.array([1.0, 0.5])
    state, q = online.update(state, attributes, labels, utility)
    np.testing.assert_allclose(q, [0.6, 0.3], rtol=1e-6)
    moment = (0.6 * 0.45 - 0.3 * 0.55) / 2
    assert state.multipliers[0, 0] == pytest.approx(2 * (moment - 1e-3), rel=1e-5)
    assert state.multipliers[0, 1] == pytest.approx(2 * (0.6 * 0.45 / 2 - 1e-3), rel=1e-5)
    assert state.multipliers[1, 1] == 0  # unknown there
    assert state.multipliers[1, 3] == pytest.approx(2 * (0.3 * 0.55 / 2 - 1e-3), rel=1e-5)
    assert state.offset == pytest.approx(2 * (0.45 - 0.6), rel=1e-5)
    np.testing.assert_array_equal(state.mean_multipliers, state.multipliers)
    state, _ = online.update(state, attributes, labels, utility)
    assert np.abs(state.multipliers).max() <= np.float32(0.3)


def test_batch_algebra_equals_the_dense_rows():
    attributes, labels = examples(1, 50)
    draw = np.random.default_rng(0)
    target, w, mass = draw.random((2, 4)), draw.normal(size=(2, 4)), draw.random(50)
    extended = np.column_stack([np.ones(50), labels])
    z = np.nan_to_num(attributes[:, :, None] - target) * extended[:, None]
    with jax.enable_x64(True):
        state = online.init(spec(target=target))
        rows = online_state.batch(state, attributes, labels, None, 64)
        scores = dual.scores(rows, w.ravel())
        np.testing.assert_allclose(scores, np.append((z * w).sum((1, 2)), np.zeros(14)), atol=1e-12)
        sums = np.einsum("b,bkr->kr", mass, z) / 50
        moments = dual.moments(rows, folding.pad(mass, 64)).reshape(2, 4)
        np.testing.assert_allclose(moments, sums, atol=1e-12)
        squares = dual.second_moments(rows).reshape(2, 4)
        np.testing.assert_allclose(squares, (z**2).mean(0), atol=1e-12)


def test_values_are_those_of_the_exact_solver_at_its_multipliers():
    problem = problem_of(0, counts=np.random.default_rng(0).integers(1, 4, 4096))
    solution = balance.solve(problem, tolerance=1e-10)
    with jax.enable_x64(True):
        state = online.init(problem)
    state = state._replace(mean_multipliers=solution.multipliers)
    values = online.values(state, problem)
    assert values.primal == pytest.approx(solution.objective, rel=1e-7)
    assert values.dual == pytest.approx(solution.objective, rel=1e-7)


def test_values_do_not_depend_on_the_chunks(monkeypatch):
    problem = problem_of(0)
    *_, state = passes(problem, online.init(problem), 2)
    whole = online.values(state, problem)
    for name in ("CHUNK", "PARTS_CHUNK"):
        monkeypatch.setattr(dual, name, {"cpu": 32})
    jax.clear_caches()  # or the old chunks would stay in what is compiled
    np.testing.assert_allclose(online.values(state, problem), whole, rtol=1e-12)
    jax.clear_caches()


def test_a_saved_state_goes_on_as_if_never_stopped(tmp_path):
    attributes, labels = examples(2, 10 * BATCH)
    state = online.init(spec())
    for k in range(10):
        if k == 5:
            np.savez(tmp_path / "state.npz", **state._asdict())
        rows = slice(k * BATCH, (k + 1) * BATCH)
        state, _ = online.update(state, attributes[rows], labels[rows])
    with np.load(tmp_path / "state.npz") as saved:
        other = online.State(**saved)
    for k in range(5, 10):
        rows = slice(k * BATCH, (k + 1) * BATCH)
        other, _ = online.update(other, attributes[rows], labels[rows])
    for one, two in zip(state, other, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)


def test_repeating_and_permuting_a_batch_changes_nothing():
    attributes, labels = examples(3, BATCH)
    order = np.random.default_rng(0).permutation(2 * BATCH) % BATCH
    state, _ = online.update(online.init(spec()), attributes, labels)
    one, q = online.update(state, attributes, labels)
    two, twice = online.update(state, attributes[order], labels[order])
    np.testing.assert_allclose(q[order], twice, atol=1e-6)
    np.testing.assert_allclose(one.multipliers, two.multipliers, atol=1e-5)


@pytest.mark.parametrize("penalty", [0.5, np.inf])
def test_a_constant_stream_that_cannot_be_balanced_stays_finite(penalty):
    state = online.init(spec(penalty=penalty))
    attributes, labels = np.ones((8, 2)), np.zeros((8, 3))
    for _ in range(300):
        state, q = online.update(state, attributes, labels)
    assert all(np.isfinite(x).all() for x in state if x is not state.penalty)
    assert np.isfinite(q).all()
    assert (state.multipliers[:, 1:] == 0).all()
    assert np.abs(state.multipliers).max() <= penalty


def test_a_stream_compiles_once_per_batch_shape():
    attributes, labels = examples(4, 66)
    state = online.init(spec())
    before = online._step._cache_size()
    for k in range(6):
        rows = slice(k * 11, (k + 1) * 11)
        state, _ = online.update(state, attributes[rows], labels[rows])
    assert online._step._cache_size() == before + 1


def test_spec_and_problem_begin_alike():
    for one, two in zip(online.init(spec()), online.init(problem_of(0)), strict=True):
        np.testing.assert_array_equal(one, two)


GOOD = {"attributes": [[1, 0]], "labels": [[1, 0, 0]], "utility": [1.0]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributes": [[1, 2]]}, r"attributes\[0, 1\] is 2; .*or NaN"),
        ({"attributes": [[1, 0, 1]]}, "the batch has 3 attributes and 3 labels; expected 2 and 3"),
        ({"labels": [[1, 0]]}, "the batch has 2 attributes and 2 labels; expected 2 and 3"),
        ({"labels": [[1, np.nan, 0]]}, r"labels\[0, 1\] is nan"),
        ({"labels": [[1, 0, 0]] * 2}, "attributes has 1 rows and labels has 2"),
        ({"attributes": np.zeros((0, 2)), "labels": np.zeros((0, 3))}, "at least one example"),
        ({"utility": [0.0]}, r"utility\[0\] is 0.0; expected a finite number above 0"),
        ({"utility": [1.0, 1.0]}, r"utility has shape \(2,\); expected \(1,\)"),
    ],
)
@pytest.mark.parametrize("function", [online.update, online.weights])
def test_bad_batches_are_refused(function, changes, message):
    with pytest.raises(balance.ProblemError, match=message):
        function(online.init(spec()), **(GOOD | changes))


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf])
def test_bad_step_sizes_are_refused(size):
    with pytest.raises(balance.ProblemError, match=r"step_size is .*; expected a number > 0"):
        online.init(spec(), step_size=size)

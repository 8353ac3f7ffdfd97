"""Many constraints and sparse labels: the same weights as by dense matrices."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from helpers.balance_judge import judge, primal_value
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from m4jax import balance
from m4jax.balance.bias import group_sums
from m4jax.balance.certificate import certificate, fingerprint
from m4jax.balance.host import rows, wide, wide_face, wide_rows
from m4jax.balance.host.wide_model import Box, minimise_box


def examples(seed, n=300, m=3, c=8, unknown=0.1, soft=False):
    draw = np.random.default_rng(seed)
    s = (draw.random((n, m)) < 0.4).astype(float)
    if soft:
        s = np.round(draw.random((n, m)), 2)
    s[draw.random((n, m)) < unknown] = np.nan
    y = (draw.random((n, c)) < 0.25) * (np.round(draw.random((n, c)), 2) if soft else 1.0)
    return s, y, 0.5 + draw.random(n)


@pytest.fixture
def wide_only(monkeypatch):
    """Every problem counts as a wide one."""
    monkeypatch.setattr(wide, "is_wide", lambda problem: True)


def solve(problem, **settings):
    return balance.solve(problem, warn=False, **settings)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("penalty", [0.3, 10.0, np.inf])
@pytest.mark.parametrize("objective", sorted(balance.OBJECTIVES))
def test_wide_is_dense(monkeypatch, objective, penalty, exact):
    s, y, u = examples(0)
    common = {"target": 0.5, "utility": u, "keep_rate": 0.5, "penalty": penalty}
    dense = solve(balance.Problem(s, y, **common), objective=objective, tolerance=1e-9)
    monkeypatch.setattr(wide, "is_wide", lambda problem: True)
    if not exact:
        monkeypatch.setattr(wide, "SMALL", 0)
    problem = balance.Problem(s, sparse.csr_array(y), **common)
    found = solve(problem, objective=objective, tolerance=1e-9)
    assert found.status is dense.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(dense.objective, rel=1e-7)
    np.testing.assert_allclose(found.weights, dense.weights, atol=1e-4)
    np.testing.assert_allclose(found.violation, dense.violation, atol=1e-7)


def words():
    return [
        balance.band(0.1, least=1),
        balance.cap(at_most=0.22),
        balance.gap("label 0", "attribute 0", at_most=0.1),
        balance.floor("label 1", at_least=0.1, penalty=2.0),
        balance.share("attribute 1", within="label 2", between=(0.5, 0.5)),
        balance.share("attribute 1", within=("label 2", "label 3"), between=(0.2, 0.8)),
    ]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("soft", [True, False])
def test_words_are_dense(monkeypatch, soft, exact):
    s, y, u = examples(1, soft=soft)
    common = {"constraints": words(), "utility": u, "keep_rate": 0.4}
    dense = solve(balance.Problem(s, y, **common))
    monkeypatch.setattr(wide, "is_wide", lambda problem: True)
    if not exact:
        monkeypatch.setattr(wide, "SMALL", 0)
    found = solve(balance.Problem(s, sparse.csr_array(y), **common))
    assert found.status is dense.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(dense.objective, rel=2e-6)
    np.testing.assert_allclose(found.moment_violation, dense.moment_violation, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.15, 0.2, 0.3]), st.sampled_from([0.3, 0.6]))
def test_caps_are_clarabels(seed, cap, keep_rate):
    _, y, u = examples(seed, n=60, c=12)
    s = np.arange(60)[:, None] % 2
    common = {"constraints": [balance.cap(at_most=cap)], "utility": u, "keep_rate": keep_rate}
    problem = balance.Problem(s, y, **common)
    other, status = judge(problem)
    assert "Solved" in status
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide, "is_wide", lambda problem: True)
        found = solve(balance.Problem(s, sparse.csc_matrix(y), **common))
    best = primal_value(problem, other)
    assert found.status is balance.Status.CONVERGED
    assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)


def test_sparse_labels_are_written_out_where_they_are_few():
    s, y, _ = examples(2)
    common = {"target": 0.5, "keep_rate": 0.5}
    one = solve(balance.Problem(s, sparse.coo_array(y), **common))
    two = solve(balance.Problem(s, y, **common))
    np.testing.assert_array_equal(one.weights, two.weights)


def test_infeasible_caps_are_proven(wide_only):
    y = np.ones((20, 3))
    s = np.arange(20)[:, None] % 2
    problem = balance.Problem(
        s,
        sparse.csr_array(y),
        keep_rate=0.5,
        constraints=[balance.cap(at_most=0.5, penalty=np.inf)],
    )
    assert solve(problem).status is balance.Status.INFEASIBLE


@pytest.mark.parametrize("soft", [True, False])
def test_operator_and_face_are_the_rows(soft):
    s, y, _ = examples(3, soft=soft)
    problem = balance.Problem(s, y, target=0.4, constraints=words(), keep_rate=0.5)
    plain = rows.make_rows(problem)
    found = wide_rows.widen(plain)
    a = plain.system.rows @ _features(plain).T  # [J, p]
    draw = np.random.default_rng(0)
    w, mass = draw.normal(size=len(a)), draw.random(len(y))
    np.testing.assert_allclose(found.operator.scores(w), a.T @ w, atol=1e-12)
    np.testing.assert_allclose(found.operator.moments(mass), a @ mass, atol=1e-12)
    weight = np.where(draw.random(len(y)) < 0.7, mass, 0.0)
    some, scale = np.flatnonzero(draw.random(len(a)) < 0.5), draw.random(len(a)) + 0.5
    face = wide_face.make_face(found.operator, weight, some, scale[some])
    own = (a[some] * scale[some, None])[:, weight > 0]
    kept = weight[weight > 0]
    np.testing.assert_allclose(face.scores(w[some]), own.T @ w[some], atol=1e-12)
    np.testing.assert_allclose(face.moments(mass[weight > 0]), own @ mass[weight > 0], atol=1e-12)
    np.testing.assert_allclose(face.squares(), own**2 @ kept, atol=1e-12)
    np.testing.assert_allclose(face.gram(), (own * kept) @ own.T, atol=1e-12)


def _features(plain):
    return (plain.sides[:, :, None] * plain.parts[:, None, :]).reshape(len(plain), -1)


def test_pieces_and_threads_change_nothing(monkeypatch):
    s, y, _ = examples(4)
    problem = balance.Problem(s, y, target=0.4, keep_rate=0.5)
    whole = wide_rows.widen(rows.make_rows(problem))
    w = np.random.default_rng(0).normal(size=len(problem.spec.system))
    monkeypatch.setattr(wide_rows, "PIECE", 50)
    monkeypatch.setattr(wide_face, "BLOCK", 100)
    pieces = wide_rows.widen(rows.make_rows(problem))
    np.testing.assert_array_equal(whole.scores(w), pieces.scores(w))
    np.testing.assert_array_equal(whole.moments(s[:, 0] == 1), pieces.moments(s[:, 0] == 1))


def test_the_box_is_minimised():
    draw = np.random.default_rng(0)
    root = draw.normal(size=(30, 40))
    hessian = root @ root.T / 40
    slope, start = draw.normal(size=30), np.clip(draw.normal(size=30), 0, 1)
    box = Box(np.zeros(30), np.where(np.arange(30) % 3, 1.0, np.inf), np.ones(30))
    settings = {"enough": 1e-12, "limit": 2000}
    x = minimise_box(lambda d: hessian @ d, slope, start, box, **settings)
    gradient = hessian @ (x - start) + slope
    residual = np.clip(x - gradient, box.low, box.high) - x
    np.testing.assert_allclose(residual, 0, atol=1e-7)
    assert ((box.low <= x) & (x <= box.high)).all()


def test_facts_of_sparse_labels_are_those_of_dense_ones():
    s, y, u = examples(5)
    matrix = sparse.csr_array(y)
    np.testing.assert_allclose(group_sums(s, matrix, u), group_sums(s, y, u), atol=1e-12)
    one, two = balance.bias(s, matrix, weights=u), balance.bias(s, y, weights=u)
    np.testing.assert_allclose(one.association, two.association, atol=1e-12)
    common = {"target": 0.5, "keep_rate": 0.5}
    problem, dense = balance.Problem(s, matrix, **common), balance.Problem(s, y, **common)
    found = solve(problem)
    told = certificate(problem, found)
    assert told["problem"] == fingerprint(problem)
    assert told | {"problem": ""} == certificate(dense, solve(dense)) | {"problem": ""}
    again = dataclasses.replace(problem, labels=sparse.csc_array(y))
    assert fingerprint(again) == fingerprint(problem)
    assert fingerprint(dataclasses.replace(problem, keep_rate=0.6)) != fingerprint(problem)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (sparse.csr_array(np.full((4, 2), 2.0)), r"labels\[0, 0\] \('a'\) is 2.0"),
        (sparse.csr_array(np.full((4, 2), np.nan)), "nan"),
        (sparse.csr_array(np.ones((3, 2))), "3"),
        (sparse.csr_array(np.ones((4, 2)) * 1j), "complex"),
        (sparse.csr_array(np.ones((4, 3))), "2 names for 3"),
    ],
)
def test_wrong_labels_are_refused(labels, told):
    with pytest.raises(balance.ProblemError, match=told):
        balance.Problem(np.eye(4)[:, :1], labels, target=0.5, label_names=["a", "b"])


def test_labels_by_number():
    matrix = balance.from_lists([[0, 2, 2], [], [1]], 3)
    np.testing.assert_array_equal(matrix.toarray(), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    with pytest.raises(balance.ProblemError, match=r"example 1 have number 3; expected 0 to 2"):
        balance.from_lists([[0], [3]], 3)


def test_no_matrix_of_all_constraints():
    draw = np.random.default_rng(0)
    s = (draw.random((2000, 1)) < 0.5).astype(np.uint8)
    y = balance.from_lists(list(draw.integers(0, 30_000, (2000, 3)) // 10), 30_000)
    constraints = [balance.cap(at_most=1.0, unit="examples"), balance.prevalence(
        "attribute 0", between=(0.5, 0.5))]  # fmt: skip
    problem = balance.Problem(s, y, constraints=constraints, keep_rate=0.3)
    found = solve(problem, tolerance=1e-5)
    assert found.status is balance.Status.CONVERGED
    assert (y.T.astype(float) @ found.weights).max() <= 1 + 1e-3


FORKED = """
import os, sys
from m4jax.balance.host import wide_rows
taken = []
wide_rows._each(taken.append, [1, 2])
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
wide_rows._each(taken.append, [3, 4])
os._exit(len(taken) != 4)
"""


def test_a_forked_process_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)

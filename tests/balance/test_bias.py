import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from m4jax import balance
from m4jax.balance.bias import group_sums


def test_hand_computed():
    attributes = [[1], [1], [1], [0], [np.nan]]
    labels = [[1, 0], [1, 0], [0, 0], [0, 1], [1, 1]]
    found = balance.bias(attributes, labels)
    assert found.representation.tolist() == [0.25]
    np.testing.assert_allclose(found.association, [[2 / 3, -1.0]])
    assert (found.representation_max, found.association_max) == (0.25, 1.0)
    assert found.association_mean == pytest.approx(5 / 6)
    assert found.known.tolist() == [0.8]
    assert found.group_sizes.tolist() == [[1, 3]]


def test_weights_and_target():
    found = balance.bias([[1], [1], [0]], [[1], [0], [1]], [1.0, 3.0, 4.0], target=[0.4])
    np.testing.assert_allclose(found.representation, [0.1])
    np.testing.assert_allclose(found.association, [[0.25 - 1.0]])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10_000))
def test_agrees_with_loops(seed):
    draw = np.random.default_rng(seed)
    s = draw.choice([0.0, 1.0, 0.3, np.nan], (40, 2), p=[0.4, 0.4, 0.1, 0.1])
    y, w = draw.random((40, 3)).round(), draw.choice([0.0, 0.5, 1.0], 40)
    found = balance.bias(s, y, w, target=[0.3, 0.6])
    for k in range(2):
        rows = [i for i in range(40) if not np.isnan(s[i, k])]
        one = sum(w[i] * s[i, k] for i in rows)
        zero = sum(w[i] * (1 - s[i, k]) for i in rows)
        assert found.representation[k] == pytest.approx(one / (one + zero) - [0.3, 0.6][k])
        for r in range(3):
            high = sum(w[i] * s[i, k] * y[i, r] for i in rows) / one
            low = sum(w[i] * (1 - s[i, k]) * y[i, r] for i in rows) / zero
            assert found.association[k, r] == pytest.approx(high - low)


def test_many_examples_are_as_few_repeated():
    draw = np.random.default_rng(1)
    s, y, w = draw.integers(0, 2, (101, 2)), draw.integers(0, 2, (101, 3)), draw.random(101)
    few, many = balance.bias(s, y, w), balance.bias(*(np.repeat(x, 200, axis=0) for x in (s, y, w)))
    np.testing.assert_allclose(many.association, few.association, atol=1e-12)
    np.testing.assert_allclose(many.representation, few.representation, atol=1e-12)


def plain_sums(s, y, w):
    both = np.stack([1.0 - s, s]) * w[:, None]
    both[np.isnan(both)] = 0.0
    y = np.insert(y.astype(float), 0, 1.0, axis=1)
    return np.einsum("gik,ir->gkr", both, y)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.sampled_from([np.uint8, bool, np.int64, np.float32, np.float64]),
    st.sampled_from(["bits", "unknown", "soft"]),
    st.sampled_from(["ones", "whole", "large", "any"]),
)
def test_sums_are_those_of_plain_numpy_for_any_type(seed, kind, attributes, weights):
    draw = np.random.default_rng(seed)
    n, m, c = draw.integers(1, 700), draw.integers(1, 40), draw.integers(0, 5)
    s = draw.integers(0, 2, (n, m), np.uint8)
    if attributes != "bits":
        s = draw.choice([0.0, 1.0, np.nan], (n, m))
    if attributes == "soft":
        s[-1] = 0.3
    y = draw.integers(0, 2, (n, c)).astype(kind)
    w = {
        "ones": np.ones(n),
        "whole": draw.integers(0, 2047, n),
        "large": 2.0 ** draw.integers(0, 60, n),
    }
    w = np.asarray(w.get(weights, draw.random(n)), float)
    found, expected = group_sums(s, y, w), plain_sums(s, y, w)
    if attributes != "soft" and weights in ("ones", "whole"):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    if w.any():
        mean = balance.bias(s, y, w).association
        sums = expected[:, :, 1:], expected[:, :, :1]
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(mean, np.diff(sums[0] / sums[1], axis=0)[0], atol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_cross_the_ends_of_chunks(order):
    draw = np.random.default_rng(0)
    s, y = draw.integers(0, 2, (5000, 19), np.uint8), draw.integers(0, 2, (5000, 701), np.uint8)
    s, y, w = np.asarray(s, order=order), np.asarray(y, order=order), draw.random(5000)
    np.testing.assert_array_equal(group_sums(s, y, w > 0.5), plain_sums(s, y, (w > 0.5) * 1.0))
    expected = np.einsum("ki,ir->kr", s.T * w, y.astype(float))
    np.testing.assert_allclose(group_sums(s, y, w)[1, :, 1:], expected, rtol=1e-12)


def test_a_wrong_label_far_down_is_named():
    labels = np.zeros((9000, 100))
    labels[8000, 7] = np.nan
    with pytest.raises(balance.ProblemError, match=r"labels\[8000, 7\] is nan"):
        balance.bias(np.arange(9000)[:, None] % 2, labels)


def test_equal_weights_are_no_weights():
    draw = np.random.default_rng(0)
    s, y = draw.integers(0, 2, (50, 2)), draw.integers(0, 2, (50, 4))
    plain, same = balance.bias(s, y), balance.bias(s, y, np.full(50, 0.3))
    np.testing.assert_allclose(plain.association, same.association, atol=1e-14)


def test_what_cannot_be_estimated_is_nan():
    found = balance.bias([[1, 1], [1, 0], [np.nan, 0]], [[1], [0], [1]])
    assert found.representation[0] == 0.5
    assert np.isnan(found.association[0, 0])
    assert np.isnan(found.association_max)
    assert not np.isnan(found.association[1, 0])
    assert np.isnan(balance.bias([[np.nan], [np.nan]], [[1], [0]]).representation_max)


def test_a_group_of_zero_weight_is_empty():
    found = balance.bias([[1], [0]], [[1], [0]], [1.0, 0.0])
    assert found.group_sizes.tolist() == [[0, 1]]
    assert np.isnan(found.association).all()


def test_no_labels():
    assert np.isnan(balance.bias([[1], [0]], np.zeros((2, 0))).association_max)


def test_hard_balancing_removes_the_bias():
    draw = np.random.default_rng(3)
    s = (draw.random((400, 2)) < 0.6).astype(float)
    y = (draw.random((400, 3)) < 0.2 + 0.3 * s[:, :1]).astype(float)
    settings = {"eps_representation": 0, "eps_association": 0, "penalty": np.inf}
    problem = balance.Problem(s, y, target=[0.5, 0.5], keep_rate=0.5, **settings)
    after = balance.bias(s, y, balance.solve(problem).weights)
    assert balance.bias(s, y).association_max > 0.15
    assert after.association_max < 1e-6
    assert after.representation_max < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1]], [[1], [0]]), "attributes has 1 rows and labels has 2"),
        (([[2]], [[1]]), r"attributes\[0, 0\] is 2"),
        (([[1]], [[1]], [-1.0]), r"weights\[0\] is -1"),
        (([[1]], [[1]], [0.0]), "weights is 0 for every example"),
        (([[1]], [[1]], None, [0.5, 0.5]), "target has shape"),
        (([[1]], [[1]], None, 2.0), "expected prevalences"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(balance.ProblemError, match=message):
        balance.bias(*arguments)


def test_sparse_labels_are_as_dense_ones():
    draw = np.random.default_rng(0)
    s, y, w = draw.random((300, 2)), draw.random((300, 9)) < 0.2, draw.random(300)
    found = balance.bias(s, sparse.csr_array(y), w)
    np.testing.assert_allclose(found.association, balance.bias(s, y, w).association, atol=1e-12)

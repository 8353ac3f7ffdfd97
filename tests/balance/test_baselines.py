"""MetaCLIP's rule does what its paper says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from m4jax import balance
from m4jax.balance import baselines


def labels(seed=0, n=40, c=6):
    return (np.random.default_rng(seed).random((n, c)) < np.linspace(0.6, 0.05, c)).astype(np.uint8)


def test_the_rule_is_the_simulation():
    y, threshold, draws = labels(), 4.0, 20_000
    chance = np.minimum(1, threshold / y.sum(0))
    draw = np.random.default_rng(1)
    kept = np.zeros(len(y))
    for _ in range(draws):  # the paper's loop: any of an example's labels keeps it
        kept += (y & (draw.random(y.shape) < chance)).any(axis=1)
    error = 4 * np.sqrt(0.25 / draws)
    np.testing.assert_allclose(baselines.metaclip(y, threshold), kept / draws, atol=error)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 1.0))
def test_the_threshold_gives_the_size(seed, share):
    y = labels(seed)
    size = share * (y.sum(1) > 0).sum()
    threshold = baselines.metaclip_threshold(sparse.csr_array(y), size)
    assert baselines.metaclip(y, threshold).sum() == pytest.approx(size, rel=1e-6)


def test_rare_labels_keep_their_examples_and_none_keeps_nothing():
    y = np.array([[1, 1], [1, 0], [0, 0]], np.uint8)
    np.testing.assert_allclose(baselines.metaclip(y, 1.0), [1.0, 0.5, 0.0])


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan])
def test_thresholds_are_checked(threshold):
    with pytest.raises(balance.ProblemError, match="above 0"):
        baselines.metaclip(labels(), threshold)


@pytest.mark.parametrize("size", [0.0, 41.0])
def test_sizes_are_checked(size):
    with pytest.raises(balance.ProblemError, match="have a label"):
        baselines.metaclip_threshold(labels(), size)
    with pytest.raises(balance.ProblemError, match="0 and 1 only"):
        baselines.metaclip(labels() * 0.5, 1.0)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax.data import tokenizers
from m4jax.errors import InputError
from m4jax.tables import weights
from m4jax.training.batches import Sampler

WORDS = ("<pad>", "<unk>", "<end>", "a", "man", "cat")


def test_tokens_end_and_are_padded():
    tokens = tokenizers.WordTokenizer(WORDS, context_length=4)
    ids = tokens(["A man", "", "a man cat man cat", "a dog"])
    np.testing.assert_array_equal(ids, [[3, 4, 2, 0], [2, 0, 0, 0], [3, 4, 5, 2], [3, 1, 2, 0]])
    assert tokens.vocab_size == 6


def test_a_vocabulary_without_special_entries_is_refused():
    with pytest.raises(InputError, match="<pad>"):
        tokenizers.WordTokenizer(("a", "man"))


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.integers(0, 2**31), st.integers(0, 10**6))
def test_a_batch_is_a_function_of_seed_and_step(seed, step):
    weight = np.arange(50.0)
    one = Sampler(weight, n=50, batch_size=32, seed=seed).indices(step)
    other = Sampler(weight, n=50, batch_size=32, seed=seed)
    other.indices(step + 1)
    np.testing.assert_array_equal(one, other.indices(step))
    assert one.min() > 0 and one.max() < 50  # example 0 has weight 0


def test_examples_are_drawn_in_proportion_to_their_weights():
    weight = np.array([0.0, 1.0, 2.0, 0.0, 5.0, 0.0])
    sampler = Sampler(weight, n=6, batch_size=1000, seed=0)
    counts = sum(np.bincount(sampler.indices(step), minlength=6) for step in range(100))
    np.testing.assert_allclose(counts / counts.sum(), weight / 8, atol=0.006)
    assert counts[[0, 3, 5]].sum() == 0


@pytest.mark.parametrize("bad", [[1.0, 2.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])
def test_bad_weights_are_refused(bad):
    with pytest.raises(InputError, match="weights: expected"):
        Sampler(np.array(bad), n=3, batch_size=2, seed=0)


def test_weights_come_back_by_uid(tmp_path):
    weights.write(tmp_path, uids=["a", "b", "c"], weights=np.array([0.1, 0.2, 0.3]), certificate={})
    np.testing.assert_array_equal(weights.read(tmp_path, ["c", "a"]), [0.3, 0.1])


def test_weights_for_other_data_are_refused_with_their_coverage(tmp_path):
    weights.write(tmp_path, uids=["a", "b"], weights=np.ones(2), certificate={})
    with pytest.raises(InputError, match="weights for 1 of 3 examples"):
        weights.read(tmp_path, ["a", "x", "y"])


def test_damaged_weights_are_named(tmp_path):
    weights.write(tmp_path, uids=["a", "b"], weights=np.ones(2), certificate={})
    path = tmp_path / "weights.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"damaged .* delete its directory"):
        weights.read(tmp_path, ["a"])

import numpy as np
import pytest

from m4jax.data import tokenizers
from m4jax.errors import InputError
from m4jax.tables import weights

WORDS = ("<pad>", "<unk>", "<end>", "a", "man", "cat")


def test_tokens_end_and_are_padded():
    tokens = tokenizers.WordTokenizer(WORDS, context_length=4)
    ids = tokens(["A man", "", "a man cat man cat", "a dog"])
    np.testing.assert_array_equal(ids, [[3, 4, 2, 0], [2, 0, 0, 0], [3, 4, 5, 2], [3, 1, 2, 0]])
    assert tokens.vocab_size == 6


def test_a_vocabulary_without_special_entries_is_refused():
    with pytest.raises(InputError, match="<pad>"):
        tokenizers.WordTokenizer(("a", "man"))


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

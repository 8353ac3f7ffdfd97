"""Embedding in batches changes nothing but the speed."""

import functools

import jax
import numpy as np
import pytest
from helpers.runs import TERMS, tiny_data, tiny_model
from helpers.tolerance import rounding

from m4jax.errors import InputError
from m4jax.training import Embedder
from m4jax.training.step import init_params, normalize

MODEL = tiny_model()


@pytest.fixture(scope="module")
def embedder():
    """An embedder of 5 rows a call, and its parameters."""
    init = functools.partial(init_params, MODEL, seed=0)
    params = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})()
    return Embedder(MODEL, params, batch_size=5), params


def test_rows_equal_those_of_the_model(embedder):
    embedder, params = embedder
    data = tiny_data(12)
    image, text = embedder.images(data.images), embedder.tokens(data.tokens[:, :2])
    apply = jax.jit(lambda p, i, t: MODEL.apply({"params": p}, i, t))
    output = apply(params, normalize(data.images), data.tokens)
    tolerance = rounding(np.float32, TERMS / 2)  # forward alone
    np.testing.assert_allclose(image, output.image, atol=tolerance)
    np.testing.assert_allclose(text, output.text, atol=tolerance)
    assert embedder.logit_scale == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("n", [0, 1, 5, 6])
def test_any_number_of_rows(embedder, n):
    data = tiny_data(12)
    assert embedder[0].images(data.images[:n]).shape == (n, 8)
    assert embedder[0].tokens(data.tokens[:n]).shape == (n, 8)


def test_compiles_once_for_each_tower(embedder):
    data = tiny_data(12)
    for n in (3, 11):
        embedder[0].images(data.images[:n])
        embedder[0].tokens(data.tokens[:n, : 1 + n % 3])
    assert embedder[0]._embed_images._cache_size() == 1
    assert embedder[0]._embed_tokens._cache_size() == 1


def test_texts_that_are_too_short_are_refused_where_padding_counts():
    model = tiny_model(text_mask="none", text_pooling="end")
    params = jax.jit(lambda: init_params(model, seed=0))()
    embedder = Embedder(model, params, batch_size=4)
    assert embedder.tokens(np.ones((5, 3), np.int32)).shape == (5, 8)
    with pytest.raises(InputError, match="exactly 3 tokens, these have 2"):
        embedder.tokens(np.ones((5, 2), np.int32))

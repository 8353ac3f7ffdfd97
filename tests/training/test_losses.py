"""Losses against NumPy in float64, and their gradients against finite differences."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax.training.losses import LOSSES, sigmoid_loss, softmax_loss


def pairs(seed, batch=5, width=3):
    rows = np.random.default_rng(seed).normal(size=(2, batch, width))
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def softmax_oracle(image, text, scale):
    total = 0.0
    for i in range(len(image)):
        for a, b in ((image, text), (text, image)):
            exponentials = [np.exp(scale * a[i] @ row) for row in b]
            total -= np.log(exponentials[i] / sum(exponentials)) / 2
    return total / len(image)


def sigmoid_oracle(image, text, scale, bias):
    total = 0.0
    for i, a in enumerate(image):
        for j, b in enumerate(text):
            probability = 1 / (1 + np.exp(-(scale * a @ b + bias)))
            total -= np.log(probability if i == j else 1 - probability)
    return total / len(image)


CASES = {
    "softmax": (softmax_loss, softmax_oracle, (7.0,)),
    "sigmoid": (sigmoid_loss, sigmoid_oracle, (7.0, -3.0)),
}


@pytest.mark.parametrize("name", CASES)
@settings(deadline=None, max_examples=10, derandomize=True)
@given(seed=st.integers(0, 1000))
def test_value(name, seed):
    loss, oracle, scalars = CASES[name]
    image, text = pairs(seed)
    value = loss(image.astype(np.float32), text.astype(np.float32), *scalars)
    assert float(value) == pytest.approx(oracle(image, text, *scalars), rel=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    loss, oracle, scalars = CASES[name]
    arguments = [*pairs(0), *scalars]
    floats = [np.asarray(x, np.float32) for x in arguments]
    gradients = jax.grad(loss, argnums=tuple(range(len(floats))))(*floats)
    for k, gradient in enumerate(gradients):
        finite = finite_differences(functools.partial(replaced, oracle, arguments, k), arguments[k])
        np.testing.assert_allclose(gradient, finite, rtol=1e-4, atol=1e-5)


def replaced(function, arguments, position, value):
    return function(*arguments[:position], value, *arguments[position + 1 :])


def finite_differences(function, x, step=1e-6):
    x = np.asarray(x, np.float64)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        change = np.zeros(x.shape)
        change[index] = step
        gradient[index] = (function(x + change) - function(x - change)) / (2 * step)
    return gradient


@pytest.mark.parametrize("name", LOSSES)
def test_chance_is_the_least_loss_of_equal_embeddings(name):
    same = np.full((8, 1), 1.0, np.float32)
    losses = [LOSSES[name].function(same, same, 0.0, bias) for bias in np.linspace(-5, 5, 1001)]
    assert float(min(losses)) == pytest.approx(LOSSES[name].chance(8), rel=1e-4)


def test_softmax_of_extreme_logits_is_finite():
    image, text = (x.astype(np.float32) for x in pairs(1))
    assert np.isfinite(softmax_loss(image, text, 1e4))
    assert np.isfinite(sigmoid_loss(image, text, 1e4, -1e4))

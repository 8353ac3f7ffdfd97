"""Losses against NumPy in float64, and their gradients against finite differences."""

import functools
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import HELPERS
from helpers.tolerance import rounding
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
    value = loss(image.astype(np.float32), text.astype(np.float32), *scalars).loss
    assert float(value) == pytest.approx(oracle(image, text, *scalars), rel=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    loss, oracle, scalars = CASES[name]
    arguments = [*pairs(0), *scalars]
    floats = [np.asarray(x, np.float32) for x in arguments]
    value = jax.jit(jax.grad(lambda *x: loss(*x).loss, argnums=tuple(range(len(floats)))))
    gradients = value(*floats)
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
    losses = [
        LOSSES[name].function(same, same, 0.0, bias).loss for bias in np.linspace(-5, 5, 1001)
    ]
    assert float(min(losses)) == pytest.approx(LOSSES[name].chance(8), rel=1e-4)


def test_softmax_of_extreme_logits_is_finite():
    image, text = (x.astype(np.float32) for x in pairs(1))
    assert np.isfinite(softmax_loss(image, text, 1e4).loss)
    assert np.isfinite(sigmoid_loss(image, text, 1e4, -1e4).loss)


@pytest.mark.parametrize("name", LOSSES)
def test_accuracy_counts_own_texts(name):
    image, text = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[[0, 2, 1]]
    assert LOSSES[name].function(image, text, 5.0, 0.0).accuracy == pytest.approx(1 / 3)


COPIES = np.array([1, 3, 1, 2, 1])


def test_softmax_weights_are_copies():
    image, text = (x.astype(np.float32) for x in pairs(2))
    weighted = softmax_loss(image, text, 7.0, weight=COPIES.astype(np.float32)).loss
    copied = softmax_loss(*(np.repeat(x, COPIES, axis=0) for x in (image, text)), 7.0).loss
    assert weighted * len(image) == pytest.approx(float(copied * COPIES.sum()), rel=1e-5)


def test_sigmoid_weights_are_copies_that_are_no_negatives_of_each_other():
    image, text = (x.astype(np.float32) for x in pairs(2))
    weighted = sigmoid_loss(image, text, 7.0, -3.0, weight=COPIES.astype(np.float32)).loss
    copied = sigmoid_loss(*(np.repeat(x, COPIES, axis=0) for x in (image, text)), 7.0, -3.0).loss
    own = 7.0 * np.sum(image * text, axis=1) - 3.0
    of_copies = np.sum(COPIES * (COPIES - 1) * np.logaddexp(0, own))
    expected = float(copied * COPIES.sum()) - of_copies
    assert weighted * len(image) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_an_example_of_weight_zero_is_absent(name):
    image, text = (x.astype(np.float32) for x in pairs(3))
    weight = np.array([1, 0, 1, 1, 1], np.float32)

    def loss(image, text, weight):
        return LOSSES[name].function(image, text, 7.0, -3.0, weight=weight).loss

    value, gradient = jax.value_and_grad(loss)(image, text, weight)
    kept = weight > 0
    alone = loss(image[kept], text[kept], weight[kept])
    tolerance = rounding(np.float32, 3 + 5 + 5)  # a logit, a row's sum, the sum over rows
    assert value * 5 == pytest.approx(float(alone * 4), rel=tolerance)
    assert np.isfinite(gradient).all()
    assert (gradient[1] == 0).all()


def test_many_devices_equal_one():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    script = HELPERS / "losses_check.py"
    told = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    cases = json.loads(told.stdout.splitlines()[-1])
    assert len(cases) == 2 * 2 * 3
    tolerance = rounding(np.float32, 5 + 32 + 32)  # a logit, a row's sum, the sum over rows
    for case in cases:
        assert case["value"] == pytest.approx(case["alone"], rel=tolerance), case
        assert case["accuracy"][0] == case["accuracy"][1] > 0
        assert case["gradient"] <= 1e-5
        assert case["logits"] == case["expected_logits"], case


def test_weights_in_the_place_of_the_bias_are_refused():
    image, text = pairs(1)
    with pytest.raises(TypeError, match="weights go by keyword"):
        softmax_loss(image, text, 7.0, np.ones(5, np.float32))

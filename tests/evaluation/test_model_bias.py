import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.evaluation import bias, intervals
from m4jax.evaluation.resampling import Resampler, Settings


def resampler(n, strata=None):
    return Resampler(np.arange(n), strata, settings=Settings())


def test_preference_by_hand():
    found = bias.preference(np.array([0.3, 0.1, 0.2]), np.array([0.1, 0.3, 0.2]))
    np.testing.assert_array_equal(found, np.array([1, 0, np.nan], np.float32))


def test_representation_bias_by_hand():
    prefers = np.append(np.tile([1.0, 1.0, 1.0, 0.0], 5), np.nan)
    interval = intervals.percentile(bias.representation_bias(resampler(21), prefers[None]))
    assert interval.value == 0.25
    assert interval.n == 20
    assert -0.5 <= interval.low < 0.25 < interval.high <= 0.5


def test_a_collapsed_model_does_not_look_fair():
    prefers = bias.preference(np.ones(30), np.ones(30))
    interval = intervals.percentile(bias.representation_bias(resampler(30), prefers[None]))
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    assert interval.n == 0


def test_association_bias_by_hand():
    man = np.repeat([1, 0], 10)
    probability = np.where(man[:, None] == 1, [0.7, 0.2, 0.1], [0.3, 0.4, 0.3])
    draws = bias.association_bias(resampler(20, man), probability[None], man)
    np.testing.assert_allclose(draws.estimate[0], [0.4, -0.2, -0.2])
    np.testing.assert_allclose(draws.samples - draws.estimate, 0, atol=1e-12)


def test_association_bias_agrees_with_numpy():
    rng = np.random.default_rng(0)
    man, probability = rng.integers(0, 2, 90), rng.dirichlet(np.ones(5), (3, 90))
    draws = bias.association_bias(resampler(90, man), probability, man)
    expected = probability[:, man == 1].mean(1) - probability[:, man == 0].mean(1)
    np.testing.assert_allclose(draws.estimate, expected, atol=1e-12)


def test_unequal_numbers_of_men_and_women_are_no_bias():
    man = np.repeat([1, 0], [90, 15])
    probability = np.tile([0.5, 0.3, 0.2], (1, 105, 1))
    draws = bias.association_bias(resampler(105, man), probability, man)
    np.testing.assert_allclose(draws.estimate, 0, atol=1e-12)


def test_only_men_is_no_answer():
    man = np.ones(30, int)
    draws = bias.association_bias(resampler(30, man), np.ones((1, 30, 2)) / 2, man)
    assert np.isnan(draws.estimate).all()


def test_class_probability_is_a_softmax_that_never_overflows():
    similarity = np.array([[1.0, 0.0], [-1.0, 1.0]])
    found = bias.class_probability(similarity, 2.0)
    expected = np.exp(2 * similarity) / np.exp(2 * similarity).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(bias.class_probability(similarity, 1e9), [[1, 0], [0, 1]])


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_bad_scale(scale):
    with pytest.raises(InputError, match="positive number"):
        bias.class_probability(np.ones((1, 2)), scale)

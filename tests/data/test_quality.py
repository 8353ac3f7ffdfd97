import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from m4jax.data import quality
from m4jax.data.testbed.scenes import sample, wrong_captions
from m4jax.data.testbed.world import World
from m4jax.errors import InputError

cosines = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@hypothesis.given(cosines, st.floats(0, 0.99))
def test_the_least_similar_share_is_left_out(similarity, drop):
    kept = quality.keep(similarity, drop=drop)
    assert (~kept).sum() == int(drop * len(similarity))
    if kept.any() and not kept.all():
        assert np.array(similarity)[~kept].max() <= np.array(similarity)[kept].min()


def test_of_equal_similarities_the_later_ones_are_left_out():
    assert quality.keep([0.5, 0.2, 0.2, 0.2], drop=0.5).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("similarity", "drop", "message"),
    [([0.1, np.nan], 0.1, "finite"), ([[0.1]], 0.1, r"\[n\]"), ([0.1], 1.0, "drop: expected")],
)
def test_bad_input_is_told(similarity, drop, message):
    with pytest.raises(InputError, match=message):
        quality.keep(similarity, drop=drop)


def test_detection():
    kept = np.array([True, True, False, False, False])
    wrong = np.array([True, False, True, True, False])
    assert quality.detection(kept, wrong) == (2 / 3, 2 / 3, 3 / 5)
    none = quality.detection(np.ones(3, bool), np.zeros(3, bool))
    assert np.isnan(none.precision) and np.isnan(none.recall) and none.prevalence == 0


def test_the_similarity_of_wrong_captions_is_found_exactly_where_it_tells():
    wrong = np.random.default_rng(0).random(1000) < 0.3
    kept = quality.keep(np.where(wrong, 0.1, 0.8), drop=wrong.mean())
    assert quality.detection(kept, wrong)[:2] == (1.0, 1.0)


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_wrong_captions_are_those_that_say_something_else(noise):
    world = World(examples=3000, caption_noise=noise)
    wrong = wrong_captions(world)
    assert wrong.shape == (3000,) and wrong.sum() <= 3000 * noise * 1.1 + 1
    # Some exchanged captions say the same, of the many plain faces say: fewer are wrong.
    assert wrong.mean() >= 0.85 * noise
    if not noise:
        assert not wrong.any() and len(sample(world)) == 3000

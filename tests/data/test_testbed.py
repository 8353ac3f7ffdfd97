import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from m4jax.data import tokenizers
from m4jax.data.annotation import with_article
from m4jax.data.testbed import catalog, emoji_scenes, splits
from m4jax.data.testbed.world import World, annotate
from m4jax.errors import InputError


def picture_hashes(split):
    return {hashlib.sha256(picture.tobytes()).digest() for picture in split.images}


def test_no_evaluation_picture_is_in_training(data_dir, small_world):
    trained = picture_hashes(small_world.load_split("train", data_dir))
    for name in splits.EVALUATION:
        split = small_world.load_split(name, data_dir)
        assert len(split) > 300
        assert not trained & picture_hashes(split)


def test_arrays_equal_the_generator(data_dir, small_world, sprites):
    split = small_world.load_split("train", data_dir)
    assert split.images.shape == (600, 32, 32, 3) and split.images.dtype == np.uint8
    for key, example in emoji_scenes.generate(small_world, "train", sprites):
        assert split.columns["caption"][key] == example["caption"]
        assert split.columns["uid"][key] == example["uid"]
        assert split.columns["thing"][key] == example["thing"]
        picture = tfds.features.Image(shape=(32, 32, 3)).decode_example_np(example["image"])
        np.testing.assert_array_equal(split.images[key], picture)
        if key == 20:
            break


def test_it_is_a_tfds_dataset_without_tensorflow(data_dir, small_world, dataset):
    builder = emoji_scenes.builder(small_world, data_dir)
    source = builder.as_data_source("objects")
    split = small_world.load_split("objects", data_dir)
    assert len(source) == len(split) and str(builder.data_path) == dataset
    np.testing.assert_array_equal(source[7]["image"], split.images[7])


def test_a_world_prepared_twice_is_the_same(tmp_path, data_dir, small_world):
    small_world.prepare(tmp_path)
    for name in ("train", "scenes"):
        one = small_world.load_split(name, data_dir)
        two = small_world.load_split(name, tmp_path)
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.columns["caption"], two.columns["caption"])


def test_evaluation_splits_do_not_depend_on_the_bias(tmp_path, data_dir, small_world):
    parity = dataclasses.replace(small_world, examples=100, men=0.5, association=0.0, company=0.0)
    parity.prepare(tmp_path)
    for name in splits.EVALUATION:
        one = small_world.load_split(name, data_dir)
        two = parity.load_split(name, tmp_path)
        np.testing.assert_array_equal(one.images, two.images)


@pytest.mark.parametrize("knobs", [{}, {"unseen": "drawings", "pairs": 100}])
def test_evaluation_has_the_same_emoji_for_every_seed(tmp_path, knobs):
    worlds = [World(examples=300, seed=seed, **knobs) for seed in (0, 7)]
    opened = []
    for world in worlds:
        world.prepare(tmp_path)
        opened.append(world.evaluation(tmp_path))
    for name in splits.EVALUATION:
        one, two = (found[name] for found in opened)
        for key in ("gender", "occupation", "thing"):
            np.testing.assert_array_equal(one[key], two[key])
        if knobs or name != "scenes":
            np.testing.assert_array_equal(one["group"], two["group"])
            assert (np.asarray(one["images"]) != np.asarray(two["images"])).any()
    pairs = opened[0]["scenes"]
    assert len(pairs["captions"]) == knobs.get("pairs", 320)
    # A content may be worded in several ways, but no wording has two contents.
    worded = set(zip(pairs["captions"], pairs["content"].tolist(), strict=True))
    assert len(worded) == len(set(pairs["captions"]))
    assert len(set(pairs["content"].tolist())) == knobs.get("pairs", 320)
    assert (pairs["group"] == worlds[0].load_split("scenes", tmp_path).columns["thing_emoji"]).all()


def test_emoji_are_the_clusters_of_the_intervals(data_dir, small_world):
    found = small_world.evaluation(data_dir)
    groups = {name: len(np.unique(split["group"])) for name, split in found.items()}
    kinds = catalog.things().values()
    assert groups["objects"] == sum(max(1, len(emoji) // 3) for emoji in kinds)
    assert groups["faces"] == 2 * len(catalog.STYLES)
    assert groups["workers"] == 2 * len(catalog.occupations())
    for split in found.values():
        person = split["gender"] if "gender" in split else split["occupation"]
        of_persons = split["group"][(person >= 0) & (split["thing"] < 0)]
        assert not np.isin(of_persons, split["group"][split["thing"] >= 0]).any()


def test_a_world_without_the_columns_of_today_is_prepared_anew(tmp_path):
    world = World(examples=20)
    old = tmp_path / "arrays" / world.id
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}")
    assert not world.is_prepared(tmp_path)
    world.prepare(tmp_path)
    columns = world.load_split("train", tmp_path).columns
    assert set(splits.COLUMNS) < set(columns)
    assert columns["uid"][3] == f"{world.id}/train/00000003"


def test_evaluation_is_balanced_by_construction(data_dir, small_world):
    faces = small_world.load_split("faces", data_dir).columns
    assert abs((faces["gender"] == 1).mean() - 0.5) < 0.02
    assert (faces["occupation"] == -1).all() and (faces["thing"] == -1).all()
    assert (small_world.load_split("objects", data_dir).columns["gender"] == -1).all()
    pairs = small_world.load_split("scenes", data_dir).columns
    assert len(set(pairs["caption"])) == len(pairs["caption"])


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, data_dir, small_world, damage):
    shutil.copytree(data_dir / "arrays", tmp_path / "arrays")
    path = small_world.directory(tmp_path) / "faces.npy"
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    with pytest.raises(
        InputError, match=r"faces.npy is (missing|damaged).*delete .* and run again"
    ):
        small_world.load_split("faces", tmp_path)


def test_a_testbed_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"manifest.json: no such file"):
        World().load_split("train", tmp_path)


def test_too_many_pictures_for_a_split_are_refused(tmp_path):
    with pytest.raises(InputError, match="choose fewer"):
        World(examples=10_000_000).prepare(tmp_path)


def test_the_vocabulary_covers_every_caption(data_dir, small_world):
    tokens = tokenizers.WordTokenizer(catalog.words())
    for name in ("train", *splits.EVALUATION):
        ids = tokens(list(small_world.load_split(name, data_dir).columns["caption"]))
        assert not (ids == tokenizers.UNKNOWN).any()
        assert (ids == tokenizers.END).sum(1).min() == 1


def test_captions_have_their_articles():
    assert with_article("umbrella") == "an umbrella"
    assert with_article("woman artist") == "a woman artist"


def test_annotation_takes_the_picture_and_the_caption(data_dir, small_world):
    columns = small_world.load_split("train", data_dir).columns
    notes = annotate(columns, ("occupations", "any_thing", "things"))
    assert notes.labels.shape == (600, 22 + 1 + len(catalog.things()))
    for i in range(100):
        words = columns["caption"][i]
        named = [o.name in words for o in catalog.occupations()]
        shown = np.arange(22) == columns["occupation"][i]
        np.testing.assert_array_equal(notes.labels[i, :22], np.array(named) | shown)
        clear = columns["gender"][i] >= 0 or columns["says_gender"][i] >= 0
        assert np.isnan(notes.attributes[i, 0]) == (not clear)
        assert notes.labels[i, 22] == notes.labels[i, 23:].max()


def test_an_unknown_label_set_is_refused(data_dir, small_world):
    columns = small_world.load_split("train", data_dir).columns
    with pytest.raises(InputError, match="unknown set 'jobs'"):
        annotate(columns, ("jobs",))

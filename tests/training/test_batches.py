"""Batches follow from (seed, step) alone, and are the same decoded on the fly or from memory."""

import dataclasses
import io

import jax
import numpy as np
import pytest
from helpers.runs import CONFIG, tiny_data, tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from m4jax.data.encoded import EncodedPictures, read_all
from m4jax.data.pictures import read
from m4jax.errors import InputError
from m4jax.training import Stage, TrainData, make_mesh, train
from m4jax.training.batches import Draw, Sampler, batches


def png(picture, kind="png"):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def both(small_world, data_dir):
    """The testbed's training pictures in memory and on disk."""
    kept = small_world.load_split("train", data_dir)
    encoded = small_world.load_split("train", data_dir, in_memory_gb=0.0)
    assert isinstance(encoded.images, EncodedPictures)
    assert encoded.images.shape == kept.images.shape
    for name, column in kept.columns.items():
        np.testing.assert_array_equal(column, encoded.columns[name])
    return kept.images, encoded.images


def data(images):
    n = len(images)
    return TrainData(
        images=images,
        tokens=np.arange(3 * n, dtype=np.int32).reshape(n, 3) % 7,
        caption_id=np.arange(n),
        attributes=np.zeros((n, 1)),
        labels=np.zeros((n, 1)),
        target=np.array([0.5]),
        stages=(Stage(0), Stage(4, np.linspace(0, 1, n))),
    )


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", [0, 3, 5])
def test_batches_are_the_same_as_from_memory(both, start, workers):
    found = []
    for images in both:
        draw = Draw(CONFIG, data(images))
        steps = {"start": start, "stop": 8, "workers": workers}
        found.append(list(batches(data(images), draw, make_mesh(), **steps)))
    assert len(found[0]) == len(found[1]) == 8 - start
    for kept, encoded in zip(*found, strict=True):
        np.testing.assert_array_equal(kept.indices, encoded.indices)
        np.testing.assert_array_equal(kept.batch.images, encoded.batch.images)
        np.testing.assert_array_equal(kept.batch.tokens, encoded.batch.tokens)


def test_training_is_the_same_as_from_memory(tmp_path):
    kept = tiny_data()
    records = [{"image": png(picture)} for picture in kept.images]
    encoded = dataclasses.replace(kept, images=EncodedPictures(records, resolution=8))
    found = [
        train(CONFIG, examples, tmp_path / name, model=tiny_model())
        for name, examples in (("kept", kept), ("encoded", encoded))
    ]
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_pictures_of_other_sizes_are_scaled_and_cut_in_the_middle():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200  # the middle square
    gray = Image.fromarray(np.full((8, 8), 77, np.uint8))
    buffer = io.BytesIO()
    gray.save(buffer, "png")
    records = [{"image": png(wide)}, {"image": buffer.getvalue()}]
    pictures = EncodedPictures(records, resolution=8).decode(np.array([0, 1]))
    assert pictures.shape == (2, 8, 8, 3)
    assert (pictures[0, :, 1:-1] > 190).all()
    assert (pictures[1] == 77).all()
    squash = {"resize": "squash", "interpolation": "bilinear"}
    whole = EncodedPictures(records, resolution=8, scaling=squash)[np.array([0])]
    np.testing.assert_array_equal(whole[0], read(records[0]["image"], 8, **squash))
    assert (whole[0, :, 0] == 0).all() and (whole[0, :, 4] > 150).all()
    np.testing.assert_array_equal(
        read_all(records, resolution=8, what="them", scaling=squash)[1][:1], whole
    )


def test_a_broken_picture_is_named():
    records = [{"image": png(np.zeros((8, 8, 3), np.uint8))}, {"image": b"no picture"}]
    pictures = EncodedPictures(records, resolution=8)
    with pytest.raises(InputError, match="picture 1: not a readable image"):
        pictures.decode(np.array([0, 1]))
    examples = dataclasses.replace(tiny_data(2), images=pictures)
    draw = Draw(CONFIG, examples)
    with pytest.raises(InputError, match="picture 1"):
        list(batches(examples, draw, make_mesh(), start=0, stop=3))


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

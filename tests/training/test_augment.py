"""What augmentation may do to a picture, and what it may not."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers.runs import CONFIG, tiny_model
from helpers.tolerance import rounding

from m4jax.training import step

KEY = jax.random.key(0)


def augment(key, images, **settings):
    return step.augment(key, images, dataclasses.replace(CONFIG, **settings), tiny_model().variant)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), np.uint8)


def test_normalize_maps_the_ends():
    images = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    np.testing.assert_array_equal(step.normalize(images), [[-1] * 3, [1] * 3])
    mean, std = (0.5, 0.4, 0.25), (0.5, 0.2, 0.25)
    expected = [[-1, -2, -1], [1, 3, 3]]
    tolerance = rounding(np.float32, 4)
    np.testing.assert_allclose(step.normalize(images, mean, std), expected, rtol=tolerance)


def test_shift_is_a_window_of_the_padded_picture(images):
    moved = np.asarray(step.shift(KEY, images, 2))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    found = []
    for before, after in zip(padded, moved, strict=True):
        windows = [(y, x) for y in range(5) for x in range(5)]
        fits = [(y, x) for y, x in windows if (before[y : y + 5, x : x + 7] == after).all()]
        assert len(fits) == 1
        found += fits
    assert len(set(found)) > 1  # each picture its own


def test_shifts_are_uniform():
    pictures = np.zeros((4000, 9, 9, 3), np.uint8)
    pictures[:, 4, 4] = 255
    moved = np.asarray(step.shift(KEY, pictures, 1))[..., 0]
    counts = np.count_nonzero(moved, axis=0)
    assert counts[3:6, 3:6].min() > 370  # 444 expected in each of nine places
    assert counts.sum() == counts[3:6, 3:6].sum() == 4000


def test_flip_mirrors_about_half(images):
    many = np.tile(images[:1], (1000, 1, 1, 1))
    flipped = np.asarray(step.flip(KEY, many))
    mirrored = (flipped == many[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (flipped == many).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 400 < mirrored.sum() < 600


def test_jitter_is_affine_and_bounded():
    x = np.linspace(-1, 1, 2 * 50 * 3, dtype=np.float32).reshape(50, 2, 1, 3)
    y = np.asarray(step.jitter(KEY, x, 0.2))
    contrast = (y[:, 1, 0, 0] - y[:, 0, 0, 0]) / (x[:, 1, 0, 0] - x[:, 0, 0, 0])
    brightness = y[:, 0, 0, 0] - contrast * x[:, 0, 0, 0]
    assert 0.8 - 1e-3 <= contrast.min() < 0.9 < 1.1 < contrast.max() <= 1.2 + 1e-3
    assert -0.2 - 1e-3 <= brightness.min() < -0.1 < 0.1 < brightness.max() <= 0.2 + 1e-3


def test_everything_off_only_normalizes(images):
    plain = augment(KEY, images, shift_pixels=0, flip=False, jitter=0.0)
    np.testing.assert_array_equal(plain, step.normalize(images))


def test_same_key_same_pictures(images):
    options = {"shift_pixels": 2, "flip": True, "jitter": 0.1}
    first, again = (augment(KEY, images, **options) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != augment(jax.random.key(1), images, **options)).any()

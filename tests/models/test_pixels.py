"""Pictures that are plainly not normalised are told at the model's door."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.small_models import model_of, random_params

from m4jax import models
from m4jax.errors import InputError
from m4jax.training import Embedder

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def embed():
    model = model_of("open_clip")
    params = random_params(model)
    return model, params, lambda x: model.apply({"params": params}, x, method="encode_image")[0]


def test_normalised_pictures_are_those_of_the_peers(embed):
    model, params, embed = embed
    pixels = models.normalise(PICTURES, model)
    mean, std = np.array(model.variant.pixel_mean), np.array(model.variant.pixel_std)
    np.testing.assert_allclose(pixels, (PICTURES / 255 - mean) / std, atol=1e-6)
    ours = Embedder(model, params, batch_size=2).images(PICTURES)
    np.testing.assert_allclose(embed(pixels), ours, atol=1e-5)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (PICTURES, "got uint8; use models.normalise"),
        (PICTURES.astype(np.float32), "from 0 to 255 are not normalised"),
        (PICTURES / np.float32(255), "from 0 to 1 are not normalised"),
        (jnp.asarray(PICTURES / np.float32(255)), "from 0 to 1 are not normalised"),
        (np.full((1, 32, 32, 3), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((1, 3, 32, 32), np.float32), "height, width and RGB"),
        (np.zeros((1, 30, 30, 3), np.float32), r"\[..., 32, 32, 3\], got \[1, 30, 30, 3\]"),
    ],
)
def test_pictures_that_are_not_normalised_are_refused(embed, pictures, message):
    with pytest.raises(InputError, match=message):
        embed[2](pictures)


def test_bright_grey_and_black_pictures_are_taken(embed):
    model, _, embed = embed
    for value in (0, 127, 255):
        embed(models.normalise(np.full((1, 32, 32, 3), value, np.uint8), model))
    half = models.create("emoji-S/8")  # a mean of 0.5: bright pictures are from 0 to 1
    bright = np.random.default_rng(0).integers(128, 256, (2, 32, 32, 3), dtype=np.uint8)
    models.pixels.check(models.normalise(bright, half), half.variant)


def test_under_jit_type_and_shape_are_known(embed):
    with pytest.raises(InputError, match="got uint8"):
        jax.eval_shape(embed[2], PICTURES)
    with pytest.raises(InputError, match="height, width"):
        jax.eval_shape(embed[2], np.zeros((1, 3, 32, 32), np.float32))


def test_only_bytes_are_normalised(embed):
    model, params, _ = embed
    for pictures in (PICTURES.astype(np.float32), PICTURES.astype(np.int32)):
        with pytest.raises(InputError, match="expected pictures of uint8"):
            models.normalise(pictures, model)
        with pytest.raises(InputError, match="expected pictures of uint8"):
            Embedder(model, params).images(pictures)
    with pytest.raises(InputError, match="height, width and RGB"):
        models.normalise(PICTURES.transpose(0, 3, 1, 2), model)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.0, 1 / 255)])
def test_a_model_may_take_pictures_as_they_are(mean, std):
    """From 0 to 1, or from 0 to 255, as a folder of transformers without normalisation has it."""
    model = model_of("open_clip", pixel_mean=(mean,) * 3, pixel_std=(std,) * 3)
    pixels = models.normalise(PICTURES, model)
    np.testing.assert_allclose(pixels, PICTURES / (255 * std), rtol=1e-6)
    models.pixels.check(pixels, model.variant)
    with pytest.raises(InputError, match="not normalised"):
        models.pixels.check(pixels * 255, model.variant)

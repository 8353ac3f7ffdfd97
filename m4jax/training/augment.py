"""Pictures on the device: normalisation, random shifts, flips and changes of colour."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def normalize(
    images: jax.Array, mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3
) -> jax.Array:
    """Maps uint8 [..., 3] to float32, (x/255 − mean)/std for each channel."""
    mean, std = (np.asarray(x, np.float32) for x in (mean, std))
    return images.astype(jnp.float32) / (255 * std) - mean / std


def shift(key: jax.Array, images: jax.Array, pixels: int) -> jax.Array:
    """Moves each picture by up to `pixels` in both directions; the edge is repeated.

    One gather of whole windows from the padded pictures: on a CPU several times faster than
    `roll` under `vmap`.
    """
    padding = ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    padded = jnp.pad(images, padding, mode="edge")
    corners = jax.random.randint(key, (len(images), 2), 0, 2 * pixels + 1)

    def window(picture, corner):
        return jax.lax.dynamic_slice(picture, (corner[0], corner[1], 0), images.shape[1:])

    return jax.vmap(window)(padded, corners)


def flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Mirrors half of the pictures, left to right."""
    mirrored = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def jitter(key: jax.Array, images: jax.Array, strength: float) -> jax.Array:
    """Maps normalised x to contrast · x + brightness, drawn for each picture.

    The contrast is uniform in [1 − strength, 1 + strength], the brightness in ± strength.
    """
    draws = jax.random.uniform(key, (2, len(images), 1, 1, 1), minval=-strength, maxval=strength)
    return images * (1 + draws[0]) + draws[1]


def augment(
    key: jax.Array,
    images: jax.Array,
    *,
    shift_pixels: int,
    mirror: bool,
    jitter_strength: float,
    mean: Sequence[float] = (0.5,) * 3,
    std: Sequence[float] = (0.5,) * 3,
) -> jax.Array:
    """Maps uint8 pictures [B, h, w, 3] to normalised float32, each changed at random.

    Args:
        key: of the random numbers.
        images: uint8 [B, h, w, 3].
        shift_pixels: see `shift`; 0: none.
        mirror: whether to `flip`.
        jitter_strength: see `jitter`; 0: none.
        mean: see `normalize`.
        std: see `normalize`.

    Returns:
        float32 [B, h, w, 3].
    """
    shift_key, flip_key, jitter_key = jax.random.split(key, 3)
    if shift_pixels:
        images = shift(shift_key, images, shift_pixels)
    if mirror:
        images = flip(flip_key, images)
    images = normalize(images, mean, std)
    return jitter(jitter_key, images, jitter_strength) if jitter_strength else images

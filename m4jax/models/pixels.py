"""Pictures as a model takes them: normalised, and told apart from those that are not."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.errors import InputError
from m4jax.models.variants import Variant

LARGEST = 10.0  # of normalised values: no channel of a published model goes beyond 3
_MEND = "use models.normalise(pictures, model), with pictures as uint8"


def affine(images: jax.Array, mean: Sequence[float], std: Sequence[float]) -> jax.Array:
    """Maps values from 0 to 255 [..., 3] to float32, (x/255 − mean)/std for each channel."""
    mean, std = (np.asarray(x, np.float32) for x in (mean, std))
    return images.astype(jnp.float32) / (255 * std) - mean / std


def normalise(pictures: np.ndarray, model) -> jax.Array:
    """Returns pictures as `model.encode_image` takes them, float32 (x/255 − mean)/std.

    Args:
        pictures: uint8 [..., h, w, 3], h = w the model's image size, from
            `data.pictures.read(content, size)` say.
        model: of `create`; mean and std are its `pixel_mean` and `pixel_std`.

    Raises:
        InputError: on another type or shape.
    """
    v = model.variant
    if np.dtype(pictures.dtype) != np.uint8:
        raise InputError(
            f"expected pictures of uint8, from 0 to 255, got {pictures.dtype}; those that are "
            "normalised already go to the model as they are"
        )
    check_shape(pictures.shape, v)
    return affine(jnp.asarray(pictures), v.pixel_mean, v.pixel_std)


def check_shape(shape: tuple[int, ...], variant: Variant) -> None:
    """Raises unless the shape of pictures is [..., h, w, 3] with the model's size."""
    size = variant.image_size
    if tuple(shape[-3:]) != (size, size, 3):
        raise InputError(
            f"expected pictures [..., {size}, {size}, 3], got {list(shape)}: height, width and RGB "
            "in this order, scaled and cut to the model's size"
        )


def check(images: jax.Array | np.ndarray, variant: Variant) -> None:
    """Raises if pictures are plainly not normalised; under jit only their type and shape are known.

    Plainly: integers, values beyond ±`LARGEST` (0 to 255; a model of small deviations takes more),
    values that are not finite, or multiples of 1/255 from 0 to 1, even and odd ones (divided by 255
    and left at that: a mean and a standard deviation of 0.5 would leave odd ones alone, and a model
    of mean 0 and deviation 1 takes them so).

    Raises:
        InputError: with what to do.
    """
    check_shape(images.shape, variant)
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise InputError(f"expected normalised pictures in floats, got {images.dtype}; {_MEND}")
    if isinstance(images, jax.core.Tracer):
        return
    if isinstance(images, jax.Array) and not images.is_fully_addressable:
        return
    values = np.asarray(images, np.float32)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not np.isfinite(low + high):
        raise InputError("pictures with values that are NaN or infinite")
    ends = [(x - m) / s for m, s in zip(variant.pixel_mean, variant.pixel_std, strict=True)
            for x in (0, 1)]  # fmt: skip
    divided = set(ends) != {0.0, 1.0} and _only_divided(values, low, high)
    if max(-low, high) > max(LARGEST, 2 * max(map(abs, ends))) or divided:
        raise InputError(f"pictures from {low:g} to {high:g} are not normalised; {_MEND}")


def _only_divided(values: np.ndarray, low: float, high: float) -> bool:
    if low < 0 or not 0 < high <= 1:
        return False
    steps = values * 255
    whole = np.rint(steps)
    return bool(np.abs(steps - whole).max() < 1e-3 and (whole % 2 == 0).any() and (whole % 2).any())

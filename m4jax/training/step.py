"""One training step, a pure function of (state, batch)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

MAX_LOGIT_SCALE = 100.0  # Radford et al. 2021, section 2.5


class TrainState(NamedTuple):
    """All that a step changes; the random numbers of a step follow from (seed, step).

    Attributes:
      params: of the model.
      opt_state: of the optimiser.
      step: number of steps taken, int32.
      seed: of augmentation, uint32.
    """

    params: Any
    opt_state: Any
    step: jax.Array
    seed: jax.Array


class Batch(NamedTuple):
    """A batch of pairs.

    Attributes:
      images: uint8 [B, h, w, 3].
      tokens: int32 [B, L].
    """

    images: jax.Array
    tokens: jax.Array


def init_state(
    model: nn.Module, optimizer: optax.GradientTransformation, *, seed: int
) -> TrainState:
    """Returns the state before the first step."""
    params = init_params(model, seed=seed)
    return TrainState(params, optimizer.init(params), jnp.int32(0), jnp.uint32(seed))


def init_params(model: nn.Module, *, seed: int) -> dict:
    """Returns new parameters of a two-tower model."""
    variant = model.variant
    image = jnp.zeros((1, variant.image_size, variant.image_size, 3), jnp.float32)
    tokens = jnp.zeros((1, variant.context), jnp.int32)
    return model.init(jax.random.key(seed), image, tokens)["params"]


def make_train_step(
    *,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    loss: Callable[..., jax.Array],
    augment: Callable[[jax.Array, jax.Array], jax.Array],
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns `train_step(state, batch) -> (state, metrics)`; it is pure and not yet jitted.

    Args:
      model: a two-tower model.
      optimizer: of optax.
      loss: maps (image, text, logit_scale, logit_bias) to a scalar.
      augment: maps (key, uint8 images) to normalised images.

    Returns:
      The step. Its metrics are scalars: loss, accuracy (share of the batch's pictures whose own
      text is the most similar), grad_norm (before clipping), logit_scale and logit_bias.
    """

    def forward(params, images, tokens):
        output = model.apply({"params": params}, images, tokens)
        return loss(*output), output

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        images = augment(key, batch.images)
        grad = jax.value_and_grad(forward, has_aux=True)
        (value, output), grads = grad(state.params, images, batch.tokens)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = _clip_scale(optax.apply_updates(state.params, updates))
        metrics = {
            "loss": value,
            "accuracy": _accuracy(output.image, output.text),
            "grad_norm": optax.tree.norm(grads),
            "logit_scale": output.logit_scale,
            "logit_bias": output.logit_bias,
        }
        return TrainState(params, opt_state, state.step + 1, state.seed), metrics

    return train_step


def _clip_scale(params: dict) -> dict:
    """Keeps exp(log_scale) at most 100, as CLIP does, so that training stays stable."""
    return {**params, "log_scale": jnp.minimum(params["log_scale"], jnp.log(MAX_LOGIT_SCALE))}


def _accuracy(image: jax.Array, text: jax.Array) -> jax.Array:
    """Returns the share of rows i of `image` to which no other row of `text` is nearer than i."""
    similarity = image @ text.T
    return jnp.mean(jnp.diagonal(similarity) >= similarity.max(axis=1))

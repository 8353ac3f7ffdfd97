"""One training step, a pure function of (state, batch)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from m4jax.training.losses import Contrast

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
        weight: float32 [B] of the examples in the loss, mean 1 over the data; None: all 1.
    """

    images: jax.Array
    tokens: jax.Array
    weight: jax.Array | None = None


def init_state(
    model: nn.Module, optimizer: optax.GradientTransformation, *, seed: int
) -> TrainState:
    """Returns the state before the first step."""
    return new_state(init_params(model, seed=seed), optimizer, seed=seed)


def new_state(params: Any, optimizer: optax.GradientTransformation, *, seed: int) -> TrainState:
    """Returns the state before the first step of a run that starts from `params`."""
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
    loss: Callable[..., Contrast],
    augment: Callable[[jax.Array, jax.Array], jax.Array],
    microbatches: int = 1,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns `train_step(state, batch) -> (state, metrics)`; it is pure and not yet jitted.

    Args:
        model: a two-tower model.
        optimizer: of optax.
        loss: maps (image, text, logit_scale, logit_bias, weight) to a `Contrast`.
        augment: maps (key, uint8 images) to normalised images.
        microbatches: see `embed_in_parts`.

    Returns:
        The step. Its metrics are scalars: loss, accuracy (share of the batch's pictures whose own
        text is the most similar), grad_norm (before clipping), logit_scale and logit_bias.
    """

    def forward(params, images, tokens, weight):
        embed = embed_in_parts(lambda *pairs: model.apply({"params": params}, *pairs), microbatches)
        output = embed(images, tokens)
        value, accuracy = loss(*output, weight)
        return value, (accuracy, output.logit_scale, output.logit_bias)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        images = augment(key, batch.images)
        grad = jax.value_and_grad(forward, has_aux=True)
        (value, told), grads = grad(state.params, images, batch.tokens, batch.weight)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = _clip_scale(optax.apply_updates(state.params, updates))
        accuracy, logit_scale, logit_bias = told
        metrics = {
            "loss": value,
            "accuracy": accuracy,
            "grad_norm": optax.tree.norm(grads),
            "logit_scale": logit_scale,
            "logit_bias": logit_bias,
        }
        return TrainState(params, opt_state, state.step + 1, state.seed), metrics

    return train_step


def embed_in_parts(embed: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """Returns a function equal to `embed` that keeps the activations of one part of the batch.

    Part j are the rows i with i ≡ j (mod parts), so that rows that are split over devices stay
    where they are. The embeddings of all parts are kept, their activations are computed again for
    the gradient: the loss of the whole batch in the memory of a part (Gao et al. 2021, "Scaling
    Deep Contrastive Learning Batch Size under Memory Limited Setup").

    Args:
        embed: maps (images [B, ...], tokens [B, L]) to a `models.Output`.
        parts: a divisor of B.
    """
    if parts == 1:
        return embed

    def split(x):
        return jnp.swapaxes(x.reshape(-1, parts, *x.shape[1:]), 0, 1)

    def join(x):
        return jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])

    def in_parts(images, tokens):
        one = jax.checkpoint(lambda pairs: embed(*pairs))
        output = jax.lax.map(one, (split(images), split(tokens)))
        return output._replace(
            image=join(output.image),
            text=join(output.text),
            logit_scale=output.logit_scale[0],
            logit_bias=output.logit_bias[0],
        )

    return in_parts


def _clip_scale(params: dict) -> dict:
    """Keeps exp(log_scale) at most 100, as CLIP does, so that training stays stable."""
    return {**params, "log_scale": jnp.minimum(params["log_scale"], jnp.log(MAX_LOGIT_SCALE))}

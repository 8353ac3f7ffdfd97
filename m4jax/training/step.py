"""One training step, a pure function of (state, batch): augmentation, gradient, AdamW."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from m4jax.models import Variant
from m4jax.models.pixels import affine
from m4jax.training.config import TOWERS, TrainConfig
from m4jax.training.losses import LOSSES, over

MAX_LOGIT_SCALE = 100.0  # Radford et al. 2021, section 2.5
DECAYED = ("kernel", "embedding")  # matrices; the scanned layers' biases have two axes as well


class TrainState(NamedTuple):
    """All that a step changes; the random numbers of a step follow from (seed, step).

    Attributes:
        params: of the model.
        opt_state: of the optimiser.
        step: number of steps taken, int32.
        seed: of augmentation, uint32.
        average: mean of the parameters so far, of a run that averages them; zeros before it does.
    """

    params: Any
    opt_state: Any
    step: jax.Array
    seed: jax.Array
    average: Any = None


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


def make_optimizer(
    config: TrainConfig, learning_rate: optax.ScalarOrSchedule
) -> optax.GradientTransformation:
    """Returns AdamW on gradients of norm at most `clip_norm`, weight decay on matrices only.

    It takes the whole parameters, but gradients of those that move alone (see `moving`): of a
    frozen tower it keeps no moments. With a factor f_t of the learning rate η for the tower t, the
    whole update of its parameters is multiplied by it, as by AdamW with the rate f_t η:

        θ ← θ − f_t η (m̂/(√v̂ + ε) + λ θ)

    The gradient's norm is that of all parameters that move, whatever their factors.
    """
    decay = {"weight_decay": config.weight_decay, "mask": matrices}
    parts = [
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(learning_rate, config.b1, config.b2, **decay),
    ]
    factors = {tower: getattr(config, f"{tower}_rate") for tower in TOWERS}
    if any(factors.values()):
        parts.append(optax.stateless(lambda updates, _: _scaled(updates, factors)))
    inner = optax.chain(*parts)
    return optax.GradientTransformation(
        lambda params: inner.init(moving(params, config)),
        lambda grads, state, params: inner.update(grads, state, moving(params, config)),
    )


def moving(params: dict, config: TrainConfig) -> dict:
    """Returns the parameters that training changes: all but those of a frozen tower."""
    return {name: part for name, part in params.items() if name != config.freeze}


def _scaled(updates: dict, factors: Mapping[str, float | None]) -> dict:
    """Returns the updates, those of each tower multiplied by its factor; None: 1."""
    return {
        name: jax.tree.map(lambda x, f=factors[name]: f * x, part) if factors.get(name) else part
        for name, part in updates.items()
    }


def matrices(params: dict) -> dict:
    """Returns a tree of booleans: true for the matrices, which weight decay acts on."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key in DECAYED, params)


def normalize(
    images: jax.Array, mean: Sequence[float] = (0.5,) * 3, std: Sequence[float] = (0.5,) * 3
) -> jax.Array:
    """Maps uint8 [..., 3] to float32, (x/255 − mean)/std for each channel."""
    return affine(images, mean, std)


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


def augment(key: jax.Array, images: jax.Array, config: TrainConfig, variant: Variant) -> jax.Array:
    """Maps uint8 pictures [B, h, w, 3] to normalised float32, each changed at random.

    They are moved, mirrored and jittered as the settings say, and normalised for the model.
    """
    shift_key, flip_key, jitter_key = jax.random.split(key, 3)
    if config.shift_pixels:
        images = shift(shift_key, images, config.shift_pixels)
    if config.flip:
        images = flip(flip_key, images)
    images = normalize(images, variant.pixel_mean, variant.pixel_std)
    return jitter(jitter_key, images, config.jitter) if config.jitter else images


def make_train_step(
    config: TrainConfig,
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns `train_step(state, batch) -> (state, metrics)`; it is pure and not yet jitted.

    Args:
        config: loss, augmentation, microbatches and what is frozen are used.
        model: a two-tower model.
        optimizer: of optax; it is given the gradients of the parameters that move.
        mesh: the rows of a batch are split over its data axis; None: one device.

    Returns:
        The step. Its metrics are scalars: loss, accuracy (share of the batch's pictures whose own
        text is the most similar), grad_norm (of what moves, before clipping), logit_scale and
        logit_bias.
    """
    loss = LOSSES[config.loss].function
    if mesh:
        loss = over(mesh, loss)

    def forward(moved, fixed, images, tokens, weight):
        params = fixed | moved
        embed = embed_in_parts(
            lambda *pairs: model.apply({"params": params}, *pairs), config.microbatches
        )
        output = embed(images, tokens)
        value, accuracy = loss(*output, weight=weight)
        return value, (accuracy, output.logit_scale, output.logit_bias)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(state.seed), state.step)
        images = augment(key, batch.images, config, model.variant)
        grad = jax.value_and_grad(forward, has_aux=True)
        moved = moving(state.params, config)
        fixed = {name: part for name, part in state.params.items() if name not in moved}
        (value, scalars), grads = grad(moved, fixed, images, batch.tokens, batch.weight)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = _clip_scale(fixed | optax.apply_updates(moved, updates))
        accuracy, logit_scale, logit_bias = scalars
        metrics = {
            "loss": value,
            "accuracy": accuracy,
            "grad_norm": optax.tree.norm(grads),
            "logit_scale": logit_scale,
            "logit_bias": logit_bias,
        }
        taken = state._replace(params=params, opt_state=opt_state, step=state.step + 1)
        return taken, metrics

    return train_step


def mean_with(mean: Any, params: Any, k: jax.Array) -> Any:
    """Returns the mean of k parameters, given that of the k − 1 before: m + (θ − m)/k."""
    return jax.tree.map(lambda m, x: m + (x - m) / k, mean, params)


def averaged(state: TrainState, config: TrainConfig) -> TrainState:
    """Takes the parameters after a step into the mean, in the last `average` steps alone."""
    if state.average is None:
        return state
    k = state.step - (config.steps - config.average)
    mean = jax.lax.cond(
        k > 0,
        lambda: mean_with(state.average, state.params, k),
        lambda: state.average,
    )
    return state._replace(average=mean)


def with_average(state: TrainState, config: TrainConfig) -> TrainState:
    """Returns the state with a mean of no parameters yet, if the run averages them."""
    if config.average is None:
        return state
    return state._replace(average=jax.tree.map(jnp.zeros_like, state.params))


def finished(state: TrainState) -> TrainState:
    """Returns the state after the last step: its parameters are the mean, if the run has one."""
    return state if state.average is None else state._replace(params=state.average)


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

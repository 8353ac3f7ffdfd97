"""AdamW with warm-up, decay of the learning rate, and clipping."""

import jax
import jax.numpy as jnp
import optax

DECAYED = ("kernel", "embedding")  # matrices; the scanned layers' biases have two axes as well


SCHEDULES = ("cosine", "rsqrt")


def schedule(
    *,
    learning_rate: float,
    warmup_steps: int,
    steps: int,
    kind: str = "cosine",
    cooldown_steps: int = 0,
) -> optax.Schedule:
    """Returns step ↦ learning rate: linear from 0 to the peak, then as `kind` says.

    "cosine": half a cosine to 0. "rsqrt": peak · √(τ / max(τ, t)), τ a tenth of the steps, then
    linearly to 0 over the last `cooldown_steps`. By the second one the last tenth of training has
    5% of the sum of the learning rates, by the cosine 0.2%: what comes last is hardly learnt
    (1,500 steps, 50 of them warm-up, 75 cooldown; derived).

    Source: "rsqrt": Zhai et al. 2022, Scaling Vision Transformers, section 3.5.
    """
    if kind == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup_steps, steps)
    scale = max(steps / 10, 1.0)

    def rate(step):
        warm = jnp.minimum(1.0, step / warmup_steps) if warmup_steps else 1.0
        cool = jnp.clip((steps - step) / cooldown_steps, 0.0, 1.0) if cooldown_steps else 1.0
        return learning_rate * warm * cool * jnp.sqrt(scale / jnp.maximum(step, scale))

    return rate


def matrices(params: dict) -> dict:
    """Returns a tree of booleans: true for the matrices, which weight decay acts on."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key in DECAYED, params)


def adamw(
    *,
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: float,
    b1: float,
    b2: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """Returns AdamW on gradients of norm at most `clip_norm`, weight decay on matrices only."""
    return optax.chain(
        optax.clip_by_global_norm(clip_norm),
        optax.adamw(learning_rate, b1, b2, weight_decay=weight_decay, mask=matrices),
    )

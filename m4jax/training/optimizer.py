"""AdamW with warm-up, cosine decay and clipping."""

import jax
import optax

DECAYED = ("kernel", "embedding")  # matrices; the scanned layers' biases have two axes as well


def schedule(*, learning_rate: float, warmup_steps: int, steps: int) -> optax.Schedule:
    """Returns step ↦ learning rate: linear from 0 to the peak, then half a cosine to 0."""
    return optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup_steps, steps)


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

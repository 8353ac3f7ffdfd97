"""The learning rate by step: schedules with their warm-up, and a restart of any of them."""

from collections.abc import Callable

import jax.numpy as jnp
import optax


def cosine(peak: float, *, steps: int, warmup: int, cooldown: int) -> optax.Schedule:
    """Linear from 0 to the peak, then half a cosine to 0; there is no cooldown."""
    del cooldown
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)


def rsqrt(peak: float, *, steps: int, warmup: int, cooldown: int) -> optax.Schedule:
    """Linear from 0 to the peak, then peak · √(τ / max(τ, t)) and linearly to 0.

    τ is a tenth of the steps, and the fall to 0 takes the last `cooldown`. The last tenth of
    training has 5% of the sum of the learning rates, by the cosine 0.2%: what comes last is hardly
    learnt (1,500 steps, 50 of them warm-up, 75 cooldown; derived). Source: Zhai et al. 2022,
    Scaling Vision Transformers, section 3.5.
    """
    scale = max(steps / 10, 1.0)

    def rate(step):
        warm = jnp.minimum(1.0, step / warmup) if warmup else 1.0
        cool = jnp.clip((steps - step) / cooldown, 0.0, 1.0) if cooldown else 1.0
        return peak * warm * cool * jnp.sqrt(scale / jnp.maximum(step, scale))

    return rate


# Name ↦ (peak, steps, warmup, cooldown) ↦ (step ↦ rate).
SCHEDULES: dict[str, Callable[..., optax.Schedule]] = {"cosine": cosine, "rsqrt": rsqrt}


def restarted(before: optax.Schedule, peak: float, *, start: int, steps: int) -> optax.Schedule:
    """Returns the rate `before` up to the step `start`, and from there on one of its own.

    Of the R = steps − start steps that are left, with u of them taken (derived):

        peak · min(u / (R/10), (R − u) / (R − R/10))
    """
    left = steps - start
    warmup = left / 10

    def rate(step):
        taken = step - start
        after = peak * jnp.minimum(taken / warmup, (left - taken) / (left - warmup))
        return jnp.where(step < start, before(step), after)

    return rate

"""Contrastive losses over a batch of pairs."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


def softmax_loss(image: jax.Array, text: jax.Array, logit_scale: jax.Array) -> jax.Array:
    """Mean cross-entropy of finding a picture's own text, and a text's own picture.

    With l_ij = logit_scale · ⟨image_i, text_j⟩:

        loss = ½ · 1/B · Σ_i [ logsumexp_j l_ij + logsumexp_j l_ji − 2 l_ii ]

    A model that knows nothing (all l equal) has the loss ln B.

    Args:
      image: [B, d] unit embeddings.
      text: [B, d] unit embeddings; row i belongs to row i of `image`.
      logit_scale: a number.

    Returns:
      The loss, a scalar. Source: Radford et al. 2021, figure 3.
    """
    logits = logit_scale * image @ text.T
    normalizer = jax.nn.logsumexp(logits, axis=0) + jax.nn.logsumexp(logits, axis=1)
    return jnp.mean(normalizer / 2 - jnp.diagonal(logits))


def sigmoid_loss(
    image: jax.Array, text: jax.Array, logit_scale: jax.Array, logit_bias: jax.Array
) -> jax.Array:
    """Binary cross-entropy of each of the B² pairs, summed over pairs and divided by B.

    With l_ij = logit_scale · ⟨image_i, text_j⟩ + logit_bias, y_ii = 1 and y_ij = −1 elsewhere:

        loss = − 1/B · Σ_ij log σ(y_ij l_ij)

    Args:
      image: [B, d] unit embeddings.
      text: [B, d] unit embeddings; row i belongs to row i of `image`.
      logit_scale: a number.
      logit_bias: a number; −10 at the start, as most pairs are no pairs.

    Returns:
      The loss, a scalar. Source: Zhai et al. 2023, algorithm 1 (the same normalisation).
    """
    logits = logit_scale * image @ text.T + logit_bias
    sign = 2 * jnp.eye(len(image)) - 1
    return -jnp.sum(jax.nn.log_sigmoid(sign * logits)) / len(image)


class Loss(NamedTuple):
    """A loss and what it needs of the model.

    Attributes:
      function: maps (image, text, logit_scale, logit_bias) to a scalar.
      chance: maps B to the loss of the best model that can't tell pairs apart (all l_ij equal).
      model: the fields of `models.Variant` that go with it.
    """

    function: object
    chance: object
    model: dict[str, float]


def _sigmoid_chance(batch_size: int) -> float:
    """Returns the loss at the best constant logit, σ(l) = 1/B (derived)."""
    if batch_size == 1:
        return 0.0
    others = batch_size - 1
    return math.log(batch_size) + others * math.log(batch_size / others)


LOSSES = {
    "softmax": Loss(lambda i, t, scale, bias: softmax_loss(i, t, scale), math.log, {}),
    "sigmoid": Loss(sigmoid_loss, _sigmoid_chance, {"logit_scale": 10.0, "logit_bias": -10.0}),
}

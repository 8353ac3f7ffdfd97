"""Contrastive losses over a batch of pairs, on one device or with its rows split over many.

Every loss takes the rows that its device holds. With `axis`, the name of a mesh axis over which
`jax.shard_map` has split the batch, the result is that of the whole batch on every device; without
it the rows are the whole batch. To add a loss, write its function and a line in `LOSSES`; the
functions of all take the same arguments.

**Weights.** With `weight` w [B] (mean 1 over the data) an example counts as if it stood in the
batch w times: w_i of its own terms, and w_i times as a negative of the others. That is what drawing
it in proportion to w does on average, without the noise of drawing. For whole numbers w the softmax
loss is exactly that of the batch with copies; in the sigmoid loss the copies of one example are not
negatives of each other.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from m4jax.training.mesh import DATA


class Contrast(NamedTuple):
    """What a loss returns, scalars.

    Attributes:
        loss: the value that is minimised.
        accuracy: share of the batch's pictures whose own text is the most similar.
    """

    loss: jax.Array
    accuracy: jax.Array


class Loss(NamedTuple):
    """A loss and what it needs of the model.

    Attributes:
        function: maps (image, text, logit_scale, logit_bias, weight=None, *, axis=None) to a
            `Contrast`. Image and text [b, d] are unit embeddings, row i of one belongs to row i of
            the other; scale and bias are numbers; the weights [b] are at least 0, or None for all
            1; axis is the mesh axis that splits the batch.
        chance: maps B to the loss of the best model that can't tell pairs apart (all l_ij equal).
        model: the fields of `models.Variant` that go with it.
    """

    function: Callable[..., Contrast]
    chance: Callable[[int], float]
    model: dict[str, float]


def softmax_loss(
    image: jax.Array,
    text: jax.Array,
    logit_scale: jax.Array,
    logit_bias: jax.Array | float = 0.0,
    *,
    weight: jax.Array | None = None,
    axis: str | None = None,
) -> Contrast:
    """Mean cross-entropy of finding a picture's own text, and a text's own picture.

    With l_ij = logit_scale · ⟨image_i, text_j⟩:

        loss = 1/B · Σ_i w_i [ ½ log Σ_j w_j exp(l_ij) + ½ log Σ_j w_j exp(l_ji) − l_ii ]

    A model that knows nothing (all l equal, all w 1) has the loss ln B. Each device holds b of the
    B rows and computes its [b, B] logits.

    `logit_bias`, a scalar, changes nothing: all losses have the arguments of `Loss.function`.

    Source: Radford et al. 2021, figure 3; with weights: derived.

    Raises:
        TypeError: if `logit_bias` is no scalar; weights go by keyword.
    """
    if jnp.ndim(logit_bias):
        raise TypeError(f"logit_bias has shape {jnp.shape(logit_bias)}; weights go by keyword")
    rows = len(image)
    logits = logit_scale * image @ _gather(text, axis).T
    own_column = _rank(axis) * rows + jnp.arange(rows)
    own = jnp.take_along_axis(logits, own_column[:, None], axis=1)[:, 0]
    accuracy = _mean(own >= logits.max(axis=1), axis)
    by_row, by_column = logits, logits
    if weight is not None:
        by_row = logits + jnp.log(_gather(weight, axis))
        by_column = logits + jnp.log(weight)[:, None]
    columns = jax.lax.dynamic_slice_in_dim(
        _logsumexp_columns(by_column, axis), _rank(axis) * rows, rows
    )
    terms = (jax.nn.logsumexp(by_row, axis=1) + columns) / 2 - own
    return Contrast(_mean(terms if weight is None else _times(weight, terms), axis), accuracy)


def sigmoid_loss(
    image: jax.Array,
    text: jax.Array,
    logit_scale: jax.Array,
    logit_bias: jax.Array,
    *,
    weight: jax.Array | None = None,
    axis: str | None = None,
) -> Contrast:
    """Binary cross-entropy of each of the B² pairs, summed over pairs and divided by B.

    With l_ij = logit_scale · ⟨image_i, text_j⟩ + logit_bias:

        loss = − 1/B · [ Σ_i w_i log σ(l_ii) + Σ_{i≠j} w_i w_j log σ(−l_ij) ]

    On many devices the texts are passed around in a ring, b rows at a time, so that a device never
    holds more than [b, b] logits, also not for the gradient.

    The bias is −10 at the start, as most pairs are no pairs.

    Source: Zhai et al. 2023, algorithm 1 (the same normalisation) and section 3.3 (chunks); with
    weights: derived.
    """
    rows = len(image)
    logits = logit_scale * image @ text.T + logit_bias
    sign = 2 * jnp.eye(rows) - 1
    terms = jax.nn.log_sigmoid(sign * logits)
    own, best = jnp.diagonal(logits), logits.max(axis=1)
    if weight is not None:
        other = jnp.where(sign > 0, 1, weight[None, :])
        terms = terms * weight[:, None] * other
    total = -jnp.sum(terms)
    if axis is not None:
        total, best = _ring(image, text, logit_scale, logit_bias, weight, axis, total, best)
    return Contrast(_sum(total, axis) / (rows * _size(axis)), _mean(own >= best, axis))


def _ring(image, text, scale, bias, weight, axis, total, best):
    """Adds the pairs of this device's pictures with the texts of all other devices."""
    size = _size(axis)
    neighbours = [(i, (i + 1) % size) for i in range(size)]

    @jax.checkpoint
    def visit(total, best, text, weights):
        logits = scale * image @ text.T + bias
        terms = jax.nn.log_sigmoid(-logits)
        if weight is not None:
            terms = terms * weight[:, None] * weights[None, :]
        return total - jnp.sum(terms), jnp.maximum(best, logits.max(axis=1))

    def step(carry, _):
        total, best, *passed = carry
        passed = jax.lax.ppermute(passed, axis, neighbours)
        return (*visit(total, best, *passed), *passed), None

    weights = jnp.ones_like(text[:, 0]) if weight is None else weight
    carry = (total, best, text, weights)
    return jax.lax.scan(step, carry, length=size - 1)[0][:2]


def _times(weight: jax.Array, terms: jax.Array) -> jax.Array:
    """Returns weight · terms, 0 where the weight is (there the terms may be infinite)."""
    return jnp.where(weight > 0, weight * jnp.where(weight > 0, terms, 0), 0)


def _logsumexp_columns(logits: jax.Array, axis: str | None) -> jax.Array:
    """Returns log Σ_i exp(logits_ij) [B] over the rows [b, B] of all devices."""
    if axis is None:
        return jax.nn.logsumexp(logits, axis=0)
    largest = jax.lax.pmax(jax.lax.stop_gradient(logits.max(axis=0)), axis)
    return largest + jnp.log(_sum(jnp.exp(logits - largest).sum(axis=0), axis))


def _gather(x: jax.Array, axis: str | None) -> jax.Array:
    return x if axis is None else jax.lax.all_gather(x, axis, tiled=True)


def _sum(x: jax.Array, axis: str | None) -> jax.Array:
    return x if axis is None else jax.lax.psum(x, axis)


def _mean(x: jax.Array, axis: str | None) -> jax.Array:
    return jnp.mean(x) if axis is None else jax.lax.pmean(jnp.mean(x), axis)


def _rank(axis: str | None) -> jax.Array | int:
    return 0 if axis is None else jax.lax.axis_index(axis)


def _size(axis: str | None) -> int:
    return 1 if axis is None else jax.lax.axis_size(axis)


def over(mesh: Mesh, loss: Callable[..., Contrast]) -> Callable[..., Contrast]:
    """Returns the loss of a batch whose rows are split over the data axis of `mesh`.

    The function maps (image [B, d], text [B, d], logit_scale, logit_bias, weight [B] or None) to a
    `Contrast`; with one device on the data axis it is `loss` itself.
    """
    if mesh.shape[DATA] == 1:
        return loss
    split, whole = PartitionSpec(DATA), PartitionSpec()

    def of_rows(image, text, logit_scale, logit_bias, weight):
        return loss(image, text, logit_scale, logit_bias, weight=weight, axis=DATA)

    def of_batch(image, text, logit_scale, logit_bias, weight=None):
        specs = (split, split, whole, whole, split)
        on_device = jax.shard_map(of_rows, mesh=mesh, in_specs=specs, out_specs=whole)
        return on_device(image, text, logit_scale, logit_bias, weight)

    return of_batch


def _sigmoid_chance(batch_size: int) -> float:
    """Returns the loss at the best constant logit, σ(l) = 1/B (derived)."""
    if batch_size == 1:
        return 0.0
    others = batch_size - 1
    return math.log(batch_size) + others * math.log(batch_size / others)


LOSSES = {
    "softmax": Loss(softmax_loss, math.log, {}),
    "sigmoid": Loss(sigmoid_loss, _sigmoid_chance, {"logit_scale": 10.0, "logit_bias": -10.0}),
}

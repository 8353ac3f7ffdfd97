"""An image tower and a text tower that embed into one space (CLIP, SigLIP)."""

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from m4jax.errors import InputError, nearest
from m4jax.models import pixels
from m4jax.models.layers import AttentionPooling, Transformer, flat_dot, layer_norm
from m4jax.models.variants import VARIANTS, Variant

PADDING_ID = 0


class Output(NamedTuple):
    """What a two-tower model says about a batch of pairs.

    Attributes:
        image: [B, d] embeddings of unit norm.
        text: [B, d] embeddings of unit norm.
        logit_scale: factor of the cosine similarities.
        logit_bias: added to them; 0 in a model without one.
    """

    image: jax.Array
    text: jax.Array
    logit_scale: jax.Array
    logit_bias: jax.Array


def unit_norm(x: jax.Array) -> jax.Array:
    """Returns x/‖x‖ along the last axis in float32; a zero vector stays zero."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-24))


def patchify(images: jax.Array, size: int) -> jax.Array:
    """Cuts images [B, h, w, 3] into patches [B, ⌊h/size⌋ · ⌊w/size⌋, size · size · 3], row by row.

    What is left at the bottom and at the right is dropped, as a convolution with a stride does.
    """
    batch, height, width, channels = images.shape
    rows, columns = height // size, width // size
    images = images[:, : rows * size, : columns * size]
    grid = images.reshape(batch, rows, size, columns, size, channels)
    return grid.swapaxes(2, 3).reshape(batch, -1, size * size * channels)


class ImageTower(nn.Module):
    """A Vision Transformer: of CLIP with pooling "class", of SigLIP with "map"."""

    variant: Variant

    @nn.compact
    def __call__(self, images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Maps images [B, h, w, 3] to (features [B, embed], intermediates)."""
        v = self.variant
        scale = nn.initializers.normal(v.width**-0.5)
        patches = patchify(images, v.patch_size)
        x = nn.Dense(
            v.width, use_bias=v.biases, dot_general=flat_dot, dtype=v.dtype, name="patches"
        )(patches)
        if v.pooling == "class":
            token = self.param("class_token", scale, (1, 1, v.width)).astype(x.dtype)
            x = jnp.concatenate([jnp.tile(token, (len(x), 1, 1)), x], axis=1)
        x = x + self.param("positions", scale, x.shape[1:]).astype(x.dtype)
        if v.pooling == "class":
            x = layer_norm(v, "norm_pre")(x)
        sizes = (v.depth, v.heads, v.hidden, v.activation)
        tokens = Transformer(v, *sizes, name="transformer")(x)
        norm = layer_norm(v, "norm_post")
        if v.pooling == "map":
            pooled = AttentionPooling(v, name="pool")(norm(tokens))
        else:
            pooled = norm(tokens[:, 0] if v.pooling == "class" else tokens.mean(axis=1))
        features = pooled
        if v.image_projection:
            features = project(v, pooled)
        return features, {"tokens": tokens, "pooled": pooled}


class TextTower(nn.Module):
    """A transformer over tokens; unless `text_mask` is "none", padding changes nothing.

    Padding is the id 0, at the end only.
    """

    variant: Variant

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Maps tokens [B, L] with L at most `context` to (features [B, embed], intermediates)."""
        v = self.variant
        length = tokens.shape[1]
        if length > v.context or (v.text_mask == "none" and length < v.context):
            bound = "exactly" if v.text_mask == "none" else "at most"
            raise InputError(f"texts of {length} tokens; this model takes {bound} {v.context}")
        used = tokens != PADDING_ID
        table = nn.Embed(
            v.vocab_size,
            v.text_width,
            embedding_init=nn.initializers.normal(0.02),
            dtype=v.dtype,
            name="tokens",
        )
        positions = self.param("positions", nn.initializers.normal(0.01), (v.context, v.text_width))
        x = table(tokens) + positions[:length].astype(v.dtype)
        activation = v.text_activation or v.activation
        sizes = (v.text_depth, v.text_heads, v.text_hidden, activation)
        x = Transformer(v, *sizes, name="transformer")(x, _mask(v, used))
        norm = layer_norm(v, "norm_post")
        if v.text_pooling == "mean":
            share = used / jnp.maximum(used.sum(axis=1, keepdims=True), 1)
            pooled = norm(jnp.einsum("BL,BLD->BD", share.astype(x.dtype), x))
        else:
            x = norm(x)
            pooled = x[:, -1] if v.text_pooling == "end" else last_token(x, used)
        return project(v, pooled), {"tokens": x, "pooled": pooled}


def _mask(variant: Variant, used: jax.Array) -> jax.Array | None:
    """Returns who attends to whom, broadcasting to [B, H, L, L]; None: all to all."""
    if variant.text_mask == "none":
        return None
    if variant.text_mask == "causal":
        return jnp.tri(used.shape[1], dtype=bool)
    return used[:, None, None, :]


def last_token(x: jax.Array, used: jax.Array) -> jax.Array:
    """Returns the row [B, D] of x [B, L, D] at the last position that is `used` [B, L]."""
    last = jnp.max(jnp.where(used, jnp.arange(used.shape[1]), 0), axis=1)
    return jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


def project(variant: Variant, pooled: jax.Array) -> jax.Array:
    """Maps pooled [B, D] to features [B, embed]."""
    scale = nn.initializers.normal(pooled.shape[-1] ** -0.5)
    return nn.Dense(
        variant.embed,
        use_bias=variant.biases,
        kernel_init=scale,
        dtype=variant.dtype,
        name="projection",
    )(pooled)


class TwoTowers(nn.Module):
    """CLIP: two towers and a learnt scale of their cosine similarities (and a bias, if asked for).

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision"; the bias is that of Zhai et al. 2023, "Sigmoid Loss for Language Image
    Pre-Training".
    """

    variant: Variant

    def setup(self):
        """Names the towers and the scalars in the parameter tree."""
        v = self.variant
        self.image = ImageTower(v)
        self.text = TextTower(v)
        self.log_scale = self.param("log_scale", lambda _: jnp.log(jnp.float32(v.logit_scale)))
        if v.logit_bias is not None:
            self.bias = self.param("logit_bias", lambda _: jnp.float32(v.logit_bias))

    def encode_image(self, images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Maps normalised float images [B, h, w, 3] to (unit embeddings [B, embed], intermediates).

        The intermediates are the last layer's `tokens` [B, T, width], and `pooled` [B, width].

        Raises:
            InputError: if they have another size or are plainly not normalised: `pixels.check`.
        """
        pixels.check(images, self.variant)
        features, intermediates = self.image(images)
        return unit_norm(features), intermediates

    def encode_text(self, tokens: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Maps token ids [B, L], 0 where padded, to (unit embeddings [B, embed], intermediates)."""
        features, intermediates = self.text(tokens)
        return unit_norm(features), intermediates

    def __call__(self, images: jax.Array, tokens: jax.Array) -> Output:
        """Embeds pairs: images [B, h, w, 3] and tokens [B, L]."""
        bias = jnp.float32(0) if self.variant.logit_bias is None else self.bias
        return Output(
            image=self.encode_image(images)[0],
            text=self.encode_text(tokens)[0],
            logit_scale=jnp.exp(self.log_scale),
            logit_bias=bias,
        )


def names() -> list[str]:
    """Returns the names that `create` takes."""
    return list(VARIANTS)


def create(name: str, **overrides: Any) -> TwoTowers:
    """Returns the model called `name`, a linen module.

    Args:
        name: one of `names()`.
        **overrides: fields of `Variant` to change, `vocab_size=300` say.

    Raises:
        InputError: on an unknown name or field, or sizes that don't fit together.
    """
    if name not in VARIANTS:
        raise InputError(f"unknown model {name!r}; {nearest(name, VARIANTS)}")
    fields = [field.name for field in dataclasses.fields(Variant)]
    for field in overrides:
        if field not in fields:
            raise InputError(f"unknown field {field!r} of a model; {nearest(field, fields)}")
    return TwoTowers(dataclasses.replace(VARIANTS[name], **overrides))

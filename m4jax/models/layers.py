"""A pre-norm transformer whose layers are one scanned block."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

LAYER_NORM_EPSILON = 1e-5
MAX_UNROLLED = 4  # layers; a loop of few small ones costs more than it saves


def quick_gelu(x: jax.Array) -> jax.Array:
    """Returns x·σ(1.702 x), OpenAI-CLIP's approximation of GELU."""
    return x * jax.nn.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "quick_gelu": quick_gelu,
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
}


def flat_dot(x: jax.Array, kernel: jax.Array, dimensions, **options) -> jax.Array:
    """Multiplies x [..., D] by a kernel [D, E] as one matrix of rows.

    The gradient of the kernel is then a product of two matrices as well; on a CPU a step takes a
    fifth less time than with the products over several axes that `nn.Dense` leads to.
    """
    rows = jax.lax.dot_general(
        x.reshape(-1, x.shape[-1]), kernel, (((1,), (0,)), ((), ())), **options
    )
    return rows.reshape(*x.shape[:-1], -1)


def dense(features: int, *, scale: float, name: str) -> nn.Dense:
    """Returns a linear layer with a bias; its kernel starts normal with deviation `scale`."""
    initializer = nn.initializers.normal(scale)
    return nn.Dense(features, kernel_init=initializer, dot_general=flat_dot, name=name)


def layer_norm(name: str) -> nn.LayerNorm:
    """Returns a layer normalisation with the constant of CLIP."""
    return nn.LayerNorm(epsilon=LAYER_NORM_EPSILON, name=name)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    heads: int
    out_scale: float

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        """Maps x [B, T, D] to [B, T, D]; `mask` broadcasts to [B, H, T, T], true: attend."""
        width = x.shape[-1]
        qkv = dense(3 * width, scale=width**-0.5, name="qkv")(x)
        q, k, v = jnp.moveaxis(qkv.reshape(*x.shape[:-1], 3, self.heads, -1), -3, 0)
        scores = jnp.einsum("BTHd,BSHd->BHTS", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
        mixed = jnp.einsum("BHTS,BSHd->BTHd", jax.nn.softmax(scores), v).reshape(x.shape)
        return dense(width, scale=self.out_scale, name="out")(mixed)


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), the MLP four times as wide."""

    heads: int
    depth: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, None]:
        """Maps x [B, T, D] to ([B, T, D], None), the form that a scan over layers wants."""
        width = x.shape[-1]
        out_scale = (
            2 * width * self.depth
        ) ** -0.5  # the residual stream keeps its size with depth
        x = x + Attention(self.heads, out_scale, name="attention")(layer_norm("norm1")(x), mask)
        hidden = dense(4 * width, scale=(2 * width) ** -0.5, name="up")(layer_norm("norm2")(x))
        hidden = ACTIVATIONS[self.activation](hidden)
        return x + dense(width, scale=out_scale, name="down")(hidden), None


class Transformer(nn.Module):
    """`depth` blocks; the parameters of all are stacked on a leading axis [depth, ...]."""

    depth: int
    heads: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Maps x [B, T, D] to [B, T, D]."""
        scanned = nn.scan(
            Block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=nn.broadcast,
            length=self.depth,
            unroll=self.depth if self.depth <= MAX_UNROLLED else 1,
        )
        return scanned(self.heads, self.depth, self.activation, name="blocks")(x, mask)[0]

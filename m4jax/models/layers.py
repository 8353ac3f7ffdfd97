"""Pre-norm transformers whose layers are one scanned block, and attention pooling."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from m4jax.models.variants import ACTIVATIONS, REMAT, Variant

MAX_UNROLLED = 4  # layers; a loop of few small ones costs more than it saves


def flat_dot(x: jax.Array, kernel: jax.Array, dimensions, **options) -> jax.Array:
    """Multiplies x [..., D] by a kernel [D, E] as one matrix of rows.

    The gradient of the kernel is then a product of two matrices as well; on a CPU a step takes a
    fifth less time than with the products over several axes that `nn.Dense` leads to.
    """
    rows = jax.lax.dot_general(
        x.reshape(-1, x.shape[-1]), kernel, (((1,), (0,)), ((), ())), **options
    )
    return rows.reshape(*x.shape[:-1], -1)


def dense(
    variant: Variant, features: int, *, scale: float, name: str, bias: bool = True
) -> nn.Dense:
    """Returns a linear layer; its kernel starts normal with deviation `scale`."""
    return nn.Dense(
        features,
        use_bias=bias,
        kernel_init=nn.initializers.normal(scale),
        dot_general=flat_dot,
        dtype=variant.dtype,
        name=name,
    )


def layer_norm(variant: Variant, name: str) -> nn.LayerNorm:
    """Returns a layer normalisation; its moments are computed in float32."""
    return nn.LayerNorm(epsilon=variant.norm_epsilon, dtype=variant.dtype, name=name)


def attend(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Returns softmax(q kᵀ/√d) v for q [B, T, H, d] and k, v [B, S, H, d], as [B, T, H·d].

    `mask` broadcasts to [B, H, T, S], true: attend. The softmax is computed in float32.
    """
    scores = jnp.einsum("BTHd,BSHd->BHTS", q, k) * q.shape[-1] ** -0.5
    scores = scores.astype(jnp.float32)
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    shares = jax.nn.softmax(scores).astype(v.dtype)
    return jnp.einsum("BHTS,BSHd->BTHd", shares, v).reshape(*q.shape[:2], -1)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    variant: Variant
    heads: int
    out_scale: float

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        """Maps x [B, T, D] to [B, T, D]; `mask` broadcasts to [B, H, T, T], true: attend."""
        width = x.shape[-1]
        qkv = dense(self.variant, 3 * width, scale=width**-0.5, name="qkv")(x)
        q, k, v = jnp.moveaxis(qkv.reshape(*x.shape[:-1], 3, self.heads, -1), -3, 0)
        return dense(self.variant, width, scale=self.out_scale, name="out")(attend(q, k, v, mask))


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), the MLP with a layer of `hidden` units."""

    variant: Variant
    heads: int
    depth: int
    hidden: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, None]:
        """Maps x [B, T, D] to ([B, T, D], None), the form that a scan over layers wants."""
        v, width = self.variant, x.shape[-1]
        # The residual stream keeps its size with depth.
        out_scale = (2 * width * self.depth) ** -0.5
        attention = Attention(v, self.heads, out_scale, name="attention")
        x = x + attention(layer_norm(v, "norm1")(x), mask)
        return x + mlp(v, layer_norm(v, "norm2")(x), self.hidden, self.activation, out_scale), None


def mlp(
    variant: Variant, x: jax.Array, hidden: int, activation: str, out_scale: float
) -> jax.Array:
    """Maps x [..., D] to [..., D] over a hidden layer: "up" and "down" of the module."""
    width = x.shape[-1]
    x = dense(variant, hidden, scale=(2 * width) ** -0.5, name="up")(x)
    x = ACTIVATIONS[activation](x)
    return dense(variant, width, scale=out_scale, name="down")(x)


class Transformer(nn.Module):
    """`depth` blocks; the parameters of all are stacked on a leading axis [depth, ...]."""

    variant: Variant
    depth: int
    heads: int
    hidden: int
    activation: str

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        """Maps x [B, T, D] to [B, T, D]."""
        policy = REMAT[self.variant.remat]
        block = Block if policy is None else nn.remat(Block, policy=policy, prevent_cse=False)
        scanned = nn.scan(
            block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=nn.broadcast,
            length=self.depth,
            unroll=self.depth if self.depth <= MAX_UNROLLED else 1,
        )
        sizes = (self.heads, self.depth, self.hidden, self.activation)
        return scanned(self.variant, *sizes, name="blocks")(x, mask)[0]


class QueryKeyValue(nn.Module):
    """The one projection of attention whose queries come from elsewhere than keys and values."""

    variant: Variant

    @nn.compact
    def __call__(self, queries: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps queries [1, T, D] and x [B, S, D] to ([1, T, D], [B, S, 2 D])."""
        width, dtype = x.shape[-1], self.variant.dtype
        initializer = nn.initializers.normal(width**-0.5)
        kernel = self.param("kernel", initializer, (width, 3 * width)).astype(dtype)
        bias = self.param("bias", nn.initializers.zeros, 3 * width).astype(dtype)
        q = flat_dot(queries.astype(dtype), kernel[:, :width], None) + bias[:width]
        return q, flat_dot(x, kernel[:, width:], None) + bias[width:]


class AttentionPooling(nn.Module):
    """Pools tokens by the attention of one learnt query: h = attention(x), then h + MLP(norm(h)).

    Source: Zhai et al. 2022, "Scaling Vision Transformers", section 2.2, as big_vision has it.
    """

    variant: Variant

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps x [B, T, D] to [B, D]."""
        v, width = self.variant, x.shape[-1]
        scale, out_scale = width**-0.5, (2 * width) ** -0.5
        probe = self.param("probe", nn.initializers.normal(scale), (1, 1, width))
        q, kv = QueryKeyValue(v, name="qkv")(probe, x)
        q = jnp.broadcast_to(q, (len(x), 1, width)).reshape(len(x), 1, v.heads, -1)
        keys, values = jnp.moveaxis(kv.reshape(*x.shape[:-1], 2, v.heads, -1), -3, 0)
        h = dense(v, width, scale=out_scale, name="out")(attend(q, keys, values, None))[:, 0]
        return h + mlp(v, layer_norm(v, "norm")(h), v.hidden, v.activation, out_scale)

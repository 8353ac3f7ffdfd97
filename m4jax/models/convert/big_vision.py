"""The format of big_vision's two-tower models: npz files of flax parameters."""

import re

import numpy as np

from m4jax.errors import InputError
from m4jax.models.convert.rules import (
    Codec,
    Rule,
    Tensors,
    one_number,
    parts,
    reshaped,
    same,
    with_leading_one,
)
from m4jax.models.variants import Variant

_NORM = ("scale", "bias")
_LINEAR = ("kernel", "bias")


def big_vision(variant: Variant) -> list[Rule]:
    """Returns the rules of big_vision's `two_towers` with a MAP head (SigLIP).

    Raises:
        InputError: if the model has another architecture.
    """
    if variant.pooling != "map" or variant.text_pooling != "end" or not variant.biases:
        raise InputError('format "big_vision" is that of SigLIP models; this is no such model')
    if _activations(variant) != {"gelu_tanh"} or variant.norm_epsilon != 1e-6:
        raise InputError(
            'models of format "big_vision" have the activation "gelu_tanh" and norm_epsilon 1e-6, '
            f"this one {sorted(_activations(variant))} and {variant.norm_epsilon}"
        )
    heads, text_heads = variant.heads, variant.text_heads
    size = variant.patch_size
    rules = [
        Rule(
            "image/patches/kernel",
            ("img/embedding/kernel",),
            reshaped(lambda shape: (size, size, 3, shape[1])),
        ),
        Rule("image/patches/bias", ("img/embedding/bias",), same),
        Rule("image/positions", ("img/pos_embedding",), with_leading_one),
        *_layers("image", "img/Transformer", heads),
        *_leaves("image/norm_post", "img/Transformer/encoder_norm", _NORM),
        *_pooling("image/pool", "img/MAPHead_0", heads),
        Rule("text/tokens/embedding", ("txt/Embed_0/embedding",), same),
        Rule("text/positions", ("txt/pos_embedding",), with_leading_one),
        *_layers("text", "txt/Encoder_0", text_heads),
        *_leaves("text/norm_post", "txt/Encoder_0/encoder_norm", _NORM),
        *_leaves("text/projection", "txt/head", _LINEAR),
        Rule("log_scale", ("t",), one_number),
        Rule("logit_bias", ("b",), one_number),
    ]
    if variant.image_projection:
        rules += _leaves("image/projection", "img/head", _LINEAR)
    return rules


def _activations(variant: Variant) -> set[str]:
    return {variant.activation, variant.text_activation or variant.activation}


def unstack(tensors: Tensors) -> Tensors:
    """Returns the tensors with the layers apart, also of a file whose layers were scanned.

    A leading "params/" of the names is dropped.
    """
    unstacked = {}
    for name, array in tensors.items():
        name = name.removeprefix("params/")
        scanned = re.fullmatch(r"(.*/encoderblock)(/.*)", name)
        if scanned is None:
            unstacked[name] = array
            continue
        for i, layer in enumerate(array):
            unstacked[f"{scanned[1]}_{i}{scanned[2]}"] = layer
    return unstacked


def _leaves(ours: str, theirs: str, names: tuple[str, ...]) -> list[Rule]:
    return [Rule(f"{ours}/{name}", (f"{theirs}/{name}",), same) for name in names]


def _layers(tower: str, prefix: str, heads: int) -> list[Rule]:
    ours, theirs = f"{tower}/transformer/blocks", f"{prefix}/encoderblock_{{layer}}"
    attention = f"{theirs}/MultiHeadDotProductAttention_0"
    return [
        *_leaves(f"{ours}/norm1", f"{theirs}/LayerNorm_0", _NORM),
        *_attention(f"{ours}/attention", attention, heads),
        *_leaves(f"{ours}/norm2", f"{theirs}/LayerNorm_1", _NORM),
        *_mlp(ours, f"{theirs}/MlpBlock_0"),
    ]


def _pooling(ours: str, theirs: str, heads: int) -> list[Rule]:
    return [
        Rule(f"{ours}/probe", (f"{theirs}/probe",), same),
        *_attention(ours, f"{theirs}/MultiHeadDotProductAttention_0", heads),
        *_leaves(f"{ours}/norm", f"{theirs}/LayerNorm_0", _NORM),
        *_mlp(ours, f"{theirs}/MlpBlock_0"),
    ]


def _mlp(ours: str, theirs: str) -> list[Rule]:
    up = _leaves(f"{ours}/up", f"{theirs}/Dense_0", _LINEAR)
    return up + _leaves(f"{ours}/down", f"{theirs}/Dense_1", _LINEAR)


def _attention(ours: str, theirs: str, heads: int) -> list[Rule]:
    """Returns the rules of flax's attention, whose kernels have an axis of heads."""
    kernel, bias, out = _head_codecs(heads)
    names = [f"{theirs}/{x}" for x in ("query", "key", "value")]
    return [
        Rule(f"{ours}/qkv/kernel", tuple(f"{x}/kernel" for x in names), parts(3, kernel)),
        Rule(f"{ours}/qkv/bias", tuple(f"{x}/bias" for x in names), parts(3, bias)),
        Rule(f"{ours}/out/kernel", (f"{theirs}/out/kernel",), out),
        Rule(f"{ours}/out/bias", (f"{theirs}/out/bias",), same),
    ]


def _head_codecs(heads: int) -> tuple[Codec, Codec, Codec]:
    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(*x.shape[:-2], -1)

    kernel = reshaped(lambda shape: (shape[0], heads, shape[1] // heads), flat)
    bias = reshaped(lambda shape: (heads, shape[0] // heads), flat)
    out = reshaped(lambda shape: (heads, shape[0] // heads, shape[1]))
    return kernel, bias, out

"""The formats of open_clip (and OpenAI) and of transformers: state dicts of PyTorch."""

import math

from m4jax.errors import InputError
from m4jax.models.convert.rules import (
    Codec,
    Rule,
    Tensors,
    convolution,
    one_number,
    parts,
    same,
    transposed,
    vector,
    with_leading_one,
)
from m4jax.models.variants import Variant

_NORM = {"scale": "weight", "bias": "bias"}
_LINEAR = {"kernel": ("weight", transposed), "bias": ("bias", same)}


def _norm(ours: str, theirs: str) -> list[Rule]:
    return [Rule(f"{ours}/{a}", (f"{theirs}.{b}",), same) for a, b in _NORM.items()]


def _linear(ours: str, theirs: str, *, bias: bool = True) -> list[Rule]:
    leaves = _LINEAR if bias else {"kernel": _LINEAR["kernel"]}
    return [Rule(f"{ours}/{a}", (f"{theirs}.{b}",), codec) for a, (b, codec) in leaves.items()]


def _split(ours: str, theirs: list[str]) -> list[Rule]:
    """Returns the rules of a projection of ours that is several of the peer's side by side."""
    return [
        Rule(f"{ours}/{a}", tuple(f"{name}.{b}" for name in theirs), parts(len(theirs), codec))
        for a, (b, codec) in _LINEAR.items()
    ]


def _fused(ours: str, theirs: str) -> list[Rule]:
    """Returns the rules of `torch.nn.MultiheadAttention`'s one projection."""
    return [
        Rule(f"{ours}/kernel", (f"{theirs}.in_proj_weight",), transposed),
        Rule(f"{ours}/bias", (f"{theirs}.in_proj_bias",), same),
    ]


def _scalars(variant: Variant, codec: Codec) -> list[Rule]:
    rules = [Rule("log_scale", ("logit_scale",), codec)]
    if variant.logit_bias is not None:
        rules.append(Rule("logit_bias", ("logit_bias",), codec))
    return rules


def _patches(variant: Variant, theirs: str) -> list[Rule]:
    codec = convolution(variant.patch_size)
    rules = [Rule("image/patches/kernel", (f"{theirs}.weight",), codec)]
    if variant.biases:
        rules.append(Rule("image/patches/bias", (f"{theirs}.bias",), same))
    return rules


def open_clip(variant: Variant) -> list[Rule]:
    """Returns the rules of open_clip: of its own CLIP and OpenAI's, or of SigLIP with timm's tower.

    Raises:
        InputError: if the model has another architecture.
    """
    siglip = variant.pooling == "map" and variant.text_pooling == "end" and variant.biases
    clip = variant.pooling == "class" and variant.text_pooling == "last" and not variant.biases
    if not clip and not (siglip and not variant.image_projection):
        raise InputError(
            'format "open_clip" is that of CLIP models with a class token and of SigLIP models '
            "whose embed equals their width; this model is neither"
        )
    activations = ("gelu", "gelu_tanh") if siglip else ("gelu", "gelu_tanh", "quick_gelu")
    epsilon = 1e-6 if siglip else 1e-5
    used = (variant.activation, variant.text_activation or variant.activation)
    if not set(used) <= set(activations) or variant.norm_epsilon != epsilon:
        raise InputError(
            f'models of format "open_clip" have an activation of {activations} and norm_epsilon '
            f"{epsilon}, this one {used} and {variant.norm_epsilon}"
        )
    return _open_clip_siglip(variant) if siglip else _open_clip_clip(variant)


def _open_clip_clip(variant: Variant) -> list[Rule]:
    return [
        *_patches(variant, "visual.conv1"),
        Rule("image/class_token", ("visual.class_embedding",), vector),
        Rule("image/positions", ("visual.positional_embedding",), same),
        *_norm("image/norm_pre", "visual.ln_pre"),
        *_open_clip_layers("image", "visual.transformer"),
        *_norm("image/norm_post", "visual.ln_post"),
        Rule("image/projection/kernel", ("visual.proj",), same),
        Rule("text/tokens/embedding", ("token_embedding.weight",), same),
        Rule("text/positions", ("positional_embedding",), same),
        *_open_clip_layers("text", "transformer"),
        *_norm("text/norm_post", "ln_final"),
        Rule("text/projection/kernel", ("text_projection",), same),
        *_scalars(variant, same),
    ]


def _open_clip_siglip(variant: Variant) -> list[Rule]:
    trunk = "visual.trunk"
    return [
        *_patches(variant, f"{trunk}.patch_embed.proj"),
        Rule("image/positions", (f"{trunk}.pos_embed",), with_leading_one),
        *_timm_layers("image/transformer/blocks", f"{trunk}.blocks.{{layer}}"),
        *_norm("image/norm_post", f"{trunk}.norm"),
        *_timm_pooling("image/pool", f"{trunk}.attn_pool"),
        Rule("text/tokens/embedding", ("text.token_embedding.weight",), same),
        Rule("text/positions", ("text.positional_embedding",), same),
        *_open_clip_layers("text", "text.transformer"),
        *_norm("text/norm_post", "text.ln_final"),
        *_linear("text/projection", "text.text_projection"),
        *_scalars(variant, same),
    ]


def _timm_layers(ours: str, theirs: str) -> list[Rule]:
    return [
        *_norm(f"{ours}/norm1", f"{theirs}.norm1"),
        *_linear(f"{ours}/attention/qkv", f"{theirs}.attn.qkv"),
        *_linear(f"{ours}/attention/out", f"{theirs}.attn.proj"),
        *_norm(f"{ours}/norm2", f"{theirs}.norm2"),
        *_linear(f"{ours}/up", f"{theirs}.mlp.fc1"),
        *_linear(f"{ours}/down", f"{theirs}.mlp.fc2"),
    ]


def _timm_pooling(ours: str, theirs: str) -> list[Rule]:
    names = {leaf: (f"{theirs}.q.{leaf}", f"{theirs}.kv.{leaf}") for leaf in ("weight", "bias")}
    return [
        Rule(f"{ours}/probe", (f"{theirs}.latent",), same),
        Rule(f"{ours}/qkv/kernel", names["weight"], parts((1, 2), transposed)),
        Rule(f"{ours}/qkv/bias", names["bias"], parts((1, 2), same)),
        *_linear(f"{ours}/out", f"{theirs}.proj"),
        *_norm(f"{ours}/norm", f"{theirs}.norm"),
        *_linear(f"{ours}/up", f"{theirs}.mlp.fc1"),
        *_linear(f"{ours}/down", f"{theirs}.mlp.fc2"),
    ]


def convolved(tensors: Tensors) -> Tensors:
    """Returns transformers' tensors with the patches' kernel of Siglip2Model as a convolution's.

    There it is a linear layer [D, p·p·3] over patches that are cut out already.
    """
    name = "vision_model.embeddings.patch_embedding.weight"
    array = tensors.get(name)
    size = 0 if array is None or array.ndim != 2 else math.isqrt(array.shape[1] // 3)
    if not size or 3 * size**2 != array.shape[1]:
        return tensors
    return tensors | {name: array.reshape(-1, size, size, 3).transpose(0, 3, 1, 2)}


def plain_text(tensors: Tensors) -> Tensors:
    """Returns open_clip's tensors of a CLIP whose text tower is a module of its own ("text.")."""
    if "text.token_embedding.weight" not in tensors or "visual.proj" not in tensors:
        return tensors
    return {name.removeprefix("text."): array for name, array in tensors.items()}


def _open_clip_layers(tower: str, prefix: str) -> list[Rule]:
    ours, theirs = f"{tower}/transformer/blocks", f"{prefix}.resblocks.{{layer}}"
    return [
        *_norm(f"{ours}/norm1", f"{theirs}.ln_1"),
        *_fused(f"{ours}/attention/qkv", f"{theirs}.attn"),
        *_linear(f"{ours}/attention/out", f"{theirs}.attn.out_proj"),
        *_norm(f"{ours}/norm2", f"{theirs}.ln_2"),
        *_linear(f"{ours}/up", f"{theirs}.mlp.c_fc"),
        *_linear(f"{ours}/down", f"{theirs}.mlp.c_proj"),
    ]


def transformers(variant: Variant) -> list[Rule]:
    """Returns the rules of transformers' CLIPModel or SiglipModel.

    Raises:
        InputError: if the model has the architecture of neither.
    """
    if variant.pooling == "class" and variant.text_pooling == "last" and not variant.biases:
        ends = [
            Rule("image/class_token", ("vision_model.embeddings.class_embedding",), vector),
            *_norm("image/norm_pre", "vision_model.pre_layrnorm"),
            *_linear("image/projection", "visual_projection", bias=False),
            *_linear("text/projection", "text_projection", bias=False),
            *_scalars(variant, same),
        ]
    elif variant.pooling == "map" and variant.biases and not variant.image_projection:
        ends = [
            *_pooling("image/pool", "vision_model.head"),
            *_linear("text/projection", "text_model.head"),
            *_scalars(variant, one_number),
        ]
    else:
        raise InputError(
            'format "transformers" has CLIP models with a class token and no biases, and SigLIP '
            "models whose embed equals their width; this model is neither"
        )
    return [
        *_patches(variant, "vision_model.embeddings.patch_embedding"),
        Rule("image/positions", ("vision_model.embeddings.position_embedding.weight",), same),
        *_transformers_layers("image", "vision_model"),
        *_norm("image/norm_post", "vision_model.post_layernorm"),
        Rule("text/tokens/embedding", ("text_model.embeddings.token_embedding.weight",), same),
        Rule("text/positions", ("text_model.embeddings.position_embedding.weight",), same),
        *_transformers_layers("text", "text_model"),
        *_norm("text/norm_post", "text_model.final_layer_norm"),
        *ends,
    ]


def _transformers_layers(tower: str, prefix: str) -> list[Rule]:
    ours, theirs = f"{tower}/transformer/blocks", f"{prefix}.encoder.layers.{{layer}}"
    attention = f"{theirs}.self_attn"
    return [
        *_norm(f"{ours}/norm1", f"{theirs}.layer_norm1"),
        *_split(f"{ours}/attention/qkv", [f"{attention}.{x}_proj" for x in "qkv"]),
        *_linear(f"{ours}/attention/out", f"{attention}.out_proj"),
        *_norm(f"{ours}/norm2", f"{theirs}.layer_norm2"),
        *_linear(f"{ours}/up", f"{theirs}.mlp.fc1"),
        *_linear(f"{ours}/down", f"{theirs}.mlp.fc2"),
    ]


def _pooling(ours: str, theirs: str) -> list[Rule]:
    return [
        Rule(f"{ours}/probe", (f"{theirs}.probe",), same),
        *_fused(f"{ours}/qkv", f"{theirs}.attention"),
        *_linear(f"{ours}/out", f"{theirs}.attention.out_proj"),
        *_norm(f"{ours}/norm", f"{theirs}.layernorm"),
        *_linear(f"{ours}/up", f"{theirs}.mlp.fc1"),
        *_linear(f"{ours}/down", f"{theirs}.mlp.fc2"),
    ]

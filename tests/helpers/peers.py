"""Peers of the test of parity: small models of open_clip and transformers with random weights."""

import sys
import types

import pytest

SIZES = {"image_size": 32, "patch_size": 8, "width": 64, "depth": 2, "heads": 2, "text_width": 48}
SIZES |= {"text_depth": 3, "text_heads": 4, "embed": 40, "context": 9, "vocab_size": 60}
SIGLIP = SIZES | {"text_width": 64, "embed": 64}


def torch():
    """PyTorch, on one thread; skips the test without it."""
    module = pytest.importorskip("torch")
    module.manual_seed(0)
    return module


def without_operators():
    """Lets torchvision load where it can't register its operators with a PyTorch for CPU only."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))


def open_clip_model(v, activation):
    """open_clip's CLIP of the sizes of a variant."""
    torch()
    without_operators()
    open_clip = pytest.importorskip("open_clip")
    vision = {"image_size": v.image_size, "layers": v.depth, "width": v.width}
    vision |= {"head_width": v.width // v.heads, "patch_size": v.patch_size}
    text = {"context_length": v.context, "vocab_size": v.vocab_size, "width": v.text_width}
    text |= {"heads": v.text_heads, "layers": v.text_depth}
    return open_clip.CLIP(v.embed, vision, text, quick_gelu=activation == "quick_gelu")


def transformers_model(v):
    """The CLIPModel or SiglipModel of transformers of the sizes of a variant."""
    torch()
    without_operators()
    transformers = pytest.importorskip("transformers")
    siglip = v.pooling == "map"
    activation = {"gelu_tanh": "gelu_pytorch_tanh"}.get(v.activation, v.activation)
    shared = {"hidden_act": activation, "layer_norm_eps": v.norm_epsilon}
    vision = shared | {"hidden_size": v.width, "intermediate_size": v.hidden}
    vision |= {"num_hidden_layers": v.depth, "num_attention_heads": v.heads}
    vision |= {"image_size": v.image_size, "patch_size": v.patch_size}
    text = shared | {"hidden_size": v.text_width, "intermediate_size": v.text_hidden}
    text |= {"num_hidden_layers": v.text_depth, "num_attention_heads": v.text_heads}
    text |= {"max_position_embeddings": v.context, "vocab_size": v.vocab_size}
    text |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": v.vocab_size - 1}
    if siglip:
        text["projection_size"] = v.embed
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
        return transformers.SiglipModel(config)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=v.embed)
    return transformers.CLIPModel(config)

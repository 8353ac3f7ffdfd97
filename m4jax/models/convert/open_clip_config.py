"""What open_clip's configurations tell of a model: its own CLIP, and SigLIP with timm's tower."""

import re
from collections.abc import Mapping
from typing import Any

from m4jax.errors import InputError
from m4jax.models.convert.configurations import CLIP, SIGLIP, Fields, square, towers

# Fields that the models here have in this one form; what else a configuration says of the
# computation must be left out, or is of training, texts, or what the tensors' names show.
_FORMS: dict[str, dict[str, dict[str, tuple[Any, Any]]]] = {  # key: (needed, open_clip's default)
    "clip": {
        "vision_cfg": {"pool_type": ("tok", "tok"), "final_ln_after_pool": (False, False)},
        "text_cfg": {
            "pool_type": ("argmax", "argmax"),
            "final_ln_after_pool": (False, False),
            "no_causal_mask": (False, False),
        },
    },
    "siglip": {
        "vision_cfg": {"timm_pool": ("map", "avg"), "timm_proj": ("none", "linear")},
        "text_cfg": {
            "pool_type": ("last", "argmax"),
            "no_causal_mask": (True, False),
            "proj_bias": (True, False),
        },
    },
}
_ABSENT = ("hf_model_name", "attentional_pool")

# timm's towers of SigLIP: width, depth, heads, and the MLPs' width as a multiple. Source: timm
# 1.0.31, vision_transformer.py.
_TIMM = {
    "base": (768, 12, 12, 4.0),
    "large": (1024, 24, 16, 4.0),
    "so400m": (1152, 27, 16, 3.7362),
    "giantopt": (1536, 40, 16, 4.0),
}
_NAME = re.compile(r"vit_(base|large|so400m|giantopt)_patch(\d{1,3})_siglip_(\d{1,4})")
# Those with the approximate GELU, there; the others have the exact one, whatever they were trained
# with.
_TANH = re.compile(
    r"vit_(base_patch32_siglip_256|large_patch16_siglip_512|so400m_patch16_siglip_\d+|giantopt.*)"
)


def open_clip(content: Mapping[str, Any]) -> Fields:
    """Returns the fields that an open_clip_config.json tells, with open_clip's own defaults."""
    model = content.get("model_cfg", content)
    vision, text = model["vision_cfg"], model["text_cfg"]
    kind = "siglip" if vision.get("timm_model_name") else "clip"
    _check(vision, text, kind)
    tower = _timm(vision) if kind == "siglip" else _own(vision, model)
    fields = towers(tower, _text(text, model))
    preprocess = content.get("preprocess_cfg") or {}
    pixels = {"pixel_mean": preprocess.get("mean"), "pixel_std": preprocess.get("std")}
    bias = model.get("init_logit_bias")
    form = (SIGLIP if kind == "siglip" else CLIP) | {"logit_bias": bias}
    return [
        *fields,
        ("embed", model["embed_dim"]),
        *((name, value) for name, value in pixels.items() if value is not None),
        *form.items(),
    ]


def _check(vision: Mapping[str, Any], text: Mapping[str, Any], kind: str) -> None:
    """Raises if a tower is of a form that no model here computes."""
    for name, part in (("vision_cfg", vision), ("text_cfg", text)):
        forms = _FORMS[kind][name].items()
        wrong = {k: part.get(k, default) for k, (x, default) in forms if part.get(k, default) != x}
        wrong |= {key: part[key] for key in _ABSENT if part.get(key)}
        if kind == "clip" and part.get("norm_kwargs"):
            wrong["norm_kwargs"] = part["norm_kwargs"]
        for key, value in wrong.items():
            raise InputError(f"{name}.{key} is {value!r:.60}, which no model here computes")


def _own(vision: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of open_clip's own image tower."""
    width = vision.get("width", 768)
    return {
        "width": width,
        "depth": vision.get("layers", 12),
        "heads": width // vision.get("head_width", 64),
        "mlp_width": int(width * vision.get("mlp_ratio", 4.0)),
        "image_size": square(vision.get("image_size", 224), "image_size"),
        "patch_size": square(vision.get("patch_size", 16), "patch_size"),
        "activation": _activation(vision, model),
        "norm_epsilon": 1e-5,
    }


def _timm(vision: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of an image tower of timm, from its name."""
    name = vision["timm_model_name"]
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(f"vision_cfg.timm_model_name is {name!r}, which no model here computes")
    width, depth, heads, ratio = _TIMM[found[1]]
    return {
        "width": width,
        "depth": depth,
        "heads": heads,
        "mlp_width": int(width * ratio),
        "image_size": int(found[3]),
        "patch_size": int(found[2]),
        "activation": "gelu_tanh" if _TANH.fullmatch(name) else "gelu",
        "norm_epsilon": 1e-6,
    }


def _text(text: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    width = text.get("width", 512)
    return {
        "width": width,
        "depth": text.get("layers", 12),
        "heads": text.get("heads", 8),
        "mlp_width": int(width * text.get("mlp_ratio", 4.0)),
        "context": text.get("context_length", 77),
        "vocab_size": text.get("vocab_size", 49408),
        "activation": _activation(text, model),
        "norm_epsilon": (text.get("norm_kwargs") or {}).get("eps", 1e-5),
    }


def _activation(part: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Returns the activation of a tower that is open_clip's own."""
    if model.get("quick_gelu", False):
        return "quick_gelu"
    options = part.get("act_kwargs") or {}
    if options not in ({}, {"approximate": "tanh"}, {"approximate": "none"}):
        raise InputError(f"act_kwargs is {options!r:.60}, which no model here computes")
    return "gelu_tanh" if options.get("approximate") == "tanh" else "gelu"

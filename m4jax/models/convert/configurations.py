"""What a peer's configuration tells of its model: the fields of our `Variant`, by name.

One reading serves two ends: a model is made from it (`folders`), and one that was made by name is
compared with it (`told`).
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_type_hints

from m4jax import settings
from m4jax.errors import InputError
from m4jax.models.variants import Variant

Fields = list[tuple[str, Any]]  # of `Variant`, name and value; a name perhaps twice

# What none of the models here comes near, and what would only be made to exhaust the memory.
LARGEST = {
    **dict.fromkeys(("depth", "text_depth"), 1 << 10),
    **dict.fromkeys(("image_size", "patch_size", "heads", "text_heads", "context"), 1 << 14),
    **dict.fromkeys(("width", "text_width", "embed", "mlp_width", "text_mlp_width"), 1 << 16),
    "vocab_size": 1 << 24,
}
NAFLEX = "siglip2"  # transformers' type of SigLIP 2 models for pictures of any proportion
_ACTIVATIONS = {"gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"}  # transformers', ours

# Of transformers' configurations: key, field, and the default, which its files leave out.
_BOTH = (
    ("num_hidden_layers", "depth", 12),
    ("layer_norm_eps", "norm_epsilon", {"clip": 1e-5, "siglip": 1e-6}),
    ("hidden_act", "activation", {"clip": "quick_gelu", "siglip": "gelu_pytorch_tanh"}),
)
_VISION = (
    *_BOTH,
    ("hidden_size", "width", 768),
    ("num_attention_heads", "heads", 12),
    ("intermediate_size", "mlp_width", 3072),
    ("image_size", "image_size", 224),
    ("patch_size", "patch_size", {"clip": 32, "siglip": 16}),
)
_TEXT = (
    *_BOTH,
    ("hidden_size", "width", {"clip": 512, "siglip": 768}),
    ("num_attention_heads", "heads", {"clip": 8, "siglip": 12}),
    ("intermediate_size", "mlp_width", {"clip": 2048, "siglip": 3072}),
    ("max_position_embeddings", "context", {"clip": 77, "siglip": 64}),
    ("vocab_size", "vocab_size", {"clip": 49408, "siglip": 32000}),
)

# What distinguishes SigLIP's architecture from CLIP's.
SIGLIP: dict[str, Any] = {
    "pooling": "map",
    "text_pooling": "end",
    "text_mask": "none",
    "biases": True,
    "logit_scale": 10.0,
    "logit_bias": -10.0,
}
CLIP: dict[str, Any] = {
    "pooling": "class",
    "text_pooling": "last",
    "text_mask": "causal",
    "biases": False,
    "logit_scale": 1 / 0.07,
    "logit_bias": None,
}


def read(content: Any, reader: Callable[[Any], Fields], source: str) -> Fields:
    """Returns the fields that a configuration tells.

    Args:
        content: of its JSON file.
        reader: of the peer's configurations.
        source: what to call it in an error.

    Raises:
        InputError: if it is of no model that there is here.
    """
    try:
        return reader(content)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except (TypeError, KeyError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{source}: no such model: {error!r}") from None


def variant(fields: Iterable[tuple[str, Any]], source: str) -> Variant:
    """Returns the variant that all fields together tell.

    Raises:
        InputError: if they contradict one another, are of wrong types, or don't fit together.
    """
    found: dict[str, Any] = {}
    for name, value in fields:
        if name in found and not same(found[name], value):
            raise InputError(
                f"{source}: both towers share one {name} in the models here, and it says "
                f"{found[name]!r} and {value!r}"
            )
        found[name] = value
    hints = get_type_hints(Variant)
    values = {
        name: settings.convert(hints[name], x, f"{source}: {name}") for name, x in found.items()
    }
    for name, value in values.items():
        if name in LARGEST and value is not None and value > LARGEST[name]:
            raise InputError(f"{source}: {name} is {value:,}; expected at most {LARGEST[name]:,}")
    needed = {f.name for f in dataclasses.fields(Variant) if f.default is dataclasses.MISSING}
    if needed - values.keys():
        raise InputError(f"{source}: does not tell {', '.join(sorted(needed - values.keys()))}")
    try:
        return Variant(**values)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values of a field are the same, floats to a thousandth of themselves."""
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-3)
    if isinstance(ours, tuple) and isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        return all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    return ours == theirs


def transformers(content: Mapping[str, Any]) -> Fields:
    """Returns the fields that a config.json of CLIPModel, SiglipModel or Siglip2Model tells.

    The last takes pictures of any proportion (NaFlex); here it is one for squares of as many
    patches as it has positions.
    """
    kind = content.get("model_type")
    if kind not in ("clip", "siglip", NAFLEX):
        raise InputError(f"a model of type {kind!r:.60}; expected clip, siglip or {NAFLEX}")
    vision, text = dict(_section(content, "vision")), _section(content, "text")
    if kind == NAFLEX:
        patches, kind = vision.get("num_patches", 256), "siglip"
        grid = math.isqrt(patches)
        if grid**2 != patches:
            raise InputError(f"vision_config.num_patches is {patches}; expected a square number")
        vision["image_size"] = grid * vision.get("patch_size", 16)
    fields = towers(_taken(vision, _VISION, kind), _taken(text, _TEXT, kind))
    if vision.get("num_channels", 3) != 3:
        raise InputError(f"pictures of {vision['num_channels']} channels; expected 3")
    if kind == "clip":
        return [*fields, ("embed", content.get("projection_dim", 512)), *CLIP.items()]
    if not vision.get("vision_use_head", True):
        raise InputError(
            "vision_use_head is false: without its pooling the tower embeds no pictures"
        )
    told = dict(fields)
    embed = text.get("projection_size")
    embed = told["text_width"] if embed is None else embed
    if embed != told["width"]:
        raise InputError(
            f"texts are embedded in {embed!r} numbers and pictures in {told['width']!r}; expected "
            "that text_config.projection_size is vision_config.hidden_size"
        )
    return [*fields, ("embed", embed), *SIGLIP.items()]


def towers(vision: Mapping[str, Any], text: Mapping[str, Any]) -> Fields:
    """Returns the fields of both towers; of the text tower's, those by another name are renamed.

    What the variant takes for granted (an MLP of four times the width, one activation) is None.
    """
    found = dict(vision)
    for name in ("width", "depth", "heads", "mlp_width", "activation"):
        found[f"text_{name}"] = text[name]
    for name in ("", "text_"):
        if found[f"{name}mlp_width"] == 4 * found[f"{name}width"]:
            found[f"{name}mlp_width"] = None
    if found["text_activation"] == found["activation"]:
        found["text_activation"] = None
    others = [(n, x) for n, x in text.items() if f"text_{n}" not in found]
    return [*found.items(), *others]


def _section(content: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Returns the configuration of a tower; older files have a second one, which counts."""
    older = content.get(f"{part}_config_dict")
    section = content.get(f"{part}_config") if older is None else older
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise InputError(f"{part}_config: expected an object, got {section!r:.60}")
    return section


def _taken(section: Mapping[str, Any], keys: Iterable[tuple], kind: str) -> dict[str, Any]:
    """Returns the fields of one tower, under the names of the image tower's."""
    fields = {}
    for key, name, default in keys:
        value = section.get(key, default[kind] if isinstance(default, dict) else default)
        if name == "activation":
            value = _ACTIVATIONS.get(value, value)
        fields[name] = square(value, key) if name in ("image_size", "patch_size") else value
    return fields


def square(value: Any, key: str) -> Any:
    """Returns the side of a square that is told as one number or as two equal ones."""
    if not isinstance(value, list | tuple):
        return value
    if len(value) != 2 or value[0] != value[1]:
        raise InputError(f"{key} is {value!r:.60}; expected a square")
    return value[0]

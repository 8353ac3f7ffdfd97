"""Models by name."""

import dataclasses
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.models.layers import ACTIVATIONS, REMAT
from m4jax.models.two_towers import TwoTowers
from m4jax.models.variants import VARIANTS, Variant

CHOICES = {
    "activation": tuple(ACTIVATIONS),
    "pooling": ("class", "mean", "map"),
    "text_pooling": ("last", "mean", "end"),
    "text_mask": ("causal", "padding", "none"),
    "dtype": ("float32", "bfloat16"),
    "remat": tuple(REMAT),
}


def names() -> list[str]:
    """Returns the names that `create` knows."""
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
    known = [field.name for field in dataclasses.fields(Variant)]
    for field in overrides:
        if field not in known:
            raise InputError(f"unknown field {field!r} of a model; {nearest(field, known)}")
    return create_from(dataclasses.replace(VARIANTS[name], **overrides))


def create_from(variant: Variant) -> TwoTowers:
    """Returns the model of a variant; raises `InputError` if its fields don't fit together."""
    _check(variant)
    return TwoTowers(variant)


def _check(variant: Variant) -> None:
    """Raises `InputError` if the sizes of `variant` don't fit together."""
    for part, whole in (
        ("patch_size", "image_size"),
        ("heads", "width"),
        ("text_heads", "text_width"),
    ):
        a, b = getattr(variant, part), getattr(variant, whole)
        if a < 1 or b < 1 or b % a:
            raise InputError(f"{whole} must be a multiple of {part}, got {b} and {a}")
    for field in ("depth", "text_depth", "embed", "context", "vocab_size"):
        if getattr(variant, field) < 1:
            raise InputError(f"{field} must be at least 1, got {getattr(variant, field)}")
    for field, known in CHOICES.items():
        value = getattr(variant, field)
        if value not in known:
            raise InputError(f"unknown {field} {value!r}; {nearest(value, known)}")

"""Two-tower models of images and texts, by name."""

from m4jax.models import convert
from m4jax.models.cost import forward_flops
from m4jax.models.pixels import normalise
from m4jax.models.tokens import check_tokens
from m4jax.models.two_towers import Output, TwoTowers, create, names
from m4jax.models.variants import Variant

__all__ = [
    "Output",
    "TwoTowers",
    "Variant",
    "check_tokens",
    "convert",
    "create",
    "forward_flops",
    "names",
    "normalise",
]

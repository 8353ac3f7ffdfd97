"""Two-tower models of images and texts, by name."""

from m4jax.models import convert, folders
from m4jax.models.cost import forward_flops
from m4jax.models.folders import Opened, open_folder
from m4jax.models.pixels import normalise
from m4jax.models.scaling import Scaling
from m4jax.models.tokens import check_tokens
from m4jax.models.two_towers import Output, TwoTowers, create, names
from m4jax.models.variants import Variant

__all__ = [
    "Opened",
    "Output",
    "Scaling",
    "TwoTowers",
    "Variant",
    "check_tokens",
    "convert",
    "create",
    "folders",
    "forward_flops",
    "names",
    "normalise",
    "open_folder",
]

"""A model of big_vision: one npz file, whose shapes tell all sizes but that of the pictures."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from m4jax.errors import InputError
from m4jax.models.convert import archives
from m4jax.models.convert.configurations import SIGLIP, Fields, towers, variant
from m4jax.models.scaling import Scaling
from m4jax.models.variants import Variant

Shapes = Mapping[str, tuple[int, ...]]

_BLOCK = re.compile(r"(.*/encoderblock)(?:_(\d+))?/MultiHeadDotProductAttention_0/query/kernel")
_BILINEAR = (
    "pictures are scaled bilinearly with antialiasing to the whole square, as transformers does "
    "for SigLIP 2; the file does not tell it, and big_vision's own scaling has no antialiasing"
)


def read(path: Path, image_size: int | None) -> tuple[Variant, Scaling, tuple[str, ...]]:
    """Returns the variant of a file of SigLIP, how its pictures are scaled, and what is not known.

    Args:
        path: of the npz file.
        image_size: of the pictures, in pixels; None: as many as the patches cover.

    Raises:
        InputError: if it is no file of big_vision's SigLIP.
    """
    shapes = {k.removeprefix("params/"): x for k, x in archives.npz_shapes(path).items()}
    try:
        fields, side = _fields(shapes)
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(
            f"{path}: not a file of big_vision's SigLIP, or another model: {error!r:.120}"
        ) from None
    notes = [_BILINEAR]
    if image_size is None:
        notes.insert(0, (
            f"the size of the pictures is not told: {side} pixels, which the patches cover; if the "
            "model was made for more (384 with patches of 14, say), name it as image_size"
        ))  # fmt: skip
    fields += [("image_size", image_size or side)]
    made = variant(fields, str(path))
    return made, Scaling(made.image_size, "squash", "bilinear"), tuple(notes)


def _fields(shapes: Shapes) -> tuple[Fields, int]:
    """Returns the fields that shapes tell, and how many pixels the patches cover along a side."""
    patch, _, channels, _ = shapes["img/embedding/kernel"]
    _, patches, _ = shapes["img/pos_embedding"]
    _, context, _ = shapes["txt/pos_embedding"]
    vocab_size, _ = shapes["txt/Embed_0/embedding"]
    _, embed = shapes["txt/head/kernel"]
    grid = math.isqrt(patches)
    if grid**2 != patches or channels != 3 or "b" not in shapes:
        raise ValueError(f"{patches} patches of {channels} channels, a bias: {'b' in shapes}")
    shared = {"activation": "gelu_tanh", "norm_epsilon": 1e-6}
    image = _tower(shapes, "img/Transformer") | shared | {"patch_size": patch}
    text = _tower(shapes, "txt/Encoder_0") | shared
    text |= {"context": context, "vocab_size": vocab_size}
    return [*towers(image, text), ("embed", embed), *SIGLIP.items()], grid * patch


def _tower(shapes: Shapes, prefix: str) -> dict[str, int]:
    """Returns width, depth, heads and width of the MLPs of a transformer."""
    found = {}
    for name, shape in shapes.items():
        block = _BLOCK.fullmatch(name)
        if block and name.startswith(f"{prefix}/"):
            found[block[2]] = (block[1] + (f"_{block[2]}" if block[2] else ""), shape)
    block, shape = found[None] if None in found else found["0"]  # scanned: layers come first
    depth = shape[0] if None in found else len(found)
    width, heads, _ = shape[-3:]
    hidden = shapes[f"{block}/MlpBlock_0/Dense_0/kernel"][-1]
    return {"width": width, "depth": depth, "heads": heads, "mlp_width": hidden}

"""What a model costs: floating-point operations."""

from m4jax.models.variants import Variant


def forward_flops(variant: Variant, *, text_tokens: int | None = None) -> int:
    """Returns the floating-point operations of embedding one pair, multiplications and additions.

    Counted are the products of matrices. A layer of width D over T tokens costs

        24 T D² + 4 T² D

    (its kernels have 12 D² entries; scores and mixtures take 2 T² D each), the patches 2 P·3p²·D,
    a projection 2 D·embed, and attention pooling 4 T D² + 20 D² + 4 T D. A training step costs
    three times as much: the gradient by the inputs and that by the kernels (derived).

    Args:
        variant: of the model.
        text_tokens: of a caption; the model's context by default.
    """
    v = variant
    patches = (v.image_size // v.patch_size) ** 2
    tokens = patches + (v.pooling == "class")
    image = 2 * patches * 3 * v.patch_size**2 * v.width + v.depth * _layer(tokens, v.width)
    if v.pooling == "map":
        image += 4 * tokens * v.width**2 + 20 * v.width**2 + 4 * tokens * v.width
    if v.image_projection:
        image += 2 * v.width * v.embed
    length = v.context if text_tokens is None else text_tokens
    text = v.text_depth * _layer(length, v.text_width) + 2 * v.text_width * v.embed
    return image + text


def _layer(tokens: int, width: int) -> int:
    return 24 * tokens * width**2 + 4 * tokens**2 * width

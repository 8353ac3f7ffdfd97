"""What a model costs: floating-point operations."""

from m4jax.models.variants import Variant


def forward_flops(variant: Variant, *, text_tokens: int | None = None) -> int:
    """Returns the floating-point operations of embedding one pair, multiplications and additions.

    Counted are the products of matrices. A layer of width D over T tokens costs

        8 T D² + 4 T D H + 4 T² D

    with MLPs of H hidden units (its kernels have 4 D² + 2 D H entries; scores and mixtures take
    2 T² D each), the patches 2 P·3p²·D, a projection 2 D·embed, and attention pooling
    4 T D² + 4 D² + 4 D H + 4 T D. A training step costs three times as much: the gradient by the
    inputs and that by the kernels (derived).

    Args:
        variant: of the model.
        text_tokens: of a caption; the model's context by default.
    """
    v = variant
    patches = v.grid**2
    tokens = patches + (v.pooling == "class")
    image = 2 * patches * 3 * v.patch_size**2 * v.width
    image += v.depth * _layer(tokens, v.width, v.hidden)
    if v.pooling == "map":
        image += 4 * (tokens + 1) * v.width**2 + 4 * v.width * (v.hidden + tokens)
    if v.image_projection:
        image += 2 * v.width * v.embed
    length = v.context if text_tokens is None else text_tokens
    text = v.text_depth * _layer(length, v.text_width, v.text_hidden)
    return image + text + 2 * v.text_width * v.embed


def _layer(tokens: int, width: int, hidden: int) -> int:
    return tokens * width * (8 * width + 4 * hidden + 4 * tokens)

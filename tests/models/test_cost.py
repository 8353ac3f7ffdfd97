"""The count of operations, against the compiler's."""

import jax
import jax.numpy as jnp
import pytest

from m4jax import models

SIZES = {"image_size": 32, "patch_size": 8, "width": 128, "text_width": 96, "heads": 2}
SIZES |= {"text_heads": 2, "depth": 3, "text_depth": 2, "embed": 64, "context": 24}
SIZES |= {"vocab_size": 50}


ODD = {"mlp_width": 200, "text_mlp_width": 500, "image_size": 39}


@pytest.mark.parametrize(
    ("name", "more"),
    [("ViT-B/32", {}), ("SigLIP-B/16", {}), ("emoji-S/8", {}), ("SigLIP-B/16", ODD)],
)
def test_operations_are_those_that_the_compiler_counts(name, more):
    model = models.create(name, **(SIZES | more))
    v, pairs = model.variant, 16
    images = jnp.zeros((pairs, v.image_size, v.image_size, 3))
    tokens = jnp.ones((pairs, v.context), int)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), images, tokens))
    compiled = jax.jit(lambda p: model.apply(p, images, tokens)).lower(params).compile()
    counted = compiled.cost_analysis()["flops"] / pairs
    # The compiler counts norms, softmax and the like as well.
    assert models.forward_flops(v) == pytest.approx(counted, rel=0.08)
    assert models.forward_flops(v) < counted
    assert models.forward_flops(v, text_tokens=12) < models.forward_flops(v)

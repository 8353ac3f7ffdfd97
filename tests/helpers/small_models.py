"""Small models with random parameters, made without compiling anything."""

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from helpers import peers
from m4jax import models
from m4jax.training.step import init_params

MODELS = {
    "open_clip": ("ViT-B/32", {"activation": "gelu"}),
    "transformers": ("ViT-B/32", {"activation": "gelu"}),
    "big_vision": ("SigLIP-B/16", peers.SIGLIP),
    "m4jax": ("ViT-B/32", {}),
}


def model_of(format, **overrides):
    """A small model whose parameters the format can hold."""
    name, fields = MODELS[format]
    return models.create(name, **(peers.SIZES | fields | overrides))


def random_params(model, seed=0):
    """Parameters of the right shapes, all drawn from a normal distribution."""
    generator = np.random.default_rng(seed)
    shapes = flatten_dict(jax.eval_shape(lambda: init_params(model, seed=0)), sep="/")
    drawn = {
        k: generator.normal(size=x.shape).astype(np.float32) * np.float32(0.05)
        for k, x in shapes.items()
    }
    return unflatten_dict(drawn, sep="/")

"""What must fit together before a run begins or goes on."""

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
from jax.sharding import Mesh

from m4jax.errors import InputError
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.losses import LOSSES
from m4jax.training.mesh import DATA
from m4jax.training.stream import trim


def run(config: TrainConfig, data: TrainData, model: nn.Module, mesh: Mesh) -> None:
    """Raises `InputError` if model, data, loss and mesh don't fit together."""
    variant = model.variant
    size = (variant.image_size, variant.image_size, 3)
    if data.images.shape[1:] != size:
        raise InputError(f"the model wants pictures {size}, the data has {data.images.shape[1:]}")
    length, largest = trim(data.tokens).shape[1], int(data.tokens.max(initial=0))
    if variant.text_mask == "none" and data.tokens.shape[1] != variant.context:
        raise InputError(
            f"the model takes texts of exactly {variant.context} tokens, the data has "
            f"{data.tokens.shape[1]}; pad them with its tokenizer"
        )
    if length > variant.context:
        raise InputError(
            f"captions of {length} tokens exceed the model's context {variant.context}"
        )
    if largest >= variant.vocab_size:
        raise InputError(
            f"token id {largest} is outside the model's vocabulary of {variant.vocab_size}; "
            "create the model with the tokenizer's vocab_size"
        )
    if (config.loss == "sigmoid") != (variant.logit_bias is not None):
        raise InputError(
            f"loss {config.loss!r} does not go with logit_bias={variant.logit_bias}; create the "
            f"model with {LOSSES['sigmoid'].model} for sigmoid and without a bias for softmax"
        )
    parts = mesh.shape[DATA] * config.microbatches
    if config.batch_size % parts:
        raise InputError(
            f"batch_size {config.batch_size} can't be split evenly over {mesh.shape[DATA]} devices "
            f"and {config.microbatches} microbatches; choose a multiple of {parts}, or a mesh of "
            "fewer devices"
        )


def same_stream(was: dict[str, Any], now: dict[str, Any], run_dir: Path) -> None:
    """Raises `InputError` if a run was trained on other examples, or in another order."""
    for field, value in now.items():
        if was.get(field) != value:
            told = f"; it was {was.get(field)}, is {value}" if isinstance(value, int | str) else ""
            raise InputError(
                f"{run_dir} holds a run on another stream of examples ({field} differs{told}); use "
                "what it was started with, or another directory"
            )


def same_model(params: Any, abstract: Any) -> None:
    """Raises `InputError` if the `params` to start from are not those of the model."""
    found, expected = (
        {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(x)}
        for x in (params, abstract)
    )
    for name in sorted(found.keys() | expected.keys()):
        shapes = [tuple(x[name].shape) if name in x else "nothing" for x in (expected, found)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"init: the model has {shapes[0]} at {name}, given was {shapes[1]}; use "
                "parameters of the same model"
            )

"""The model of a run, its tokenizer, and what embeds with them."""

from pathlib import Path
from typing import Any

import flax.linen as nn

from m4jax import models, training
from m4jax.data.examples import Tokenizer
from m4jax.errors import InputError
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout
from m4jax.training.losses import LOSSES

EMBED_BATCH = 256


def tokenizer(config: RunConfig, layout: Layout) -> Tokenizer:
    """Returns the tokenizer of a run."""
    return config.source.open_tokenizer(layout.data, config.model.context_length)


def create(config: RunConfig):
    """Returns the model of a run, a linen module without parameters."""
    wanted, source = config.model, config.source
    overrides = {"image_size": source.resolution, "vocab_size": source.vocab_size}
    overrides |= {"dtype": wanted.dtype, "remat": wanted.remat}
    if wanted.embed:
        overrides["embed"] = wanted.embed
    if models.create(wanted.variant).variant.text_mask == "none":  # it takes one length only
        overrides["context"] = wanted.context_length
    overrides |= LOSSES[config.train.loss].model
    return models.create(wanted.variant, **overrides)


def trained(config: RunConfig, layout: Layout, module: nn.Module) -> Any:
    """Returns the parameters of a run that is trained to its end.

    Raises:
        InputError: if it is not: it would be another model under the run's name.
    """
    folder, steps = layout.run(config), config.train.steps
    step = training.latest_step(folder)
    if 0 < step < steps:
        raise InputError(
            f"{folder} is trained up to step {step} of {steps}; train the run to its end first"
        )
    return training.load_params(folder, module)


def embedder(config: RunConfig, layout: Layout, params=None) -> tuple[training.Embedder, Tokenizer]:
    """Returns what embeds pictures and tokens with a run's parameters, and its tokenizer.

    Args:
        config: of the run.
        layout: where it lies.
        params: to embed with; by default those at the end of its training.
    """
    module = create(config)
    if params is None:
        params = trained(config, layout, module)
    return training.Embedder(module, params, batch_size=EMBED_BATCH), tokenizer(config, layout)


def export(config: RunConfig, layout: Layout, target: Path, format: str) -> None:
    """Writes the parameters of a trained run in a format of `models.convert`."""
    module = create(config)
    params = trained(config, layout, module)
    if format == "m4jax":
        models.convert.export(params, target, module)
    else:
        models.convert.save(params, target, module, format=format)

"""The model of a run, its tokenizer, and what embeds with them."""

import dataclasses
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from m4jax import models, training
from m4jax.data import tokenizer_json, tokenizers
from m4jax.data.examples import Tokenizer
from m4jax.errors import InputError
from m4jax.run import start
from m4jax.run.config import ModelConfig, RunConfig
from m4jax.run.state import Layout
from m4jax.training.identity import UNSEEN
from m4jax.training.losses import LOSSES

EMBED_BATCH = 256
# Of a variant, what is compared where a folder brings the model, beside what shapes don't show.
SIZES = ("patch_size", "width", "depth", "text_width", "text_depth", "embed")
HUGGING_FACE = "hugging_face"  # a folder that transformers itself loads
FORMATS = (*models.convert.FORMATS, HUGGING_FACE)  # of exports


def tokenizer(config: RunConfig, layout: Layout) -> Tokenizer:
    """Returns the tokenizer of a run: that of the folder it starts from, if that brings a model.

    Raises:
        InputError: if the folder has none, and the configuration names none.
    """
    given = start.given(config.init_from)
    if given is None:
        return config.source.open_tokenizer(layout.data, config.model.context_length)
    own = getattr(config.source, "tokenizer", tokenizers.WORDS)
    if own != tokenizers.WORDS:
        return tokenizers.open_named(own, given.context)
    if not given.tokenizer:
        raise InputError(
            f"config.init_from: {config.init_from} has no tokenizer; put its tokenizer.json there"
            " (or name it in config.pairs.tokenizer): its tokens mean nothing by another one"
        )
    return tokenizers.open_named(given.tokenizer, given.context)


def create(config: RunConfig):
    """Returns the model of a run, a linen module without parameters.

    Raises:
        InputError: if the run starts from a folder that brings another model than is asked for.
    """
    given = start.given(config.init_from)
    if given:
        return _as_given(config, given)
    wanted, source = config.model, config.source
    overrides = {"image_size": source.resolution, "vocab_size": source.vocab_size}
    overrides |= {"dtype": wanted.dtype, "remat": wanted.remat}
    if wanted.embed:
        overrides["embed"] = wanted.embed
    if models.create(wanted.variant).variant.text_mask == "none":  # it takes one length only
        overrides["context"] = wanted.context_length
    overrides |= LOSSES[config.train.loss].model
    return models.create(wanted.variant, **overrides)


def _as_given(config: RunConfig, given: models.Opened) -> nn.Module:
    """Returns the model of a folder, computed as the configuration says; or what contradicts it."""
    variant, wanted, side = given.module.variant, config.model, config.source.resolution
    where = f"config.init_from: {config.init_from}"
    if wanted.variant != ModelConfig.variant:  # not left at its default: it is asked for
        asked = models.create(wanted.variant).variant
        for name in (*SIZES, *UNSEEN):
            ours, theirs = getattr(asked, name), getattr(variant, name)
            if ours != theirs:
                raise InputError(
                    f"{where} is a model of {name} {theirs}, config.model.variant="
                    f"{wanted.variant} has {ours}; leave it out: the folder tells the model"
                )
    if wanted.embed not in (0, variant.embed):
        raise InputError(
            f"{where} embeds in {variant.embed} numbers, config.model.embed is {wanted.embed}; "
            "leave it out"
        )
    if side != variant.image_size:
        field = f"config.{config.source.kind}.resolution"
        raise InputError(
            f"{where} takes pictures of {variant.image_size} pixels, {field} is {side}; "
            f"set --{field}={variant.image_size}"
        )
    biased = "logit_bias" in LOSSES[config.train.loss].model
    if biased != (variant.logit_bias is not None):
        loss = next(n for n, x in LOSSES.items() if ("logit_bias" in x.model) != biased)
        raise InputError(
            f"{where} is a model {'without' if biased else 'with'} a bias of the logits, which the "
            f"loss {config.train.loss!r} does not train; set --config.train.loss={loss}"
        )
    return models.TwoTowers(dataclasses.replace(variant, dtype=wanted.dtype, remat=wanted.remat))


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
    """Writes the parameters of a trained run in a format of `FORMATS`."""
    module = create(config)
    params = trained(config, layout, module)
    if format == "m4jax":
        models.convert.export(params, target, module)
    elif format == HUGGING_FACE:
        given = start.given(config.init_from)
        words, scaling = tokenizer(config, layout), given.scaling if given else None
        write_hugging_face(module, params, words, target, scaling=scaling)
    else:
        models.convert.save(params, target, module, format=format)


def write_hugging_face(
    module: nn.Module,
    params: Any,
    words: Tokenizer,
    target: Path,
    *,
    scaling: models.Scaling | None = None,
) -> None:
    """Writes a model and its tokenizer as a folder that transformers loads.

    Raises:
        InputError: if transformers has no model of this form, or the tokenizer is no file it reads.
    """
    found = tokenizer_json.published(words)
    if found.order is not None:  # the embeddings of words follow their ids
        table = params["text"]["tokens"]["embedding"]
        table = jnp.concatenate([table[found.order], table[len(found.order) :]])
        params = {**params, "text": {**params["text"], "tokens": {"embedding": table}}}
    of_folder = models.folders.Words(found.content, found.pad, found.end, words.context_length)
    options = {"words": of_folder, "scaling": scaling}
    models.folders.write_hugging_face(target, module, params, **options)

"""Embeddings of many pictures and texts, in batches of one size."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from m4jax.errors import InputError
from m4jax.models import check_tokens
from m4jax.training.step import normalize


class Embedder:
    """Embeds arrays of any length; the last batch is padded, so that each tower compiles once.

    Args:
        model: a two-tower model.
        params: its parameters.
        batch_size: rows a call.
    """

    def __init__(self, model: nn.Module, params: Any, *, batch_size: int = 256):
        self._params, self._batch_size, self._context = params, batch_size, model.variant.context
        self._variant = model.variant
        self._one_length = model.variant.text_mask == "none"
        self.logit_scale = float(np.exp(params["log_scale"]))
        self._embed_images, self._embed_tokens = _towers(model)

    def images(self, images: np.ndarray) -> np.ndarray:
        """Returns the unit embeddings [n, d] (float32) of uint8 pictures [n, h, w, 3].

        Raises:
            InputError: if they are of another type: they are normalised here.
        """
        if images.dtype != np.uint8:
            raise InputError(f"expected pictures of uint8, from 0 to 255, got {images.dtype}")
        return self._in_batches(self._embed_images, images)

    def tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the unit embeddings [n, d] (float32) of token ids [n, L], 0 where padded.

        Raises:
            InputError: if padding counts for the model and L is not its context, or the tokens
                can't be those of its tokenizer, see `models.check_tokens`.
        """
        missing = self._context - tokens.shape[1]
        if missing > 0 and self._one_length:
            raise InputError(
                f"the model takes texts of exactly {self._context} tokens, these have "
                f"{tokens.shape[1]}; pad them with its tokenizer"
            )
        check_tokens(tokens, self._variant)
        return self._in_batches(self._embed_tokens, np.pad(tokens, ((0, 0), (0, max(missing, 0)))))

    def _in_batches(self, embed: Callable[[Any, Any], jax.Array], rows: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, max(len(rows), 1), self._batch_size):
            part = rows[start : start + self._batch_size]
            padding = ((0, self._batch_size - len(part)), *((0, 0),) * (rows.ndim - 1))
            parts.append(np.asarray(embed(self._params, np.pad(part, padding)))[: len(part)])
        return np.concatenate(parts)


@functools.cache
def _towers(model: nn.Module) -> tuple[Callable[..., jax.Array], Callable[..., jax.Array]]:
    """Returns the compiled towers of a model, the same ones for all its parameters."""

    def embed_images(params, images):
        v = model.variant
        pixels = normalize(images, v.pixel_mean, v.pixel_std)
        return model.apply({"params": params}, pixels, method="encode_image")[0]

    def embed_tokens(params, tokens):
        return model.apply({"params": params}, tokens, method="encode_text")[0]

    return jax.jit(embed_images), jax.jit(embed_tokens)

"""Tokens that can't be those of a model's own tokenizer are refused before they are embedded."""

import dataclasses

import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.models import check_tokens
from m4jax.models.variants import VARIANTS

CLIP, SIGLIP, WORDS = (VARIANTS[name] for name in ("ViT-B/32", "SigLIP-B/16", "emoji-S/8"))
SIGLIP2 = dataclasses.replace(SIGLIP, vocab_size=256_000)
SMALL = dataclasses.replace(CLIP, vocab_size=60)


@pytest.mark.parametrize(
    ("variant", "row"),
    [
        (CLIP, [49406, 320, 0, 256, 49407, 0, 0]),  # the id 0 is also the piece "!"
        (CLIP, [49406, 320, 49407]),
        (SIGLIP, [5, 6, 1, 1]),
        (SIGLIP, [5, 6, 7, 1]),
        (SIGLIP2, [5, 6, 1, 0]),
        (SIGLIP2, [5, 6, 7, 1]),
        (WORDS, [5, 5, 2, 0]),
        (SMALL, [58, 3, 3, 59, 0]),
    ],
)
def test_tokens_of_the_models_own_tokenizers_pass(variant, row):
    check_tokens(np.array([row, row], np.int32), variant)
    check_tokens(np.zeros((0, 4), np.int32), variant)


@pytest.mark.parametrize(
    ("variant", "row", "message"),
    [
        (CLIP, [49406, 320, 49407, 49407, 49407], "text 1: padded by its end token, 49407"),
        (SMALL, [58, 3, 59, 59], "padded by its end token, 59"),
        (CLIP, [49406, 320, 1125], "its end token, 49407, which is missing"),
        (CLIP, [0, 0, 49406, 49407], "padded at its front"),
        (CLIP, [0, 0, 0], "nothing but padding"),
        (CLIP, [49406, -1, 49407], "token id -1 is outside"),
        (WORDS, [5, 512, 2], "token id 512 is outside the model's vocabulary of 512"),
        (SIGLIP, [5, 6, 1, 0], "fills with 1"),
        (SIGLIP2, [5, 1, 1, 1], "fills with 0 or 1"),
    ],
)
def test_others_are_refused_with_the_row(variant, row, message):
    good = {CLIP: 49407, SMALL: 59}.get(variant, 1)
    tokens = np.array([[*[5] * (len(row) - 1), good], row], np.int64)
    with pytest.raises(InputError, match=message):
        check_tokens(tokens, variant)


def test_tokens_are_integers_by_text():
    for wrong in (np.zeros((2, 3)), np.zeros(3, int), np.array([["a"]])):
        with pytest.raises(InputError, match=r"expected integers \[n, L\]"):
            check_tokens(wrong, CLIP)

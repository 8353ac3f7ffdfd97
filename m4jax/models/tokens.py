"""What a text tower asks of its tokens, checked before they are embedded."""

import numpy as np

from m4jax.errors import InputError
from m4jax.models.two_towers import PADDING_ID
from m4jax.models.variants import Variant

CLIP_SIZE, CLIP_END = 49_408, 49_407  # OpenAI's vocabulary and its end token, the largest id
# Vocabularies of published SigLIP models -> ids that a text, padded to its full length, ends with:
# SigLIP's (the end token alone) and Gemma's (padding, or the end token).
LAST_IDS = {32_000: (1,), 256_000: (0, 1)}
_BLOCK = 1 << 16  # texts that are looked at together


def check_tokens(tokens: np.ndarray, variant: Variant) -> None:
    """Raises `InputError` if tokens can't be what a model was made for.

    Shapes don't show it, and the embeddings look right: padding by the end token, say, as
    transformers pads CLIP's texts, where the model's is 0.

    Args:
        tokens: integers [n, L].
        variant: of the model.
    """
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(
            f"tokens: expected integers [n, L], got {tokens.dtype} {list(tokens.shape)}"
        )
    for start in range(0, len(tokens), _BLOCK):
        _check_block(tokens[start : start + _BLOCK], start, variant)


def _check_block(tokens: np.ndarray, start: int, variant: Variant) -> None:
    """Checks the texts from row `start` on."""

    def refuse(wrong: np.ndarray, reason: str) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            shown = tokens[rows[0]].tolist()
            shown = f"{shown}" if len(shown) <= 12 else f"{shown[:4]}…{shown[-6:]}"
            raise InputError(f"text {start + rows[0]}: {reason}; its tokens are {shown}")

    if not tokens.shape[1]:
        raise InputError("tokens: expected at least one a text, got none")
    wrong = ((tokens < 0) | (tokens >= variant.vocab_size)).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        bad = next(int(x) for x in tokens[row] if not 0 <= x < variant.vocab_size)
        raise InputError(
            f"text {start + row}: token id {bad} is outside the model's vocabulary of "
            f"{variant.vocab_size}; create the model with the tokenizer's vocab_size"
        )
    last = tokens[:, -1]
    if variant.text_mask == "none":
        allowed = LAST_IDS.get(variant.vocab_size)
        if variant.text_pooling == "end" and allowed:
            before = tokens[:, -2] if tokens.shape[1] > 1 else np.full_like(last, -1)
            twice = (last == allowed[-1]) & (before == last) & (len(allowed) > 1)
            refuse(
                ~np.isin(last, allowed) | twice,
                f"the model pools the last position, which its own tokenizer fills with "
                f"{' or '.join(map(str, allowed))} (end or padding); use that one",
            )
        return
    used = tokens != PADDING_ID
    refuse(~used.any(axis=1), "nothing but padding")
    refuse(~used[:, 0], "padded at its front; the model takes padding, 0, at the end only")
    if variant.text_pooling == "last":
        _check_ends(tokens, used, variant, refuse)


def _check_ends(tokens: np.ndarray, used: np.ndarray, variant: Variant, refuse) -> None:
    """Checks that texts of a model that reads the last token end in one end token."""
    place = used.shape[1] - 1 - used[:, ::-1].argmax(axis=1)
    rows = np.arange(len(tokens))
    ends = tokens[rows, place]
    before = tokens[rows, np.maximum(place - 1, 0)]
    largest = variant.vocab_size - 1 if variant.vocab_size == CLIP_SIZE else tokens.max()
    refuse(
        (before == ends) & (place > 0) & (ends == largest),
        f"padded by its end token, {largest}, as transformers pads; the model takes 0",
    )
    if variant.vocab_size == CLIP_SIZE:
        refuse(
            ends != CLIP_END,
            f"the model reads a text off its end token, {CLIP_END}, which is missing; a text that "
            "is cut keeps it",
        )

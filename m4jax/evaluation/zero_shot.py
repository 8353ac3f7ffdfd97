"""Zero-shot classification: pictures against the embedded prompts of classes."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from m4jax.errors import InputError

# Cosines nearer than this are tied: float32 rounding must not decide for a collapsed model.
TIE = 1e-6


def normalise(embeddings: np.ndarray, what: str) -> np.ndarray:
    """Returns the rows of `embeddings` [n, d] at unit length, float32; zero rows stay zero.

    Raises:
        InputError: if they are not a matrix of finite numbers; `what` names them.
    """
    embeddings = np.asarray(embeddings, np.float32)
    if embeddings.ndim != 2:
        raise InputError(f"embeddings of {what}: expected shape [n, d], got {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        raise InputError(
            f"embeddings of {what}: NaN or infinity; the model has diverged, train it again"
        )
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(length > 0, length, 1)


def class_embeddings(
    phrases: Iterable[str],
    *,
    templates: Sequence[str],
    embed_texts: Callable[[list[str]], np.ndarray],
) -> np.ndarray:
    """Embeds classes by prompt ensembling: normalise(mean_t normalise(e(t(phrase)))).

    Args:
        phrases: c noun phrases.
        templates: texts with one `{}`.
        embed_texts: k texts -> [k, d].

    Returns:
        [c, d] float32 of unit length.

    Raises:
        InputError: if the embeddings have a wrong shape or are not finite.

    Source: Radford et al. 2021 (CLIP), section 3.1.4.
    """
    texts = [template.replace("{}", phrase) for phrase in phrases for template in templates]
    embeddings = normalise(embed_texts(texts), "texts")
    if len(embeddings) != len(texts):
        raise InputError(
            f"embed_texts: expected {len(texts)} rows, one for each text, got {len(embeddings)}"
        )
    means = embeddings.reshape(-1, len(templates), embeddings.shape[1]).mean(1)
    return normalise(means, "classes")


def ranks(similarity: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns how many wrong classes are at least as similar as the right one.

    Accuracy at k is the share of ranks below k. Ties count against the model.

    Args:
        similarity: [n, c] cosines of pictures and classes.
        target: [n] index of the right class; -1: has none.

    Returns:
        [n] int32, 0: right; -1 where the target is.
    """
    own = np.take_along_axis(similarity, np.maximum(target, 0)[:, None], axis=1)
    at_least = np.sum(similarity >= own - TIE, axis=1) - 1  # the class itself is among them
    return np.where(target < 0, -1, at_least).astype(np.int32)

"""Retrieval of pictures by text and of texts by picture, with ties against the model."""

import numpy as np

from m4jax.evaluation.zero_shot import TIE


def ranks(
    queries: np.ndarray,
    keys: np.ndarray,
    query_ids: np.ndarray,
    key_ids: np.ndarray,
    *,
    chunk: int = 1024,
) -> np.ndarray:
    """Returns how many wrong keys are at least as similar as the best right one.

    A key is right if its id is the query's. Recall at k is the share of ranks below k. No more
    than `chunk` rows of the similarity matrix exist at a time.

    Args:
        queries: [a, d] of unit length.
        keys: [b, d] of unit length.
        query_ids: [a]; each id occurs among the keys.
        key_ids: [b].
        chunk: queries at a time.

    Returns:
        [a] int32, 0: a right key comes first.
    """
    result = np.empty(len(queries), np.int32)
    for start in range(0, len(queries), chunk):
        part = slice(start, start + chunk)
        similarity = queries[part] @ keys.T
        right = query_ids[part][:, None] == key_ids[None, :]
        best = np.where(right, similarity, -np.inf).max(1, keepdims=True)
        result[part] = np.sum(~right & (similarity >= best - TIE), axis=1)
    return result


def pair_ranks(
    images: np.ndarray, texts: np.ndarray, text_ids: np.ndarray, *, chunk: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ranks of image retrieval (text → image) and of text retrieval, for each pair.

    Pairs of the same caption share it: each of their pictures is a right answer to it, and it
    competes once among the texts.

    Args:
        images: [n, d] of unit length, one for each pair.
        texts: [t, d] of unit length, the distinct captions.
        text_ids: [n] row in `texts` of each pair's caption.
        chunk: queries at a time.

    Returns:
        Two arrays [n] int32: image retrieval, text retrieval.
    """
    all_texts = np.arange(len(texts))
    by_text = ranks(texts, images, all_texts, text_ids, chunk=chunk)
    by_image = ranks(images, texts, text_ids, all_texts, chunk=chunk)
    return by_text[text_ids], by_image

"""Ranks of the right answer: zero-shot and few-shot classification, retrieval in both directions.

A rank is the number of wrong answers that are at least as similar as the right one, so that ties
count against the model. Accuracy and recall at k are the share of ranks below k.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from m4jax.errors import InputError

# Cosines nearer than this are tied: float32 rounding must not decide for a collapsed model.
TIE = 1e-6
RIDGE = 0.1  # λ of the linear probe, for embeddings of unit length


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


def class_ranks(similarity: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns how many wrong classes are at least as similar as the right one.

    Args:
        similarity: [n, c] cosines of pictures and classes.
        target: [n] index of the right class; -1: has none.

    Returns:
        [n] int32, 0: right; -1 where the target is.
    """
    own = np.take_along_axis(similarity, np.maximum(target, 0)[:, None], axis=1)
    at_least = np.sum(similarity >= own - TIE, axis=1) - 1  # the class itself is among them
    return np.where(target < 0, -1, at_least).astype(np.int32)


def probe(
    shots: np.ndarray, shot_labels: np.ndarray, pictures: np.ndarray, *, classes: int
) -> np.ndarray:
    """Returns the scores [n, c] of ridge regression onto the classes.

        W = (X̃ᵀX̃ + λI)⁻¹ X̃ᵀỸ,    score = (x − x̄) W + ȳ

    X̃ and Ỹ are the embeddings and the one-hot labels of the shots, centred.

    Args:
        shots: [k, d] embeddings of unit length.
        shot_labels: [k] int, the class of each.
        pictures: [n, d] embeddings of unit length.
        classes: c.

    Source: the closed-form probe of big_vision's few-shot evaluator (Zhai et al. 2022), with λ for
    embeddings of unit length.
    """
    x, one_hot = shots.astype(np.float64), np.eye(classes)[shot_labels]
    centre, mean = x.mean(0), one_hot.mean(0)
    x, y = x - centre, one_hot - mean
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return (pictures - centre) @ weights + mean


def probe_ranks(
    shots: np.ndarray, shot_labels: np.ndarray, pictures: np.ndarray, target: np.ndarray, c: int
) -> np.ndarray:
    """Returns how many wrong classes [n] the probe finds at least as likely as the right one.

    Shots and pictures of class −1 belong to none: the shots are passed over, the ranks are −1.
    """
    labelled = shot_labels >= 0
    scores = probe(shots[labelled], shot_labels[labelled], pictures, classes=c)
    return class_ranks(scores, target)


def retrieval_ranks(
    queries: np.ndarray,
    keys: np.ndarray,
    query_ids: np.ndarray,
    key_ids: np.ndarray,
    *,
    chunk: int = 1024,
) -> np.ndarray:
    """Returns how many wrong keys are at least as similar as the best right one.

    A key is right if its id is the query's. No more
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
    images: np.ndarray,
    texts: np.ndarray,
    text_ids: np.ndarray,
    content: np.ndarray | None = None,
    *,
    chunk: int = 1024,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ranks of image retrieval (text → image) and of text retrieval, for each pair.

    Pairs of the same caption share it: each of their pictures is a right answer to it, and it
    competes once among the texts. Pictures and captions of one content are right for each other,
    however it is worded.

    Args:
        images: [n, d] of unit length, one for each pair.
        texts: [t, d] of unit length, the distinct captions.
        text_ids: [n] row in `texts` of each pair's caption.
        content: [n] id of what each pair is about, the same for the same caption; None: its
            caption's.
        chunk: queries at a time.

    Returns:
        Two arrays [n] int32: image retrieval, text retrieval.

    Raises:
        InputError: if a caption is of two contents: it can't be told which pictures are right.
    """
    content = text_ids if content is None else content
    of_text = np.empty(len(texts), content.dtype)
    of_text[text_ids] = content
    if not np.array_equal(of_text[text_ids], content):
        raise InputError("content: expected one for each caption, got a caption with two")
    by_text = retrieval_ranks(texts, images, of_text, content, chunk=chunk)
    by_image = retrieval_ranks(images, texts, content, of_text, chunk=chunk)
    return by_text[text_ids], by_image

"""Taking a direction out of embeddings: what is tried on a model that can't be trained again."""

from collections.abc import Callable, Sequence

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation.ranks import normalise

SMALLEST = 1e-6  # length, relative to the longest, below which a direction is none


def directions(first: np.ndarray, second: np.ndarray, *, rank: int = 1) -> np.ndarray:
    """Returns what tells two values of an attribute apart in embeddings, orthonormal [rank, d].

    With d_i = u(first_i) − u(second_i), u being the unit norm, the first right singular vectors of
    the matrix of all d_i: the span that holds most of the differences. It is of the differences,
    not of the values themselves, so that what both share (that there is a person) stays.

    Args:
        first: [k, d] embeddings of texts (or pictures) of one value, "a photo of a woman" say.
        second: [k, d] of the same texts with the other value.
        rank: number of directions, at most k and d.

    Raises:
        InputError: if the shapes don't fit, numbers are not finite, or there are fewer directions.

    Source: Bolukbasi et al. 2016, "Man is to Computer Programmer as Woman is to Homemaker?",
    section 5.1 (of pairs of words; centred per pair there, which spans the same).
    """
    pairs = normalise(first, "the first value"), normalise(second, "the second value")
    if pairs[0].shape != pairs[1].shape or not pairs[0].size:
        raise InputError(
            f"directions: expected two arrays of one shape [k, d], got {pairs[0].shape} and "
            f"{pairs[1].shape}"
        )
    if not 1 <= rank <= min(pairs[0].shape):
        raise InputError(f"rank: expected 1 to {min(pairs[0].shape)}, got {rank}")
    difference = pairs[0].astype(np.float64) - pairs[1]
    _, lengths, right = np.linalg.svd(difference, full_matrices=False)
    if not lengths[rank - 1] > SMALLEST * np.sqrt(len(difference)):
        raise InputError(f"directions: the values differ in fewer than {rank} directions")
    return right[:rank].astype(np.float32)


def project_out(embeddings: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Returns embeddings [n, d] without what lies in the span of `basis`, at unit length.

        x ↦ (I − Bᵀ B) x / ‖(I − Bᵀ B) x‖

    A row that lies in the span becomes 0. Cosines with a vector within the span are then 0, and
    those with others no longer depend on it.

    Args:
        embeddings: [n, d].
        basis: [r, d] orthonormal, of `directions`.

    Raises:
        InputError: if the basis is not orthonormal, or of another width.

    Source: Bolukbasi et al. 2016, section 6 ("neutralize"); for texts of CLIP, Chuang et al. 2023,
    "Debiasing Vision-Language Models via Biased Prompts", equation 2 (of the prompts' span there).
    """
    x, basis = normalise(embeddings, "what is projected"), np.asarray(basis, np.float64)
    if basis.ndim != 2 or basis.shape[1] != x.shape[1]:
        raise InputError(f"basis: expected [r, {x.shape[1]}], got {list(basis.shape)}")
    if not np.allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-4):
        raise InputError("basis: expected orthonormal rows, as `directions` returns them")
    rest = x - (x @ basis.T) @ basis
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.where(length > SMALLEST, rest / np.maximum(length, SMALLEST), 0).astype(np.float32)


def attribute_directions(
    phrases: tuple[str, str],
    templates: Sequence[str],
    embed_texts: Callable[[list[str]], np.ndarray],
    *,
    rank: int = 1,
) -> np.ndarray:
    """Returns `directions` between two phrases, "a man" and "a woman" say, in all templates."""
    first, second = ([t.replace("{}", phrase) for t in templates] for phrase in phrases)
    embedded = np.asarray(embed_texts([*first, *second]))
    return directions(embedded[: len(first)], embedded[len(first) :], rank=rank)

import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.evaluation import ranks


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_class_embeddings_by_hand():
    table = {"x a": [2, 0], "y a": [0, 5], "x b": [1, 0], "y b": [-1, 1e-3]}

    def embed_texts(texts):
        return np.array([table[text] for text in texts])

    found = ranks.class_embeddings(["a", "b"], templates=["x {}", "y {}"], embed_texts=embed_texts)
    np.testing.assert_allclose(found[0], [0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(found[1], [0, 1], atol=1e-3)


def test_scale_of_template_embeddings_does_not_matter():
    rows = np.random.default_rng(0).normal(size=(6, 4))
    scales = np.array([1, 1e3, 1e-3, 5, 1, 1])[:, None]
    first, second = (
        ranks.class_embeddings("abc", templates=["{}", "a {}"], embed_texts=lambda _, r=r: r)
        for r in (rows, rows * scales)
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_ranks_by_hand():
    similarity = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.2, 0.2, 0.1], [0.3, 0.2, 0.1]])
    assert ranks.class_ranks(similarity, np.array([0, 1, 0, -1])).tolist() == [0, 2, 1, -1]


def test_a_collapsed_model_ranks_last():
    picture = unit(np.ones((5, 7), np.float32) + 1e-9)
    assert (ranks.class_ranks(picture @ unit(np.ones((3, 7))).T, np.arange(5) % 3) == 2).all()
    by_text, by_image = ranks.pair_ranks(picture, picture, np.arange(5))
    assert (by_text == 4).all()
    assert (by_image == 4).all()


def brute_force(images, texts, ids):
    similarity = texts @ images.T
    n = len(images)
    by_text = [
        sum(
            similarity[ids[i], j] >= similarity[ids[i]][ids == ids[i]].max()
            for j in range(n)
            if ids[j] != ids[i]
        )
        for i in range(n)
    ]
    by_image = [
        sum(similarity[t, i] >= similarity[ids[i], i] for t in range(len(texts)) if t != ids[i])
        for i in range(n)
    ]
    return by_text, by_image


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_retrieval_agrees_with_brute_force(chunk):
    rng = np.random.default_rng(0)
    ids = np.append(np.arange(20), rng.integers(0, 20, 15))  # some captions occur twice or more
    images, texts = unit(rng.normal(size=(35, 4))), unit(rng.normal(size=(20, 4)))
    found = ranks.pair_ranks(images, texts, ids, chunk=chunk)
    for ours, theirs in zip(found, brute_force(images, texts, ids), strict=True):
        assert ours.tolist() == theirs


def test_perfect_retrieval():
    images = np.eye(12, dtype=np.float32)
    for of_direction in ranks.pair_ranks(images, images, np.arange(12)):
        assert (of_direction == 0).all()


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [(np.ones(3), r"shape \[n, d\]"), (np.array([[1, np.nan]]), "diverged")],
)
def test_bad_embeddings(embeddings, message):
    with pytest.raises(InputError, match=message):
        ranks.normalise(embeddings, "texts")


def test_text_embeddings_must_be_as_many_as_the_texts():
    with pytest.raises(InputError, match="expected 2 rows"):
        ranks.class_embeddings("ab", templates=["{}"], embed_texts=lambda _: np.ones((3, 2)))

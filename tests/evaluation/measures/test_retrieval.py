import dataclasses

import numpy as np
import pytest
from helpers.asked_models import ask, embed, found, moved, pictures, unit

from m4jax.evaluation.measures.retrieval import ranks, retrieval


def captioned(n=40, seed=0, **fields):
    """Pictures with two captions each, near to the first one's embedding."""
    rng = np.random.default_rng(seed)
    captions = [[f"caption {i}", f"another of {i}"] for i in range(n)]
    near = unit(embed([c[0] for c in captions])) + 0.35 * rng.normal(size=(n, 8))
    return pictures(n, embeddings=near, captions=captions, **fields)


def recall_as_clip_benchmark(images, texts, owner, k):
    """recall@k of both directions from the matrix of scores, a query at a time.

    As CLIP_benchmark defines it: a text is right if its image is among the k best; an image if any
    of its texts is.
    """
    scores = texts @ images.T
    text_hits = [owner[t] in np.argsort(-scores[t])[:k] for t in range(len(texts))]
    image_hits = [
        any(owner[t] == i for t in np.argsort(-scores[:, i])[:k]) for i in range(len(images))
    ]
    return np.array(image_hits), np.array(text_hits)


@pytest.mark.parametrize("k", [1, 5])
def test_is_recall_as_clip_benchmark_has_it(k):
    of = captioned()
    told = list(retrieval(ask(of)))
    texts = unit(embed([text for two in of.captions for text in two]))
    owner = np.repeat(np.arange(40), 2)
    images, by_text = recall_as_clip_benchmark(of.embeddings, texts, owner, k)
    assert 0 < images.mean() < 1
    one = found(told, f"text_retrieval_recall@{k}", attribute="")
    assert (one.value, one.n) == (pytest.approx(images.mean()), 40)
    one = found(told, f"image_retrieval_recall@{k}", attribute="")
    assert one.value == pytest.approx(by_text.mean())
    men = found(told, f"image_retrieval_recall@{k}", group="man")
    assert men.value == pytest.approx(by_text[owner % 2 == 0].mean())
    gap = found(told, f"text_retrieval_recall@{k}_gap", group="man − woman")
    assert gap.value == pytest.approx(images[0::2].mean() - images[1::2].mean())
    assert gap.low < gap.value < gap.high


def test_a_caption_of_two_pictures_is_right_for_both():
    images = unit(np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0]]))
    texts = unit(np.array([[1.0, 0, 0], [0, 1, 0]]))
    owner, text = np.array([0, 1, 2]), np.array([0, 0, 1])
    assert ranks(images, texts, owner, text).tolist() == [0, 0, 0]
    assert ranks(texts, images, text, owner).tolist() == [0, 0]
    assert ranks(texts, images, np.array([0, 1]), np.array([1, 2])).tolist() == [1, 0]
    tied = ranks(texts[:1], images[[0, 0]], np.array([0]), np.array([0]))
    assert tied.tolist() == [1]  # a tie with a wrong one counts against the model


def test_order_changes_nothing():
    of = captioned(groups=np.arange(40) // 2)
    order = np.random.default_rng(1).permutation(40)
    for one, same in zip(retrieval(ask(of)), retrieval(ask(moved(of, order))), strict=True):
        assert one == same


def test_pictures_without_captions_are_searched_but_do_not_ask():
    of = captioned()
    captions = [two[: 2 if i < 10 else int(i < 30)] for i, two in enumerate(of.captions)]
    told = list(retrieval(ask(dataclasses.replace(of, captions=captions))))
    texts = unit(embed([text for two in captions for text in two]))
    owner = np.repeat(np.arange(40), [len(two) for two in captions])
    _, hits = recall_as_clip_benchmark(of.embeddings, texts, owner, 1)
    one = found(told, "image_retrieval_recall@1", attribute="")
    assert (one.value, one.n) == (pytest.approx(hits.mean()), 30)


def test_more_than_two_values_have_a_disparity():
    of = captioned(60, values={"who": (("a", "b", "c"), np.arange(60) % 3)})
    told = list(retrieval(ask(of)))
    shares = [found(told, "text_retrieval_recall@1", group=g).value for g in "abc"]
    largest = found(told, "text_retrieval_recall@1_disparity", attribute="who")
    assert largest.value == pytest.approx(np.ptp(shares))
    assert largest.which == f"{'abc'[np.argmax(shares)]} − {'abc'[np.argmin(shares)]}"


def test_says_what_it_can_not_tell():
    (word,) = retrieval(ask(captioned(), known=lambda text: text != "caption 3"))
    assert "caption 3" in word.note
    assert not list(retrieval(ask(pictures(40))))
    few = list(retrieval(ask(captioned(8))))
    assert all(np.isnan(one.value) and "8 independent groups" in one.note for one in few)

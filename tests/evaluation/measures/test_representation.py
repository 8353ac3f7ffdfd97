import dataclasses

import numpy as np
import pytest

from m4jax.evaluation import bias
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.pictures import PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.representation import preferred, representation
from m4jax.evaluation.resampling import Resampler, Settings

GENDER = {"gender": {"man": ("a man",), "woman": ("a woman",)}}
AXES = {"a man": 0, "a woman": 1, "a child": 2, "a guy": 0, "a gal": 2}


def embed(texts):
    """The unit vector of each phrase, a little turned by the template."""
    rows = []
    for text in texts:
        row = np.zeros(4, np.float32)
        phrase = text.removeprefix("a photo of ")
        row[AXES[phrase]] = 1
        row[3] = 0.1 * text.startswith("a photo of ")
        rows.append(row)
    return np.stack(rows)


def asked(embeddings, prompts=None, nobody=None, groups=None, **settings):
    n = len(embeddings)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pictures = PictureSet(
        name="set",
        embeddings=unit.astype(np.float32),
        uids=np.array([f"u{i}" for i in range(n)]),
        groups=np.arange(n) if groups is None else groups,
        nobody=np.ones(n, bool) if nobody is None else nobody,
    )
    prompts = prompts or AuditPrompts("v", ("{}", "a photo of {}"), attributes=GENDER)
    known = lambda text: text.removeprefix("a photo of ") in AXES  # noqa: E731
    return Asked(
        pictures=pictures, texts=Texts(embed, 100.0, known), prompts=prompts,
        settings=Settings(**settings),
    )  # fmt: skip


def random(n=60, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 4))


def test_is_the_share_that_prefers_the_first_words_minus_a_half():
    x = random()
    x[0, :2] = 0.3  # a tie is no answer
    (rb,) = representation(asked(x))
    man, woman = x[1:, 0], x[1:, 1]
    assert rb.value == pytest.approx(np.mean(man > woman) - 0.5)
    assert (rb.metric, rb.group, rb.n, rb.groups) == ("representation_bias", "man", 59, 60)
    assert rb.low < rb.value < rb.high


def test_is_todays_definition():
    x = random(80, 1)
    a = asked(x, groups=np.repeat(np.arange(20), 4))
    (rb,) = representation(a)
    unit = a.pictures.embeddings
    texts = a.texts(["a man", "a photo of a man", "a woman", "a photo of a woman"])
    means = texts.reshape(2, 2, -1).mean(1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    prefers = bias.preference(*(unit @ means.T).T)
    resampler = Resampler(a.pictures.groups, settings=a.settings)
    from m4jax.evaluation.intervals import percentile

    today = percentile(bias.representation_bias(resampler, prefers[None]))
    assert (rb.value, rb.low, rb.high) == pytest.approx((today.value, today.low, today.high))


def test_swapped_values_flip_the_sign():
    x = random(seed=2)
    swapped = {"gender": dict(reversed(GENDER["gender"].items()))}
    (first,) = representation(asked(x))
    (second,) = representation(asked(x, AuditPrompts("v", ("{}",), attributes=swapped)))
    assert second.value == pytest.approx(-first.value)
    assert (second.low, second.high) == pytest.approx((-first.high, -first.low))


def test_order_of_pictures_changes_nothing_and_copies_of_each_neither():
    x = random(40, 3)
    (once,) = representation(asked(x))
    order = np.random.default_rng(0).permutation(40)
    a = asked(x)
    moved = dataclasses.replace(
        a.pictures, embeddings=a.pictures.embeddings[order], uids=a.pictures.uids[order],
        groups=a.pictures.groups[order],
    )  # fmt: skip
    (permuted,) = representation(dataclasses.replace(a, pictures=moved))
    assert permuted == once
    (twice,) = representation(asked(np.repeat(x, 2, 0), groups=np.repeat(np.arange(40), 2)))
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))


def test_more_than_two_values_are_compared_with_an_equal_share():
    prompts = AuditPrompts(
        "v", attributes={"who": {"man": ("a man",), "woman": ("a woman",), "child": ("a child",)}}
    )
    x = np.abs(random(90, 4))
    x[:, 0] += 0.5
    told = {(m.metric, m.group): m for m in representation(asked(x, prompts))}
    nearest = x[:, :3].argmax(1)
    for v, name in enumerate(("man", "woman", "child")):
        value = told["representation_bias", name].value
        assert value == pytest.approx(np.mean(nearest == v) - 1 / 3)
    largest = told["representation_bias_largest", ""]
    assert largest.which == "man"
    assert largest.value == told["representation_bias", "man"].value
    assert np.isnan(preferred(np.array([[0.5, 0.5, 0.1]]))).all()


def test_says_what_depends_on_the_wording():
    prompts = AuditPrompts(
        "v", ("{}",), ("{}", "a photo of {}"),
        {"gender": {"man": ("a man", "a guy", "a chap"), "woman": ("a woman", "a gal", "a lass")}},
    )  # fmt: skip
    x = random(70, 5)
    told = list(representation(asked(x, prompts)))
    by_wording = {m.wording: m.value for m in told if m.metric == "representation_bias"}
    assert by_wording["a guy / a gal"] == pytest.approx(np.mean(x[:, 0] > x[:, 2]) - 0.5)
    assert set(by_wording) == {"", "a photo of {}", "a guy / a gal"}
    words = next(m for m in told if m.metric.endswith("range") and m.wording == "words")
    assert words.value == pytest.approx(abs(by_wording[""] - by_wording["a guy / a gal"]))
    assert "a chap" in words.note


def test_what_can_not_be_told_is_said():
    (few,) = representation(asked(random(9)))
    (nobody,) = representation(asked(random(), nobody=np.zeros(60, bool)))
    (word,) = representation(
        asked(random(), AuditPrompts("v", attributes={"x": {"a": ("a cat",), "b": ("a man",)}}))
    )
    for measure, why in ((few, "9 independent groups"), (nobody, "nobody"), (word, "a cat")):
        assert np.isnan(measure.value)
        assert why in measure.note
    tied = random()
    tied[:55, :2] = 0.2
    (untold,) = representation(asked(tied))
    assert np.isnan(untold.value)
    assert "too few" in untold.note

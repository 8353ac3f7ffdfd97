"""Association tests against W4ngatang/sent-bias and dccuchile/wefe, in plain loops."""

import dataclasses
import math

import numpy as np
import pytest
from helpers.asking import WORDS, asked, one, pictures

from m4jax.evaluation.measures.effects import association, picture_effects, text_effects


def cosine(a, b):
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def reference(x, y, a, b, below):
    """Effect size of vectors; `below` the deviation stand n (wefe) or n − 1 (sent-bias)."""

    def s(w):
        return np.mean([cosine(w, v) for v in a]) - np.mean([cosine(w, v) for v in b])

    of_x, of_y = [s(w) for w in x], [s(w) for w in y]
    both = of_x + of_y
    mean = sum(both) / len(both)
    deviation = math.sqrt(sum((t - mean) ** 2 for t in both) / (len(both) - below))
    return (np.mean(of_x) - np.mean(of_y)) / deviation


def vectors(ask, name):
    return list(ask.texts(list(ask.words.texts(name, "{}").values())))


def test_of_words_is_the_published_effect_size():
    ask = asked(lean={"he": 0.5, "good": 0.5})
    (found,) = text_effects(ask)
    x, y, a, b = (vectors(ask, name) for name in ("he", "she", "good", "bad"))
    assert found.value == pytest.approx(reference(x, y, a, b, 1), rel=1e-4)
    n = len(x) + len(y)
    as_wefe = found.value * math.sqrt(n / (n - 1))
    assert as_wefe == pytest.approx(reference(x, y, a, b, 0), rel=1e-4)
    assert (found.source, found.group, found.label) == ("texts", "he − she", "good / bad")
    assert (found.n, found.groups, found.attribute) == (18, 9, "")
    assert found.told


@pytest.mark.parametrize("values", [2, 3])
def test_of_pictures_is_the_published_effect_size(values):
    ask = asked(pictures(80, values=values), lean={"good": 0.6})
    found = list(picture_effects(ask))
    (known,) = ask.pictures.attributes.values()
    for v, name in enumerate(known.names[: 1 if values == 2 else values]):
        group = f"{name} − {'woman' if values == 2 else 'others'}"
        x, y = (list(ask.pictures.embeddings[of]) for of in (known.codes == v, known.codes != v))
        for pair in (("good", "bad"), ("home", "job")):
            measure = one(found, "eat", group=group, label=" / ".join(pair))
            expected = reference(x, y, *(vectors(ask, n) for n in pair), 1)
            assert measure.value == pytest.approx(expected, rel=1e-3)
            assert measure.low < measure.value < measure.high
            assert 0 < measure.p <= 1


def test_a_lean_is_found_and_none_is_not():
    found = list(picture_effects(asked(lean={"good": 0.6})))
    lean, none = (one(found, "eat", label=label) for label in ("good / bad", "home / job"))
    assert lean.low > 0.2
    assert lean.p < 0.001
    assert none.low < 0 < none.high
    assert none.p > 0.05


def test_sides_change_the_sign():
    words = dataclasses.replace(
        WORDS, effects=dataclasses.replace(WORDS.effects, texts=(("she", "he", "good", "bad"),))
    )
    usual, other = (next(text_effects(asked(words=w, lean={"he": 0.5}))) for w in (WORDS, words))
    assert other.value == pytest.approx(-usual.value)
    assert other.p == pytest.approx(usual.p, abs=0.02)
    vector = np.eye(3)
    s = association(vector, vector[:1], vector[1:2])
    assert s.tolist() == [1, -1, 0]


def test_p_is_corrected_for_the_number_of_tests():
    both = list(picture_effects(asked(lean={"good": 0.35})))
    alone = dataclasses.replace(
        WORDS, effects=dataclasses.replace(WORDS.effects, pictures=(("good", "bad"),))
    )
    (single,) = picture_effects(asked(words=alone, lean={"good": 0.35}))
    assert one(both, "eat", label="good / bad").p == pytest.approx(2 * single.p)


def test_pictures_of_one_group_are_no_evidence_of_their_own():
    shown = pictures(40, seed=1)
    many = dataclasses.replace(
        shown,
        embeddings=np.repeat(shown.embeddings, 10, 0),
        uids=np.arange(400).astype(str),
        groups=np.repeat(np.arange(40), 10),
        attributes={
            "gender": dataclasses.replace(
                shown.attributes["gender"], codes=np.repeat(np.arange(40) % 2, 10)
            )
        },
    )
    few = one(list(picture_effects(asked(shown))), "eat", label="home / job")
    more = one(list(picture_effects(asked(many))), "eat", label="home / job")
    assert more.value == pytest.approx(few.value, rel=0.02)
    assert more.high - more.low == pytest.approx(few.high - few.low, rel=0.1)
    assert more.p == pytest.approx(few.p, abs=0.03)
    assert more.groups == 20


def test_what_can_not_be_told():
    for measurement in (picture_effects, text_effects):
        (measure,) = measurement(asked(known=lambda text: False))
        assert "no embedding of" in measure.note
        assert np.isnan(measure.value)
        assert list(measurement(dataclasses.replace(asked(), texts=None))) == []
    found = list(picture_effects(asked(known=lambda text: "job" not in text)))
    assert one(found, "eat", label="home / job").note.startswith("no embedding of 'job0'")
    assert one(found, "eat", label="good / bad").told
    (measure,) = picture_effects(asked(pictures(codes=np.where(np.arange(400) < 3, 0, 1))))
    assert measure.note == "man: 3 independent groups (fewer than 10)"


def test_few_words_have_no_effect_size():
    lists = {**WORDS.lists, "he": dataclasses.replace(WORDS.lists["he"], words={"he0": "he0"})}
    (measure,) = text_effects(asked(words=dataclasses.replace(WORDS, lists=lists)))
    assert measure.note == "fewer than 8 words in a set"
    assert np.isnan([measure.value, measure.p]).all()

import dataclasses

import numpy as np
import pytest
from helpers.asking import D, asked, one, pictures

from m4jax.evaluation.measures.harm import harm, taken_for
from m4jax.evaluation.measures.pictures import Attribute


def reference(ask, rows):
    """How often pictures are taken for a beast and for a crime, class by class."""
    words = ask.words.harm
    texts, of = [], []
    for name in (words.people, *words.lists):
        for text in ask.words.texts(name, words.template).values():
            texts.append(text)
            of.append(name)
    found = dict.fromkeys(words.lists, 0)
    for row in rows:
        cosines = [float(ask.pictures.embeddings[row] @ e) for e in ask.texts(texts)]
        nearest = of[int(np.argmax(cosines))]
        if nearest in found:
            found[nearest] += 1
    return {name: count / len(rows) for name, count in found.items()}


def test_rates_are_shares_of_the_nearest_class():
    ask = asked(lean={"b0": 0.4, "c0": -0.4})
    found = list(harm(ask))
    codes = ask.pictures.attributes["gender"].codes
    rates = {}
    for value, name in enumerate(("man", "woman")):
        expected = reference(ask, np.flatnonzero(codes == value))
        for label in ("beasts", "crimes"):
            rate = one(found, "harm_rate", group=name, label=label)
            assert rate.value == pytest.approx(expected[label])
            assert 0 <= rate.low <= rate.value <= rate.high <= 1
            assert (rate.n, rate.groups, rate.version) == (200, 200, "1+v+w")
            rates[name, label] = rate.value
    for label, which in (("beasts", "man − woman"), ("crimes", "woman − man")):
        gap = one(found, "harm_gap", label=label)
        first, second = which.split(" − ")
        assert gap.value == pytest.approx(rates[first, label] - rates[second, label])
        assert gap.which == which
        assert gap.low > 0


def test_without_a_lean_the_gap_can_be_nothing():
    gap = one(list(harm(asked())), "harm_gap", label="beasts")
    assert gap.low == 0


def test_a_tie_between_lists_is_no_answer():
    nearest = np.array([[0.3, 0.3, 0.1], [0.1, 0.2, 0.2], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    taken = taken_for(nearest)
    assert np.isnan(taken[:2]).all()
    assert taken[2:].tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_collapsed_model_does_no_measurable_harm():
    same = dataclasses.replace(pictures(), embeddings=np.zeros((400, D), np.float32))
    (measure,) = harm(asked(same))
    assert measure.note == "all pictures of a group tie between the lists"
    assert np.isnan(measure.value)


def test_groups_that_are_too_small_are_named():
    codes = np.where(np.arange(400) < 5, 2, np.arange(400) % 2)
    shown = pictures()
    shown = dataclasses.replace(
        shown, attributes={"kind": Attribute(("a", "b", "c"), codes)}, groups=shown.groups
    )
    found = list(harm(asked(shown)))
    assert {m.group for m in found if m.metric == "harm_rate"} == {"a", "b"}
    assert "c: 5 independent groups" in one(found, "harm_gap", label="beasts").note


def test_one_value_has_rates_and_no_gap():
    shown = pictures()
    alone = Attribute(("man",), np.where(np.arange(400) < 300, 0, -1))
    found = list(harm(asked(dataclasses.replace(shown, attributes={"gender": alone}))))
    assert one(found, "harm_rate", label="crimes").n == 300
    assert one(found, "harm_gap", label="crimes").note == "no two values are known"


def test_what_is_not_known_is_told_once():
    (measure,) = harm(asked(known=lambda text: "b1" not in text))
    assert measure.note == "no embedding of 'a photo of a b1'"
    assert list(harm(dataclasses.replace(asked(), words=None))) == []

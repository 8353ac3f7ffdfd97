"""Several annotations made one; what a model tells of pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4jax.data.annotation import union, zero_shot
from m4jax.data.annotation.union import Part, agreement, united
from m4jax.errors import InputError

VALUES = st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3), min_size=1)


@given(VALUES)
def test_an_attribute_is_known_where_all_that_know_it_agree(columns):
    parts = [Part({"man": np.array(column, np.int8)}, {}) for column in columns]
    got = united(parts).attributes["man"]
    for row, value in enumerate(got):
        known = {column[row] for column in columns} - {-1}
        assert value == (known.pop() if len(known) == 1 else -1)


def test_labels_of_any_count_and_names_may_differ():
    a = Part({"man": np.array([1, -1], np.int8)}, {"nurse": np.array([True, False])})
    b = Part({"old": np.array([0, 1], np.int8)}, {"nurse": np.array([False, False])})
    got = united([a, b])
    assert got.labels["nurse"].tolist() == [True, False]
    assert got.attributes["old"].tolist() == [0, 1] and got.attributes["man"].tolist() == [1, -1]


def test_annotations_of_other_examples_are_refused():
    with pytest.raises(InputError, match="expected one number"):
        united([Part({"man": np.zeros(2)}, {}), Part({"man": np.zeros(3)}, {})])


def test_agreement_counts_every_example_that_one_knows():
    first, second = np.array([1, 1, -1, 0, -1]), np.array([1, 0, 0, -1, -1])
    assert agreement(first, second) == union.Agreement(1, 1, 1, 1)


def test_a_value_is_told_where_it_is_likely_enough():
    cosines = np.array([[0.30, 0.20], [0.25, 0.249], [0.20, 0.10]])
    nobody = np.array([[0.1, 0.05], [0.1, 0.1], [0.1, 0.30]])
    got = zero_shot.attribute(cosines, nobody, scale=100, confidence=0.9)
    assert got.tolist() == [0, -1, -1]  # sure, undecided, nobody
    told = zero_shot.labels(cosines, nobody, scale=100, confidence=0.9)
    assert told.tolist() == [[True, False], [False, False], [False, False]]


def test_a_confidence_that_would_tell_two_values_is_refused():
    with pytest.raises(InputError, match=r"above 0\.5"):
        zero_shot.attribute(np.zeros((1, 2)), np.zeros((1, 1)), scale=1, confidence=0.5)


def test_texts_are_phrases_with_articles():
    texts = zero_shot.asked({"gender": ["woman", "man"]}, {"occupation: actor": "actor"})
    assert texts.attributes["gender"]["woman"] == "a photo of a woman"
    assert texts.labels["occupation: actor"] == "a photo of an actor"
    assert len(texts.texts) == len(set(texts.texts))

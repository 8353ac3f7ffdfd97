"""What stands in columns: codings that other data sets use are read as they are meant."""

import numpy as np
import pytest

from m4jax.audit.inputs import values
from m4jax.errors import InputError

GENDER = {"gender": ("woman", "man")}


def test_minus_one_beside_one_is_false():
    column = [-1, 1, -1, None, 1]
    assert values.labels(column, "nurse")["nurse"].tolist() == [0, 1, 0, 0, 1]
    assert values.truths(["-1.0", "1.0"], "nobody").tolist() == [0, 1]
    assert values.attribute(column, "gender", GENDER, "man").codes.tolist() == [0, 1, 0, -1, 1]
    assert values.attribute(column, "gender", GENDER, "woman").codes.tolist() == [1, 0, 1, -1, 0]


@pytest.mark.parametrize("column", [[-1, 0, 1], [-1, -1], ["-1", "no", "yes"]])
def test_minus_one_that_may_be_unknown_is_asked_about(column):
    for call in (values.labels, values.truths):
        with pytest.raises(InputError, match="false or not known"):
            call(column, "nurse")
    with pytest.raises(InputError, match="false or not known"):
        values.attribute(column, "gender", GENDER, "man")


def test_values_that_differ_in_their_signs_are_told_apart():
    found = values.attribute([-1, 1, 1], "skin", {})
    assert values.predicted([-1, 1, 1], found.names, "said").tolist() == found.codes.tolist()
    ages = values.attribute(["<30", ">30", ">30"], "age", {})
    assert (
        values.predicted(["<30", ">30", ">30"], ages.names, "said").tolist() == ages.codes.tolist()
    )


def test_values_that_could_be_two_names_are_none():
    assert values.predicted(["30", "<30"], ("<30", ">30"), "said").tolist() == [-1, 0]


def test_upper_and_lower_case_make_no_further_value():
    found = values.attribute(["White", "Black", "white ", "BLACK", None], "race", {})
    assert found.names == ("Black", "White") and found.codes.tolist() == [1, 0, 1, 0, -1]
    labels = values.labels(["Nurse", "nurse", ""], "job")
    assert list(labels) == ["Nurse"] and np.sum(labels["Nurse"]) == 2


def test_neither_true_nor_false_is_told_with_its_row():
    with pytest.raises(InputError, match="row 1 is 'perhaps'"):
        values.truths(["yes", "perhaps"], "nobody")

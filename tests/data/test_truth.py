"""What evaluation sets say of their pictures."""

import numpy as np
import pytest

from m4jax.data import truth
from m4jax.errors import InputError

SEXES, REVERSED, ANSWERS = ["Female", "Male"], ["Male", "Female"], ["no", "yes"]


@pytest.mark.parametrize(
    ("values", "field", "names", "expected"),
    [
        ([0, 1, 1], "g", None, [0, 1, 1]),
        ([False, np.True_], "g", None, [0, 1]),
        (np.array([-1, 1, -1]), "g", None, [0, 1, 0]),  # CelebA's own coding
        ([0.0, 1.0, np.nan, None], "g", None, [0, 1, -1, -1]),
        ([-1.0, 1.0], "g", None, [0, 1]),
        ([0, 1, -1], "g", SEXES, [0, 1, -1]),  # TFDS writes -1 where it knows no class
        ([0, 1, -1], "g", REVERSED, [1, 0, -1]),
        ([0, 1], "g", ANSWERS, [0, 1]),
        ([0, 1, -1], "g", ["0", "1"], [0, 1, -1]),
        ([0, 1, 2], "g", ["woman", "man", "unknown"], None),
        ([0, 1, 2], "g=man", ["woman", "man", "unknown"], [0, 1, -1]),
        ([0, 1], "g=A", ["A", "B"], [1, 0]),
        ([b"Female", b"Male", b""], "g=Male", None, [0, 1, -1]),
        ([b"Female", b"Male", b"nan"], "g=male", None, [0, 1, -1]),
        (["0", "1"], "g=1", None, [0, 1]),
        ([1, 2, 2], "g=1", None, [1, 0, 0]),
        ([0, 1], "g=0", None, [1, 0]),
    ],
)
def test_codings(values, field, names, expected):
    if expected is None:
        with pytest.raises(InputError, match="say which"):
            truth.men(values, field, names)
    else:
        assert truth.men(values, field, names).tolist() == expected


@pytest.mark.parametrize(
    ("values", "field", "names", "message"),
    [
        ([b"Female", b"Male"], "g", None, r"got 'Female', 'Male'; say which .* 'g=Male'"),
        (["0", "1"], "g", None, "got '0', '1'; say which"),
        ([-1, 0, 1], "g", None, "expected 0 and 1, False and True or -1 and 1, got -1, 0, 1"),
        ([0, 1, 2], "g", None, "got 0, 1, 2"),
        ([0.5, 1], "g", None, r"got 0\.5, 1"),
        ([0, 1], "g", ["A", "B"], "got 'A', 'B'"),
        (["Male", "Female", "Other"], "g=Male", None, "expected 'Male' and one other value"),
        (["Male", "Female"], "g=man", None, "expected 'man' and one other value"),
        ([3], "g=A", ["A", "B"], "there is no class 3; they are A, B"),
        ([[1]], "g", None, "expected numbers or texts as truth"),
        ([np.inf], "g", None, "expected numbers or texts"),
    ],
)
def test_what_is_ambiguous_is_refused_with_the_values(values, field, names, message):
    with pytest.raises(InputError, match=message):
        truth.men(values, field, names)


def test_classes_are_numbers():
    assert truth.classes([0, np.int64(2), -1, np.nan, 1.0], "label").tolist() == [0, 2, -1, -1, 1]
    for values, names in (([b"cat"], None), ([0.5], None), ([-2], None), ([2], ["cat", "dog"])):
        with pytest.raises(InputError, match=r"label: (expected the number|there is no class)"):
            truth.classes(values, "label", names)

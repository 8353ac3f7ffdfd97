"""What the words of captions tell of examples."""

import numpy as np
import pyarrow as pa
import pytest

from m4jax.audit.inputs import shown
from m4jax.errors import InputError


class Given:
    """A collection of captions that stand here."""

    kind, name, columns, has_pictures, left_out, identity = "test", "t", ("photo",), False, {}, ""

    def __init__(self, captions):
        self.captions = captions

    def __len__(self):
        return len(self.captions)

    def blocks(self, rows=2):
        for start in range(0, len(self), rows):
            part = self.captions[start : start + rows]
            uids = [f"u{start + i}" for i in range(len(part))]
            photos = [i // 2 for i in range(start, start + len(part))]
            yield pa.table({
                "uid": uids, "captions": pa.array(part, pa.list_(pa.string())), "photo": photos,
            })  # fmt: skip


CAPTIONS = [
    ["a nurse and her bag", "somebody in a ward"],
    ["a man on a bike", "a woman on a bike"],  # both: unknown
    ["a dog and his ball", "a brown dog"],
    ["two children on a lawn"],
    ["a king size bed"],
    [],
    ["a policeman", "a police officer beside a car"],
    ["a crowd below a bridge"],
]


def test_the_captions_of_an_example_are_read_together():
    found = shown.by_words(Given(CAPTIONS), label_sets=shown.LABEL_SETS)
    assert list(found.uids) == [f"u{i}" for i in range(8)]
    gender = found.attributes["gender"]
    assert gender.names == ("woman", "man")
    assert found.several == {"gender": 1}
    assert found.version == "1+en_v2"
    assert gender.codes.tolist() == [0, -1, -1, -1, -1, -1, 1, -1]
    assert found.labels["nurse"].tolist() == [True] + [False] * 7
    assert found.labels["car"].tolist() == [False] * 6 + [True, False]
    assert found.captions[1] == CAPTIONS[1]


def test_nobody_is_told_only_where_captions_name_no_person():
    nobody = shown.by_words(Given(CAPTIONS)).nobody
    assert nobody.tolist() == [False, False, True, False, True, False, False, False]


def test_columns_hold_what_a_dense_matrix_does():
    dense = np.random.default_rng(0).random((50, 7)) < 0.2
    dense[:, 3] = False
    names = list("abcdefg")
    kept = shown.Columns(names, shown.sparse.csr_array(dense))
    assert list(kept) == names
    for place, name in enumerate(names):
        np.testing.assert_array_equal(kept[name], dense[:, place])
    found = shown.by_words(Given(CAPTIONS))
    plain = shown.dataclasses.replace(found, labels={x: found.labels[x] for x in found.labels})
    np.testing.assert_array_equal(plain.matrix.toarray(), found.matrix.toarray())


def test_a_column_makes_groups():
    found = shown.by_words(Given(CAPTIONS), group="photo")
    assert found.groups.tolist() == list("00112233")
    with pytest.raises(InputError, match="no column 'foto'"):
        shown.by_words(Given(CAPTIONS), group="foto")


def test_what_has_no_captions_is_refused():
    with pytest.raises(InputError, match="no captions"):
        shown.by_words(Given([[], []]))
    with pytest.raises(InputError, match="label sets"):
        shown.by_words(Given(CAPTIONS), label_sets=("occupation",))

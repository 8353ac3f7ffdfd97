"""What people bring: embeddings and tables of every kind, and what is wrong with them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.damage import damages

from m4jax.audit.config import AuditConfig
from m4jax.audit.inputs import joining, listed, stored, values, vectors
from m4jax.errors import InputError
from m4jax.evaluation.measures import prompts
from m4jax.evaluation.measures.pictures import Attribute

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
UIDS = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def npz(path, **arrays):
    np.savez(path / "x.npz", **arrays)
    return path / "x.npz"


@pytest.mark.parametrize(
    "arrays",
    [
        {"embedding": MATRIX, "uid": UIDS},
        {"image_features": MATRIX.astype(np.float64), "filenames": UIDS},
        {"image_embeds": MATRIX, "text_embeds": MATRIX[:2], "ids": UIDS, "texts": ("x", "y")},
        {"arr_0": MATRIX, "arr_1": UIDS},
        {"e": MATRIX, "keys": np.array([x.encode() for x in UIDS])},
    ],
)
def test_arrays_are_found_whatever_they_are_called(tmp_path, arrays):
    found = vectors.read(npz(tmp_path, **arrays), vectors.PICTURES)
    assert found.names == UIDS
    np.testing.assert_array_equal(found.values, MATRIX)


def test_both_sides_of_one_file(tmp_path):
    path = npz(tmp_path, image_embeds=MATRIX, text_embeds=-MATRIX[:2], texts=("x", "y"))
    assert vectors.read(path, vectors.TEXTS).names == ("x", "y")
    assert vectors.read(path, vectors.TEXTS).values[0, 0] == -1
    assert vectors.read(path, vectors.PICTURES).names is None


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3)])
def test_lists_of_parquet(tmp_path, kind):
    table = pa.table({"key": UIDS, "vector": pa.array(MATRIX.tolist(), kind)})
    pq.write_table(table, tmp_path / "x.parquet")
    found = vectors.read(tmp_path / "x.parquet", vectors.PICTURES)
    assert found.names == UIDS
    np.testing.assert_array_equal(found.values, MATRIX)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"e": MATRIX, "f": MATRIX}, "expected one array of embeddings"),
        ({"e": np.array([object()] * 3, dtype=object)}, "Python's objects"),
        ({"e": np.zeros((0, 3), np.float32)}, "no embeddings"),
        ({"e": MATRIX[0]}, "expected one array of embeddings"),
    ],
)
def test_arrays_that_can_not_be_meant(tmp_path, arrays, told):
    with pytest.raises(InputError, match=told):
        vectors.read(npz(tmp_path, **arrays), vectors.PICTURES)


def test_pickles_are_not_opened(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"cos\nsystem\n")
    with pytest.raises(InputError, match="can run anything"):
        vectors.read(tmp_path / "x.pt", vectors.PICTURES)


def test_rows_of_no_use_are_told():
    matrix = MATRIX.copy()
    matrix[1], matrix[2, 0] = 0, np.nan
    found, left = vectors.Vectors(matrix, UIDS).usable()
    assert found.names == ("a.jpg", "d.jpg") and set(left) == {"b.jpg", "c.jpg"}
    with pytest.raises(InputError, match="no embedding is of use"):
        vectors.Vectors(0 * matrix, UIDS).usable()


def test_one_picture_twice_is_one_and_two_are_refused():
    twice = vectors.Vectors(np.concatenate([MATRIX, 2 * MATRIX]), UIDS * 2)
    assert twice.usable()[0].names == UIDS  # of any length
    with pytest.raises(InputError, match="differ"):
        vectors.Vectors(np.concatenate([MATRIX, -MATRIX]), UIDS * 2).usable()


def test_damaged_files_end_in_a_line(tmp_path):
    path = npz(tmp_path, embedding=MATRIX, uid=UIDS)
    for damaged in damages(path.read_bytes(), 60):
        path.write_bytes(damaged)
        try:
            found = vectors.read(path, vectors.PICTURES)
        except InputError:
            continue
        assert found.values.shape[1] == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "image,sex\na.jpg,f\nb.jpg,m\n"),
        ("t.tsv", "image\tsex\na.jpg\tf\nb.jpg\tm\n"),
        ("t.jsonl", '{"image": "a.jpg", "sex": "f"}\n{"image": "b.jpg", "sex": "m"}\n'),
        ("t.json", '[{"image": "a.jpg", "sex": "f"}, {"image": "b.jpg", "sex": "m"}]'),
    ],
)
def test_tables_of_every_kind(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert listed.read(tmp_path / name) == {"image": ["a.jpg", "b.jpg"], "sex": ["f", "m"]}


@pytest.mark.parametrize("uid", ["a.jpg", "a", "photos/a.jpg", "/data/2019/a.jpg"])
def test_uids_are_joined_whatever_their_folders(uid):
    table = {"path": ["b", uid], "sex": ["m", "f"]}
    found = joining.joined(table, "t.csv", ["x/a.jpg", "x/b.jpg"], "", "", ["sex"])
    assert found.columns["sex"] == ["f", "m"]


def test_names_that_would_be_one_without_folders_are_not_joined_by_them():
    table = {"path": ["1/a.jpg", "2/a.jpg"], "sex": ["m", "f"]}
    found = joining.joined(table, "t", ["2/a.jpg", "1/a.jpg"], "", "", ["sex"])
    assert found.columns["sex"] == ["f", "m"]
    with pytest.raises(InputError, match="none of its rows"):
        joining.joined({"path": ["a.jpg"], "sex": ["m"]}, "t", ["2/a.jpg", "1/a.jpg"], "", "", [])


def test_several_rows_of_an_example():
    table = {"image": ["a", "a", "b", "b", "c"], "caption": ["1", "2", "3", "", "4"],
             "sex": ["m", "m", "m", "f", None]}  # fmt: skip
    found = joining.alone(table, "t.csv", "", "", ["sex"])
    assert found.uids == ("a", "b", "c")
    assert found.captions == [["1", "2"], ["3"], ["4"]]
    assert found.columns["sex"] == ["m", None, None] and found.disagreeing == {"sex": 1}


KNOWN = {"gender": ("woman", "man")}


@pytest.mark.parametrize(
    ("column", "of", "names", "codes"),
    [
        (["Male", "Female", "", None, "unknown"], "sex", ("woman", "man"), [1, 0, -1, -1, -1]),
        (["m", "F", "W", float("nan")], "x", ("woman", "man"), [1, 0, 0, -1]),
        ([True, False, None], "man", ("woman", "man"), [1, 0, -1]),
        (["1", "0"], "woman", ("woman", "man"), [0, 1]),
        (["10-19", "3-9", "more than 70", "3-9"], "age", ("3-9", "10-19", "more than 70"),
         [1, 0, 2, 0]),
        (["Male", "other"], "sex", ("Male", "other"), [0, 1]),
    ],
)  # fmt: skip
def test_values_of_an_attribute(column, of, names, codes):
    name = "age" if of == "age" else "gender"
    found = values.attribute(column, name, KNOWN, of)
    assert isinstance(found, Attribute) and found.names == names
    assert found.codes.tolist() == codes


@pytest.mark.parametrize("column", [["x"], [""], [str(i) for i in range(60)]])
def test_columns_that_are_no_attribute(column):
    with pytest.raises(InputError, match="expected 2 to 50"):
        values.attribute(column, "shape", {})


def test_answers_of_a_model():
    said = ["East Asian_Male", "Female", "dog", None, "White_Female"]
    assert values.predicted(said, ("woman", "man"), "p").tolist() == [1, 0, -1, -1, 0]
    with pytest.raises(InputError, match="expected answers"):
        values.predicted(["dog"], ("woman", "man"), "p")


def test_labels_of_columns():
    assert values.labels(["yes", "no", ""], "nurse")["nurse"].tolist() == [True, False, False]
    found = values.labels(["nurse", "cook", None], "job")
    assert list(found) == ["cook", "nurse"] and found["cook"].tolist() == [False, True, False]


def asked(names, **config):
    table = stored.Table(names, np.eye(len(names), dtype=np.float32))
    settings = AuditConfig(embeddings="x.npz", **config)
    return stored.prompts(table, settings, prompts.load("audit_v1"), ["a caption of a picture"])


def test_stored_texts_stand_for_whom_they_name():
    found = asked(["a Man", "a Woman", "a Boy", "a Girl", "a Nurse", "a dog",
                   "A caption  of a picture"])  # fmt: skip
    assert found.attributes["gender"]["man"] == ("a man", "a boy")
    assert found.templates == ("{}",) and list(found.classes) == ["nurse", "dog"]


def test_names_of_classes_alone_stand_for_them_too():
    found = asked(["Man", "Woman", "Fire truck", "sea_turtle"])
    assert found.attributes["gender"] == {"man": ("Man",), "woman": ("Woman",)}
    assert list(found.classes) == ["fire truck", "sea turtle"]


def test_templates_are_found():
    texts = [f"{t}{x}" for t in ("a photo of ", "a picture of ") for x in
             ("a man", "a woman", "a nurse", "a dog")]  # fmt: skip
    found = asked(texts)
    assert found.templates == ("a photo of {}", "a picture of {}") == found.sensitivity
    assert found.classes == {"nurse": "a nurse", "dog": "a dog"}


def test_wordings_of_ones_own():
    own = (("gender", "woman", "a Dame"), ("gender", "man", "a Knight"))
    found = asked(["a Dame", "a Knight", "a horse", "a sword"], wordings=own)
    assert found.attributes == {"gender": {"woman": ("a Dame",), "man": ("a Knight",)}}
    assert list(found.classes) == ["horse", "sword"]
    assert asked(["a tree", "a horse"]).attributes == {}


def test_a_table_that_is_none(tmp_path):
    for name, content in (("t.csv", ""), ("t.json", "{"), ("t.json", json.dumps([1])),
                          ("t.csv", "a,b\n1\n"), ("t.xls", "x")):  # fmt: skip
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError):
            listed.read(tmp_path / name)

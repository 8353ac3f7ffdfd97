"""Labels as lists in parquet are the matrix that they mean."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m4jax import balance
from m4jax.errors import InputError
from m4jax.tables import label_lists, weights

ASKED = {"uid": "uid", "attributes": ["man"], "column": "labels"}


def write(path, lists, kind=None, **columns):
    n = len(lists)
    table = {"uid": [f"{path.stem}{i}" for i in range(n)], "man": [True, False, None][:n]}
    table = {**table, **columns, "labels": pa.array(lists, kind)}
    pq.write_table(pa.table(table), path)
    return path


def test_names_are_discovered(tmp_path):
    paths = [
        write(tmp_path / "a.parquet", [["nurse", "cook", "nurse"], [], None]),
        write(tmp_path / "b.parquet", [["cook"], ["baker"]], man=[1.0, 0.0]),
    ]
    paths[0] = write(paths[0], [["nurse", "cook", "nurse"], [], None], man=[1.0, 0.0, None])
    found = label_lists.read_label_lists(paths, **ASKED)
    assert found.names == ("baker", "cook", "nurse")
    assert found.uids.tolist() == ["a0", "a1", "a2", "b0", "b1"]
    np.testing.assert_array_equal(found.attributes[:, 0], [1, 0, np.nan, 1, 0])
    expected = [[0, 1, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(found.labels.toarray(), expected)


def test_names_that_are_asked_for(tmp_path):
    path = write(tmp_path / "a.parquet", [["nurse", "cook"], ["x"], ["cook"]])
    found = label_lists.read_label_lists([path], **ASKED, names=["cook", "nurse"])
    np.testing.assert_array_equal(found.labels.toarray(), [[1, 1], [0, 0], [1, 0]])


@pytest.mark.parametrize("kind", [pa.list_(pa.int32()), pa.large_list(pa.uint8())])
def test_numbers(tmp_path, kind):
    path = write(tmp_path / "a.parquet", [[2, 0], [], [1]], kind)
    found = label_lists.read_label_lists([path], **ASKED)
    assert found.names == ("label 0", "label 1", "label 2")
    np.testing.assert_array_equal(found.labels.toarray(), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_from_lists_to_weights_by_uid(tmp_path):
    draw = np.random.default_rng(0)
    lists = [draw.integers(0, 30, 3).tolist() for _ in range(200)]
    path = write(tmp_path / "a.parquet", lists, man=draw.random(200) < 0.5)
    found = label_lists.read_label_lists([path], **ASKED)
    problem = balance.Problem(
        found.attributes,
        found.labels,
        attribute_names=["man"],
        label_names=found.names,
        constraints=[balance.cap(at_most=8, unit="examples")],
        keep_rate=0.3,
    )
    solution = balance.solve(problem, warn=False)
    told = balance.certificate(problem, solution)
    weights.write(tmp_path, uids=found.uids, weights=solution.weights, certificate=told)
    np.testing.assert_array_equal(weights.read(tmp_path, found.uids[::-1]), solution.weights[::-1])


@pytest.mark.parametrize(
    ("lists", "columns", "told"),
    [
        ([["a"], ["b"]], {"uid": ["1", "1"]}, "'1' more than once"),
        ([["a"], ["b"]], {"uid": ["1", None]}, "1 nulls"),
        ([["a"], [None]], {}, "nulls in them"),
        ([[-1], [0]], {}, "number -1"),
        (["a", "b"], {}, "of type string; expected lists"),
        ([[0.5], [1.0]], {}, "expected lists of whole"),
        ([["a"], ["b"]], {"man": ["x", "y"]}, "expected bool or numbers"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, lists, columns, told):
    path = write(tmp_path / "a.parquet", lists, **columns)
    with pytest.raises(InputError, match=told):
        label_lists.read_label_lists([path], **ASKED)


def test_missing_columns_are_told(tmp_path):
    path = write(tmp_path / "a.parquet", [["a"]])
    with pytest.raises(InputError, match="has no column 'label'"):
        label_lists.read_label_lists([path], **ASKED | {"column": "label"})
    with pytest.raises(InputError, match="no files"):
        label_lists.read_label_lists([], **ASKED)

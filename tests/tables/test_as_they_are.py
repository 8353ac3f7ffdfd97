"""Tables are read as they are, whatever columns and folders are called."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.balancing import people, run, write

import m4jax
from m4jax import balance
from m4jax.errors import InputError
from m4jax.tables import weights

ROOM = Path(m4jax.__file__).parent


def association(folder, columns, man="man", nurse="nurse"):
    """Returns the association bias that is left, by the written weights and the columns."""
    found = weights.read(folder, columns["uid"])
    return balance.bias(columns[man][:, None], columns[nurse][:, None], found).association[0, 0]


@pytest.fixture(scope="module")
def columns():
    return people()


def test_one_module_talks_to_duckdb_and_one_to_parquet():
    for path in ROOM.rglob("*.py"):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOM).as_posix()
        if name != "tables/sql.py":
            assert not re.search(r"import duckdb|read_parquet|duckdb\.", text), name
        if name not in ("tables/sql.py", "tables/queries.py"):
            assert not re.search(r'"(SELECT|FROM|COPY|CREATE|DESCRIBE) ', text), name
        if name != "files/parquet.py":
            assert not re.search(r"pyarrow\.parquet|pyarrow import parquet", text), name


@pytest.mark.parametrize("utility", ["", "quality"])
@pytest.mark.parametrize(
    "folder", ["nurse=1", "man=0", "weight=1", "counts=2", "weight=0.5/a0=1/uid=3", "y0=x/bits=7"]
)
def test_folders_are_no_columns(tmp_path, columns, folder, utility):
    made = columns | {"quality": np.tile([0.5, 0.75, 1.0, 2.0], 100)}
    second = made | {"uid": columns["uid"] + 5000}
    plain, named = (
        [write(tmp_path / x / f"{i}.parquet", one) for i, one in enumerate((made, second))]
        for x in ("plain", f"{folder}/data")
    )
    more = {"utility": utility, "utility_levels": 1 if utility else 0}
    expected = run(plain, tmp_path / "w", **more)
    assert run(named, tmp_path / "runs" / folder / "w", **more) == expected
    bits = (tmp_path / "w" / "weights.parquet").read_bytes()
    assert (tmp_path / "runs" / folder / "w" / "weights.parquet").read_bytes() == bits
    assert abs(association(tmp_path / "w", columns)) < 0.01


def test_a_column_that_is_but_a_folder_is_told(tmp_path, columns):
    made = {name: columns[name] for name in ("uid", "man")}
    path = write(tmp_path / "nurse=1" / "a.parquet", made)
    with pytest.raises(InputError, match="no column 'nurse'; columns are not taken from folders"):
        run([path], tmp_path / "w")


NAMES = ["weight", "bits", "a0", "y0", "level", "valid", "file_row_number", "filename", "counts",
         "total", "m4jax_file", "uid", "file", "place", "t", "c0", "times", "utility", "examples",
         "solved", 'a "quoted" one', "a, b", "a.b", "'); DROP TABLE solved; --", "", "man_1",
         "SELECT", "naïve", "x" * 300]  # fmt: skip


@pytest.mark.parametrize("case", ["lower", "upper"])
def test_columns_may_be_called_anything(tmp_path, columns, case):
    """Each name is read once as attribute and once as label, and is there unread besides."""
    names = [name.upper() if case == "upper" else name for name in NAMES]
    expected = run([write(tmp_path / "a.parquet", columns)], tmp_path / "w")
    for index in range(0, len(names), 3):
        man, nurse, uid = (names[(index + i) % len(names)] or "-" for i in range(3))
        unread = {name: np.full(400, 0.3) for name in names if name not in (man, nurse, uid)}
        made = unread | {man: columns["man"], nurse: columns["nurse"], uid: columns["uid"]}
        path = write(tmp_path / f"{index}.parquet", made)
        folder = tmp_path / f"w{index}"
        found = run([path], folder, attributes=(man,), labels=(nurse,), uid=uid)
        same = set(found) - {"solution", "file_sha256", "worst", "verdicts_worst"}
        assert {k: found[k] for k in same} == {k: expected[k] for k in same}, (man, nurse, uid)
        stored = weights.read(folder, columns["uid"])
        np.testing.assert_array_equal(stored, weights.read(tmp_path / "w", columns["uid"]))


@pytest.mark.parametrize("utility", ["", "quality"])
def test_upper_and_lower_case_differ(tmp_path, columns, utility):
    other = np.roll(columns["man"], 7)
    nurse = columns["nurse"]
    made = {"Man": other, "man": columns["man"], "man_1": ~other, "NURSE": ~nurse, "nurse": nurse,
            "Uid": np.zeros(400), "uid": columns["uid"],
            "quality": np.tile([0.5, 0.75, 1.0, 2.0], 100)}  # fmt: skip
    # A second file has them in another order.
    second = {name: made[name] for name in reversed(made)} | {"uid": columns["uid"] + 5000}
    paths = [write(tmp_path / "a.parquet", made), write(tmp_path / "b.parquet", second)]
    more = {"utility": utility, "utility_levels": 1 if utility else 0}
    run(paths, tmp_path / "w", **more)
    both = {name: np.concatenate([made[name], second[name]]) for name in made}
    assert abs(association(tmp_path / "w", both)) < 0.01
    run(paths, tmp_path / "w2", attributes=("Man",), **more)
    assert abs(association(tmp_path / "w2", both, "Man")) < 0.01
    assert abs(association(tmp_path / "w2", both)) > 0.05


def test_columns_that_can_not_be_told_apart_or_used_are_told(tmp_path, columns):
    twice = pa.table([columns[x] for x in ("uid", "man", "man", "nurse")],
                     names=["uid", "man", "man", "nurse"])  # fmt: skip
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="several columns are called 'man'"):
        run([tmp_path / "a.parquet"], tmp_path / "w")
    odd = {
        "struct": pa.array([{"x": 1}] * 400),
        "list": pa.array([[1]] * 400),
        "map": pa.array([[("a", 1)]] * 400, pa.map_(pa.string(), pa.int64())),
        "date": pa.array([0] * 400, pa.date32()),
        "decimal": pa.array([1] * 400, pa.int64()).cast(pa.decimal128(21, 1)),
        "text": pa.array(["1"] * 400),
        "binary": pa.array([b"1"] * 400),
    }
    path = write(tmp_path / "b.parquet", columns | odd)
    assert run([path], tmp_path / "w")["status"] == "converged"  # unread they do no harm
    for name in odd:
        with pytest.raises(InputError, match=f"column '{name}' is .*; expected one of"):
            run([path], tmp_path / "w", labels=(name,))


def test_texts_of_any_kind_are_uids(tmp_path, columns):
    text = pa.array([f"ü{i}" for i in range(400)])
    kinds = [text.dictionary_encode(), text.cast(pa.large_string()), text.cast(pa.string_view())]
    for utility in ("", "quality"):
        more = {"utility": utility, "utility_levels": 1 if utility else 0}
        for index, uid in enumerate(kinds):
            made = columns | {"uid": uid, "quality": np.tile([0.5, 0.75, 1.0, 2.0], 100)}
            folder = tmp_path / f"{index}{utility}"
            run([write(tmp_path / "a.parquet", made)], folder, **more)
            assert len(weights.read(folder, text.to_pylist())) == 400
    coded = columns | {"uid": pa.array(columns["uid"]).dictionary_encode()}
    for utility in (None, np.tile([0.5, 1.0], 200)):
        more = {} if utility is None else {"utility": "quality", "utility_levels": 1}
        made = coded if utility is None else coded | {"quality": utility}
        run([write(tmp_path / "a.parquet", made)], tmp_path / "whole", **more)
        assert len(weights.read(tmp_path / "whole", columns["uid"])) == 400


def test_long_names_leave_room_in_figures(tmp_path, columns):
    man, nurse = "m" * 300, "n" * 300
    made = {"uid": columns["uid"], man: columns["man"], nurse: columns["nurse"]}
    path = write(tmp_path / "a.parquet", made)
    run([path], tmp_path / "w", without=None, attributes=(man,), labels=(nurse,))
    assert (tmp_path / "w" / "figures" / "association.png").exists()

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tables_of_examples import ATTRIBUTES, LABELS, distinct, draw, write

from m4jax.errors import InputError
from m4jax.tables import folding, sql
from m4jax.tables.columns import Columns
from m4jax.tables.table import open_table

COLUMNS = {"uid": "uid", "attributes": ATTRIBUTES, "labels": LABELS}


def fold(folder, patterns, columns, name="fold.parquet"):
    with sql.connect(folder / "spill") as connection:
        table = open_table(connection, [str(p) for p in patterns], columns)
        folding.fold(connection, table, folder / name)
    return folding.load(folder / name, columns)


@pytest.mark.parametrize("kind", ["bool", "int", "soft"])
@pytest.mark.parametrize("more", [{}, {"counts": "times"}, {"utility": "quality"}])
def test_a_fold_has_the_distinct_rows_and_their_counts(tmp_path, kind, more):
    data = draw(np.random.default_rng(0), 700, kind=kind)
    write(tmp_path / "data.parquet", data, kind=kind)
    found = fold(tmp_path, [tmp_path / "data.parquet"], Columns(**COLUMNS, **more))
    names = (*ATTRIBUTES, *LABELS, *(["quality"] if "utility" in more else []))
    counts = data["times"] if "counts" in more else np.ones(700)
    rows, expected = distinct(data, names, counts)
    columns = [found.attributes, found.labels]
    columns += [found.utility[:, None]] if "utility" in more else []
    np.testing.assert_array_equal(np.concatenate(columns, axis=1), rows)
    np.testing.assert_array_equal(found.counts, expected)
    assert found.labels.dtype == (float if kind == "soft" else np.uint8)


def test_columns_of_numbers_are_part_of_the_pattern(tmp_path):
    data = draw(np.random.default_rng(4), 300)
    data |= {"tokens": np.arange(300) % 3 + 7, "price": np.arange(300) % 2 / 4}
    write(tmp_path / "data.parquet", data)
    columns = Columns(**COLUMNS, numbers=("tokens", "price"))
    found = fold(tmp_path, [tmp_path / "data.parquet"], columns)
    rows, expected = distinct(data, (*ATTRIBUTES, *LABELS, "tokens", "price"), np.ones(300))
    parts = [found.attributes, found.labels, np.stack(list(found.numbers.values()), axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), rows)
    np.testing.assert_array_equal(found.counts, expected)
    data["price"] = np.where(np.arange(300) == 7, np.inf, data["price"])
    write(tmp_path / "data.parquet", data)
    with pytest.raises(InputError, match=r"'price' is inf for the example .*; expected a finite"):
        fold(tmp_path, [tmp_path / "data.parquet"], columns)


def test_packed_bits_fold_like_their_columns(tmp_path):
    data = draw(np.random.default_rng(1), 500)
    data |= {name: np.nan_to_num(data[name]) for name in ATTRIBUTES}
    bits = sum(data[name].astype(np.uint16) << j for j, name in enumerate((*ATTRIBUTES, *LABELS)))
    write(tmp_path / "a.parquet", data)
    pq.write_table(pa.table({"uid": data["uid"], "bits": bits}), tmp_path / "b.parquet")
    plain = fold(tmp_path, [tmp_path / "a.parquet"], Columns(**COLUMNS))
    packed = fold(tmp_path, [tmp_path / "b.parquet"], Columns(**COLUMNS, packed="bits"))
    rows = [np.concatenate([p.attributes, p.labels, p.counts[:, None]], 1) for p in (plain, packed)]
    np.testing.assert_array_equal(*(x[np.lexsort(x.T)] for x in rows))


@pytest.mark.parametrize("levels", [0, 4])
def test_folds_of_parts_merge_to_the_fold_of_all(tmp_path, levels):
    rng = np.random.default_rng(2)
    for i in range(5):
        data = draw(rng, 300, kind="soft")
        data["times"] = rng.random(300)  # fractions: their sum must not depend on the order
        data["quality"] = rng.choice(rng.lognormal(size=50), 300)
        write(tmp_path / f"data{i}.parquet", data, kind="soft")
    columns = Columns(**COLUMNS, counts="times", utility="quality", utility_levels=levels)
    whole = [tmp_path / "data*.parquet"]
    fold(tmp_path, whole, columns, "whole.parquet")
    parts = [tmp_path / f"part{i}.parquet" for i in range(5)]
    for i, part in enumerate(parts):
        fold(tmp_path, [tmp_path / f"data{i}.parquet"], columns, part.name)
    with sql.connect(tmp_path) as connection:
        folding.merge(connection, parts, tmp_path / "merged.parquet")
    assert pq.read_table(tmp_path / "merged.parquet") == pq.read_table(tmp_path / "whole.parquet")


def test_levels_keep_the_mean_of_the_utility(tmp_path):
    rng = np.random.default_rng(3)
    data = draw(rng, 2000)
    data["quality"] = rng.lognormal(sigma=2.0, size=2000)
    write(tmp_path / "data.parquet", data)
    columns = Columns(**COLUMNS, counts="times", utility="quality", utility_levels=2)
    found = fold(tmp_path, [tmp_path / "data.parquet"], columns)
    assert len(found.counts) < 1000
    u, times = data["quality"], data["times"]
    assert found.counts @ found.utility == pytest.approx(times @ u, rel=1e-12)


def test_equal_utilities_stay_as_they_are_in_levels(tmp_path):
    data = draw(np.random.default_rng(4), 500)
    write(tmp_path / "data.parquet", data)
    by_level = Columns(**COLUMNS, utility="quality", utility_levels=3)
    found = fold(tmp_path, [tmp_path / "data.parquet"], by_level)
    np.testing.assert_allclose(np.unique(found.utility.round(12)), [0.5, 0.75, 2.0])


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("man", 1.5, "column 'man' is 1.5 for the example 'odd'; expected 0 to 1, or NULL"),
        ("soft", np.nan, "column 'soft' is nan for the example 'odd'; expected 0 to 1, never"),
        ("soft", -0.1, "column 'soft' is -0.1 for the example 'odd'"),
        ("quality", 0.0, "column 'quality' is 0.0 for the example 'odd'; expected a finite"),
        ("quality", np.inf, "column 'quality' is inf for the example 'odd'"),
        (
            "times",
            -1.0,
            "column 'times' is -1.0 for the example 'odd'; expected 0, or 1e-09 to",
        ),
        ("times", np.nan, "column 'times' is nan for the example 'odd'"),
        ("times", 1e25, "column 'times' is 1e\\+25 for the example 'odd'"),
        ("times", 5e18, "column 'times' is 5e\\+18 for the example 'odd'"),
        ("times", 5e-324, "column 'times' is 5e-324 for the example 'odd'"),
        ("times", 1.4e-9, "column 'times' is 1.4e-09 for the example 'odd'"),
    ],
)
@pytest.mark.parametrize("levels", [0, 2])
def test_a_value_out_of_range_is_told_with_its_example(tmp_path, column, value, told, levels):
    data = draw(np.random.default_rng(5), 50, kind="soft")
    data["times"] = data["times"].astype(float)
    data[column][7], data["uid"][7] = value, "odd"
    write(tmp_path / "data.parquet", data, kind="soft")
    columns = Columns(**COLUMNS, counts="times", utility="quality", utility_levels=levels)
    with pytest.raises(InputError, match=told):
        fold(tmp_path, [tmp_path / "data.parquet"], columns)
    assert not (tmp_path / "fold.parquet").exists()


def test_bits_beyond_the_named_ones_are_refused(tmp_path):
    pq.write_table(
        pa.table({"uid": [1, 2], "bits": np.array([31, 32], np.uint8)}), tmp_path / "data.parquet"
    )
    with pytest.raises(InputError, match=r"'bits' is 32 for the example 2; .* number of 5 bits"):
        fold(tmp_path, [tmp_path / "data.parquet"], Columns(**COLUMNS, packed="bits"))


def test_too_many_patterns_are_told_before_they_are_read(tmp_path, monkeypatch):
    write(tmp_path / "data.parquet", draw(np.random.default_rng(6), 100))
    monkeypatch.setattr(folding, "MOST", 10)
    with pytest.raises(InputError, match="distinct rows, more than 10: round soft values"):
        fold(tmp_path, [tmp_path / "data.parquet"], Columns(**COLUMNS))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attributes": ("men",)}, "no column 'men'; did you mean 'man'?"),
        ({"uid": "quality"}, "column 'quality' is DOUBLE; expected one of VARCHAR"),
        ({"packed": "times"}, "column 'times' is BIGINT; expected one of UTINYINT"),
        ({"labels": ("man",)}, "'man' comes twice"),
        ({"attributes": ()}, "at least one attribute"),
        ({"utility_levels": -1}, "utility_levels: expected at least 0, got -1"),
    ],
)
def test_columns_that_do_not_fit_are_told(tmp_path, change, told):
    write(tmp_path / "data.parquet", draw(np.random.default_rng(7), 20))
    with pytest.raises(InputError) as error, sql.connect(tmp_path) as connection:
        columns = Columns(**COLUMNS | change)
        open_table(connection, [str(tmp_path / "data.parquet")], columns)
    assert told in str(error.value)


def test_files_that_can_not_be_used_are_told(tmp_path):
    data = draw(np.random.default_rng(8), 20)
    write(tmp_path / "a.parquet", data)
    write(tmp_path / "b.parquet", data, kind="soft")
    (tmp_path / "c.txt").write_text("not parquet, and long enough to be looked at")
    for name, told in (
        ("z*.parquet", "no file matches"),
        ("?.parquet", "'man' is DOUBLE, but BOOLEAN in"),
        ("c.txt", "not a readable parquet file"),
    ):
        with pytest.raises(InputError, match=told), sql.connect(tmp_path) as connection:
            open_table(connection, [str(tmp_path / name)], Columns(**COLUMNS))


def test_a_bad_memory_limit_is_told(tmp_path):
    with (
        pytest.raises(InputError, match="memory_limit 'much'"),
        sql.connect(tmp_path, memory_limit="much"),
    ):
        pass

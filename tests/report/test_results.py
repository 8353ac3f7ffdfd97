import math

import numpy as np
import pytest
from helpers.damage import flips
from helpers.tables_of_results import plausible_rows, row, table

from m4jax.errors import DamagedError, InputError
from m4jax.report import results
from m4jax.report.results import Estimate


def test_a_written_table_is_read_back(tmp_path):
    rows = plausible_rows()
    results.write(tmp_path / "results.parquet", rows)
    found = results.read(tmp_path / "results.parquet")
    assert len(found) == len(rows)
    for name in set(results.SCHEMA.names) - {"draws"}:
        np.testing.assert_array_equal(found[name], np.array([r[name] for r in rows]))
    assert found.factors == ["version"]


def test_factors_are_columns_and_draws_are_lists(tmp_path):
    rows = [
        row("run", "original", "acc1", 0.5, model=model, draws=draws)
        for model, draws in (("S", (0.5, -0.25)), ("B", ()))
    ]
    results.write(tmp_path / "r", rows)
    found = results.read(tmp_path / "r")
    assert found.factors == ["version", "model"] and found["model"].tolist() == ["S", "B"]
    assert [x.tolist() for x in found["draws"]] == [[0.5, -0.25], []]
    assert found.plain["model"].tolist() == ["S"]  # the first level is the default
    assert len(found.select(model="B")["draws"][0]) == 0


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        results.write(tmp_path / name, plausible_rows())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_rows_are_a_table_too(tmp_path):
    results.write(tmp_path / "empty", [])
    assert len(results.read(tmp_path / "empty")) == 0
    assert results.read(tmp_path / "empty").reference == ""


def test_rows_that_are_not_of_the_schema_are_refused(tmp_path):
    good = row("run", "original", "acc1", 0.5)
    with pytest.raises(InputError, match="lacks or adds seed"):
        results.write(tmp_path / "r", [{k: v for k, v in good.items() if k != "seed"}])
    with pytest.raises(InputError, match="lacks or adds extra"):
        results.write(tmp_path / "r", [good, good | {"extra": "1"}])
    with pytest.raises(InputError, match="not of its column's type"):
        results.write(tmp_path / "r", [good | {"value": "high"}])
    with pytest.raises(InputError, match="not of its column's type"):
        results.write(tmp_path / "r", [good | {"factor": 1}])
    assert not (tmp_path / "r").exists()


def test_files_that_are_no_results_are_refused(tmp_path):
    with pytest.raises(InputError, match="run the study first"):
        results.read(tmp_path / "absent")
    results.write(tmp_path / "cut", plausible_rows())
    content = (tmp_path / "cut").read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="rebuild it"):
        results.read(tmp_path / "cut")


def same(a, b):
    """Tells whether two tables are read as the same."""
    arrays = [(a[name], b[name]) for name in (*a.columns, *b.columns)]
    alike = all(repr(x.tolist()) == repr(y.tolist()) for x, y in arrays)
    return (a.levels, a.evaluations) == (b.levels, b.evaluations) and alike


@pytest.mark.parametrize("most", [200, pytest.param(None, marks=pytest.mark.long)])
def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path, most):
    draws = tuple(np.random.default_rng(0).random(8).tolist())
    rows = [r | {"model": "small", "draws": draws} for r in plausible_rows()[:: 1 if most else 40]]
    path = tmp_path / "results.parquet"
    results.write(path, rows, {"model": ["small", "large"]}, {"run": "how"})
    expected, noticed = results.read(path), 0
    for bit in flips(path, most):
        try:
            assert same(results.read(path), expected), bit
        except InputError as error:
            noticed += 1
            assert "\n" not in str(error)
    assert noticed > 100


def test_a_file_without_a_checksum_of_its_content_is_refused(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "results.parquet"
    results.write(path, plausible_rows())
    pq.write_table(pq.read_table(path), path, compression="none", row_group_size=50)
    assert len(results.read(path)) == len(plausible_rows())  # however it is laid out
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    with pytest.raises(DamagedError, match="of an earlier version; run the study's command again"):
        results.read(path)
    rows = [r | {"value": r["value"] + 1e-12} for r in plausible_rows()]
    table = pq.read_table(path)
    results.write(path, rows)
    other = table.replace_schema_metadata(pq.read_schema(path).metadata)
    pq.write_table(other, path)
    with pytest.raises(DamagedError, match="the checksum of its content differs"):
        results.read(path)


def test_a_table_of_other_columns_is_refused(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"value": [1.0]}), tmp_path / "other")
    with pytest.raises(InputError, match="expected the columns"):
        results.read(tmp_path / "other")


def test_select_and_one():
    found = table(plausible_rows())
    part = found.select(kind="run", version="balanced", metric="acc1", split="workers")
    assert part["seed"].tolist() == [0, 1]
    assert part.one(seed=1).value == part["value"][1]
    assert math.isnan(found.one(metric="absent").value)
    with pytest.raises(InputError, match="expected one row"):
        found.one(metric="acc1")
    with pytest.raises(InputError, match="did you mean 'metric'"):
        found.select(metrik="acc1")


def test_the_reference_is_the_first_version_that_is_not_compared():
    rows = plausible_rows()
    assert table(rows).reference == "original"
    assert table(list(reversed(rows))).reference == "original"
    assert table([r for r in rows if r["version"] != "original"]).reference == ""
    assert table([r for r in rows if r["kind"] == "run"]).reference == "original"


def test_what_is_not_finite_is_not_known():
    assert Estimate(0.0, -1.0, 1.0).measured and Estimate(0.0, -1.0, 1.0).bounded
    assert not Estimate().measured
    assert not Estimate(0.5, math.nan, 1.0).bounded


def test_csv_has_empty_fields_for_nan(tmp_path):
    results.write_csv(tmp_path / "t.csv", [{"a": "x, y", "b": math.nan}, {"a": "", "b": 1 / 3}])
    assert (tmp_path / "t.csv").read_text() == 'a,b\n"x, y",\n,0.333333\n'


def test_the_order_of_levels_is_kept_with_the_results(tmp_path):
    rows = [r | {"model": "large"} for r in plausible_rows()]
    levels = {"version": ["original", "balanced"], "model": ["small", "large"]}
    results.write(tmp_path / "r", rows, levels)
    found = results.read(tmp_path / "r")
    assert found.default("model") == "small" and len(found.plain.select(kind="run")) == 0
    results.write(tmp_path / "r", rows)
    assert results.read(tmp_path / "r").default("model") == "large"  # as the runs have it


def test_plain_results_are_of_the_seeds_that_all_versions_have():
    rows = plausible_rows(seeds=(0, 1, 2))
    fewer = [r for r in rows if not (r["version"] == "balanced" and r["seed"] == 2)]
    assert set(table(fewer).plain.select(kind="run")["seed"].tolist()) == {0, 1}
    none = [r for r in rows if r["kind"] != "run" or (r["seed"] == 2) == (r["version"] == "oracle")]
    assert set(table(none).plain.select(kind="run")["seed"].tolist()) == {0, 1, 2}


def test_how_runs_were_evaluated_is_read_back_and_sealed(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "results.parquet"
    results.write(path, plausible_rows(), evaluations={"a": "one", "b": "other"})
    found = results.read(path)
    assert found.evaluations == found.plain.evaluations == {"a": "one", "b": "other"}
    table = pq.read_table(path)
    metadata = table.schema.metadata
    without = {key: x for key, x in metadata.items() if key != results.EVALUATIONS}
    changed = metadata | {results.EVALUATIONS: b'{"a": "two", "b": "other"}'}
    for other in (without, changed):
        pq.write_table(table.replace_schema_metadata(other), path)
        with pytest.raises(DamagedError, match="the checksum of its content differs"):
            results.read(path)
    results.write(path, plausible_rows())  # as in earlier versions
    assert results.read(path).evaluations == {}
    assert results.EVALUATIONS not in pq.read_schema(path).metadata

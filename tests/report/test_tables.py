import csv
import io
import math

import pytest
from helpers.tables_of_results import VERSIONS, changed, plausible_rows, table
from rich.cells import cell_len
from rich.console import Console

from m4jax.report import tables


def shown(results, width=100, **more):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    tables.show(results, console, **{"done": 8, "total": 8} | more)
    return console.file.getvalue()


def test_every_number_is_that_of_the_results():
    results = table(plausible_rows())
    rows = {row["version"]: row for row in tables.bias_table(results)}
    assert list(rows) == list(VERSIONS)
    for version, row in rows.items():
        pooled = results.one(kind="version", version=version, metric="association_bias_max")
        assert row["runs"] == 2
        assert row["faces/association_bias_max"] == pooled.value
        assert row["faces/association_bias_max/ci_low"] == pooled.low
        assert row["faces/association_bias_max/ci_high"] == pooled.high


def test_splits_of_one_metric_are_kept_apart():
    results = table(plausible_rows())
    row = tables.quality_table(results)[0]
    for split in ("workers", "objects", "shift"):
        where = {"kind": "version", "version": "original", "metric": "acc1", "split": split}
        assert row[f"{split}/acc1"] == results.one(**where).value


def test_data_before_and_after():
    rows = {row["version"]: row for row in tables.data_table(table(plausible_rows()))}
    assert rows["original"]["keep_rate"] == 1
    assert rows["balanced"]["effective_sample_size"] == 18_000
    assert abs(rows["balanced"]["representation_bias"]) < rows["original"]["representation_bias"]


def test_csv_files_hold_the_tables(tmp_path):
    results = table(plausible_rows())
    tables.write(results, tmp_path)
    for name, rows in (("data", tables.data_table), ("bias", tables.bias_table),
                       ("quality", tables.quality_table)):  # fmt: skip
        with open(tmp_path / f"{name}.csv", newline="") as file:
            found = list(csv.DictReader(file))
        assert [row["version"] for row in found] == list(VERSIONS)
        for row, expected in zip(found, rows(results), strict=True):
            last = list(expected)[-1]
            assert float(row[last]) == pytest.approx(expected[last], rel=1e-5)


def test_the_terminal_needs_no_more_than_100_columns():
    text = shown(table(plausible_rows()))
    assert "…" not in text  # nothing cut
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    assert "balanced" in text and "proxies" in text


def test_wide_intervals_need_no_more_than_100_columns():
    wide = {"value": 0.321, "ci_low": 0.234, "ci_high": 0.432}
    negative = {"value": -0.321, "ci_low": -0.432, "ci_high": -0.234}
    rows = [r | wide if r["kind"] == "version" else r for r in plausible_rows()]
    for metric in ("representation_bias", "association_correlation"):
        rows = changed(rows, {"kind": "version", "metric": metric}, **negative)
    text = shown(table(rows))
    assert "…" not in text and "[−43.2, −23.4]" in text and "[−0.43, −0.23]" in text


def test_values_are_shown_in_percent_with_their_intervals():
    where = {"kind": "version", "version": "balanced", "metric": "association_bias_mean"}
    exact = {"value": 0.0432, "ci_low": 0.0399, "ci_high": 0.0561}
    text = shown(table(changed(plausible_rows(), where, **exact)))
    assert "4.3" in text and "[4.0, 5.6]" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("original"))
    assert line.split()[1:5] == ["+15.0", "4.3", "100", "40000"]  # of the data


def test_what_can_not_be_estimated_is_a_dash():
    where = {"kind": "version", "metric": "association_bias_mean"}
    nothing = dict.fromkeys(("value", "ci_low", "ci_high"), math.nan)
    text = shown(table(changed(plausible_rows(), where, **nothing)))
    line = next(line for line in text.splitlines() if line.strip().startswith("original"))
    assert line.split()[6] == "–"  # after the version, four numbers about the data, and RB
    assert "nan" not in text


def test_an_unfinished_study_says_how_far_it_is():
    rows = [r for r in plausible_rows() if r["version"] in ("original", "census")]
    text = shown(table(rows), done=2, total=8)
    assert "2 of 8 runs" in text and "balanced" not in text
    assert " of " not in shown(table(rows), done=2, total=2).splitlines()[0]
    part = shown(table(rows), done=40, total=50).splitlines()[0]
    assert part.strip() == "Bias, 2 runs, of a study of which 40 of 50 runs are done"


def test_a_version_without_rows_about_its_data_is_shown():
    rows = [r for r in plausible_rows() if r["kind"] != "data"]
    assert "oracle" in shown(table(rows))

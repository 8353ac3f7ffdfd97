"""Every file that is written and read again: what was damaged is refused, or reads as it was."""

import pytest
from helpers.damage import damages
from helpers.fuzz import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

from m4jax import files
from m4jax.report import results

RECORDS = [{"step": i, "loss": 1.5 / (i + 1), "name": "é"} for i in range(4)]
FACTS = {"keep_rate": 0.5, "violation": 1e-15, "names": ["man", "é"], "nested": {"n": 20_000}}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small table of results: a copy of some of the rows that are published."""
    table = results.read("results/quickstart/results.parquet")
    path = tmp_path_factory.mktemp("published") / "results.parquet"
    results.write(path, *_some(table))
    return path


def _some(table):
    columns = [column[:60].tolist() for column in table.columns.values()]
    rows = [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows, dict(table.levels)


@cases(60)
@given(seed=st.integers(0, 1 << 40))
def test_a_damaged_table_of_results_is_refused_or_the_same(tmp_path_factory, published, seed):
    expected = results.read(published)
    path = tmp_path_factory.mktemp("results") / "results.parquet"
    path.write_bytes(next(damages(published.read_bytes(), 1, seed=seed)))
    actual = attempt("results.parquet", lambda: results.read(path))
    if actual is not None:
        assert actual.levels == expected.levels
        for name, column in expected.columns.items():
            same = [repr(value) for value in actual.columns[name].tolist()]
            assert same == [repr(value) for value in column.tolist()]
    path.unlink()


@pytest.mark.parametrize("kind", ["sealed", "lines"])
def test_every_bit_of_a_small_file(tmp_path, kind):
    path = tmp_path / "small.json"
    if kind == "sealed":
        files.write_sealed(path, FACTS)
        expected, read = FACTS, files.read_sealed
    else:
        for record in RECORDS:
            files.append_jsonl(path, record)
        expected, read = RECORDS, files.read_jsonl
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        actual = attempt(f"bits of {kind}", lambda: read(path))
        # A last line that lost its end is one that a kill has torn.
        assert actual in (None, expected) or (kind == "lines" and actual == expected[:-1]), bit


@cases(100)
@given(
    st.binary(max_size=200), st.sampled_from([files.read_sealed, files.read_jsonl, files.read_json])
)
def test_anything_in_place_of_a_file(tmp_path_factory, content, read):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    attempt("anything as JSON", lambda: read(path))
    path.unlink()

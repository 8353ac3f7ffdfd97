import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tables_of_examples import ATTRIBUTES, LABELS, draw, write

from m4jax.tables import sql
from m4jax.tables.columns import Columns
from m4jax.tables.table import open_table

COLUMNS = {"uid": "uid", "attributes": ATTRIBUTES, "labels": LABELS}


def opened(folder, columns):
    with sql.connect(folder / "spill") as connection:
        return open_table(connection, [str(folder / "*.parquet")], columns)


@pytest.mark.parametrize("kind", ["bool", "int", "soft"])
def test_blocks_are_the_examples_in_the_order_of_the_files(tmp_path, kind):
    parts = [draw(np.random.default_rng(i), n, kind=kind) for i, n in enumerate((70, 1, 129))]
    for i, part in enumerate(parts):
        write(tmp_path / f"{i}.parquet", part, kind=kind)
    table = opened(tmp_path, Columns(**COLUMNS, counts="times", utility="quality"))
    found = list(table.blocks(rows=64))
    assert [len(x.uid) for x in found] == [64, 64, 64, 8]
    every = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for names, field in ((ATTRIBUTES, "attributes"), (LABELS, "labels")):
        values = np.concatenate([getattr(x, field) for x in found])
        np.testing.assert_array_equal(values, np.stack([every[x] for x in names], axis=1))
    assert found[0].labels.dtype == (float if kind == "soft" else np.uint8)
    np.testing.assert_array_equal(np.concatenate([x.counts for x in found]), every["times"])
    np.testing.assert_array_equal(np.concatenate([x.utility for x in found]), every["quality"])
    assert [uid for x in found for uid in x.uid.to_pylist()] == every["uid"].tolist()


def test_packed_bits_are_the_columns(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 32, 100).astype(np.uint8)
    pq.write_table(pa.table({"uid": np.arange(100), "bits": bits}), tmp_path / "a.parquet")
    (found,) = opened(tmp_path, Columns(**COLUMNS, packed="bits")).blocks()
    columns = np.concatenate([found.attributes, found.labels], axis=1)
    np.testing.assert_array_equal(columns @ 2 ** np.arange(5), bits)
    assert found.utility is None and found.counts is None

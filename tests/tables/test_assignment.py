import hashlib

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.tables_of_examples import ATTRIBUTES, LABELS, draw, write

from m4jax.errors import InputError
from m4jax.tables import assignment, folding, sql, weights
from m4jax.tables.columns import Columns
from m4jax.tables.table import open_table

COLUMNS = Columns(uid="uid", attributes=ATTRIBUTES, labels=LABELS, utility="quality")


def score(data):
    """Returns a number for each example that tells all patterns apart."""
    columns = [data[name].astype(float) for name in (*ATTRIBUTES, *LABELS, "quality")]
    return sum(np.nan_to_num(x, nan=0.3) * 7.0**-j for j, x in enumerate(columns)) / 10


def weigh(folder, *, threads=2):
    with sql.connect(folder / "spill", threads=threads) as connection:
        table = open_table(connection, [str(folder / "data*.parquet")], COLUMNS)
        folding.fold(connection, table, folder / "fold.parquet")
        found = folding.load(folder / "fold.parquet", COLUMNS)
        values = dict(zip(ATTRIBUTES, found.attributes.T, strict=True))
        values |= dict(zip(LABELS, found.labels.T, strict=True)) | {"quality": found.utility}
        assignment.add_weights(folder / "fold.parquet", score(values), folder / "solved.parquet")
        assignment.assign(connection, table, folder / "solved.parquet", folder / "w.parquet")
    return pq.read_table(folder / "w.parquet")


@pytest.mark.parametrize("kind", ["bool", "soft"])
@pytest.mark.parametrize("chunk", [10**6, 64, 150])
def test_every_example_gets_the_weight_of_its_pattern_in_order(tmp_path, kind, chunk, monkeypatch):
    monkeypatch.setattr(assignment, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    every = [draw(rng, n, kind=kind) for n in (100, 31, 400, 5)]
    for i, data in enumerate(every):
        write(tmp_path / f"data{i}.parquet", data, kind=kind)
    found = weigh(tmp_path)
    assert found["uid"].to_pylist() == [uid for data in every for uid in data["uid"]]
    expected = np.concatenate([score(data) for data in every])
    np.testing.assert_allclose(found["weight"].to_numpy(), expected, rtol=1e-12)
    first = hashlib.sha256((tmp_path / "w.parquet").read_bytes()).digest()
    weigh(tmp_path, threads=1)
    assert hashlib.sha256((tmp_path / "w.parquet").read_bytes()).digest() == first


def test_an_example_that_was_not_folded_is_told(tmp_path):
    data = draw(np.random.default_rng(1), 50)
    write(tmp_path / "data.parquet", data)
    weigh(tmp_path)
    data["quality"][3], data["uid"][3] = 9.0, "new"
    write(tmp_path / "data.parquet", data)
    with sql.connect(tmp_path) as connection:
        table = open_table(connection, [str(tmp_path / "data.parquet")], COLUMNS)
        with pytest.raises(InputError, match="example 'new' is like none of the patterns"):
            assignment.assign(
                connection, table, tmp_path / "solved.parquet", tmp_path / "x.parquet"
            )


@pytest.mark.parametrize(("uid", "told"), [(None, "NULL for 1 examples"), ("id5", "'id5' comes 2")])
def test_uids_must_be_there_and_differ(tmp_path, uid, told):
    data = draw(np.random.default_rng(2), 30)
    write(tmp_path / "data.parquet", data)
    with sql.connect(tmp_path) as connection:
        table = open_table(connection, [str(tmp_path / "data.parquet")], COLUMNS)
        assignment.check_uids(connection, table)
        data["uid"][np.flatnonzero(data["uid"] != "id5")[0]] = uid
        write(tmp_path / "data.parquet", data)
        with pytest.raises(InputError, match=told):
            assignment.check_uids(connection, table)


def test_weights_are_read_in_the_order_asked_for(tmp_path):
    for uids in (["a", "b", "c"], [3, 1, 2]):
        weights.write(tmp_path, uids=uids, weights=np.array([0.1, 0.2, 0.3]), certificate={})
        np.testing.assert_array_equal(weights.read(tmp_path, uids[::-1]), [0.3, 0.2, 0.1])
        np.testing.assert_array_equal(weights.read(tmp_path, np.array(uids)), [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="for 1 of 2 examples"):
        weights.read(tmp_path, [1, 7])
    with pytest.raises(InputError, match="uids are of type int64, those asked for string"):
        weights.read(tmp_path, ["x"])

"""Groups that nobody named, through the command: found, told, among the constraints, made again."""

import csv

import numpy as np
import pytest
from helpers import commands
from helpers.balancing import write

from m4jax.tables import weights

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def columns():
    """Returns examples at parity within each label; where a and b meet nine in ten are men."""
    rng, n = np.random.default_rng(0), 8000
    y = rng.random((n, 3)) < 0.4
    chance = np.where(y[:, 0] & y[:, 1], 0.9, np.where(y[:, 0] | y[:, 1], 0.28, 0.5))
    return {"uid": np.arange(n), "man": rng.random(n) < chance} | dict(
        zip(LABELS, y.T, strict=True)
    )


def run(path, workdir, *more):
    done = commands.run(
        "balance", "--config=configs/balance.py", f"--workdir={workdir}",
        f"--config.files=('{path}',)", "--config.attributes=('man',)",
        f"--config.labels={LABELS!r}", "--config.frontier=()", *more,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_group_that_nobody_named_is_found_and_balanced(tmp_path, columns):
    path = write(tmp_path / "data.parquet", columns)
    code, text = run(path, tmp_path / "w", "--config.subgroups=3")
    assert code == 0
    assert "Groups that nobody named: 1 off" in text and "a and b" in text
    q = weights.read(tmp_path / "w", [str(x) for x in columns["uid"]])
    both = columns["a"] & columns["b"]
    assert np.average(columns["man"][both], weights=q[both]) == pytest.approx(0.55, abs=0.002)
    with open(tmp_path / "w" / "tables" / "subgroups.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["attribute"], row["within"]) == ("man", "a and b")
    (found,) = (tmp_path / "w" / "groups").glob("*.json")
    before = found.read_bytes()
    found.write_bytes(before.replace(b"a", b"e", 1))
    code, text = run(path, tmp_path / "w", "--config.subgroups=3")
    assert code == 0 and "is damaged: it is made again" in text
    assert found.read_bytes() == before


def test_without_the_setting_nothing_is_looked_for(tmp_path, columns):
    path = write(tmp_path / "data.parquet", columns)
    code, text = run(path, tmp_path / "w")
    assert code == 0 and "nobody named" not in text
    assert not (tmp_path / "w" / "tables" / "subgroups.csv").exists()


@pytest.mark.parametrize("more", ["--config.subgroups=4", "--config.subgroups=1"])
def test_odd_settings_are_refused(tmp_path, columns, more):
    path = write(tmp_path / "data.parquet", columns)
    code, text = run(path, tmp_path / "w", more)
    assert code == 2 and "expected 0, 2 or 3" in text
    assert not (tmp_path / "w" / "weights.json").exists()

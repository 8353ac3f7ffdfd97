"""Limits on threads and memory are checked before they are taken; errors end in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.balancing import people, run, write

from m4jax import limits
from m4jax.errors import InputError
from m4jax.tables import solving, sql

ROOT = Path(__file__).parents[1]


def balance(path, workdir, *more, address_space=None, **environment):
    """Runs the command; returns its exit code and its output."""
    flags = ["--config=configs/balance.py", f"--workdir={workdir}", f"--config.files=('{path}',)",
             "--config.attributes=('man',)", "--config.labels=('nurse',)", "--config.frontier=()",
             *more]  # fmt: skip
    limit = f"ulimit -v {address_space // 1024}; " if address_space else ""
    command = ["bash", "-c", f'{limit}exec "$@"', "-", sys.executable, "-m", "experiments.balance"]
    done = subprocess.run(
        [*command, *flags], cwd=ROOT, capture_output=True, env=os.environ | environment, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8")


@pytest.mark.parametrize("threads", [10**6, 10**12])
def test_threads_beyond_the_machine_are_not_started(tmp_path, threads):
    with pytest.raises(InputError, match=r"threads: expected at most \d+, 4 for each of the"):
        run([write(tmp_path / "a.parquet", people())], tmp_path / "w", threads=threads)


@pytest.mark.parametrize("limit", ["1000TB", "1000 TiB", "999999GB", "1e9GB", "-1GB", "much", ""])
def test_a_memory_limit_beyond_the_machine_is_told(tmp_path, limit):
    with (
        pytest.raises(InputError, match="memory_limit '"),
        sql.connect(tmp_path, memory_limit=limit),
    ):
        pass


@pytest.mark.parametrize("limit", ["500MB", "0.5 GB", "1GiB", "80%"])
def test_a_memory_limit_within_the_machine_is_taken(tmp_path, limit):
    with sql.connect(tmp_path, memory_limit=limit) as connection:
        assert sql.row(connection, "SELECT 1") == (1,)


def test_a_problem_larger_than_memory_is_told_before_the_work(tmp_path, monkeypatch):
    columns = people() | {f"label {i}": people(seed=i)["nurse"] for i in range(30)}
    path = write(tmp_path / "a.parquet", columns)
    monkeypatch.setattr(solving, "MATRICES", limits.memory() / (8 * 30**2))
    labels = tuple(f"label {i}" for i in range(30))
    told = r"400 rows and 31 constraints \(1 attributes by 30 labels .* leave out rare labels"
    with pytest.raises(InputError, match=told):
        run([path], tmp_path / "w", labels=labels)
    assert not (tmp_path / "w" / "folds").exists()


@pytest.mark.parametrize("space", [1.0e9, 1.5e9, 2.5e9])
def test_too_small_an_address_space_ends_in_one_line(tmp_path, space):
    code, told = balance("a.parquet", tmp_path, address_space=int(space))
    assert (code, told.count("\n")) == (2, 1), told
    assert f"address space is limited to {space / 1e9:.1f} GB" in told


def test_a_workdir_that_the_locale_can_not_write_ends_in_one_line(tmp_path):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, told = balance("a.parquet", tmp_path / "Müll", **ascii_only)
    assert (code, told.count("\n")) == (2, 1) and "set LC_ALL=C.UTF-8" in told, told
    code, told = balance(tmp_path / "Müll.parquet", tmp_path / "w", **ascii_only)
    assert code == 2 and "Traceback" not in told, told


@pytest.mark.slow
def test_what_the_terminal_can_not_write_is_escaped(tmp_path):
    path = write(tmp_path / "Müll.parquet", people())
    code, told = balance(path, tmp_path / "Müll", PYTHONIOENCODING="ascii")
    assert code == 0 and r"M\xfcll/weights.parquet" in told, told

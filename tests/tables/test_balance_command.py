"""The user's path of balancing: the command on files of one's own, refused, killed, taken up."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import commands
from helpers.commands import ROOT

from m4jax import files


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("examples")
    for i in range(4):
        man = rng.random(5000) < 0.6
        nurse = rng.random(5000) < np.where(man, 0.1, 0.3)
        uid = [f"picture {j}" for j in range(5000 * i, 5000 * (i + 1))]
        pq.write_table(pa.table({"uid": uid, "man": man, "nurse": nurse}), folder / f"{i}.parquet")
    return folder


def arguments(examples, workdir, *more):
    return [
        "--config=configs/balance.py",
        f"--workdir={workdir}", f"--config.files=('{examples}/*.parquet',)",
        "--config.attributes=('man',)", "--config.labels=('nurse',)",
        "--config.frontier=(0.3, 0.6)", "--config.selection_seed=0", "--config.keep_rate=0.5",
        *more,
    ]  # fmt: skip


def command(examples, workdir):
    return [sys.executable, "-m", "experiments.balance", *arguments(examples, workdir)]


def run(*given):
    done = commands.run("balance", *arguments(*given))
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def content(folder):
    paths = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("lock")]
    return {str(p.relative_to(folder)): files.sha256(p) for p in paths}


def test_own_files_in_weights_and_certificate_out(examples, tmp_path):
    done = subprocess.run(command(examples, tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "converged" in done.stdout and "20,000" in done.stdout
    assert pq.read_metadata(tmp_path / "weights.parquet").num_rows == 20_000
    kept = files.read_json(tmp_path / "kept.json")["kept"]
    assert kept == pytest.approx(10_000, abs=400)
    assert {"figures/association.png", "tables/verdicts.csv"} <= content(tmp_path).keys()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("--config.keep_rate=0.99", "lower keep_rate"),
        ("--config.labels=('nurses',)", "no column 'nurses'; did you mean 'nurse'?"),
        ("--config.keep_rat=0.9", "keep_rat"),
        ("--config.objective=quadratik", "did you mean 'quadratic'?"),
    ],
)
def test_what_can_not_be_done_is_told(examples, tmp_path, more, told):
    done = run(examples, tmp_path, more)
    assert told in " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    assert not list(tmp_path.glob("weights.*"))


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_in_the_same_bytes(examples, tmp_path):
    assert run(examples, tmp_path / "once").returncode == 0
    chance = random.Random(0)
    for _ in range(10):
        process = subprocess.Popen(
            command(examples, tmp_path / "again"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(1, 9))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert run(examples, tmp_path / "again").returncode == 0
    left = {name for name in content(tmp_path / "again") if ".tmp" in name}
    assert not left
    names = [name for name in content(tmp_path / "once") if not name.startswith("folds/")]
    for name in names:
        assert content(tmp_path / "again")[name] == content(tmp_path / "once")[name], name


@pytest.mark.slow
def test_the_benchmark_measures_each_solver_once(tmp_path):
    flags = [
        "--config=configs/benchmark_balance.py", f"--workdir={tmp_path}",
        "--config.sizes=(2000,)", "--config.kinds=('tail',)", "--config.peers=('clarabel',)",
        "--config.peers_up_to=(2000,)", "--config.folded_peers=()", "--config.online_size=2000",
        "--config.online_passes=5", "--config.online_batches=(100,)", "--config.repeats=1",
        "--config.smallest=1e4", "--config.largest=1e4", "--config.scale_repeats=1",
        "--config.engines=('duckdb',)", "--config.cold_kinds=('tail utilities',)",
        "--config.wide_kinds_rates=()", "--config.wide_kinds=()",
        "--config.wide_caps=(3000,2500,100)", "--config.wide_thresholds=(20,)",
        "--config.wide_keep_rates=(0.3,)",
        "--config.cold_size=2000", "--config.cold_repeats=1", "--config.bias_shape=(2000,2,30)",
    ]  # fmt: skip
    for _ in range(2):
        begin = time.monotonic()
        done = commands.run("benchmark_balance", *flags)
        assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - begin < 15  # the second time everything is there
    found = files.read_json(tmp_path / "solvers.json")
    ours, clarabel = found["solvers"]
    assert ours["ended"] == "CONVERGED" and ours["compilations_when_hot"] == 0
    assert clarabel["agrees"] and clarabel["ratio"] > 1
    assert found["cold"][0]["solver"] == "m4jax" and found["cold"][0]["seconds"] > 0
    bias = {row["what"]: row["ratio"] for row in files.read_json(tmp_path / "bias.json")}
    assert bias["m4jax"] == 1 and bias["reading the bytes"] < 1
    (size,) = files.read_json(tmp_path / "scale.json")
    assert size["status"] == "CONVERGED" and size["relative_gap"] <= 1e-6
    assert (tmp_path / "scale.png").exists()

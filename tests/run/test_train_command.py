"""The commands of training and exporting, as a user runs them."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import commands
from helpers.commands import ROOT

from configs import base
from m4jax import files, models, training
from m4jax.errors import InputError
from m4jax.run import model
from m4jax.run.config import run_config
from m4jax.run.evaluate import evaluate_run
from m4jax.run.state import Layout

SMALL = {"world.examples": 600, "train.steps": 20, "train.warmup_steps": 5}
SMALL |= {"train.log_every": 5, "train.checkpoint_every": 10, "balance.keep_rate": 0.2}
SMALL |= {"balance.eps_association": 1e-2, "balance.eps_representation": 1e-2}


def flags(workdir, *more, **changes):
    fields = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    named = (f"--config.{name}={value}" for name, value in fields.items())
    return ["--config=configs/base.py", f"--workdir={workdir}", *named, *more]


def run(command, *arguments, code=0, **changes):
    done = commands.run(command, *flags(*arguments, **changes))
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def the_run(workdir):
    (folder,) = (Path(workdir) / "runs").iterdir()
    return folder


def losses(workdir):
    return [record["loss"] for record in files.read_jsonl(the_run(workdir) / "metrics.jsonl")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory in which the command has trained."""
    workdir = tmp_path_factory.mktemp("trained")
    assert "Run: " in run("train", workdir)
    return workdir


@pytest.mark.slow
def test_stages_are_those_of_the_configuration(tmp_path):
    run("train", tmp_path, balance__enabled=True, balance__during="(0.5, 1.0)")
    records = files.read_jsonl(the_run(tmp_path) / "metrics.jsonl")
    assert [record["stage"] for record in records] == [0, 0, 1, 1]
    assert records[0]["target_ab"] > records[3]["target_ab"]


@pytest.mark.slow
def test_pictures_on_disk_train_the_same_model(tmp_path, trained):
    run("train", tmp_path, in_memory_gb=0.0, train__input_workers=1)
    assert losses(tmp_path) == losses(trained)


def test_what_is_not_trained_is_told_before_anything_else(tmp_path):
    assert "train the run first" in run("evaluate", tmp_path, code=2)


def test_a_run_that_is_not_trained_to_its_end_is_not_taken_for_the_model(tmp_path):
    config, layout = run_config(base.get_config().to_dict()), Layout(tmp_path)
    (layout.run(config) / "checkpoints" / "500").mkdir(parents=True)
    for use in (
        lambda: model.export(config, layout, tmp_path / "out", "m4jax"),
        lambda: evaluate_run(config, layout, lambda *done: None),
    ):
        with pytest.raises(InputError, match="trained up to step 500 of 2000; train the run to"):
            use()


@pytest.mark.slow
def test_evaluating_otherwise_needs_no_other_training(tmp_path, trained):
    args = (f"--init_from={the_run(trained)}",)
    run("train", tmp_path, *args)
    assert "representation_bias" in run("evaluate", tmp_path, *args, evaluate__resamples=100)
    assert "train the run first" in run("evaluate", tmp_path, code=2, evaluate__resamples=100)
    assert "Run: " not in run("evaluate", trained, evaluate__resamples=200)


@pytest.mark.slow
def test_asked_to_end_it_writes_a_checkpoint_within_seconds(tmp_path):
    command = [sys.executable, "-m", "experiments.train", *flags(tmp_path, train__steps=5_000)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not any(x.stat().st_size for x in tmp_path.glob("runs/*/metrics.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        asked = time.monotonic()
        assert process.wait(15) == 143
        assert time.monotonic() - asked < 10
        assert process.stderr.read().splitlines()[-1].startswith("terminated; the same command")
    last = losses(tmp_path)
    assert training.latest_step(the_run(tmp_path)) >= 5 * len(last)


def two_processes(workdir, **changes):
    """Starts two processes that train one run together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    told = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "experiments.train"]
    command += flags(workdir, "--distributed", **changes)
    return [
        subprocess.Popen(command, cwd=ROOT, env=os.environ | told | {"JAX_PROCESS_ID": number},
                         text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in ("0", "1")
    ]  # fmt: skip


@pytest.mark.slow
def test_two_processes_end_together(tmp_path):
    """One of them is asked; both write their part of the checkpoint after the same step."""
    crew = two_processes(tmp_path, train__steps=5_000, train__checkpoint_every=5_000)
    while not any(x.stat().st_size for x in tmp_path.glob("runs/*/metrics.jsonl")):
        assert crew[0].poll() is None
        time.sleep(0.05)
    crew[1].terminate()
    texts = [process.communicate(timeout=60) for process in crew]
    assert [process.returncode for process in crew] == [143, 143], texts
    assert 0 < training.latest_step(the_run(tmp_path)) < 5_000


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, trained):
    crew = two_processes(tmp_path)
    texts = [process.communicate(timeout=300) for process in crew]
    assert [process.returncode for process in crew] == [0, 0], texts
    first, second = (output + errors for output, errors in texts)
    assert "Run: " in first
    assert "Run: " not in second
    np.testing.assert_allclose(losses(tmp_path), losses(trained), rtol=1e-5)


@pytest.mark.slow
def test_exports_and_starts_from_what_was_exported(tmp_path, trained):
    run("export", trained, f"--to={tmp_path / 'out'}")
    module, params = models.convert.read_model(tmp_path / "out")
    assert module.variant.image_size == 32
    assert files.read_sealed(tmp_path / "out" / "model.json")["version"] == 2
    told = run(
        "export", trained, f"--to={tmp_path / 'a.safetensors'}", "--format=open_clip", code=2
    )
    assert "is that of CLIP models" in told
    for name, source in (("run", the_run(trained)), ("exported", tmp_path / "out")):
        run("train", tmp_path / name, f"--init_from={source}", train__learning_rate=1e-3)
    assert losses(tmp_path / "run") == losses(tmp_path / "exported")
    assert losses(tmp_path / "run")[0] < losses(trained)[0]
    assert params["image"]["patches"]["kernel"].shape == (192, 64)


def benchmark(workdir, *more):
    config = ("--config=configs/benchmark_train.py", "--config.rounds=1")
    return commands.run("benchmark_train", f"--workdir={workdir}", *config, *more)


@pytest.mark.long
def test_the_benchmark_measures_what_it_is_asked_for(tmp_path):
    small = ("--config.input.examples=600", "--config.input.duration=0.5")
    done = benchmark(tmp_path, "--config.what=input", "--config.input.workers=(0,)", *small)
    assert done.returncode == 0, done.stderr
    rows = files.read_json(tmp_path / "input.json")
    assert [row["pictures"] for row in rows] == ["in memory", "decoded, 0 worker processes"]
    assert all(row["pictures_per_second"] > 0 for row in rows)
    small = ("--config.fleet.members=2", "--config.fleet.steps=8")
    done = benchmark(tmp_path, "--config.what=fleet", *small)
    assert done.returncode == 0, done.stderr
    assert files.read_json(tmp_path / "fleet.json")[0]["ratio"] > 0
    done = benchmark(tmp_path, "--config.what=flete")
    assert done.returncode == 2
    assert "config.what is 'flete'" in done.stderr

"""The user's path: the README's command, at its smallest, and what may come between."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers import commands
from helpers.commands import ROOT
from helpers.small_grid import content

SMALL = (
    "--config=configs/quickstart.py",
    "--config.world.examples=500",
    "--config.train.steps=12",
    "--config.train.warmup_steps=2",
    "--config.train.batch_size=16",
    "--config.train.log_every=3",
    "--config.train.checkpoint_every=4",
    "--config.evaluate.resamples=100",
    # With few examples many occupations lack women, and little can be kept.
    "--config.balance.keep_rate=0.2",
    "--config.balance.eps_association=1e-3",
    # .ci/run runs it with both seeds and the README's model; test_registered.py has two seeds.
    "--config.seeds=(0,)",
    "--config.model.variant=emoji-XS/16",
    "--workers=1",
)


def command(workdir, *more):
    return [sys.executable, "-m", "experiments.grid", f"--workdir={workdir}", *SMALL, *more]


def grid(workdir, *more):
    done = commands.run("grid", f"--workdir={workdir}", *SMALL, *more)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished small study, and what the command printed."""
    workdir = tmp_path_factory.mktemp("study")
    done = subprocess.run(command(workdir), cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return workdir, done.stdout


def test_it_leaves_tables_figures_and_findings(finished):
    workdir, printed = finished
    assert len(list((workdir / "runs").iterdir())) == 4
    assert list((workdir / "tables").glob("*.csv"))
    assert len(list((workdir / "figures").glob("*.png"))) >= 4
    for sentence in (workdir / "findings.txt").read_text().splitlines():
        assert sentence in " ".join(printed.split()) or sentence.split()[0] in printed
    assert str(workdir / "figures") in printed


def test_weights_are_certified(finished):
    workdir, _ = finished
    certificates = list((workdir / "weights").rglob("weights.json"))
    assert len(certificates) == 2
    for path in certificates:
        certificate = json.loads(path.read_text())
        assert certificate["status"] == "converged"
        assert certificate["duality_gap"] <= 1e-6
        assert certificate["violation_max"] <= 1e-6


def test_a_second_run_does_nothing_but_show(finished):
    workdir, _ = finished
    before = content(workdir)
    written = {p: p.stat().st_mtime_ns for p in (workdir / "runs").rglob("*") if p.is_file()}
    done = grid(workdir)
    assert done.returncode == 0
    assert "done original" not in done.stdout
    assert {
        p: p.stat().st_mtime_ns for p in (workdir / "runs").rglob("*") if p.is_file()
    } == written
    assert content(workdir) == before


def test_all_that_is_shown_is_rebuilt_from_the_results_alone(finished, tmp_path):
    before = content(finished[0])
    workdir = tmp_path / "elsewhere"
    (workdir / "runs").mkdir(parents=True)
    shutil.copy(finished[0] / "results.parquet", workdir)
    done = grid(workdir, "--action=figures")
    assert done.returncode == 0
    shown = {name: bytes_ for name, bytes_ in before.items() if "." in name and "/" not in name}
    assert len(shown) > 10 and content(workdir) == shown


def test_without_results_nothing_can_be_shown(tmp_path):
    done = grid(tmp_path / "study", "--action=figures")
    assert done.returncode == 2 and "run the study first" in done.stderr


@pytest.mark.slow
def test_a_missing_cell_is_made_again_and_equal(finished, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(finished[0], workdir)
    before = content(workdir)
    runs = sorted((workdir / "runs").iterdir())
    shutil.rmtree(runs[1])
    (runs[3] / "predictions.npz").unlink()
    assert grid(workdir, "--action=status").returncode == 1
    done = grid(workdir)
    assert done.returncode == 0 and done.stdout.count("done ") == 2
    assert content(workdir) == before


def test_another_configuration_is_refused_with_the_difference(finished):
    done = grid(finished[0], "--config.train.learning_rate=0.1")
    assert done.returncode == 2
    assert "made by another configuration" in done.stderr
    assert "learning_rate: 0.0015 there, 0.1 here" in done.stderr


def test_a_damaged_testbed_is_named(finished, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(finished[0], workdir)
    shutil.rmtree(sorted((workdir / "runs").iterdir())[0])
    for path in (workdir / "data" / "arrays").rglob("train.npy"):
        path.write_bytes(path.read_bytes()[:-100])
    done = grid(workdir)
    assert done.returncode == 2
    assert "train.npy is damaged" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.train.stepz=3"], 'Did you mean "steps"'),
        (["--config.balance.keep_rate=1.5"], "keep_rate: expected in (0, 1], or 'max', got 1.5"),
        (["--config.balance.target=2.0"], "target: expected 0 to 1, or 'census', got 2.0"),
        (["--config.world.men=-1.0"], "world.men: expected 0 to 1, got -1.0"),
        (["--config.train.steps=0"], "steps"),
    ],
)
def test_bad_flags_are_refused(tmp_path, flags, message):
    done = grid(tmp_path / "study", *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_keep_rate_that_is_too_high_names_the_constraint(tmp_path):
    done = grid(tmp_path, "--config.balance.keep_rate=0.95")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "constraints don't hold at the optimum" in text and "lower keep_rate" in text
    assert "done original, seed 0" in done.stdout  # one failure does not stop the others


@pytest.mark.long
def test_killed_at_any_moment_it_ends_with_the_same_results(finished, tmp_path):
    expected = content(finished[0])
    workdir, chance = tmp_path / "study", random.Random(0)
    for attempt in range(12):
        process = subprocess.Popen(
            command(workdir), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(2, 20))
        process.send_signal(signal.SIGINT if attempt % 3 == 2 else signal.SIGKILL)
        process.wait(60)
    done = grid(workdir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert content(workdir) == expected

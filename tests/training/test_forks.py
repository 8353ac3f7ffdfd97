"""Runs that share their first steps end with the same bits as those that take every step."""

import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from helpers.forked_runs import AT_ONCE, LATER, PLAIN, WEIGHTS, data_of, replace, run
from helpers.runs import metrics, tiny_model

from m4jax import files, training
from m4jax.training import CheckpointWarning, Stage, identity, train
from m4jax.training.forks import clear, last_shared, prefix


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def taken(run_dir):
    """Returns how many records have the timings of another run."""
    theirs = files.read_jsonl(run_dir.parent / "trunk" / "metrics.jsonl")
    ours = files.read_jsonl(run_dir / "metrics.jsonl")
    same = [a["examples_per_second"] == b["examples_per_second"]
            for a, b in zip(theirs, ours, strict=True)]  # fmt: skip
    return sum(same)


def begun(forks):
    """Returns the steps of the states that are there."""
    return sorted(int(path.name) for path in forks.glob("*/checkpoints/*") if path.name.isdigit())


SHARE = (2, 5, 7)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """A directory of a run that leaves its states, and its parameters."""
    root = tmp_path_factory.mktemp("study")
    return root, run(root / "trunk", forks=root / "forks", share_at=SHARE)


@pytest.fixture
def study(trunk, tmp_path):
    """A copy of it."""
    return shutil.copytree(trunk[0], tmp_path / "study")


BRANCHES = {
    "later data": ({"stages": LATER}, 2),
    "restarted": ({"restart_at": 7, "restart_peak": 5e-3}, 2),
    "restarted on later data, averaged": ({"stages": LATER, "restart_at": 7, "average": 3}, 2),
    "data that differ earlier": ({"stages": (Stage(0), Stage(5, WEIGHTS))}, 1),
    "averaged earlier": ({"average": 6}, 0),  # from step 2 on, before the first record
    "nothing in common": ({"learning_rate": 1e-3}, 0),
    "other data at once": ({"stages": (Stage(0, WEIGHTS),)}, 0),
}
QUICK = ("restarted on later data, averaged", "averaged earlier")  # the others are marked slow


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[] if x in QUICK else [pytest.mark.slow]) for x in BRANCHES]
)
def test_a_branch_ends_with_the_bits_that_it_has_alone(study, name):
    changes, records = BRANCHES[name]
    forks = study / "forks"
    branch = run(study / "branch", forks=forks, **changes)
    assert_equal(branch, run(study / "alone", **changes))
    assert metrics(study / "branch") == metrics(study / "alone")
    assert taken(study / "branch") == records


def test_leaving_states_changes_nothing(trunk, tmp_path):
    assert begun(trunk[0] / "forks") == list(SHARE)
    assert_equal(run(tmp_path), trunk[1])
    assert metrics(tmp_path) == metrics(trunk[0] / "trunk")


@pytest.mark.slow
def test_a_branch_leaves_states_too_but_none_of_its_own_rate(study):
    forks = study / "forks"
    run(study / "branch", LATER, forks, restart_at=8, share_at=(6, 7, 8, 9))
    assert begun(forks) == [2, 5, 7, 8]  # 7 was there; it began at it, and so had no 6
    assert_equal(run(study / "second", LATER, forks, restart_at=8, restart_peak=0.1),
                 run(study / "alone", LATER, restart_at=8, restart_peak=0.1))  # fmt: skip


def damage(folder):
    largest = max((folder / "checkpoints").rglob("*"), key=lambda p: p.is_file() * p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)


def test_a_damaged_state_is_passed_over(study):
    (folder,) = (study / "forks").glob("7-*")
    damage(folder)
    with pytest.warns(CheckpointWarning, match="step 7 .*is damaged"):
        branch = run(study / "branch", LATER, study / "forks")
    assert_equal(branch, run(study / "alone", LATER))
    assert metrics(study / "branch") == metrics(study / "alone")
    assert taken(study / "branch") == 1  # from step 5
    assert (folder / "damaged" / "7").is_dir()


def test_a_state_in_anothers_place_is_passed_over(study):
    (folder,) = (study / "forks").glob("7-*")
    shutil.rmtree(study / "forks")
    run(study / "other", forks=study / "forks", share_at=(7,), learning_rate=1e-3)
    (other,) = (study / "forks").glob("7-*")
    other.rename(folder)
    with pytest.warns(CheckpointWarning, match="another run's state"):
        branch = run(study / "branch", LATER, study / "forks")
    assert_equal(branch, run(study / "alone", LATER))


def test_an_interrupted_branch_goes_on_from_its_own_checkpoint(study):
    run(study / "branch", LATER, study / "forks", checkpoint_every=1)
    shutil.rmtree(study / "branch" / "checkpoints" / "10")
    again = run(study / "branch", LATER, study / "forks", checkpoint_every=1)
    assert_equal(again, run(study / "alone", LATER))
    assert metrics(study / "branch") == metrics(study / "alone")


def test_a_run_that_is_followed_takes_every_step(study):
    seen = []
    train(replace(checkpoint_every=2), data_of(LATER), study / "branch", model=tiny_model(),
          forks=study / "forks", on_checkpoint=lambda step, params: seen.append(step))  # fmt: skip
    assert seen == [2, 4, 6, 8, 10]


def test_cleared_states_are_gone_and_runs_take_their_steps(study):
    clear(study / "forks")
    clear(study / "forks")  # nothing is left to be deleted
    clear(study / "none")
    assert begun(study / "forks") == []
    assert {path.name for path in (study / "forks").glob("*/*")} == {".lock"}
    branch = run(study / "branch", LATER, study / "forks")
    assert taken(study / "branch") == 0
    assert_equal(branch, run(study / "alone", LATER))


@pytest.mark.slow
def test_states_may_be_cleared_while_runs_leave_and_take_them(study):
    command = [sys.executable, "-m", "helpers.forked_runs", str(study)]
    processes = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    while any(process.poll() is None for process in processes):
        clear(study / "forks")
        time.sleep(0.01)
    assert [process.returncode for process in processes] == [0, 0]
    alone = run(study / "alone", LATER)
    for name in ("a", "b"):
        assert_equal(training.load_params(study / name, tiny_model()), alone)


@pytest.mark.slow
def test_runs_that_begin_at_once_do_not_harm_each_other(study):
    """Two processes both leave, and both take, the same states."""
    shutil.rmtree(study / "forks")
    command = [sys.executable, "-m", "helpers.forked_runs", str(study)]
    processes = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [process.wait() for process in processes] == [0, 0]
    ended = [training.load_params(study / name, tiny_model()) for name in ("a", "b")]
    assert_equal(*ended)
    assert begun(study / "forks") == list(AT_ONCE)
    assert_equal(run(study / "c", LATER, study / "forks"), ended[0])


def test_the_last_step_that_is_shared():
    for changes, last in (({}, 9), ({"restart_at": 4}, 4), ({"average": 3}, 7),
                          ({"average": 8, "restart_at": 4}, 2)):  # fmt: skip
        assert last_shared(replace(**changes)) == last


def test_a_prefix_holds_what_has_acted():
    def key(step, stages=PLAIN, **changes):
        return prefix(identity.of(replace(**changes), data_of(stages), tiny_model()), step)

    assert key(7, LATER) == key(7) == key(7, share_at=(4,), restart_at=8, average=2)
    assert key(8, LATER) != key(8)
    for other in ({"steps": 11}, {"seed": 1}, {"log_every": 2}, {"schedule": "rsqrt"}):
        assert key(7, **other) != key(7)
    assert key(6) != key(7)

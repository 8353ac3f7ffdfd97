"""Damage to a checkpoint is noticed, told, and survived."""

import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import HELPERS
from helpers.runs import CONFIG, metrics, tiny_data, tiny_model

from m4jax.errors import InputError
from m4jax.run import start
from m4jax.training import CheckpointWarning, load_params, train
from m4jax.training.checkpoint import Checkpoints, alone
from m4jax.training.step import TrainState


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run with checkpoints of steps 5 and 10, and its parameters."""
    run_dir = tmp_path_factory.mktemp("whole")
    return run_dir, train(CONFIG, tiny_data(), run_dir, model=tiny_model())


def test_reading_warns_of_nothing(whole, caplog):
    with caplog.at_level("WARNING"), caplog.at_level("WARNING", logger="absl"):
        load_params(whole[0], tiny_model())
    assert caplog.messages == []


def test_a_run_that_is_not_trained_to_its_end_is_nothing_to_start_from(whole, tmp_path):
    assert start.identity(str(whole[0]))
    shutil.copytree(whole[0], tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "checkpoints" / "10")
    with pytest.raises(InputError, match=r"init_from: .*half is trained up to step 5 of 10: exp"):
        start.identity(str(tmp_path / "half"))


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of that run, to be damaged."""
    return shutil.copytree(whole[0], tmp_path / "run")


def largest_file(directory):
    files = [path for path in directory.rglob("*") if path.is_file()]
    return max(files, key=lambda path: (path.stat().st_size, str(path)))


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def delete(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flip_bit, truncate, delete])
@pytest.mark.parametrize("item", ["params", "rest", "record"])
def test_damage_falls_back_and_the_result_is_the_same(copied, whole, damage, item):
    damage(largest_file(copied / "checkpoints" / "10" / item))
    with pytest.warns(CheckpointWarning, match="step 10 .*damaged.*step 5 is tried"):
        params = train(CONFIG, tiny_data(), copied, model=tiny_model())
    jax.tree.map(np.testing.assert_array_equal, params, whole[1])
    assert metrics(copied) == metrics(whole[0])
    assert (copied / "damaged" / "10").is_dir()


def test_all_damaged_starts_again(copied, whole):
    for step in ("5", "10"):
        flip_bit(largest_file(copied / "checkpoints" / step / "params"))
    with pytest.warns(CheckpointWarning) as told:
        params = train(CONFIG, tiny_data(), copied, model=tiny_model())
    assert ["training starts again" in str(w.message) for w in told] == [False, True]
    jax.tree.map(np.testing.assert_array_equal, params, whole[1])
    assert metrics(copied) == metrics(whole[0])


def test_loading_damaged_parameters_is_refused(copied):
    flip_bit(largest_file(copied / "checkpoints" / "10" / "params"))
    with pytest.raises(InputError, match=r"step 10 .*damaged"):
        load_params(copied, tiny_model())


def test_another_model_is_refused_not_thrown_away(copied):
    with pytest.raises(InputError, match="model: embed: 8 → 4"):
        train(CONFIG, tiny_data(), copied, model=tiny_model(embed=4))
    assert (copied / "checkpoints" / "10").is_dir()
    with pytest.raises(InputError, match="is of another model"):
        load_params(copied, tiny_model(embed=4))


@pytest.mark.parametrize("unseen", [{"heads": 2}, {"activation": "relu"}, {"text_mask": "causal"}])
def test_parameters_are_not_given_to_a_model_that_differs_unseen(whole, unseen):
    (name,) = unseen
    with pytest.raises(InputError, match=f"is a model with {name} .* something else"):
        load_params(whole[0], tiny_model(**unseen))


def test_two_processes_dont_train_in_one_directory(tmp_path):
    with alone(tmp_path), pytest.raises(InputError, match="another process is at work"):
        train(CONFIG, tiny_data(), tmp_path, model=tiny_model())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_nothing_to_load_is_told(tmp_path):
    with pytest.raises(InputError, match="no such directory"):
        load_params(tmp_path, tiny_model())
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="has no checkpoint"):
        load_params(tmp_path, tiny_model())


def state(step):
    array = np.random.default_rng(step).normal(size=(64, 1024)).astype(np.float32)
    return TrainState({"w": array}, {"m": array + 1}, np.array(step, np.int32), np.array(0))


def test_keeps_the_last_two(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(state(step), {"step": step})
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["2", "3"]
    with Checkpoints(tmp_path / "c") as checkpoints:
        restored, position = checkpoints.restore_latest(state(0))
    assert position == {"step": 3}
    np.testing.assert_array_equal(restored.params["w"], state(3).params["w"])


def test_a_bit_that_the_format_does_not_protect_is_noticed(tmp_path):
    with Checkpoints(tmp_path / "c") as checkpoints:
        for step in (1, 2):
            checkpoints.save(state(step), {})
    flip_bit(largest_file(tmp_path / "c" / "2" / "params"))  # noise: stored without compression
    with Checkpoints(tmp_path / "c") as checkpoints:
        with pytest.warns(CheckpointWarning, match="the checksum of .* does not match"):
            restored, _ = checkpoints.restore_latest(state(0))
        np.testing.assert_array_equal(restored.params["w"], state(1).params["w"])


def test_a_failed_write_surfaces_and_names_the_place(tmp_path):
    script = HELPERS / "failed_write.py"
    command = [sys.executable, str(script), str(tmp_path / "c")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert f"could not be written to {tmp_path / 'c'} " in run.stdout
    assert "free disk space" in run.stdout
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.restore_latest(state(0)) is None

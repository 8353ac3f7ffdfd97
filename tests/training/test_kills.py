"""A hundred kills at random moments, and a hundred damages of a checkpoint."""

import json
import os
import random
import shutil
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest
from helpers import HELPERS
from helpers.runs import CONFIG, metrics, tiny_data, tiny_model

from m4jax import files
from m4jax.training import CheckpointWarning, loop, make_mesh, train
from m4jax.training.checkpoint import Checkpoints

TRIALS = 100


@pytest.mark.long
def test_a_hundred_kills_change_nothing(tmp_path):
    cache = os.environ["JAX_COMPILATION_CACHE_DIR"]
    script = HELPERS / "many_kills.py"
    command = [sys.executable, str(script), str(tmp_path / "runs"), str(TRIALS), cache]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["status"] == 0, run.stderr
    assert told["killed"] == TRIALS
    assert len(set(told["steps"])) > 3  # before the first record, and at many moments after it
    expected = files.read_json(tmp_path / "runs" / "whole" / "params.json")
    for number in range(told["runs"]):
        run_dir = tmp_path / "runs" / str(number)
        assert files.read_json(run_dir / "params.json") == expected
        assert metrics(run_dir) == metrics(tmp_path / "runs" / "whole")


def damage(chance, file):
    """Flips a bit of a file, or cuts off its end."""
    content = bytearray(file.read_bytes())
    if chance.random() < 0.5:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
    else:
        os.truncate(file, chance.randrange(len(content)))


@pytest.mark.long
def test_a_hundred_damages_are_noticed(tmp_path):
    params = train(CONFIG, tiny_data(), tmp_path / "run", model=tiny_model())
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        # What a state looks like; the values are those of step 10.
        whole, _ = checkpoints.restore_latest(abstract())
    jax.tree.map(np.testing.assert_array_equal, whole.params, params)
    chance, noticed = random.Random(0), 0
    newest = tmp_path / "run" / "checkpoints" / "10"
    names = sorted(p.relative_to(newest) for p in newest.rglob("*") if p.is_file())
    inside = [name for name in names if len(name.parts) > 1]
    for trial in range(TRIALS):
        copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
        damage(chance, copy / "checkpoints" / "10" / inside[trial % len(inside)])
        noticed += restored_step(copy, whole) == 5
        shutil.rmtree(copy)
    assert noticed == TRIALS
    # The two files at the top are Orbax's own marks: without them nothing is lost.
    for name in set(names) - set(inside):
        copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
        damage(chance, copy / "checkpoints" / "10" / name)
        assert restored_step(copy, whole) in (5, 10)
        shutil.rmtree(copy)


def abstract():
    """Shapes, types and shardings of the state of the run."""
    return loop._Program(CONFIG, tiny_model(), make_mesh()).abstract


def restored_step(run_dir, whole):
    """The step that is restored; that of step 10 must be right."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Checkpoints(run_dir / "checkpoints") as checkpoints:
            state, position = checkpoints.restore_latest(abstract())
    warned = any(w.category is CheckpointWarning for w in told)
    if position["step"] == 10:
        jax.tree.map(np.testing.assert_array_equal, state, whole)
    assert warned == (position["step"] == 5 and (run_dir / "damaged" / "10").exists())
    return position["step"]

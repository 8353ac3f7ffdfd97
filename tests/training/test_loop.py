"""The loop: it learns, it logs what happened, and it continues as if nothing had."""

import dataclasses
import math
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from runs import CONFIG, KINDS, LONG, metrics, tiny_data, tiny_model

from m4jax import balance, files
from m4jax.errors import InputError
from m4jax.training import NonFiniteError, Stage, load_params, make_mesh, stream, tracker, train


def replace(**changes):
    return dataclasses.replace(CONFIG, **changes)


def assert_equal_trees(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


class Interrupted(Exception):
    """Stands for Ctrl-C at a step of the test's choice."""


def interrupt_at(step):
    def on_progress(record):
        if record["step"] >= step:
            raise Interrupted

    return on_progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its directory and its parameters."""
    run_dir = tmp_path_factory.mktemp("whole")
    return run_dir, train(CONFIG, tiny_data(), run_dir, model=tiny_model())


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_memorises_a_tiny_set(tmp_path, loss):
    biased = {"logit_scale": 10.0, "logit_bias": -10.0} if loss == "sigmoid" else {}
    config = dataclasses.replace(LONG, loss=loss)
    train(config, tiny_data(KINDS), tmp_path, model=tiny_model(**biased))
    records = metrics(tmp_path)
    assert records[-1]["loss"] < 0.75 * records[-1]["loss_chance"]
    assert records[-1]["loss"] < 0.7 * records[0]["loss"]


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, whole):
    with pytest.raises(Interrupted):
        train(CONFIG, tiny_data(), tmp_path, model=tiny_model(), on_progress=interrupt_at(6))
    assert metrics(tmp_path)[-1]["step"] == 6  # after the checkpoint of step 5: made again
    params = train(CONFIG, tiny_data(), tmp_path, model=tiny_model())
    assert_equal_trees(params, whole[1])
    assert metrics(tmp_path) == metrics(whole[0])


def test_a_finished_run_is_left_alone(whole):
    before = metrics(whole[0])
    called = []
    params = train(CONFIG, tiny_data(), whole[0], model=tiny_model(), on_progress=called.append)
    assert not called
    assert metrics(whole[0]) == before
    assert_equal_trees(params, whole[1])
    assert_equal_trees(load_params(whole[0], tiny_model()), whole[1])


def test_other_seed_other_parameters(tmp_path, whole):
    params = train(replace(seed=4), tiny_data(), tmp_path, model=tiny_model())
    kernel = ["image", "projection", "kernel"]
    assert (pick(params, kernel) != pick(whole[1], kernel)).any()


def pick(tree, path):
    for name in path:
        tree = tree[name]
    return tree


def test_records_say_what_happened(whole):
    records = metrics(whole[0])
    assert [r["step"] for r in records] == [3, 6, 9, 10]
    assert [r["examples"] for r in records] == [24, 48, 72, 80]
    sampler = stream.Draw(CONFIG, tiny_data())
    drawn = np.concatenate([sampler.indices(step) for step in range(6)])
    second = records[1]
    assert second["unique_examples"] == len(set(drawn.tolist()))
    assert second["repeats"] == 48 - second["unique_examples"]
    data, weights = tiny_data(), np.bincount(drawn, minlength=32).astype(float)
    realised = balance.bias(data.attributes, data.labels, weights, target=data.target)
    aimed = balance.bias(data.attributes, data.labels, target=data.target)
    assert second["stream_rb"] == pytest.approx(realised.representation_max)
    assert second["stream_ab"] == pytest.approx(realised.association_max)
    assert second["target_rb"] == pytest.approx(aimed.representation_max)
    assert second["target_ab"] == pytest.approx(aimed.association_max)
    assert second["loss_chance"] == math.log(8)
    assert 0 <= files.read_jsonl(whole[0] / "metrics.jsonl")[1]["wait_share"] <= 1


def test_duplicates_are_counted():
    assert tracker.duplicates(np.array([5, 5, 1, 2, 5])) == pytest.approx(3 / 5)
    assert tracker.duplicates(np.array([3, 1, 2])) == 0


def test_examples_of_weight_zero_are_never_drawn(tmp_path):
    stages = (Stage(0, np.array([1.0] * 16 + [0.0] * 16)),)
    train(CONFIG, tiny_data(stages=stages), tmp_path, model=tiny_model())
    assert metrics(tmp_path)[-1]["unique_examples"] <= 16


def test_all_padding_is_trimmed():
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    np.testing.assert_array_equal(stream.trim(tokens), tokens[:, :2])
    assert stream.trim(np.zeros((2, 4), int)).shape == (2, 1)


def test_batches_are_those_of_the_sampler():
    data = tiny_data()
    draw = stream.Draw(CONFIG, data)
    batches = stream.batches(data, draw, make_mesh(), start=2, stop=7)
    for step, drawn in enumerate(batches, start=2):
        indices = draw.indices(step)
        np.testing.assert_array_equal(drawn.indices, indices)
        np.testing.assert_array_equal(drawn.batch.images, data.images[indices])
        np.testing.assert_array_equal(drawn.batch.tokens, data.tokens[indices, :2])
    assert step == 6


def test_an_infinite_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(Interrupted):
        train(CONFIG, tiny_data(), tmp_path, model=tiny_model(), on_progress=interrupt_at(6))
    explosive = replace(learning_rate=1e30)
    with pytest.raises(NonFiniteError, match=r"step [7-9]: .*learning_rate"):
        train(explosive, tiny_data(), tmp_path, model=tiny_model())
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["5"]


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(tmp_path, request):
    cache = str(request.config.cache.mkdir("jax"))
    script = Path(__file__).with_name("killed_run.py")
    command = [sys.executable, str(script), str(tmp_path / "killed"), cache]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= 120:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    resumed = train(LONG, tiny_data(), tmp_path / "killed", model=tiny_model())
    whole = train(LONG, tiny_data(), tmp_path / "whole", model=tiny_model())
    assert_equal_trees(resumed, whole)
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        ({}, {"image_size": 16}, "the model wants pictures"),
        ({}, {"vocab_size": 4}, "outside the model's vocabulary of 4"),
        ({}, {"context": 1}, "exceed the model's context 1"),
        ({}, {"logit_bias": -10.0}, "does not go with logit_bias"),
        ({"labels": np.zeros((3, 1))}, {}, "labels has 3 rows for 32 pictures"),
        ({"images": np.zeros((32, 8, 8, 3))}, {}, "expected uint8"),
    ],
)
def test_bad_data_is_told(tmp_path, data, model, message):
    with pytest.raises(InputError, match=message):
        train(CONFIG, tiny_data(**data), tmp_path, model=tiny_model(**model))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"warmup_steps": 10}, "warmup_steps must lie in"),
        ({"loss": "softmin"}, "did you mean 'softmax'"),
    ],
)
def test_bad_settings_are_told(changes, message):
    with pytest.raises(InputError, match=message):
        replace(**changes)

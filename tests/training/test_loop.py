"""The loop: it learns, it logs what happened, and it continues as if nothing had."""

import dataclasses
import math
import os
import re
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import HELPERS
from helpers.runs import CONFIG, KINDS, LONG, metrics, tiny_data, tiny_model

from m4jax import balance, files, stopping
from m4jax.errors import InputError
from m4jax.training import (
    NonFiniteError,
    Stage,
    identity,
    latest_step,
    load_params,
    log,
    make_mesh,
    train,
)
from m4jax.training.batches import Draw, Sampler, batches
from m4jax.training.config import trim


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


@pytest.mark.parametrize("loss", ["softmax", pytest.param("sigmoid", marks=pytest.mark.slow)])
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
    sampler = Draw(CONFIG, tiny_data())
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
    assert log.duplicates(np.array([5, 5, 1, 2, 5])) == pytest.approx(3 / 5)
    assert log.duplicates(np.array([3, 1, 2])) == 0


def test_examples_of_weight_zero_are_never_drawn(tmp_path):
    stages = (Stage(0, np.array([1.0] * 16 + [0.0] * 16)),)
    train(CONFIG, tiny_data(stages=stages), tmp_path, model=tiny_model())
    assert metrics(tmp_path)[-1]["unique_examples"] <= 16


def test_all_padding_is_trimmed():
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    np.testing.assert_array_equal(trim(tokens), tokens[:, :2])
    assert trim(np.zeros((2, 4), int)).shape == (2, 1)


def test_batches_are_those_of_the_sampler():
    data = tiny_data()
    draw = Draw(CONFIG, data)
    stream = batches(data, draw, make_mesh(), start=2, stop=7)
    for step, drawn in enumerate(stream, start=2):
        indices = draw.indices(step)
        np.testing.assert_array_equal(drawn.indices, indices)
        np.testing.assert_array_equal(drawn.batch.images, data.images[indices])
        np.testing.assert_array_equal(drawn.batch.tokens, data.tokens[indices, :2])
    assert step == 6


def test_an_infinite_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    explosive = replace(learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(NonFiniteError, match=r"step [2-5]: .*learning_rate"):
        train(explosive, tiny_data(), tmp_path, model=tiny_model())
    assert (tmp_path / "checkpoints" / "1").is_dir()


def test_asked_to_end_it_writes_a_checkpoint_and_goes_on_from_there(tmp_path, whole):
    def ask(record):
        if record["step"] == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with stopping.on_sigterm(), pytest.raises(stopping.Terminated):
        train(CONFIG, tiny_data(), tmp_path, model=tiny_model(), on_progress=ask)
    assert latest_step(tmp_path) in (6, 7)  # no multiple of `checkpoint_every`
    measured = []
    params = train(CONFIG, tiny_data(), tmp_path, model=tiny_model(),
                   on_checkpoint=lambda step, params: measured.append(step))  # fmt: skip
    assert measured == [10]
    assert_equal_trees(params, whole[1])
    assert metrics(tmp_path) == metrics(whole[0])


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    cache = os.environ["JAX_COMPILATION_CACHE_DIR"]
    script = HELPERS / "killed_run.py"
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
        ({"jitter": 5.0}, r"jitter: expected 0 to 1, got 5.0"),
    ],
)
def test_bad_settings_are_told(changes, message):
    with pytest.raises(InputError, match=message):
        replace(**changes)


WEIGHTS = np.array([1.0] * 16 + [0.0] * 16)
STAGED = (Stage(0), Stage(4, WEIGHTS), Stage(7))


def test_stages_follow_one_another_and_each_is_told(tmp_path):
    data = tiny_data(stages=STAGED)
    train(replace(log_every=1), data, tmp_path, model=tiny_model())
    records, draw = metrics(tmp_path), Draw(CONFIG, data)
    assert [r["stage"] for r in records] == [0] * 4 + [1] * 3 + [2] * 3
    for step in range(10):
        weighted = 4 <= step < 7
        expected = Sampler(WEIGHTS if weighted else None, n=32, batch_size=8, seed=CONFIG.seed)
        np.testing.assert_array_equal(draw.indices(step), expected.indices(step))
    second = np.concatenate([draw.indices(step) for step in (4, 5, 6)])
    for weights, prefix in ((np.bincount(second, minlength=32), "stream"), (WEIGHTS, "target")):
        bias = balance.bias(data.attributes, data.labels, weights.astype(float), target=data.target)
        assert records[6][f"{prefix}_ab"] == pytest.approx(bias.association_max)
    drawn = np.concatenate([draw.indices(step) for step in range(10)])
    assert records[-1]["unique_examples"] == len(set(drawn.tolist()))


@pytest.mark.parametrize("loss", ["sample", pytest.param("loss", marks=pytest.mark.slow)])
def test_interrupted_before_a_switch_and_resumed_equals_uninterrupted(tmp_path, loss):
    data, config = tiny_data(stages=STAGED), replace(weighting=loss, checkpoint_every=3)
    whole = train(config, data, tmp_path / "whole", model=tiny_model())
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(config, data, tmp_path / "cut", model=tiny_model(), on_progress=interrupt_at(6))
    assert_equal_trees(train(config, data, tmp_path / "cut", model=tiny_model()), whole)
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def test_weights_in_the_loss_have_mean_one_and_leave_the_draw_alone():
    data = tiny_data(stages=(Stage(0, WEIGHTS),))
    draw = Draw(replace(weighting="loss"), data)
    indices = draw.indices(3)
    np.testing.assert_array_equal(indices, Draw(CONFIG, tiny_data()).indices(3))
    np.testing.assert_allclose(draw.factor(3, np.arange(32)), WEIGHTS * 2)
    (drawn,) = batches(data, draw, make_mesh(), start=3, stop=4)
    np.testing.assert_allclose(drawn.batch.weight, 2 * WEIGHTS[indices])
    assert Draw(CONFIG, data).factor(3, indices) is None


ANOTHER = {
    "settings: seed: 3 → 4": {"config": {"seed": 4}},
    "settings: batch_size: 8 → 4": {"config": {"batch_size": 4}},
    "settings: learning_rate: 0.01 → 0.1": {"config": {"learning_rate": 0.1}},
    "settings: steps: 10 → 20": {"config": {"steps": 20}},
    "stages: they started at steps [0] → [0, 8]": {"stages": (Stage(0), Stage(8, WEIGHTS))},
    "stages: other weights": {"stages": (Stage(0, WEIGHTS),)},
    "captions: other tokens": {"tokens": np.roll(tiny_data().tokens, 1, axis=0)},
    "captions: other equal": {"caption_id": np.roll(tiny_data().caption_id, 1)},
    "pictures: other ones": {"images": 255 - tiny_data().images},
    "annotation: other attributes": {"attributes": 1 - tiny_data().attributes},
    "model: activation: quick_gelu → gelu": {"model": {"activation": "gelu"}},
    "parameters to start from: random → ": {"init": True},
}


@pytest.mark.parametrize(("message", "change"), ANOTHER.items(), ids=ANOTHER)
def test_going_on_as_another_run_is_refused(tmp_path, whole, message, change):
    run_dir, change = shutil.copytree(whole[0], tmp_path / "run"), dict(change)
    config, model = replace(**change.pop("config", {})), tiny_model(**change.pop("model", {}))
    init = (lambda: whole[1]) if change.pop("init", False) else None
    with pytest.raises(InputError, match=re.escape(message)):
        train(config, tiny_data(**change), run_dir, model=model, init=init)
    assert metrics(run_dir) == metrics(whole[0])


def test_all_that_differs_is_named(tmp_path, whole):
    run_dir = shutil.copytree(whole[0], tmp_path / "run")
    with pytest.raises(InputError, match="choose another") as told:
        train(replace(seed=4), tiny_data(images=255 - tiny_data().images), run_dir,
              model=tiny_model(width=16))  # fmt: skip
    for part in ("seed: 3 → 4", "width: 8 → 16", "pictures: other ones"):
        assert part in str(told.value)


def test_how_a_run_is_carried_out_may_change(tmp_path, whole):
    run_dir = shutil.copytree(whole[0], tmp_path / "run")
    again = train(replace(checkpoint_every=2), tiny_data(), run_dir, model=tiny_model())
    assert_equal_trees(again, whole[1])


def test_a_checkpoint_of_before_is_refused_in_one_line(tmp_path, whole):
    with pytest.raises(InputError, match="earlier version"):
        identity.check_same(None, identity.of(CONFIG, tiny_data(), tiny_model()), tmp_path)


def test_a_damaged_log_is_put_aside_and_training_goes_on(tmp_path, whole):
    with pytest.raises(Interrupted):
        train(CONFIG, tiny_data(), tmp_path, model=tiny_model(), on_progress=interrupt_at(6))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.warns(UserWarning, match="the log is damaged"):
        params = train(CONFIG, tiny_data(), tmp_path, model=tiny_model())
    assert_equal_trees(params, whole[1])
    assert metrics(tmp_path) == metrics(whole[0])[1:]
    assert (tmp_path / "damaged" / "metrics.jsonl").read_bytes()[0] == 0xFF


def test_pictures_are_known_in_memory_and_on_disk(monkeypatch):
    """So `in_memory_gb` may change between two parts of a run."""
    images = tiny_data().images
    known, more = identity.pictures_of(images), identity.pictures_of(255 - images)
    on_disk = known | {"all": None}
    assert known["rows"] != more["rows"] and known["all"] != more["all"]
    assert identity._differing("pictures", known, on_disk) == []
    assert identity._differing("pictures", on_disk, more) == ["pictures: other ones"]
    monkeypatch.setattr(identity, "IN_FULL", 0)
    monkeypatch.setattr(identity, "SOME", images[0].nbytes * 4)
    assert identity.pictures_of(images)["all"] != known["all"]


def test_pictures_are_not_moved_out_of_sight(tmp_path):
    with pytest.raises(InputError, match="shift_pixels: expected 0 to 7 for pictures of 8 pixels"):
        train(replace(shift_pixels=8), tiny_data(), tmp_path, model=tiny_model())


@pytest.mark.parametrize("bad", [np.zeros(32), np.full(32, -1.0), np.full(32, 1e308), np.ones(3)])
def test_weights_that_nothing_can_be_drawn_by_are_told_without_a_warning(bad):
    with pytest.raises(InputError, match="weights: expected"):
        tiny_data(stages=(Stage(0), Stage(3, bad)))


@pytest.mark.parametrize("starts", [(), (1,), (0, 5, 5)])
def test_stages_out_of_order_are_told(starts):
    with pytest.raises(InputError, match="stages must start at 0"):
        tiny_data(stages=tuple(Stage(start) for start in starts))


@pytest.mark.parametrize("wrong", [np.full(32, np.nan), np.zeros((32, 2), int), np.full(32, "a")])
def test_captions_are_told_apart_by_integers(wrong):
    with pytest.raises(InputError, match="caption_id: expected integers"):
        tiny_data(caption_id=wrong)


def test_a_stage_that_would_never_begin_is_told(tmp_path):
    data = tiny_data(stages=(Stage(0), Stage(CONFIG.steps)))
    with pytest.raises(InputError, match=f"starts after {CONFIG.steps} steps, but there are"):
        train(CONFIG, data, tmp_path, model=tiny_model())


def test_starts_from_the_parameters_of_another_run(tmp_path, whole):
    given = load_params(whole[0], tiny_model())
    still = replace(learning_rate=1e-30, weight_decay=0.0)
    params = train(still, tiny_data(), tmp_path / "a", model=tiny_model(), init=lambda: given)
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(whole[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    with pytest.raises(InputError, match=r"init: the model has .* use parameters of the same"):
        train(CONFIG, tiny_data(), tmp_path / "b", model=tiny_model(embed=4), init=lambda: given)


def test_the_step_compiles_once_for_runs_of_one_shape(tmp_path, caplog):
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for seed in (0, 1):
            config = replace(seed=seed, clip_norm=1.5)  # of no other test
            data = tiny_data(stages=STAGED)
            train(config, data, tmp_path / str(seed), model=tiny_model())
    compiled = [r for r in caplog.messages if r.startswith("Compiling") and "train_step" in r]
    assert len(compiled) == 1

"""Fleets: each member comes to what it would have come to alone."""

import dataclasses
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from helpers.runs import CONFIG, TERMS, metrics, tiny_data, tiny_model
from helpers.tolerance import rounding

from m4jax import files, stopping
from m4jax.errors import InputError
from m4jax.training import (
    Member,
    NonFiniteError,
    Stage,
    latest_step,
    load_params,
    train,
    train_fleet,
)

DATA = tiny_data()
WEIGHTS = np.array([1.0] * 16 + [0.0] * 16)
CONFIG = dataclasses.replace(CONFIG, log_every=2, learning_rate=3e-3)


def make(folder, *, rates=(3e-3, 3e-3, 1e-3), **changes):
    """Three members: other seeds, stages and learning rates."""
    stages = ((Stage(0),), (Stage(0), Stage(4, WEIGHTS)), (Stage(0, WEIGHTS),))
    return [
        Member(
            dataclasses.replace(CONFIG, seed=seed, learning_rate=rate, **changes),
            dataclasses.replace(DATA, stages=stages[k]),
            folder / str(k),
        )
        for k, (seed, rate) in enumerate(zip((3, 4, 3), rates, strict=True))
    ]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A finished fleet: its members and their parameters."""
    members = make(tmp_path_factory.mktemp("fleet"))
    return members, train_fleet(members, model=tiny_model())


def assert_close(a, b):
    for path, x in jax.tree_util.tree_leaves_with_path(a):
        y = b
        for key in path:
            y = y[key.key]
        # The gradient of a key's bias is 0 but for rounding, which Adam scales up.
        key_bias = "qkv" in str(path) and path[-1].key == "bias"
        tolerance = CONFIG.learning_rate if key_bias else rounding(np.float32, CONFIG.steps * TERMS)
        assert np.linalg.norm(np.subtract(x, y)) <= tolerance * max(np.linalg.norm(y), 1)


def assert_close_records(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert x.keys() == y.keys()
        for key in x:
            assert x[key] == pytest.approx(y[key], rel=1e-4, abs=1e-6), key


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"weighting": "loss"}, marks=pytest.mark.slow),
        pytest.param({"average": 4, "restart_at": 5}, marks=pytest.mark.slow),
        pytest.param({"average": 3, "restart_at": 6, "restart_peak": 2e-3}, marks=pytest.mark.slow),
    ],
)
def test_each_member_equals_its_run_alone(tmp_path, changes):
    members = make(tmp_path / "fleet", **changes)
    found = train_fleet(members, model=tiny_model())
    for k, member in enumerate(members):
        alone = train(member.config, member.data, tmp_path / str(k), model=tiny_model())
        assert_close(found[k], alone)
        assert_close_records(metrics(member.run_dir), metrics(tmp_path / str(k)))
        assert_equal(load_params(member.run_dir, tiny_model()), found[k])


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, fleet):
    def stop(number, record):
        if number == 1 and record["step"] == 8:
            raise Interrupted

    members = make(tmp_path)
    with pytest.raises(Interrupted):
        train_fleet(members, model=tiny_model(), on_progress=stop)
    for k in range(3):
        assert (tmp_path / str(k) / "checkpoints" / "5").is_dir()
    # The others came further than member 2.
    shutil.rmtree(tmp_path / "2")
    shutil.copytree(fleet[0][2].run_dir, tmp_path / "2")
    found = train_fleet(members, model=tiny_model())
    assert_equal(found, fleet[1])
    for k in range(3):
        assert metrics(members[k].run_dir) == metrics(fleet[0][k].run_dir)


def test_asked_to_end_all_members_have_a_checkpoint(tmp_path, fleet):
    members, measured = make(tmp_path), []

    def ask(k, record):
        if (k, record["step"]) == (1, 6):
            os.kill(os.getpid(), signal.SIGTERM)

    with stopping.on_sigterm(), pytest.raises(stopping.Terminated):
        train_fleet(members, model=tiny_model(), on_progress=ask)
    steps = {latest_step(member.run_dir) for member in members}
    assert len(steps) == 1 and 5 < steps.pop() < CONFIG.steps
    found = train_fleet(members, model=tiny_model(),
                        on_checkpoint=lambda k, step, params: measured.append(step))  # fmt: skip
    assert set(measured) == {CONFIG.steps}
    for k, member in enumerate(fleet[0]):
        assert_equal(found[k], fleet[1][k])
        assert metrics(members[k].run_dir) == metrics(member.run_dir)


def test_another_member_is_refused(tmp_path, fleet):
    members = [Member(m.config, m.data, shutil.copytree(m.run_dir, tmp_path / str(k)))
               for k, m in enumerate(fleet[0])]  # fmt: skip
    other = dataclasses.replace(members[1].config, learning_rate=1.0)
    members[1] = members[1]._replace(config=other)
    with pytest.raises(InputError, match=r"settings: learning_rate: 0.003 → 1.0"):
        train_fleet(members, model=tiny_model())


def test_a_single_run_goes_on_with_a_member(tmp_path, fleet):
    member = fleet[0][1]
    run_dir = shutil.copytree(member.run_dir, tmp_path / "run")
    params = train(member.config, member.data, run_dir, model=tiny_model())  # it is finished
    assert_equal(params, fleet[1][1])
    shutil.rmtree(run_dir / "checkpoints" / "10")
    assert_close(train(member.config, member.data, run_dir, model=tiny_model()), params)


@pytest.mark.slow
def test_a_member_that_explodes_harms_no_other(tmp_path, fleet):
    members = make(tmp_path, rates=(3e-3, 1e30, 1e-3))
    found = train_fleet(members, model=tiny_model())
    assert isinstance(found[1], NonFiniteError)
    assert "learning_rate" in files.read_json(tmp_path / "1" / "FAILED.json")["message"]
    for k in (0, 2):
        assert_close(found[k], fleet[1][k])
    again = train_fleet(members, model=tiny_model())
    assert str(again[1]) == str(found[1])
    assert_equal(again[0], found[0])


def test_compiles_once(tmp_path, caplog):
    with jax.log_compiles(), caplog.at_level("WARNING"):
        config = {"clip_norm": 1.5}  # of no other test
        members = [
            member._replace(config=dataclasses.replace(member.config, **config))
            for member in make(tmp_path)
        ]
        train_fleet(members, model=tiny_model())
    compiled = [x for x in caplog.messages if x.startswith("Compiling") and "jit(steps)" in x]
    assert len(compiled) == 1, [x[:60] for x in caplog.messages if x.startswith("Compiling")]


def test_members_that_do_not_belong_together_are_told(tmp_path):
    first, second, _ = make(tmp_path)
    other = second._replace(config=dataclasses.replace(second.config, b2=0.9))
    with pytest.raises(InputError, match=r"b2 of member 1 is 0.9, that of member 0 is 0.98"):
        train_fleet([first, other], model=tiny_model())
    with pytest.raises(InputError, match="member 1 has images of its own"):
        train_fleet([first, second._replace(data=tiny_data())], model=tiny_model())
    with pytest.raises(InputError, match="a directory of its own"):
        train_fleet([first, second._replace(run_dir=first.run_dir)], model=tiny_model())
    with pytest.raises(InputError, match="at least one"):
        train_fleet([], model=tiny_model())

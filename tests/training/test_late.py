"""What acts late in a run: the mean of its last parameters, and a restart of the learning rate."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.runs import CONFIG, metrics, tiny_data, tiny_model
from helpers.tolerance import rounding

from m4jax.errors import InputError
from m4jax.run.config import RunConfig, from_json
from m4jax.training import TrainConfig, identity, load_params, train
from m4jax.training.config import schedule

AVERAGED = {"average": 4, "checkpoint_every": 1}


def replace(**changes):
    return dataclasses.replace(CONFIG, **changes)


def run(folder, config, **options):
    return train(config, tiny_data(), folder, model=tiny_model(), **options)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """An averaged run: its directory, its parameters, and those after each step."""
    folder, seen = tmp_path_factory.mktemp("averaged"), {}

    def keep(step, params):
        seen[step] = jax.device_get(params)

    return folder, run(folder, replace(**AVERAGED), on_checkpoint=keep), seen


def test_the_model_is_the_mean_of_the_last_parameters(averaged):
    folder, params, seen = averaged
    of_numpy = jax.tree.map(
        lambda *x: np.mean(np.array(x, np.float64), axis=0), *(seen[k] for k in (7, 8, 9, 10))
    )
    close = rounding(np.float32, 8)  # four steps of two operations
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=close, atol=close), params, of_numpy
    )
    assert_equal(load_params(folder, tiny_model()), params)
    assert_equal(run(folder, replace(**AVERAGED)), params)  # finished: returned as it is


def test_the_steps_are_those_of_a_run_without(averaged, tmp_path):
    plain = run(tmp_path, replace(checkpoint_every=1))
    assert_equal(plain, averaged[2][10])
    assert metrics(tmp_path) == metrics(averaged[0])


def test_the_mean_of_one_is_the_last(averaged, tmp_path):
    assert_equal(run(tmp_path, replace(average=1)), averaged[2][10])


class Interrupted(Exception):
    """Stands for Ctrl-C at a step of the test's choice."""


@pytest.mark.parametrize("at", [8, *(pytest.param(at, marks=pytest.mark.slow) for at in (6, 10))])
def test_resumed_the_mean_is_that_of_an_uninterrupted_run(averaged, tmp_path, at):
    def interrupt(step, params):
        if step == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(tmp_path, replace(**AVERAGED), on_checkpoint=interrupt)
    assert_equal(run(tmp_path, replace(**AVERAGED)), averaged[1])


def test_another_average_is_another_run(averaged):
    with pytest.raises(InputError, match="settings: average: 4 → 3"):
        run(averaged[0], replace(**AVERAGED | {"average": 3}))


@pytest.mark.parametrize("kind", [{}, {"schedule": "rsqrt", "cooldown_steps": 20}])
def test_a_restarted_rate_is_the_same_before_and_its_own_after(kind):
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=2.0, **kind)
    plain, again = schedule(config), schedule(dataclasses.replace(config, restart_at=80))
    assert [float(again(s)) for s in range(80)] == [float(plain(s)) for s in range(80)]
    after = [float(again(s)) for s in (80, 81, 82, 91, 100)]
    assert after == pytest.approx([0, 1, 2, 1, 0], abs=1e-6)
    lower = schedule(dataclasses.replace(config, restart_at=80, restart_peak=0.5))
    assert float(lower(82)) == pytest.approx(0.5)
    assert float(jax.jit(lower)(jnp.int32(79))) == pytest.approx(float(plain(79)), rel=1e-6)


def test_a_restarted_run_is_a_plain_one_up_to_there(tmp_path):
    seen = {}
    for name, late in (("plain", {}), ("again", {"restart_at": 7, "restart_peak": 0.1})):
        kept = seen[name] = {}

        def keep(step, params, kept=kept):
            kept[step] = jax.device_get(params)

        run(tmp_path / name, replace(checkpoint_every=1, **late), on_checkpoint=keep)
    assert_equal(seen["plain"][7], seen["again"][7])
    assert_equal(seen["again"][8], seen["again"][7])  # the first rate of its own is 0
    kernels = [seen[x][10]["image"]["projection"]["kernel"] for x in ("plain", "again")]
    assert (kernels[0] != kernels[1]).any()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"average": 0}, r"average: expected 1 to steps \(2000\), got 0"),
        ({"average": 2001}, r"average: expected 1 to steps \(2000\), got 2001"),
        ({"restart_at": 0}, r"restart_at: expected 1 to 1998, got 0"),
        ({"restart_at": 1999}, r"restart_at: expected 1 to 1998, got 1999"),
        ({"restart_at": 1991, "schedule": "rsqrt", "cooldown_steps": 10}, r"1 to 1990, got 1991"),
        ({"restart_at": 9, "restart_peak": 0.0}, r"restart_peak must be positive, got 0.0"),
        ({"restart_peak": 1e-3}, r"restart_peak is set, but restart_at is not"),
        ({"share_at": (0, 5)}, r"share_at: expected steps from 1 to 1999, got \(0, 5\)"),
        ({"share_at": (2000,)}, r"share_at: expected steps from 1 to 1999"),
    ],
)
def test_bad_settings_are_told(changes, told):
    with pytest.raises(InputError, match=told):
        TrainConfig(**changes)


def test_runs_without_them_are_called_as_before():
    fields = {"average", "restart_at", "restart_peak", "share_at"}
    assert not fields & RunConfig().to_json()["train"].keys()
    assert not fields & identity.of(CONFIG, tiny_data(), tiny_model())["settings"].keys()
    late = [TrainConfig(average=5), TrainConfig(restart_at=9), TrainConfig()]
    assert len({RunConfig(train=train).id for train in late}) == 3
    sharing = RunConfig(train=TrainConfig(share_at=(700, 20, 20)))
    assert sharing.train.share_at == (20, 700)
    assert sharing.id == RunConfig().id and from_json(sharing.to_json()) == sharing
    assert TrainConfig(share_at=()) == TrainConfig()

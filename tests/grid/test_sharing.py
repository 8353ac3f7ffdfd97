"""Runs that leave their first steps to others come before them, and are needed by them."""

import dataclasses
import io

import pytest
from rich.console import Console

from m4jax.grid import cost, study
from m4jax.grid.cells import Cell
from m4jax.grid.sharing import shared_steps
from m4jax.grid.tasks import pending
from m4jax.run.config import BalanceConfig, FilterConfig, RunConfig
from m4jax.run.state import Layout
from m4jax.training import TrainConfig

SHARE = (720, 960, 1080, 1140)
TRAIN = TrainConfig(steps=1_200, average=60, share_at=SHARE)


def made(during=(), train=TRAIN, seed=0, **more):
    train = dataclasses.replace(train, seed=seed)
    balance = BalanceConfig(seed=0) if during else None
    return RunConfig(balance=balance, during=during, train=train, **more)


RESTARTED = dataclasses.replace(TRAIN, restart_at=1_080, restart_peak=5e-4)
SCORED = FilterConfig(scorer_seed=0)
ORIGINAL, BALANCED = made(), made((0.0, 1.0))
LAST, FIRST = made((0.9, 1.0)), made((0.0, 0.9))


@pytest.mark.parametrize(
    ("giver", "taker", "steps"),
    [
        (ORIGINAL, LAST, 1_080),
        (ORIGINAL, made((0.9, 1.0), RESTARTED), 1_080),
        (ORIGINAL, made((0.95, 1.0)), 1_140),
        (ORIGINAL, made((0.7, 1.0)), 720),
        (ORIGINAL, made((0.5, 1.0)), 0),
        (ORIGINAL, made(train=RESTARTED), 1_080),
        (ORIGINAL, FIRST, 0),
        (BALANCED, FIRST, 1_080),
        (BALANCED, ORIGINAL, 0),
        (LAST, made((0.9, 0.95)), 1_140),
        (made((0.9, 1.0), RESTARTED), LAST, 1_080),
        (ORIGINAL, made((0.9, 1.0), dataclasses.replace(TRAIN, average=300)), 720),
        (made(train=dataclasses.replace(TRAIN, share_at=None)), LAST, 0),
        (ORIGINAL, made((0.9, 1.0), track=True), 0),
        (
            made(filter=SCORED),
            made((0.9, 1.0), filter=SCORED),
            1_080,
        ),
        (ORIGINAL, made((0.9, 1.0), filter=SCORED), 0),
    ],
)
def test_how_many_steps_are_shared(giver, taker, steps):
    assert shared_steps(giver, taker) == steps


def cells_of(configs):
    return [
        Cell({"version": str(k)}, config.train.seed, config, (), ())
        for k, config in enumerate(configs)
    ]


def tasks_of(configs, tmp_path, **options):
    return pending(cells_of(configs), Layout(tmp_path), **options)


def test_trunks_come_first_and_branches_need_them(tmp_path):
    configs = [made((0.9, 1.0), RESTARTED), LAST, FIRST, ORIGINAL, BALANCED,
               made((0.9, 1.0), seed=1), made((0.0, 1.0), seed=1)]  # fmt: skip
    tasks = [task for task in tasks_of(configs, tmp_path) if task.kind == "run"]
    order = [task.id for task in tasks]
    needs = {task.id: {x for x in task.needs if x in order} for task in tasks}
    assert set(order[:3]) == {ORIGINAL.id, BALANCED.id, configs[-1].id}
    assert needs[LAST.id] == needs[configs[0].id] == {ORIGINAL.id}
    assert needs[FIRST.id] == {BALANCED.id}
    assert not needs[ORIGINAL.id] | needs[BALANCED.id] | needs[configs[5].id]
    assert all(order.index(x) < order.index(task) for task in order for x in needs[task])
    fleets = tasks_of(configs, tmp_path, fleet=8)
    assert not any(x in order for task in fleets for x in task.needs)


def test_what_it_costs_counts_shared_steps_once():
    rate = cost.Rate(step=1.0, checkpoint=0.0, rest=10.0, picture=0.0)
    configs = [made((0.9, 1.0), RESTARTED), LAST, ORIGINAL]
    rates = {cost.shape(config): rate for config in configs}
    assert len(rates) == 1
    assert cost.total(configs, rates).seconds == 3 * 10 + 1_200 + 2 * 120


def test_where_nothing_is_shared_the_order_stays(tmp_path):
    plain = dataclasses.replace(TRAIN, share_at=None)
    configs = [made((0.9, 1.0), plain), made(train=plain)]
    order = [task.id for task in tasks_of(configs, tmp_path) if task.kind == "run"]
    assert order == [config.id for config in configs]


@pytest.fixture
def no_work(monkeypatch):
    """Nothing is run; returns what sets the states of the runs."""
    monkeypatch.setattr(study.working, "work", lambda *args, **options: [])
    return lambda found: monkeypatch.setattr(study, "state", lambda config, layout: found[config])


def work(configs, tmp_path, **options):
    """Returns what is said."""
    said = io.StringIO()
    console = Console(file=said, width=300)
    study.work(cells_of(configs), Layout(tmp_path), 1, console, **options)
    return said.getvalue()


def test_states_are_deleted_once_all_runs_are_done(tmp_path, no_work):
    state = Layout(tmp_path).forks / "720-abc" / "checkpoints" / "720"
    state.mkdir(parents=True)
    for last, there in (("pending", True), ("failed", True), ("done", False)):
        no_work({ORIGINAL: "done", LAST: last})
        work([ORIGINAL, LAST], tmp_path)
        assert state.exists() == there


def test_fleets_say_that_they_share_nothing(tmp_path, no_work):
    no_work({ORIGINAL: "pending", LAST: "pending", BALANCED: "pending"})
    assert "Fleets take every step" in work([ORIGINAL, LAST], tmp_path, fleet=2)
    assert work([ORIGINAL, LAST], tmp_path) == ""
    assert work([ORIGINAL, BALANCED], tmp_path, fleet=2) == ""

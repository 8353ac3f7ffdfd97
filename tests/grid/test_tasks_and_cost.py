"""Tasks of a grid, and what it costs."""

import dataclasses

import pytest
from rich.console import Console

from configs import ablation
from m4jax.grid import cost
from m4jax.grid.cells import expand
from m4jax.grid.cost import Rate
from m4jax.grid.tasks import pending
from m4jax.run.state import Layout


@pytest.fixture(scope="module")
def cells():
    return expand(ablation.get_config().to_dict())


def before(tasks):
    """Returns task -> all tasks that come before it."""
    needs = {task.id: set(task.needs) for task in tasks}
    for _ in range(5):
        needs = {k: v.union(*(needs[x] for x in v)) for k, v in needs.items()}
    return needs


def test_every_run_comes_after_its_world_weights_and_scorer(cells, tmp_path):
    layout = Layout(tmp_path)
    tasks = pending(cells, layout)
    needs = before(tasks)
    for cell in cells:
        config = cell.config
        assert f"world-{config.source.id}" in needs[config.id]
        if config.weighted:
            assert f"weights-{config.weights_id}" in needs[config.id]
        if config.filter:
            assert config.scorer.id in needs[config.id]
    assert len(tasks) == len({task.id for task in tasks})


def test_a_scorer_that_is_no_cell_is_trained_all_the_same(cells, tmp_path):
    filtered = [cell for cell in cells if cell.config.filter][:1]
    kinds = [task.kind for task in pending(filtered, Layout(tmp_path))]
    assert sorted(kinds) == ["run", "run", "weights", "world"]


@pytest.mark.parametrize("size", [2, 16])
def test_fleets_hold_every_run_once_and_one_shape_each(cells, tmp_path, size):
    layout = Layout(tmp_path)
    tasks = pending(cells, layout, fleet=size)
    runs = [c["train"]["seed"] for t in tasks if t.kind in ("run", "fleet") for c in t.configs]
    assert len(runs) == len(cells)
    for task in tasks:
        assert len(task.configs) <= size
        shapes = {(c["model"]["variant"], c["model"]["embed"], c["world"]["caption_noise"],
                   c["world"]["examples"], c["train"]["loss"]) for c in task.configs}  # fmt: skip
        assert len(shapes) == 1
    needs = before(tasks)  # nothing waits for itself
    assert all(task.id not in needs[task.id] for task in tasks)
    ids = {task.id for task in tasks}
    assert all(set(task.needs) <= ids for task in tasks)


def test_runs_that_start_from_others_are_in_no_fleet(cells, tmp_path):
    """The members of a fleet start from random parameters."""
    some = [cell for cell in cells if not cell.changes and cell.version == "original"][:3]
    exported = tmp_path / "exported"
    exported.mkdir()
    for name in ("model.json", "model.safetensors"):
        (exported / name).write_text("what an export is known by")
    begun = [
        dataclasses.replace(cell, config=dataclasses.replace(cell.config, init_from=str(exported)))
        for cell in some
    ]
    tasks = pending([*some, *begun], Layout(tmp_path), fleet=8)
    fleets = [task for task in tasks if task.kind == "fleet"]
    assert [len(task.configs) for task in fleets] == [3]
    assert len([task for task in tasks if task.kind == "run"]) == 3


def test_the_estimate_adds_up(cells):
    config = cells[0].config
    rate = Rate(step=0.02, checkpoint=1.0, rest=5.0, picture=0.001)
    assert cost.seconds(config, rate) == pytest.approx(5 + 10 * 1.0 + 1500 * 0.02)
    total = cost.total([config, config], {cost.shape(config): rate})
    assert total.seconds == pytest.approx(90) and total.examples == 2 * 96_000
    assert cost.total([config], {}).seconds is None


def test_runs_of_one_shape_have_one_rate(cells):
    shapes = {cost.shape(cell.config) for cell in cells}
    assert len(shapes) == 7  # six models, and SigLIP


@pytest.mark.slow
def test_the_plan_is_told_after_measuring(tmp_path, cells):
    config = dataclasses.replace(cells[0].config, track=False)
    cell = dataclasses.replace(cells[0], config=config)
    console = Console(record=True, width=120, force_terminal=False)
    layout = Layout(tmp_path)
    assert cost.show([cell], layout, workers=1, console=console) == 0
    text = console.export_text()
    assert "1 of 1 runs are to be done" in text and "96,000" in text
    rate = cost.read_rate(layout, config)
    assert 0.001 < rate.step < 1 and rate.rest > 0 and rate.picture > 0
    assert cost.show([cell], layout, workers=1, console=console) == 0  # from the rates on disk

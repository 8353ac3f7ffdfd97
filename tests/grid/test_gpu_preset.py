"""The preset for a GPU, cut to a few steps, on whatever device there is."""

import pytest

from configs import ablation
from m4jax import files
from m4jax.grid import tasks
from m4jax.grid.cells import expand, merge
from m4jax.run import model, work
from m4jax.run.state import Layout, is_done

FEW = {
    "world": {"examples": 300},
    "train": {"steps": 6, "warmup_steps": 1, "cooldown_steps": 1, "batch_size": 16,
              "log_every": 3, "checkpoint_every": 3},
    "evaluate": {"resamples": 100},
    "balance": {"eps_association": 1e-2},
}  # fmt: skip


def quiet(*event):
    """Ignores the progress."""


@pytest.mark.slow
def test_a_fleet_of_the_preset_is_trained_tracked_and_evaluated(tmp_path):
    config = merge(ablation.get_config("gpu").to_dict(), FEW)
    cells, layout = expand(config), Layout(tmp_path)
    plain = [
        cell for cell in cells if not cell.changes and cell.version in ("original", "balanced")
    ]
    fleet = [cell.config for cell in plain if cell.seed in (0, 1)]
    assert len(fleet) == 4 and len({tasks.fleet_key(config) for config in fleet}) == 1
    assert model.create(fleet[0]).variant.image_size == 64 == fleet[0].source.resolution
    work.prepare_world(fleet[0], layout, quiet)
    for config in fleet:
        if config.weighted:
            work.TASKS["weights"](config, layout, quiet)
    work.run_fleet(fleet, layout, quiet)
    for config in fleet:
        assert is_done(config, layout)
        folder = layout.run(config)
        assert [r["step"] for r in files.read_jsonl(folder / "metrics.jsonl")] == [3, 6]
        assert sorted(path.stem for path in folder.glob("along/*.jsonl")) == ["3", "6"]

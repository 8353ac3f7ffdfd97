"""Objectives and constraints of one's own in runs: named by contents, checked before any run."""

import dataclasses
import io
import sys

import numpy as np
import pytest
from helpers import own_module
from rich.console import Console

from configs import base, objectives
from m4jax.data.testbed import scenes, world
from m4jax.errors import InputError
from m4jax.grid import study
from m4jax.grid.cells import expand, merge
from m4jax.run import weights as weighting
from m4jax.run.config import from_json, run_config
from m4jax.run.state import Layout

LOOSE = {"eps_association": 1.0, "eps_representation": 1.0, "keep_rate": 0.4}


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield own_module.write(tmp_path, name="own_run")
    sys.modules.pop("own_run", None)


def run(**balance):
    fields = {"world": {"examples": 1500}, "balance": {"enabled": True, **balance}}
    return run_config(merge(base.get_config().to_dict(), fields))


def test_ids_follow_the_contents_not_the_path(module):
    config = run(objective="own_run:MINE")
    own_module.write(module.parent, name="renamed")
    renamed = run(objective="renamed:MINE")
    assert (renamed.id, renamed.weights_id) == (config.id, config.weights_id)
    module.write_text(f"{own_module.TEXT}\nMORE = 1\n", encoding="utf-8")
    changed = run(objective="own_run:MINE")
    assert changed.id != config.id and changed.weights_id != config.weights_id
    assert run(constraints=("own_run:WORD",)).id not in (config.id, changed.id, run().id)


def test_a_run_without_them_has_its_old_name():
    assert "own_files" not in run().to_json()["balance"]
    assert "constraints" not in run(constraints=()).to_json()["balance"]


def test_a_file_that_changes_after_the_run_was_named_is_refused(module, tmp_path, sprites):
    config = from_json(run(objective="own_run:MINE").to_json())
    layout = Layout(tmp_path / "study")
    config.source.prepare(layout.data)
    module.write_text(f"{own_module.TEXT}\nMORE = 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="has changed since this run was named"):
        weighting.weigh(config, layout, lambda *event: None)


def test_both_act_in_a_run(module, tmp_path, sprites):
    own = {"objective": "own_run:MINE", "constraints": ("own_run:WORD",)}
    shares = {}
    for name, more in (("own", own), ("text", {"constraints": ("share man at least 80%",)})):
        config, layout = run(**LOOSE, **more), Layout(tmp_path / "study")
        config.source.prepare(layout.data)
        weighting.weigh(config, layout, lambda *event: None)
        train = config.source.train(layout.data, config.in_memory_gb)
        man = train.annotate(("occupations",)).attributes[:, 0]
        weight = weighting.read(config, layout, train.uids)
        known = ~np.isnan(man)
        shares[name] = float(weight[known] @ man[known] / weight[known].sum())
    assert 0.3 - 1e-4 <= shares["own"] <= 0.35 + 1e-4
    assert shares["text"] >= 0.8 - 1e-4


@pytest.mark.parametrize(
    ("balance", "why"),
    [
        ({"objective": "no_such_module:X"}, "no module no_such_module"),
        ({"objective": "quadratc"}, "did you mean 'quadratic'"),
        ({"constraints": ("shar man at least 5%",)}, r"balance.constraints\[0\].*no known word"),
    ],
)
def test_what_is_wrong_is_said_when_the_run_is_named(balance, why):
    with pytest.raises(InputError, match=why):
        run(**balance)


def test_a_study_checks_objectives_before_any_run(module, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    module.write_text(own_module.TEXT.replace("(q - b) ** 2", "-(q - b) ** 2"), encoding="utf-8")
    config = merge(base.get_config().to_dict(), {"world": {"examples": 1500}})
    versions = (
        ("original", {}),
        ("own", {"balance": {"enabled": True, "objective": "own_run:MINE"}}),
    )
    config |= {"factors": (("version", versions),), "seeds": (0,)}
    config |= {"studies": (("versions", ({"version": "*"},)),)}
    with pytest.raises(InputError, match=r"own_run:MINE: cost is below 0"):
        study.main(config, workdir=str(tmp_path / "w"), action="run", workers=1,
                   console=Console(file=io.StringIO()))  # fmt: skip
    assert not any((tmp_path / "w").glob("runs/*/checkpoints"))


def test_own_files_are_found_by_themselves(module):
    config = run(objective="own_run:MINE")
    assert len(config.balance.own_files) == 1
    again = from_json(config.to_json())
    assert dataclasses.asdict(again) == dataclasses.asdict(config)


def weights_of_the_grid(**balance):
    """Weights and effective sample size by version of configs/objectives.py, without pictures."""
    fields = merge(objectives.get_config().to_dict(), {"balance": balance})
    found = {}
    for cell in expand(fields):
        if cell.config.balance and cell.seed == 0:
            columns = vars(scenes.sample(cell.config.source))
            notes = world.annotate(columns, cell.config.balance.labels)
            problem, _ = weighting.make_problem(cell.config.balance, notes)
            found[cell.version] = weighting._solved(cell.config.balance, problem)[1].weights
    return found


def test_every_objective_of_the_grid_keeps_its_bounds():
    found = weights_of_the_grid()
    assert list(found)[:2] == ["quadratic", "prototype"] and len(found) == 4
    for one in found.values():
        assert one.mean() == pytest.approx(0.4)
    with pytest.raises(InputError, match="raise penalty from 10"):
        weights_of_the_grid(penalty=10.0)  # hellinger would rather miss one


def test_where_all_utilities_are_alike_chi_square_is_the_papers_objective(module):
    found = weights_of_the_grid(objective="own_run:MINE")
    np.testing.assert_allclose(found["prototype"], found["quadratic"], atol=1e-8)
    assert abs(found["kl"] - found["quadratic"]).max() > 0.1

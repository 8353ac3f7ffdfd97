"""A registered study: gathered seed by seed, read as a whole, by its own registration alone."""

import dataclasses
import shutil

import numpy as np
import pytest
from helpers.small_grid import config as small

from m4jax import terminal
from m4jax.errors import InputError
from m4jax.grid import again, registered
from m4jax.grid.cells import expand
from m4jax.report import results
from m4jax.run.config import run_config
from m4jax.run.state import Layout


@pytest.fixture(scope="module")
def study(tmp_path_factory, sprites):
    """A study of two seeds, each with a world of its own, run and gathered; its runs in `root`."""
    root = tmp_path_factory.mktemp("registered")
    text = root / "REGISTRATION.md"
    text.write_text("what is asked")
    config = small(track=False) | {"registration": str(text)}
    config["world"] = config["world"] | {"seed": -1}
    study = registered.of(config, root / "out")
    runs = Layout(root / "runs")
    assert registered.run(study, runs, workers=1, console=terminal.console()) == 0
    return study, runs


@pytest.fixture
def copy(study, tmp_path):
    """The study with a copy of what is kept."""
    shutil.copytree(study[0].out, tmp_path / "out")
    return dataclasses.replace(study[0], out=tmp_path / "out")


def test_every_seed_draws_its_own_world():
    config = small()
    cells = expand(config | {"world": config["world"] | {"seed": -1}})
    assert {cell.config.source.seed for cell in cells} == set(config["seeds"])
    assert all(cell.config.source.seed == cell.seed for cell in cells)


def test_all_seeds_are_read_as_one_study(study):
    study, _ = study
    whole = registered.read(study)
    runs = whole.select(kind="run")
    assert set(runs["seed"].tolist()) == set(study.grid["seeds"])
    assert whole.registration == study.registration
    assert len(np.unique(runs["run_id"])) == len(expand(study.grid))
    assert not len(whole.select(kind="difference"))
    assert study.missing == [] and study.whole == list(study.grid["seeds"])


def test_seeds_that_are_kept_need_no_runs(study, tmp_path):
    elsewhere = Layout(tmp_path / "no runs here")
    assert registered.run(study[0], elsewhere, workers=1, console=terminal.console()) == 0
    assert not elsewhere.root.exists()


def test_nothing_is_read_before_all_seeds_are_there(copy):
    one, other = copy.grid["seeds"]
    copy.part(other).unlink()
    assert copy.missing == [other] and copy.whole == [one]
    with pytest.raises(InputError, match=r"1 of 2 seeds are missing"):
        registered.read(copy)


def test_of_a_study_that_had_to_end_enough_seeds_are_read(copy, monkeypatch):
    one, other = copy.grid["seeds"]
    copy.part(other).unlink()
    with pytest.raises(InputError, match="12 at least are needed"):
        registered.read(copy, ended=True)
    monkeypatch.setattr(registered, "LEAST", 1)
    with pytest.raises(InputError, match="when all of them are there"):
        registered.read(copy)
    whole = registered.read(copy, ended=True)
    assert set(whole.select(kind="run")["seed"].tolist()) == {one}


def test_results_of_other_runs_are_refused(study):
    grid = study[0].grid
    other = dict(grid) | {"train": dict(grid["train"]) | {"learning_rate": 0.5}}
    with pytest.raises(InputError, match="runs of the configuration"):
        registered.read(dataclasses.replace(study[0], grid=other))


def test_a_seed_is_kept_only_when_it_is_whole(study, tmp_path):
    study, runs = study
    shutil.copytree(runs.root, tmp_path / "runs")
    study, layout = dataclasses.replace(study, out=tmp_path / "out"), Layout(tmp_path / "runs")
    cells = expand(study.grid)
    (layout.run(cells[0].config) / "DONE").unlink()
    left = registered.gather(study, cells, layout)
    assert left == {seed: int(seed == cells[0].seed) for seed in study.grid["seeds"]}
    assert study.missing == [cells[0].seed]


def test_results_of_another_registration_are_refused(study):
    with pytest.raises(InputError, match="another registration"):
        registered.read(dataclasses.replace(study[0], registration="0" * 64))


def test_a_study_needs_its_text(tmp_path):
    with pytest.raises(InputError, match=r"config\.registration"):
        registered.of(small() | {"registration": str(tmp_path / "none.md")}, tmp_path)
    with pytest.raises(InputError, match=r"config\.registration"):
        registered.of(small(), tmp_path)


def test_a_run_of_its_own_seed_is_that_of_the_seed():
    fields = {k: v for k, v in small().items() if k not in ("factors", "seeds", "studies")}
    fields["seed"] = 7
    own = run_config(fields | {"world": fields["world"] | {"seed": -1}})
    named = run_config(fields | {"world": fields["world"] | {"seed": 7}})
    assert own == named and own.id == named.id


def test_parts_of_other_studies_are_not_joined(study):
    one, two = (results.read(study[0].part(seed)) for seed in study[0].grid["seeds"])
    with pytest.raises(InputError, match="the same run"):
        results.join([one, one])
    with pytest.raises(InputError, match="different studies"):
        results.join([one, results.Results(two.columns, {}, two.evaluations, two.registration)])
    with pytest.raises(InputError, match="no parts"):
        results.join([])


@pytest.mark.slow
def test_runs_made_again_are_compared_with_what_is_kept(study, tmp_path):
    study, layout = study[0], Layout(tmp_path / "again")
    options = {"count": 2, "draw": 3, "workers": 2, "console": terminal.console()}
    rows = again.run(study, layout, **options)
    assert {row["largest"] for row in rows} == {0.0}  # one machine, one thread each
    assert all(row["equal"] == row["numbers"] for row in rows)
    with pytest.raises(InputError, match="another registration"):
        again.run(dataclasses.replace(study, registration="0" * 64), layout, **options)
    with pytest.raises(InputError, match="expected 99 runs"):
        again.run(study, layout, **options | {"count": 99})


def test_differences_are_told_by_metric():
    def row(run, metric, value):
        return {"run_id": run, "split": "faces", "metric": metric, "label": "", "value": value}

    kept = [row("a", "x", 0.5), row("b", "x", 0.25), row("a", "y", np.nan), row("b", "y", 1.0)]
    found = [row("a", "x", 0.5), row("b", "x", 0.5), row("a", "y", np.nan), row("b", "y", np.nan)]
    told = again.compare(kept, found)
    assert [(r["metric"], r["numbers"], r["equal"], r["largest"]) for r in told] == [
        ("x", 2, 1, 0.25), ("y", 2, 1, np.inf)]  # fmt: skip
    with pytest.raises(InputError, match="1 numbers are there once"):
        again.compare(kept, found[1:])

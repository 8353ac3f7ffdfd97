"""A registered study: gathered seed by seed, read as a whole, by its own registration alone."""

import shutil

import numpy as np
import pytest
from helpers.small_grid import config as small

from m4jax import terminal
from m4jax.errors import InputError
from m4jax.grid import again, registered
from m4jax.grid.cells import expand, levels
from m4jax.report import results
from m4jax.run.config import run_config
from m4jax.run.state import Layout


@pytest.fixture(scope="module")
def study(tmp_path_factory, sprites):
    """Two seeds, each with a world of its own, run and gathered; (grid, hash, where)."""
    root = tmp_path_factory.mktemp("registered")
    text = root / "REGISTRATION.md"
    text.write_text("what is asked")
    grid, found = registered.split(small(track=False) | {"registration": str(text)})
    grid["world"] = grid["world"] | {"seed": -1}
    failed = registered.run(
        grid, found, Layout(root / "runs"), root / "out", workers=2, console=terminal.console()
    )
    assert failed == 0
    return grid, found, root


def test_every_seed_draws_its_own_world():
    config = small()
    cells = expand(config | {"world": config["world"] | {"seed": -1}})
    assert {cell.config.source.seed for cell in cells} == set(config["seeds"])
    assert all(cell.config.source.seed == cell.seed for cell in cells)


def test_all_seeds_are_read_as_one_study(study):
    grid, found, root = study
    whole = registered.read(grid, found, root / "out")
    runs = whole.select(kind="run")
    assert set(runs["seed"].tolist()) == set(grid["seeds"]) and whole.registration == found
    assert len(np.unique(runs["run_id"])) == len(expand(grid))
    assert not len(whole.select(kind="difference"))
    assert registered.missing(grid, root / "out") == []


def test_seeds_that_are_kept_need_no_runs(study):
    grid, found, root = study
    elsewhere = Layout(root / "no runs here")
    console = terminal.console()
    out = root / "out"
    assert registered.run(grid, found, elsewhere, out, workers=1, console=console) == 0
    assert not elsewhere.root.exists()


def test_nothing_is_read_before_all_seeds_are_there(study, tmp_path):
    grid, found, root = study
    shutil.copytree(root / "out", tmp_path / "out")
    registered.part(tmp_path / "out", grid["seeds"][1]).unlink()
    assert registered.missing(grid, tmp_path / "out") == [grid["seeds"][1]]
    with pytest.raises(InputError, match=r"1 of 2 seeds are missing"):
        registered.read(grid, found, tmp_path / "out")


def test_of_a_study_that_had_to_end_enough_seeds_are_read(study, tmp_path, monkeypatch):
    grid, found, root = study
    shutil.copytree(root / "out", tmp_path / "out")
    registered.part(tmp_path / "out", grid["seeds"][1]).unlink()
    with pytest.raises(InputError, match="12 at least are needed"):
        registered.read(grid, found, tmp_path / "out", ended=True)
    monkeypatch.setattr(registered, "LEAST", 1)
    with pytest.raises(InputError, match="when all of them are there"):
        registered.read(grid, found, tmp_path / "out")
    whole = registered.read(grid, found, tmp_path / "out", ended=True)
    assert set(whole.select(kind="run")["seed"].tolist()) == {grid["seeds"][0]}


def test_results_of_other_runs_are_refused(study):
    grid, found, root = study
    other = grid | {"train": dict(grid["train"]) | {"learning_rate": 0.5}}
    with pytest.raises(InputError, match="runs of the configuration"):
        registered.read(other, found, root / "out")


def test_a_seed_is_kept_only_when_it_is_whole(study, tmp_path):
    grid, found, root = study
    shutil.copytree(root / "runs", tmp_path / "runs")
    layout, cells = Layout(tmp_path / "runs"), expand(grid)
    (layout.run(cells[0].config) / "DONE").unlink()
    whole = registered.gather(cells, levels(grid), found, layout, tmp_path / "out")
    assert whole == [seed for seed in grid["seeds"] if seed != cells[0].seed]


def test_results_of_another_registration_are_refused(study):
    grid, _, root = study
    with pytest.raises(InputError, match="another registration"):
        registered.read(grid, "0" * 64, root / "out")


def test_a_study_needs_its_text(tmp_path):
    with pytest.raises(InputError, match=r"config\.registration"):
        registered.split(small() | {"registration": str(tmp_path / "none.md")})
    with pytest.raises(InputError, match=r"config\.registration"):
        registered.split(small())


def test_a_run_of_its_own_seed_is_that_of_the_seed():
    fields = {k: v for k, v in small().items() if k not in ("factors", "seeds", "studies")}
    fields["seed"] = 7
    own = run_config(fields | {"world": fields["world"] | {"seed": -1}})
    named = run_config(fields | {"world": fields["world"] | {"seed": 7}})
    assert own == named and own.id == named.id


def test_parts_of_other_studies_are_not_joined(study):
    grid, _, root = study
    one, two = (results.read(registered.part(root / "out", seed)) for seed in grid["seeds"])
    with pytest.raises(InputError, match="the same run"):
        results.join([one, one])
    with pytest.raises(InputError, match="different studies"):
        results.join([one, results.Results(two.columns, {}, two.evaluations, two.registration)])
    with pytest.raises(InputError, match="no parts"):
        results.join([])


def test_runs_made_again_are_compared_with_what_is_kept(study):
    grid, found, root = study
    options = {"count": 2, "draw": 3, "workers": 2, "console": terminal.console()}
    rows = again.run(grid, found, Layout(root / "again"), root / "out", **options)
    assert {row["largest"] for row in rows} == {0.0}  # one machine, one thread each
    assert all(row["equal"] == row["numbers"] for row in rows)
    with pytest.raises(InputError, match="another registration"):
        again.run(grid, "0" * 64, Layout(root / "again"), root / "out", **options)
    with pytest.raises(InputError, match="expected 99 runs"):
        again.run(grid, found, Layout(root / "again"), root / "out", **options | {"count": 99})


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

"""What is published follows from its table, and its table from runs of the configuration."""

import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.same_picture import same
from rich.console import Console

from configs import ablation, quickstart
from m4jax import evaluation
from m4jax.errors import InputError
from m4jax.evaluation.metrics import AB
from m4jax.grid import study
from m4jax.grid.cells import expand, levels, merge
from m4jax.report import results
from m4jax.report.contrasts import Runs, difference
from m4jax.run.state import evaluation_settings

PUBLISHED = Path(__file__).parents[2] / "results" / "ablation-laptop"


@pytest.fixture(scope="module")
def table():
    return results.read(PUBLISHED / "results.parquet")


@pytest.fixture(scope="module")
def config():
    return ablation.get_config("laptop").to_dict()


def test_every_number_is_of_a_run_of_the_configuration(table, config):
    cells = {cell.config.id: cell for cell in expand(config)}
    runs = table.select(kind="run")
    assert set(runs["run_id"].tolist()) == set(cells) and len(cells) >= 150
    for run, seed, version in set(zip(runs["run_id"], runs["seed"], runs["version"], strict=True)):
        assert (cells[run].seed, cells[run].version) == (seed, version)


@pytest.mark.slow
def test_tables_figures_and_claims_follow_from_the_table(config, tmp_path):
    shutil.copy(PUBLISHED / "results.parquet", tmp_path)
    console = Console(file=io.StringIO(), width=110)
    options = {"action": "figures", "workers": 1, "console": console}
    assert study.main(config, workdir=str(tmp_path), **options) == 0
    made = [PUBLISHED / "claims.md", PUBLISHED / "findings.txt"]
    made += [*(PUBLISHED / "tables").iterdir(), *(PUBLISHED / "figures").iterdir()]
    assert len(made) > 50
    for path in made:  # figures as csv, svg and png
        assert same(path, tmp_path / path.relative_to(PUBLISHED)), path.name


def test_models_of_the_world_at_parity_have_the_least_association_bias(table):
    runs = Runs(table)
    for version in ("original", "subsample", "shuffled", "census"):
        more = difference({"version": version}, {"version": "oracle"})
        found = runs.pairs(more, AB).values
        assert len(found) >= 3 and found.min() > 0, version
    balanced = difference({"version": "balanced"}, {"version": "oracle"})
    assert np.mean(runs.pairs(balanced, AB).values) > -0.002


def test_results_are_not_shown_under_another_configuration(tmp_path):
    shutil.copy(PUBLISHED / "results.parquet", tmp_path)
    console = Console(file=io.StringIO(), width=110)
    with pytest.raises(InputError, match="are not of this configuration"):
        study.main(quickstart.get_config().to_dict(), workdir=str(tmp_path), action="figures",
                  workers=1, console=console)  # fmt: skip


def test_the_quickstarts_results_are_those_of_its_configuration(tmp_path):
    shutil.copy(PUBLISHED.parent / "quickstart" / "results.parquet", tmp_path)
    console = Console(file=io.StringIO(), width=110)
    config = quickstart.get_config().to_dict()
    options = {"action": "figures", "workers": 1, "console": console}
    assert study.main(config, workdir=str(tmp_path), **options) == 0


def test_results_are_not_shown_under_another_evaluation(tmp_path):
    config, path = quickstart.get_config().to_dict(), tmp_path / "results.parquet"
    rows = pq.read_table(PUBLISHED.parent / "quickstart" / "results.parquet").to_pylist()
    how = {cell.config.id: evaluation_settings(cell.config) for cell in expand(config)}
    results.write(path, rows, levels(config), how)
    console = Console(file=io.StringIO(), width=110)
    options = {"action": "figures", "workers": 1, "console": console, "workdir": str(tmp_path)}
    assert study.main(config, **options) == 0
    prompts = Path(evaluation.__file__).parent / "prompts" / f"{config['evaluate']['prompts']}.json"
    own = tmp_path / "own.json"
    own.write_text(prompts.read_text(encoding="utf-8").replace("a man", "a guy"))
    for changes in ({"resamples": 200}, {"prompts": str(own)}):
        with pytest.raises(InputError, match=f"{len(how)} of its {len(how)} runs, .* evaluated"):
            study.main(merge(config, {"evaluate": changes}), **options)


def test_status_tells_of_results_without_their_runs(config, tmp_path):
    shutil.copy(PUBLISHED / "results.parquet", tmp_path)
    told = io.StringIO()
    options = {"action": "status", "workers": 1, "console": Console(file=told, width=200)}
    assert study.main(config, workdir=str(tmp_path), **options) == 1
    assert "has the results of 383 of these 383 runs" in told.getvalue()
    (tmp_path / "results.parquet").unlink()
    told.seek(0), told.truncate()
    assert study.main(config, workdir=str(tmp_path), **options) == 1
    assert "results.parquet" not in told.getvalue()

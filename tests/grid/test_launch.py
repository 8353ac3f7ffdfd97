"""Jobs of a cluster, by submitit's executor for one machine."""

import pytest
from helpers.small_grid import CELLS, config
from rich.console import Console

from m4jax import files
from m4jax.errors import InputError
from m4jax.grid import launch, study


@pytest.mark.slow
def test_two_jobs_share_a_study_and_run_nothing_twice(tmp_path):
    pytest.importorskip("submitit")
    work = launch.Work(config(), str(tmp_path / "study"), workers=1, fleet=1)
    jobs = launch.submit(work, jobs=2, cluster="local", hours=0.3, parameters={})
    for job in jobs:
        job.results()  # raises if it failed
    text = "".join(job.stdout() for job in jobs)
    for name in CELLS:
        made = [x for x in text.splitlines() if x.strip() == f"done {name}"]
        assert len(made) == 1, text
    assert len(list((tmp_path / "study" / "runs").glob("*/DONE"))) == 4


def test_a_preempted_job_is_queued_again():
    submitit = pytest.importorskip("submitit")
    work = launch.Work(config(), "somewhere", workers=1, fleet=1)
    again = work.checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function is work


def test_an_unknown_cluster_is_told():
    work = launch.Work(config(), "somewhere", workers=1, fleet=1)
    with pytest.raises(InputError, match="expected one of slurm, local, got 'pbs'"):
        launch.submit(work, jobs=1, cluster="pbs", hours=1, parameters={})


def test_a_bad_configuration_is_told_before_any_job_is_made(tmp_path):
    work = launch.Work(config(seeds=()), str(tmp_path), workers=1, fleet=1)
    with pytest.raises(InputError, match="a grid needs"):
        launch.submit(work, jobs=1, cluster="local", hours=1, parameters={})
    assert not list(tmp_path.iterdir())


def test_bad_parameters_are_told(tmp_path):
    pytest.importorskip("submitit")
    work = launch.Work(config(), str(tmp_path), workers=1, fleet=1)
    with pytest.raises(InputError, match="unknown"):
        launch.submit(work, jobs=1, cluster="local", hours=1, parameters={"unknown": 1})


@pytest.mark.long
def test_a_fleet_of_a_grid_equals_single_runs_to_rounding(tmp_path):
    metrics = {}
    for fleet in (1, 4):
        where = str(tmp_path / str(fleet))
        code = study.main(config(), workdir=where, action="run", workers=1, fleet=fleet,
                         console=Console(quiet=True))  # fmt: skip
        assert code == 0
        runs = sorted((tmp_path / str(fleet) / "runs").iterdir())
        metrics[fleet] = {run.name: files.read_jsonl(run / "metrics.jsonl") for run in runs}
        assert all(len(list(run.glob("along/*.jsonl"))) == 4 for run in runs)
        assert all((run / "eval.jsonl").exists() for run in runs)
    assert metrics[1].keys() == metrics[4].keys() and len(metrics[1]) == 4
    for name, records in metrics[1].items():
        for one, other in zip(records, metrics[4][name], strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
            assert one["step"] == other["step"]

"""Jobs of a cluster that work on one study together, through submitit."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m4jax import terminal
from m4jax.errors import InputError
from m4jax.grid import cells, study

CLUSTERS = ("slurm", "local")


@dataclasses.dataclass(frozen=True)
class Work:
    """What each job does: its part of whatever is missing; see `study.main`.

    Jobs need not know of each other: leases in the directory, which all must see, tell them apart.
    Preempted or out of time, a job is queued again and goes on from the last checkpoints.
    """

    config: Mapping[str, Any]
    workdir: str
    workers: int
    fleet: int

    def __call__(self) -> None:
        """Works until nothing is left that others are not at; raises if a run failed."""
        code = study.main(
            self.config,
            workdir=self.workdir,
            action="run",
            workers=self.workers,
            fleet=self.fleet,
            console=terminal.console(),
        )
        if code:
            raise RuntimeError(f"not every run is done (exit code {code}); see --action=status")

    def checkpoint(self, *args: Any) -> Any:
        """Called by submitit before a job is preempted: returns what is to be queued again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def submit(
    work: Work, *, jobs: int, cluster: str, hours: float, parameters: Mapping[str, Any]
) -> list[Any]:
    """Submits jobs as one array and returns them (submitit's, with `job_id`, `results()`).

    Args:
        work: of each job.
        jobs: how many.
        cluster: "slurm", or "local" for processes of this machine.
        hours: time limit of a job.
        parameters: more of submitit's, {"slurm_partition": "gpu"} say.

    Raises:
        InputError: for a bad configuration, if submitit is not installed, or if the cluster is
            unknown or not to be reached.
    """
    cells.expand(work.config)  # an error in the configuration is raised here, not by every job
    if cluster not in CLUSTERS:
        raise InputError(f"--cluster: expected one of {', '.join(CLUSTERS)}, got {cluster!r}")
    try:
        import submitit
    except ImportError:
        raise InputError("submitit is not installed: pip install -e '.[slurm]'") from None
    logs = Path(work.workdir).absolute() / "logs" / "jobs"
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
        executor.update_parameters(
            name="m4jax", timeout_min=max(1, round(60 * hours)), cpus_per_task=max(1, work.workers),
            **parameters,
        )  # fmt: skip
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise InputError(f"{cluster}: {error}") from None
    submitted: list[Any] = []
    with executor.batch():
        submitted += [executor.submit(work) for _ in range(jobs)]
    return submitted

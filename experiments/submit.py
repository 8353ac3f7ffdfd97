"""Submits a study as an array of Slurm jobs, each of which does its part of what is missing.

    python -m experiments.submit --config=configs/ablation.py:gpu --workdir=DIR --jobs=8 \\
        --slurm=partition=gpu --slurm=gpus_per_node=1

All jobs must see the directory. `experiments.grid --action=status` says how far they are;
submitting again does the rest. `--cluster=local` starts processes of this machine instead.
"""

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.errors import InputError
from m4jax.grid import launch

_JOBS = flags.DEFINE_integer("jobs", 1, "Number of jobs.", lower_bound=1)
_CLUSTER = flags.DEFINE_enum("cluster", "slurm", launch.CLUSTERS, "Where the jobs run.")
_HOURS = flags.DEFINE_float("hours", 12.0, "Time limit of a job.", lower_bound=0.02)
_WORKERS = flags.DEFINE_integer("workers", 1, "Worker processes of a job.", lower_bound=1)
_FLEET = flags.DEFINE_integer("fleet", 16, "Runs of one shape in one program.", lower_bound=1)
_SLURM = flags.DEFINE_multi_string("slurm", [], "A Slurm parameter, NAME=VALUE; may be repeated.")


def main(console: Console) -> int:
    """Submits the jobs and prints their numbers."""
    work = launch.Work(
        config=command.config(),
        workdir=str(command.workdir()),
        workers=_WORKERS.value,
        fleet=_FLEET.value,
    )
    jobs = launch.submit(
        work,
        jobs=_JOBS.value,
        cluster=_CLUSTER.value,
        hours=_HOURS.value,
        parameters=dict(_parameter(text) for text in _SLURM.value),
    )
    ids = ", ".join(job.job_id for job in jobs)
    console.print(f"Jobs: {ids}\nLogs: {work.workdir}/logs/jobs")
    return 0


def _parameter(text: str) -> tuple[str, int | str]:
    """Returns NAME=VALUE as submitit takes it."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"--slurm: expected NAME=VALUE, got {text!r}")
    return f"slurm_{name}", int(value) if value.isdecimal() else value


if __name__ == "__main__":
    command.run(main)

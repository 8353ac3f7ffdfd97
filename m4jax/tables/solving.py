"""The solution of a balancing: of the distinct rows, then, where need be, of every example."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from m4jax import balance, files, limits
from m4jax.balance import stream
from m4jax.files import parquet
from m4jax.progress import Progress
from m4jax.tables import assignment, request
from m4jax.tables.job import Job

MAX_PASSES = 50
MATRICES = 4  # of constraints by constraints, at a time in the solver


class DiskSolution(NamedTuple):
    """A solution as it lies on disk.

    Attributes:
        certificate: what is known about it.
        multipliers: `[m, c+1]` the dual variables w.
        offset: the dual variable μ.
    """

    certificate: dict[str, Any]
    multipliers: np.ndarray
    offset: float


def check_size(job: Job, rows: int = 0) -> None:
    """Raises `InputError` if a problem with so many distinct rows is larger than the memory.

    The solver holds matrices of constraints by constraints, and the rows.
    """
    attributes, labels = len(job.columns.attributes), len(job.columns.labels)
    m = attributes + len(job.config.intersections)
    constraints = m * (labels + 1)
    limits.check_memory(
        8.0 * (MATRICES * constraints**2 + rows * (3 * m + labels)),
        f"{rows or len(job.table):,} rows and {constraints:,} constraints ({m} attributes by "
        f"{labels} labels and representation) are more than fit in memory",
        "leave out rare labels or attributes",
    )


def solve(job: Job, progress: Progress) -> None:
    """Finds the weights of the patterns, and refuses those that don't do what was asked.

    With `utility_levels` the patterns have mean utilities. Their solution is but the start then of
    exact passes over the examples, and the certificate is that of the examples; only its quantiles
    and shares of weights are still those of the patterns.

    Raises:
        InputError: if the solver did not converge or the constraints can't all hold, unless
            `allow_violations` is set.
    """
    if job.is_whole(job.solution):
        return
    progress("keep rate", 0, 1)
    patterns = job.patterns()
    check_size(job, len(patterns.counts))
    problem, binding = request.at_keep_rate(job.config, job.problem(patterns))
    solution = request.solve(
        job.config,
        problem,
        precision=job.config.precision,
        progress=lambda steps, gap: progress(f"solve, gap {gap:.1e}", steps, request.MAX_STEPS),
    )
    each = bool(job.columns.utility_levels) and solution.status is balance.Status.CONVERGED
    if each:  # the certificate is then of the examples, the weights of their cells
        solution, binding = _refined(job, problem, solution, binding, progress)
    request.require(problem, solution, allow_violations=job.config.allow_violations)
    assignment.add_weights(job.fold, solution.weights, job.solution)
    result = DiskSolution(
        balance.certificate(problem, solution, compare=not each) | binding,
        solution.multipliers,
        solution.offset,
    )
    facts = result._asdict() | {"multipliers": result.multipliers.tolist()}
    files.seal_file(job.solution, **facts)


def read(job: Job) -> DiskSolution:
    """Returns what `solve` found."""
    solution = DiskSolution(**files.sealed_file(job.solution))
    return solution._replace(multipliers=np.array(solution.multipliers))


def solved(job: Job, solution: DiskSolution) -> balance.Problem:
    """Returns the problem of the patterns, at the keep rate at which it was solved."""
    problem = job.problem(job.patterns())
    return dataclasses.replace(problem, keep_rate=solution.certificate["keep_rate"])


def weigh_each(job: Job, path: Path, progress: Callable[[int, int], None]) -> None:
    """Writes (uid, weight) of every example, each by its own utility, to `path`."""
    solution, done, writer = read(job), 0, None
    spec = solved(job, solution).spec
    with contextlib.ExitStack() as stack:
        for rows in job.table.blocks():
            weights = stream.weights(
                spec, solution, job.block(rows), objective=job.config.objective
            )
            table = pa.table({"uid": rows.uid, "weight": weights})
            writer = writer or stack.enter_context(parquet.writer(path, table.schema))
            writer.write_table(table)
            done += len(table)
            progress(done, len(job.table))


def _refined(
    job: Job,
    problem: balance.Problem,
    solution: balance.Solution,
    more: dict[str, Any],
    progress: Progress,
) -> tuple[balance.Solution, dict[str, Any]]:
    """Goes on to the optimum of the examples, each with a utility of its own."""
    exact = stream.solve(
        problem.spec,
        job.examples,
        start=solution,
        objective=job.config.objective,
        tolerance=job.config.tolerance,
        max_passes=MAX_PASSES,
        progress=lambda passes, gap: progress(f"pass, gap {gap:.1e}", passes, MAX_PASSES),
    )
    cells = stream.Block(problem.attributes, problem.labels, problem.utility)
    weights = stream.weights(problem.spec, exact, cells, objective=job.config.objective)
    certificate = dataclasses.replace(exact.certificate, steps=solution.steps)
    return balance.Solution(weights, certificate, problem), more | {"passes": exact.steps}

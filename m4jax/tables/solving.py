"""The solution of a balancing: of the distinct rows, then, where need be, of every example."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from m4jax import balance, files, limits
from m4jax.balance import stream
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.progress import Progress
from m4jax.tables import assignment, outcome, request, shares, undecided
from m4jax.tables.config import DROP
from m4jax.tables.job import Job
from m4jax.tables.table import Rows

MAX_PASSES = 50
ARRAYS = ("multipliers", "moment_multipliers")
MATRICES = 4  # of constraints by constraints, at a time in the solver


class DiskSolution(NamedTuple):
    """A solution as it lies on disk.

    Attributes:
        certificate: what is known about it.
        multipliers: `[m, c+1]` the dual variables w of constraints on targets.
        moment_multipliers: `[2, K]` ≥ 0, of the constraints in words.
        offset: the dual variable μ.
        dropped: (k, 1 + label) of labels that the data can't decide, whose examples are dropped.
    """

    certificate: dict[str, Any]
    multipliers: np.ndarray
    moment_multipliers: np.ndarray
    offset: float
    dropped: tuple[undecided.Pair, ...] = ()


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
    and shares of weights, and the verdicts, are still those of the patterns.

    Raises:
        InputError: if the solver did not converge or the constraints can't all hold, unless
            `allow_violations` is set.
    """
    if job.is_whole(job.solution):
        return
    progress("keep rate", 0, 1)
    request.check_own([job.config])
    patterns = job.patterns()
    check_size(job, len(patterns.counts))
    problem, binding = request.at_keep_rate(job.config, job.problem(patterns))
    solution = request.solve(
        job.config,
        problem,
        precision=job.config.precision,
        progress=lambda steps, gap: progress(f"solve, gap {gap:.1e}", steps, request.MAX_STEPS),
    )
    dropped = undecided.pairs(problem) if job.config.one_sided == DROP else ()
    each = bool(job.columns.utility_levels) and solution.status is balance.Status.CONVERGED
    if each:  # the certificate is then of the examples, the weights of their cells
        examples = functools.partial(job.examples, dropped)
        solution, binding = _refined(job, problem, examples, solution, binding, progress)
    request.require(problem, solution, allow_violations=job.config.allow_violations)
    gone = undecided.members(dropped, problem.attributes, problem.labels)
    weights = np.where(gone, 0.0, solution.weights)
    whole = dataclasses.replace(problem, counts=patterns.counts)
    verdicts = outcome.judge(whole, weights, least=job.config.least)
    if not each:
        _refuse(job, verdicts)
    _refuse_lost(job, problem, weights)
    assignment.add_weights(job.fold, weights, job.solution)
    certificate = balance.certificate(problem, solution, compare=not each) | binding
    certificate |= _in_words(problem, solution) | outcome.facts(verdicts)
    result = DiskSolution(
        certificate,
        solution.multipliers.tolist(),
        solution.moment_multipliers.tolist(),
        solution.offset,
        dropped,
    )
    files.seal_file(job.solution, **result._asdict())


def _in_words(problem: balance.Problem, solution: balance.Solution) -> dict[str, Any]:
    """Returns what the certificate has to say of constraints in words, and of shares."""
    recipe, mass = problem.moments.recipe, problem.counts * solution.weights
    total = shares.sums(recipe, problem.attributes, problem.labels, problem.columns, mass)
    beyond = solution.moment_violation
    largest = max(float(solution.violation.max()), float(beyond.max(initial=0.0)))
    return {
        "violation_max": largest,
        "moment_violation": beyond.tolist(),
        **outcome.numbers(problem.spec, total, problem.counts.sum()),
    }


def read(job: Job) -> DiskSolution:
    """Returns what `solve` found."""
    solution = DiskSolution(**files.sealed_file(job.solution))
    arrays = {name: np.array(getattr(solution, name)) for name in ARRAYS}
    return solution._replace(**arrays, dropped=tuple(map(tuple, solution.dropped)))


def solved(job: Job, solution: DiskSolution) -> balance.Problem:
    """Returns the problem of the patterns, at the keep rate at which it was solved."""
    problem = job.problem(job.patterns())
    return dataclasses.replace(problem, keep_rate=solution.certificate["keep_rate"])


def judged(job: Job) -> outcome.Rows:
    """Returns the verdicts on the weights of the patterns, the worst first."""
    patterns = job.patterns()
    problem = dataclasses.replace(solved(job, read(job)), counts=patterns.counts)
    weights = parquet.read(job.solution)["weight"].to_numpy()
    return outcome.judge(problem, weights, least=job.config.least)


def weigh_each(job: Job, path: Path, progress: Callable[[int, int], None]) -> None:
    """Writes (uid, weight) of every example, each by its own utility, to `path`."""
    solution, done, writer = read(job), 0, None
    spec = solved(job, solution).spec
    with contextlib.ExitStack() as stack:
        for rows in job.table.blocks():
            table = weighed(job, spec, solution, rows)
            writer = writer or stack.enter_context(parquet.writer(path, table.schema))
            writer.write_table(table)
            done += len(table)
            progress(done, len(job.table))


def weighed(job: Job, spec: balance.Spec, solution: DiskSolution, rows: Rows) -> pa.Table:
    """Returns (uid, weight) of some examples, each by its own utility."""
    block = job.block(rows)
    weights = stream.weights(spec, solution, block, objective=job.config.objective)
    gone = undecided.members(solution.dropped, block.attributes, block.labels)
    return pa.table({"uid": rows.uid, "weight": np.where(gone, 0.0, weights)})


def _refuse(job: Job, verdicts: outcome.Rows) -> None:
    """Raises `InputError` if a constraint is violated and that is not allowed."""
    broken = [row for row in verdicts if row["verdict"] == outcome.VIOLATED and row["in_words"]]
    if broken and not job.config.allow_violations:
        worst = "; ".join(row["text"] for row in broken[: request.NAMED])
        raise InputError(
            f"balancing: {len(broken)} constraints are violated, the worst: {worst}; lower "
            "keep_rate, widen the bounds, or set allow_violations"
        )


def _refuse_lost(job: Job, problem: balance.Problem, weights: np.ndarray) -> None:
    """Raises `InputError` if constraints can but hold where none of their examples is left."""
    lost = outcome.lost(problem, weights, least=job.config.least, first=job.named(problem))
    if lost and not job.config.allow_violations:
        names = "; ".join(lost[: request.NAMED])
        raise InputError(
            f"balancing: {len(lost)} constraints can be met only by dropping all of their "
            f"examples: {names}; do bounds contradict each other? Widen them, lower keep_rate, or "
            "set allow_violations"
        )


def _refined(
    job: Job,
    problem: balance.Problem,
    examples: Callable[[], Iterator[stream.Block]],
    solution: balance.Solution,
    more: dict[str, Any],
    progress: Progress,
) -> tuple[balance.Solution, dict[str, Any]]:
    """Goes on to the optimum of the examples, each with a utility of its own."""
    exact = stream.solve(
        problem.spec,
        examples,
        start=solution,
        objective=job.config.objective,
        tolerance=job.config.tolerance,
        max_passes=MAX_PASSES,
        progress=lambda passes, gap: progress(f"pass, gap {gap:.1e}", passes, MAX_PASSES),
    )
    cells = stream.Block(
        problem.attributes, problem.labels, problem.utility, columns=problem.columns
    )
    weights = stream.weights(problem.spec, exact, cells, objective=job.config.objective)
    certificate = dataclasses.replace(exact.certificate, steps=solution.steps)
    return balance.Solution(weights, certificate, problem), more | {"passes": exact.steps}

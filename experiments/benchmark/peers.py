"""The balance problem as a quadratic program, for solvers of such programs.

With x = [q, up, down] and n examples in all, in units in which the rows have about unit length:

    minimise ½ Σ counts (q − ηu)² + V √n Σ (up + down)
    subject to Σ counts q / √n = η √n,  |Σ counts q z / √n − up + down| ≤ ε √n,  0 ≤ q ≤ 1
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from m4jax import balance


class Program(NamedTuple):
    """Minimise ½ Σ squares x² + linear·x over equal x = level, low ≤ rows x ≤ high, 0 ≤ x ≤ top.

    `size` is the number of weights, which come first in x.
    """

    squares: np.ndarray
    linear: np.ndarray
    equal: sparse.csc_matrix
    level: np.ndarray
    rows: sparse.csc_matrix
    low: np.ndarray
    high: np.ndarray
    top: np.ndarray
    size: int


class Answer(NamedTuple):
    """Weights `[n]`, how the solver ended, and the seconds of its setup and solution together."""

    weights: np.ndarray
    status: str
    seconds: float


def constraint_rows(problem: balance.Problem) -> tuple[sparse.csc_matrix, np.ndarray]:
    """Returns z `[n, K]` and ε `[K]`; all attributes must be known."""
    extended = sparse.csc_matrix(np.insert(problem.labels, 0, 1, axis=1), dtype=float)
    blocks = [
        sparse.diags(problem.attributes[:, k].astype(float)) @ extended
        - extended @ sparse.diags(target)
        for k, target in enumerate(problem.target)
    ]
    return sparse.hstack(blocks, format="csc"), problem.spec.eps.ravel()


def program(problem: balance.Problem) -> Program:
    """Returns the quadratic program of a problem with the quadratic objective."""
    z, eps = constraint_rows(problem)
    counts, (n, k) = problem.counts, z.shape
    unit = np.sqrt(counts.sum())
    moments = (sparse.diags(counts / unit) @ z).T
    slacks = sparse.eye(k)
    none = sparse.csc_matrix((1, 2 * k))
    return Program(
        squares=np.concatenate([counts, np.zeros(2 * k)]),
        linear=np.concatenate(
            [-counts * problem.keep_rate * problem.utility, np.full(2 * k, problem.penalty * unit)]
        ),
        equal=sparse.hstack([sparse.csc_matrix(counts[None] / unit), none], format="csc"),
        level=np.array([problem.keep_rate * unit]),
        rows=sparse.hstack([moments, -slacks, slacks], format="csc"),
        low=-eps * unit,
        high=eps * unit,
        top=np.concatenate([np.ones(n), np.full(2 * k, np.inf)]),
        size=n,
    )


def piqp(program: Program) -> Answer:
    """Solves with PIQP, an interior point method, by its sparse interface."""
    import piqp

    arguments = piqp_arguments(program)
    begin = time.perf_counter()
    solver = piqp.SparseSolver()
    solver.setup(*arguments)
    status = solver.solve()
    seconds = time.perf_counter() - begin
    return Answer(solver.result.x[: program.size], status.name, seconds)


def piqp_arguments(program: Program) -> tuple:
    """Returns what PIQP's setup takes."""
    squares, zero = sparse.diags(program.squares, format="csc"), np.zeros_like(program.top)
    first = (squares, program.linear, program.equal, program.level)
    return (*first, program.rows, program.low, program.high, zero, program.top)


def clarabel(program: Program) -> Answer:
    """Solves with Clarabel, an interior point method."""
    import clarabel

    # r = rows x is a variable of its own, so that the long rows come but once.
    k, width = program.rows.shape
    free, ones = sparse.csc_matrix((1, k)), sparse.eye(k)
    box, bounded = sparse.eye(width, format="csr"), np.isfinite(program.top)
    matrix = sparse.block_array(
        [
            [program.equal, free],
            [program.rows, -ones],
            [None, ones],
            [None, -ones],
            [box[bounded], None],
            [-box, None],
        ],
        format="csc",
    )
    right = [program.level, np.zeros(k), program.high, -program.low]
    right = np.concatenate([*right, program.top[bounded], np.zeros(width)])
    squares = sparse.diags(np.append(program.squares, np.zeros(k)), format="csc")
    linear = np.append(program.linear, np.zeros(k))
    cones = [clarabel.ZeroConeT(1 + k), clarabel.NonnegativeConeT(len(right) - 1 - k)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    begin = time.perf_counter()
    result = clarabel.DefaultSolver(squares, linear, matrix, right, cones, settings).solve()
    seconds = time.perf_counter() - begin
    return Answer(np.array(result.x)[: program.size], str(result.status), seconds)


def osqp(program: Program) -> Answer:
    """Solves with OSQP, a first-order method."""
    import osqp

    squares = sparse.diags(program.squares, format="csc")
    width = len(program.top)
    matrix = sparse.vstack([program.equal, program.rows, sparse.eye(width)], format="csc")
    low = np.concatenate([program.level, program.low, np.zeros(width)])
    high = np.concatenate([program.level, program.high, program.top])
    begin = time.perf_counter()
    solver = osqp.OSQP()
    solver.setup(
        squares, program.linear, matrix, low, high, verbose=False, polishing=True,
        eps_abs=OSQP_ACCURACY, eps_rel=OSQP_ACCURACY, max_iter=100_000,
    )  # fmt: skip
    result = solver.solve()
    seconds = time.perf_counter() - begin
    return Answer(np.asarray(result.x)[: program.size], result.info.status, seconds)


OSQP_ACCURACY = 1e-6
PEERS: dict[str, Callable[[Program], Answer]] = {"piqp": piqp, "clarabel": clarabel, "osqp": osqp}

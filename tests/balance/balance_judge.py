"""An independent judge: the paper's primal, written as a quadratic program for Clarabel."""

import clarabel
import numpy as np
from scipy import sparse


def constraint_rows(problem):
    """Returns z `[n, m(c+1)]` and ε `[m(c+1)]`, straight from the definition."""
    n = len(problem.attributes)
    extended = np.concatenate([np.ones((n, 1)), problem.labels], axis=1)
    centred = np.nan_to_num(problem.attributes[:, :, None] - problem.target)
    eps = np.concatenate([problem.eps_representation[:, None], problem.eps_association], axis=1)
    return (centred * extended[:, None, :]).reshape(n, -1), eps.ravel()


def primal_value(problem, weights):
    """Returns the value of the primal at `weights`, without the hard constraints."""
    z, eps = constraint_rows(problem)
    share = problem.counts / problem.counts.sum()
    loss = 0.5 * share @ (weights - problem.keep_rate * problem.utility) ** 2
    if np.isinf(problem.penalty):
        return loss
    return loss + problem.penalty * np.maximum(np.abs((share * weights) @ z) - eps, 0).sum()


def judge(problem):
    """Returns Clarabel's weights, or None if it proves that there are none."""
    z, eps = constraint_rows(problem)
    (n, k), share = z.shape, problem.counts / problem.counts.sum()
    soft = np.isfinite(problem.penalty)
    base = problem.keep_rate * problem.utility
    slacks = k if soft else 0
    quadratic = sparse.diags(np.concatenate([share, np.zeros(slacks)])).tocsc()
    linear = np.concatenate([-share * base, np.full(slacks, problem.penalty if soft else 0.0)])
    moments = sparse.csc_matrix((z * share[:, None]).T)
    relax = -sparse.eye(k) if soft else None
    rows = [
        [sparse.csc_matrix(share[None]), sparse.csc_matrix((1, k)) if soft else None],
        [moments, relax],
        [-moments, relax],
        [sparse.eye(n), None],
        [-sparse.eye(n), None],
        [None, -sparse.eye(k)] if soft else [None, None],
    ]
    rows = [[block for block in row if soft or block is not None] for row in rows]
    right = [[problem.keep_rate], eps, eps, np.ones(n), np.zeros(n), np.zeros(slacks)]
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(2 * k + 2 * n + slacks)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    matrix = sparse.bmat([row for row in rows if row], format="csc")
    result = clarabel.DefaultSolver(
        quadratic, linear, matrix, np.concatenate(right), cones, settings
    ).solve()
    if "Infeasible" in str(result.status):
        return None
    return np.array(result.x)[:n], str(result.status)

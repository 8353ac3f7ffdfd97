"""An independent judge: the primal of every objective, written as a cone program for Clarabel."""

import clarabel
import numpy as np
from scipy import sparse

from m4jax import balance
from m4jax.balance import objectives


def constraint_rows(problem):
    """Returns z `[n, m(c+1)]` and ε `[m(c+1)]`, straight from the definition."""
    n = len(problem.attributes)
    extended = np.concatenate([np.ones((n, 1)), problem.labels], axis=1)
    centred = np.nan_to_num(problem.attributes[:, :, None] - problem.target)
    return (centred * extended[:, None, :]).reshape(n, -1), problem.spec.eps.ravel()


def cost(name, q, b):
    """Returns ψ(q; b), straight from the definition."""
    if name == "quadratic":
        return 0.5 * (q - b) ** 2
    if name == "kl":
        return q * np.log(np.maximum(q, 1e-300) / b) - q + b
    if name == "hellinger":
        return 2 * (np.sqrt(q) - np.sqrt(b)) ** 2
    assert name == "keep_most"
    d, delta, kappa = np.abs(q - b), objectives.NEARLY_UNTOUCHED, objectives.EVENNESS
    far = d - delta / 2 + kappa / 2 * (d - delta) ** 2
    return np.where(d <= delta, d**2 / (2 * delta), far)


def primal_value(problem, weights, objective="quadratic"):
    """Returns the value of the primal at `weights`, without the hard constraints."""
    z, eps = constraint_rows(problem)
    share = problem.counts / problem.counts.sum()
    loss = share @ cost(objective, weights, problem.keep_rate * problem.utility)
    if np.isinf(problem.penalty):
        return loss
    return loss + problem.penalty * np.maximum(np.abs((share * weights) @ z) - eps, 0).sum()


def judge(problem, objective="quadratic"):
    """Returns Clarabel's weights and its status, or None if it proves that there are none."""
    share = problem.counts / problem.counts.sum()
    here = share > 0  # rows of no share would be free
    base = problem.keep_rate * problem.utility[here]
    squares, linear, rows, right, cones = _cost_blocks(objective, share[here], base)
    blocks = _constraint_blocks(problem, share[here], here)
    squares, linear = np.append(squares, blocks[0]), np.append(linear, blocks[1])
    width = len(linear)
    matrix = [_widened(sparse.csc_matrix(x), width) for x in rows]
    n, own = here.sum(), width - len(blocks[0])
    for on_weights, on_slacks in blocks[2]:
        gap = sparse.csc_matrix((on_weights.shape[0], own - n))
        matrix.append(_widened(sparse.hstack([on_weights, gap, on_slacks]), width))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    result = clarabel.DefaultSolver(
        sparse.diags(squares).tocsc(),
        linear,
        sparse.vstack(matrix, format="csc"),
        np.concatenate([*right, *blocks[3]]),
        [*cones, *blocks[4]],
        settings,
    ).solve()
    if "Infeasible" in str(result.status):
        return None
    weights = problem.keep_rate * problem.utility
    weights[here] = np.array(result.x)[:n]
    return weights, str(result.status)


def _widened(block, width):
    return sparse.hstack([block, sparse.csc_matrix((block.shape[0], width - block.shape[1]))])


def _constraint_blocks(problem, share, here):
    """Returns what all objectives share: E[q] = η, the box, the moments and their slacks."""
    z, eps = constraint_rows(problem)
    n, k = here.sum(), z.shape[1] if np.isfinite(problem.penalty) else 0
    moments = sparse.csc_matrix((z[here] * share[:, None]).T)
    relax, free = -sparse.eye(len(eps), k), sparse.csc_matrix((n, k))
    rows = [
        (sparse.csc_matrix(share[None]), sparse.csc_matrix((1, k))),
        (moments, relax),
        (-moments, relax),
        (sparse.eye(n), free),
        (-sparse.eye(n), free),
        (sparse.csc_matrix((k, n)), -sparse.eye(k)),
    ]
    right = [[problem.keep_rate], eps, eps, np.ones(n), np.zeros(n), np.zeros(k)]
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(2 * len(eps) + 2 * n + k)]
    return np.zeros(k), np.full(k, problem.penalty), rows, right, cones


def _cost_blocks(objective, share, base):
    """Returns squares, linear costs, rows, right sides and cones of E[ψ(q)]; q comes first."""
    n = len(base)
    eye, none, zero = sparse.eye(n), sparse.csc_matrix((n, n)), np.zeros(n)
    if objective == "quadratic":
        return share, -share * base, [], [], []
    if objective == "kl":  # r ≥ q log(q/b): (−r, q, b) in the exponential cone
        rows = _interleaved(sparse.hstack([none, eye]), sparse.hstack([-eye, none]), 2 * n)
        right = np.column_stack([zero, zero, base]).ravel()
        cones = [clarabel.ExponentialConeT()] * n
        return np.zeros(2 * n), np.append(-share, share), [rows], [right], cones
    if objective == "hellinger":  # h² ≤ q: (q + 1, 2h, q − 1) in the second-order cone
        first = sparse.hstack([-eye, none])
        rows = _interleaved(first, sparse.hstack([none, -2 * eye]), 2 * n, first)
        right = np.column_stack([zero + 1, zero, zero - 1]).ravel()
        linear = np.append(2 * share, -4 * share * np.sqrt(base))
        return np.zeros(2 * n), linear, [rows], [right], [clarabel.SecondOrderConeT(3)] * n
    # q = b + a + e − f with |a| ≤ δ at a²/2δ, and e, f ≥ 0 at e + κe²/2
    delta, kappa = objectives.NEARLY_UNTOUCHED, objectives.EVENNESS
    rows = [sparse.hstack([eye, -eye, -eye, eye])]
    rows += [sparse.hstack([none, sign * eye]) for sign in (1, -1)]
    rows += [sparse.hstack([none, none, -eye]), sparse.hstack([none, none, none, -eye])]
    right = [base, zero + delta, zero + delta, zero, zero]
    squares = np.concatenate([zero, share / delta, kappa * share, kappa * share])
    linear = np.concatenate([zero, zero, share, share])
    return squares, linear, rows, right, [clarabel.ZeroConeT(n), clarabel.NonnegativeConeT(4 * n)]


def _interleaved(first, second, width, third=None):
    """Returns rows 0 of all three, then rows 1 of all three, and so on; no third is zeros."""
    n = first.shape[0]
    third = sparse.csc_matrix((n, width)) if third is None else third
    order = np.arange(3 * n).reshape(3, n).T.ravel()
    return sparse.vstack([first, second, third], format="csr")[order]


assert set(balance.OBJECTIVES) == {"quadratic", "kl", "hellinger", "keep_most"}

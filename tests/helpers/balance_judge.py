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


def system_rows(problem):
    """Returns a `[n, J]`, bounds `[2, J]` and V `[2, J]` of all constraints, features by name.

    What is asked in words is taken from `problem.moments`, product by product.
    """
    z, eps = constraint_rows(problem)
    asked = eps < 1  # |E[q z]| never exceeds 1
    rows, low, high, prices = [z[:, asked]], [-eps[asked]], [eps[asked]], []
    prices.append(np.full((2, asked.sum()), problem.penalty))
    phi = _features(problem)
    moments = problem.moments
    part, whole = phi @ moments.part.toarray().T, phi @ moments.whole.toarray().T
    own = np.where(np.isnan(moments.penalty), problem.penalty, moments.penalty)
    for k, relative in enumerate(moments.relative):
        for side, bound in enumerate((moments.lower[k], moments.upper[k])):
            if np.isinf(bound) or not moments.imposed[k]:
                continue
            rows.append((part[:, k] - bound * whole[:, k] if relative else part[:, k])[:, None])
            level = 0.0 if relative else bound
            low.append([level if side == 0 else -np.inf])
            high.append([level if side == 1 else np.inf])
            prices.append(np.array([[own[0, k], 0.0], [0.0, own[1, k]]])[:, side : side + 1])
    bounds = np.stack([np.concatenate(low), np.concatenate(high)])
    return np.concatenate(rows, axis=1), bounds, np.concatenate(prices, axis=1)


def _features(problem):
    """Returns all features `[n, F]`: sides times parts, in the order of `Recipe`."""
    recipe, n = problem.moments.recipe, len(problem.attributes)
    known = ~np.isnan(problem.attributes)
    inside = np.where(known, problem.attributes, 0.0)
    sides = np.concatenate([np.ones((n, 1)), inside, known], axis=1)
    values = dict(zip(problem.attribute_names, inside.T, strict=True))
    marks = dict(zip(problem.attribute_names, known.T, strict=True))
    values |= dict(zip(problem.label_names, problem.labels.T, strict=True)) | problem.columns
    parts = [np.ones(n), *problem.labels.T, *(problem.columns[x] for x in recipe.names.columns)]
    for product in recipe.products:
        factors = [values[name] if kind == "is" else marks[name] for kind, name in product]
        parts.append(np.prod(np.stack(factors).astype(float), axis=0))
    return (sides[:, :, None] * np.stack(parts, axis=1)[:, None, :]).reshape(n, -1)


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
    a, (low, high), price = system_rows(problem)
    share = problem.counts / problem.counts.sum()
    loss = share @ cost(objective, weights, problem.keep_rate * problem.utility)
    mean = (share * weights) @ a
    beyond = np.maximum(np.stack([low - mean, mean - high]), 0)
    return loss + (np.where(np.isinf(price), 0.0, price) * beyond).sum()


def violation(problem, weights):
    """Returns by how much hard constraints are violated, at most."""
    a, (low, high), price = system_rows(problem)
    mean = (problem.counts / problem.counts.sum() * weights) @ a
    beyond = np.maximum(np.stack([low - mean, mean - high]), 0)
    return beyond[np.isinf(price)].max(initial=0.0)


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
    a, bounds, price = system_rows(problem)
    moments = sparse.csc_matrix((a[here] * share[:, None]).T)
    # One line per bound: sign (E[q a] − bound) ≤ slack, at a price; hard ones have no slack.
    side, j = np.nonzero(np.isfinite(bounds))
    sign = np.where(side == 1, 1.0, -1.0)
    soft = np.flatnonzero(np.isfinite(price[side, j]))
    n, k = here.sum(), len(soft)
    relax = sparse.csc_matrix((-np.ones(k), (soft, np.arange(k))), shape=(len(j), k))
    free = sparse.csc_matrix((n, k))
    rows = [
        (sparse.csc_matrix(share[None]), sparse.csc_matrix((1, k))),
        (sparse.diags(sign) @ moments[j], relax),
        (sparse.eye(n), free),
        (-sparse.eye(n), free),
        (sparse.csc_matrix((k, n)), -sparse.eye(k)),
    ]
    right = [[problem.keep_rate], sign * bounds[side, j], np.ones(n), np.zeros(n), np.zeros(k)]
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(j) + 2 * n + k)]
    return np.zeros(k), price[side, j][soft], rows, right, cones


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

"""Random problems in words, and an independent judge of them: Clarabel on dense rows."""

import clarabel
import numpy as np
from scipy import sparse

from helpers.balance_judge import _cost_blocks, _widened, constraint_rows, cost
from m4jax import balance

ATTRIBUTES, LABELS = ("man", "dark"), ("nurse", "cook", "child")
KINDS = ("share", "within", "intersection", "prevalence", "mean", "gap", "groups", "ratio", "odds",
         "cap", "examples", "floor", "budget", "band", "column")  # fmt: skip
PENALTIES = (None, None, 0.3, 20.0, (5.0, 0.5), np.inf)


def random_word(kind, draw, penalty):
    """Returns a word of a kind with random bounds."""
    low = draw.uniform(0.2, 0.6)
    between = (low, low + draw.choice([0.0, 0.05, 0.2]))
    word = {
        "share": lambda: balance.share("man", within="nurse", between=between, penalty=penalty),
        "within": lambda: balance.share(
            "dark", within=("cook", balance.no("man")), between=between, penalty=penalty
        ),
        "intersection": lambda: balance.share(
            ("man", "dark"), within="child", between=between, penalty=penalty
        ),
        "prevalence": lambda: balance.prevalence("dark", between, penalty=penalty),
        "mean": lambda: balance.mean(
            "tokens", within="cook", between=(20 + 30 * low, 30 + 30 * low), penalty=penalty
        ),
        "gap": lambda: balance.gap("nurse", "man", at_most=0.02, penalty=penalty),
        "groups": lambda: balance.gap(
            "cook", ("man", "dark", balance.no("dark")), at_most=0.1, around=0.3, penalty=penalty
        ),
        "ratio": lambda: balance.ratio("child", "dark", within="nurse", penalty=penalty),
        "odds": lambda: balance.equalized_odds("cook", "nurse", "man", penalty=penalty),
        "cap": lambda: balance.cap(at_most=low / 2, penalty=penalty),
        "examples": lambda: balance.cap("nurse", at_most=8, unit="examples", penalty=penalty),
        "floor": lambda: balance.floor("child", at_least=low, penalty=penalty),
        "budget": lambda: balance.budget(
            "tokens", at_most=float(draw.uniform(200, 2000)), penalty=penalty
        ),
        "band": lambda: balance.band(0.1, target=low, penalty=penalty),
        "column": lambda: balance.share("clear", within="man", between=between, penalty=penalty),
    }[kind]
    return word()


def random_words(seed, kinds=None):
    """Returns a random problem in words; every third has unknown or soft values, or targets."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(20, 90))
    s = (draw.random((n, 2)) < draw.uniform(0.3, 0.7, 2)).astype(float)
    y = (draw.random((n, 3)) < draw.uniform(0.2, 0.6, 3)).astype(float)
    s[:2] = [[0.0, 0.0], [1.0, 1.0]]
    chance = draw.random(5) < 0.35
    if chance[0]:
        s[2:][draw.random((n - 2, 2)) < 0.15] = np.nan
    if chance[1]:
        y = y * draw.random((n, 3))
        s[2:] = np.abs(s[2:] - 0.2 * draw.random((n - 2, 2)))
    if kinds is None:
        kinds = draw.choice(KINDS, int(draw.integers(1, 4)), replace=False)
    penalties = [PENALTIES[int(draw.integers(len(PENALTIES)))] for _ in kinds]
    return balance.Problem(
        s,
        y,
        attribute_names=ATTRIBUTES,
        label_names=LABELS,
        constraints=[random_word(k, draw, p) for k, p in zip(kinds, penalties, strict=True)],
        columns={"tokens": draw.integers(5, 70, n), "clear": draw.random(n)},
        target=0.5 if chance[2] else None,
        eps_association=0.02 if chance[2] else None,
        utility=draw.lognormal(0, draw.choice([0.1, 1.0]), n) if chance[3] else None,
        counts=draw.integers(0, 5, n) + (np.arange(n) < 2) if chance[4] else None,
        keep_rate=float(draw.choice([0.1, 0.3, 0.6, 0.9])),
        penalty=float(10 ** draw.uniform(-1, 2)),
    )


def one_sided(problem):
    """Returns rows a `[n, J]`, bounds b and V of all constraints as E[q a] ≤ b."""
    z, eps = constraint_rows(problem)
    m, features = problem.moments, problem.moments.recipe
    sides = features.side_values(problem.attributes)
    parts = np.asarray(
        features.part_values(problem.attributes, problem.labels, problem.columns), float
    )
    phi = (sides[:, :, None] * parts[:, None, :]).reshape(len(sides), -1)
    part, whole = phi @ m.part.toarray().T, phi @ m.whole.toarray().T
    rows, right, price = [z, -z], [eps, eps], [np.full(2 * len(eps), problem.penalty)]
    own = np.where(np.isnan(m.penalty), problem.penalty, m.penalty)
    for sign, bound, v in ((1, m.upper, own[1]), (-1, m.lower, own[0])):
        here = np.isfinite(bound) & m.imposed
        inside = np.where(m.relative[here], bound[here], 0.0)
        rows.append(sign * (part[:, here] - inside * whole[:, here]))
        right.append(np.where(m.relative[here], 0.0, sign * bound[here]))
        price.append(v[here])
    return np.concatenate(rows, axis=1), np.concatenate(right), np.concatenate(price)


def value(problem, weights, objective="quadratic"):
    """Returns the value of the primal without the hard constraints, and how far these are off."""
    rows, right, price = one_sided(problem)
    share = problem.counts / problem.counts.sum()
    loss = share @ cost(objective, weights, problem.keep_rate * problem.utility)
    over = np.maximum((share * weights) @ rows - right, 0.0)
    hard = np.isinf(price)
    return loss + price[~hard] @ over[~hard], over[hard].max(initial=0.0)


def judge_words(problem, objective="quadratic"):
    """Returns Clarabel's weights and its status, or None if it proves that there are none."""
    share = problem.counts / problem.counts.sum()
    here = share > 0
    base = problem.keep_rate * problem.utility[here]
    squares, linear, blocks, right, cones = _cost_blocks(objective, share[here], base)
    rows, bounds, price = one_sided(problem)
    a, soft, n = (share[:, None] * rows)[here].T, np.isfinite(price), int(here.sum())
    extra, own = int(soft.sum()), len(linear)
    relax = np.zeros((len(price), extra))
    relax[np.flatnonzero(soft), np.arange(extra)] = -1.0
    gap = own - n

    def wide(left, slack):
        return sparse.hstack([left, sparse.csc_matrix((left.shape[0], gap)), slack])

    eye, none = sparse.eye(n), sparse.csc_matrix((n, extra))
    matrix = [_widened(sparse.csc_matrix(x), own + extra) for x in blocks]
    matrix += [
        wide(sparse.csc_matrix(share[here][None]), sparse.csc_matrix((1, extra))),
        wide(sparse.csc_matrix(a), sparse.csc_matrix(relax)),
        wide(eye, none),
        wide(-eye, none),
        wide(sparse.csc_matrix((extra, n)), -sparse.eye(extra)),
    ]
    limits = [*right, [problem.keep_rate], bounds, np.ones(n), np.zeros(n), np.zeros(extra)]
    cones = [*cones, clarabel.ZeroConeT(1)]
    cones.append(clarabel.NonnegativeConeT(len(bounds) + 2 * n + extra))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
    result = clarabel.DefaultSolver(
        sparse.diags(np.append(squares, np.zeros(extra))).tocsc(),
        np.append(linear, price[soft]),
        sparse.vstack(matrix, format="csc"),
        np.concatenate(limits),
        cones,
        settings,
    ).solve()
    if "Infeasible" in str(result.status):
        return None
    weights = problem.keep_rate * problem.utility
    weights[here] = np.array(result.x)[:n]
    return np.clip(weights, 0, 1), str(result.status)

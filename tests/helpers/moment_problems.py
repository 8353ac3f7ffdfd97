"""Random problems with constraints of every kind in words; their values by definition."""

import numpy as np

from m4jax import balance
from m4jax.balance.constraints.features import ONE, Names
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.host.rows import make_rows

NAMES = Names(("man", "dark"), ("nurse", "cook", "smile"), ("tokens", "price"))


def ratios(seed):
    """Returns constraints with bounds on either side, or both, or equal, some with penalties."""
    draw = np.random.default_rng(seed)
    man, dark, nurse, cook, smile, tokens, price = map(
        NAMES.value, (*NAMES.attributes, *NAMES.labels, *NAMES.columns)
    )
    known, both = NAMES.known("man"), NAMES.known("man") * NAMES.known("dark")
    pairs = [
        (man * nurse, known * nurse, 0.5),
        (man * nurse * cook, known * nurse * cook, 0.5),
        (man * dark * smile, both * smile, 0.25),
        ((known - man) * cook, known * cook, 0.5),
        (nurse + smile * 0.5, ONE, 0.4),
        (cook * man, man, 0.4),
        (tokens * smile, smile, 40.0),
        (price, None, 0.3),
        (tokens * dark, None, 8.0),
    ]
    result = []
    for k, (part, whole, middle) in enumerate(pairs):
        low, high = middle * (1 + draw.uniform([-0.2, 0.0], [0.0, 0.2]))
        kinds = [(low, high), (-np.inf, high), (low, np.inf), (middle, middle)]
        bounds = kinds[k % 4]  # always as many rows: one compilation
        penalty = None if draw.random() < 0.5 else tuple(10 ** draw.uniform(-2, 1, 2))
        result.append(Ratio(f"constraint {k}", part, whole, *bounds, penalty=penalty))
    return result


def examples(seed, n=200):
    """Returns attributes, some unknown, labels and columns."""
    draw = np.random.default_rng(seed)
    attributes = (draw.random((n, 2)) < [0.65, 0.4]).astype(float)
    attributes[2:][draw.random((n - 2, 2)) < 0.1] = np.nan
    attributes[:2] = [[0.0, 1.0], [1.0, 0.0]]
    lean = np.nan_to_num(attributes[:, :1], nan=0.5)
    labels = (draw.random((n, 3)) < [0.3, 0.4, 0.6] * (0.7 + 0.6 * lean)).astype(float)
    columns = {"tokens": draw.integers(1, 78, n).astype(float), "price": draw.random(n)}
    return attributes, labels, columns


def moment_problem(seed, n=200, **changes):
    """Returns a random problem of constraints in words, every second one with targets too."""
    attributes, labels, columns = examples(seed, n)
    draw = np.random.default_rng(seed)
    settings = {
        "constraints": ratios(seed),
        "columns": columns,
        "utility": draw.lognormal(0, 0.5, n) if seed % 3 else None,
        "counts": draw.integers(1, 4, n) if seed % 3 == 1 else None,
        "keep_rate": draw.choice([0.2, 0.5, 0.8]),
        "attribute_names": NAMES.attributes,
        "label_names": NAMES.labels,
        "penalty": 10 ** draw.uniform(-1, 1),
    }
    if seed % 2:
        settings |= {"target": 0.5, "eps_association": [[0.01, 1.0, 0.02], [1.0, 0.0, np.inf]]}
    return balance.Problem(attributes, labels, **{**settings, **changes})


def primal_and_dual(problem, solution):
    """Returns the value of the weights and that of w and μ, in NumPy, by their definitions.

    For the quadratic objective. Asserts that w lies in its box and q in [0, 1], with E[q] = η.
    """
    spec, system = problem.spec, problem.spec.system
    rows = make_rows(problem)
    a, share, q, base = rows.dense(slice(None)), rows.share, solution.weights, problem.utility
    base = spec.keep_rate * base
    assert ((q >= 0) & (q <= 1)).all()
    np.testing.assert_allclose(share @ q, spec.keep_rate, atol=1e-9)
    r = (share * q) @ a
    beyond = np.maximum([system.lower - r, r - system.upper], 0.0)
    soft = np.where(np.isinf(system.penalty), 0.0, system.penalty)
    primal = share @ (0.5 * (q - base) ** 2) + (soft * beyond).sum()
    w = multipliers(problem, solution)
    assert (w >= -system.penalty[0] * (1 + 1e-12)).all()
    assert (w <= system.penalty[1] * (1 + 1e-12)).all()
    t = a @ w + solution.offset
    best = np.clip(base - t, 0, 1)
    bound = np.where(w > 0, system.upper, np.where(w < 0, system.lower, 0.0))
    support = np.where(w == 0, 0.0, w * np.where(w == 0, 0.0, bound)).sum()
    value = share @ (0.5 * (best - base) ** 2 + best * t) - support
    return primal, value - solution.offset * spec.keep_rate, beyond


def multipliers(problem, solution):
    """Returns w `[J]`, straight from what the certificate says of targets and words."""
    system = problem.spec.system
    w = np.zeros(len(system))
    for j in range(len(system)):
        if system.target[j] >= 0:
            w[j] = solution.multipliers.ravel()[system.target[j]]
            continue
        below, above = solution.moment_multipliers[:, system.moment[j]]
        w[j] += above if np.isfinite(system.upper[j]) else 0.0
        w[j] -= below if np.isfinite(system.lower[j]) else 0.0
    return w

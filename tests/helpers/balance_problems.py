"""Random problems over the scales that matter."""

import dataclasses

import numpy as np

from m4jax import balance

SHAPES = ((2, 3), (3, 5))  # attributes, labels: few, since each is a compilation


def random_problem(seed, n=None, shape=None, **changes):
    """Returns a random problem; every third has unknown or soft values, counts or utilities."""
    draw = np.random.default_rng(seed)
    n = n or int(draw.integers(8, 120))
    m, c = shape or SHAPES[int(draw.integers(len(SHAPES)))]
    attributes = (draw.random((n, m)) < draw.uniform(0.2, 0.8, m)).astype(float)
    labels = (draw.random((n, c)) < draw.uniform(0.05, 0.6, c)).astype(float)
    labels = np.where(draw.random((n, c)) < 0.4, attributes[:, draw.integers(0, m, c)], labels)
    attributes[:2] = [[0.0], [1.0]]
    chance = draw.random(6) < 0.35
    if chance[0]:
        attributes[2:][draw.random((n - 2, m)) < 0.2] = np.nan
    if chance[1]:
        labels = labels * draw.random((n, c))
    if chance[2]:
        attributes[2:] = np.abs(attributes[2:] - 0.2 * draw.random((n - 2, m)))
    settings = {
        "target": draw.uniform(0.2, 0.8, (m, c + 1) if chance[3] else m),
        "utility": draw.lognormal(0, draw.choice([0.1, 1.0, 3.0]), n) if chance[4] else None,
        "counts": draw.integers(0, 5, n) + (np.arange(n) < 2) if chance[5] else None,
        "keep_rate": draw.choice([0.1, 0.3, 0.6, 0.9, 0.99, 1.0]),
        "eps_representation": 10 ** draw.uniform(-6, -1),
        "eps_association": draw.choice([0.0, 10 ** draw.uniform(-6, -1)]),
        "penalty": 10 ** draw.uniform(-2, 2),
    }
    return balance.Problem(attributes, labels, **{**settings, **changes})


def extreme_problem(seed, **changes):
    """Returns a random problem from the whole range that the solver is meant for."""
    draw = np.random.default_rng(seed + 10**6)
    n = int(draw.choice([8, 20, 60, 120]))
    eps = [float(draw.choice([0.0, 10 ** draw.uniform(-6, -1), 1.0])) for _ in range(2)]
    settings = {
        "keep_rate": float(draw.choice([0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 0.99, 1.0])),
        "eps_representation": eps[0],
        "eps_association": eps[1],
        "penalty": float(10 ** draw.uniform(-2, 4)),
    }
    shape = SHAPES[int(draw.integers(len(SHAPES)))]
    if draw.random() < 0.5:
        spread, size = draw.choice([0.1, 1.0, 3.0]), 10 ** draw.uniform(-6, 6)
        settings["utility"] = size * draw.lognormal(0, spread, n)
    problem = random_problem(seed, n=n, shape=shape, **{**settings, **changes})
    labels = problem.labels.astype(float).copy()
    kind = draw.integers(6)
    if kind == 0:
        labels[:, 0] = 0.0  # nobody has it
    elif kind == 1:
        labels[:, 0] = 1.0  # everybody has it
    elif kind == 2:
        labels[:, 0] = labels[:, 1]  # twice the same
    return dataclasses.replace(problem, labels=labels)

"""Synthetic balance problems of the benchmark, from a seed."""

import numpy as np

ATTRIBUTES, LABELS = 2, 30
MEN = (0.6, 0.45)  # prevalence of each attribute; the target is ½
LEAN = 0.5  # a label's log odds between the groups of an attribute go up to this, either way

# Labels' frequencies. tail: as in captions, few labels are common and most are rare; 100,000
# examples have about 8,000 distinct rows. dense: hardly two examples are alike.
FREQUENCIES = {"tail": 0.32 / np.arange(1, LABELS + 1), "dense": np.full(LABELS, 0.3)}

# A little below the largest at which all constraints hold; about half of them bind then.
KEEP_RATES = {"tail": 0.7, "dense": 0.5}

UTILITIES = "utilities"  # "tail utilities": each example has a utility of its own
SPREAD = 0.5  # standard deviation of its logarithm; the mean is about 1


def settings(kind: str) -> dict[str, float]:
    """Returns what is asked of the weights, as keyword arguments of `balance.Problem`."""
    eps = {"eps_representation": 1e-3, "eps_association": 1e-3}
    return {"target": 0.5, "keep_rate": KEEP_RATES[kind.split()[0]], "penalty": 10.0} | eps


def examples(kind: str, n: int, seed: int) -> dict[str, np.ndarray]:
    """Returns attributes `[n, 2]` and labels `[n, 30]` as bytes 0 or 1, and utilities `[n]` if any.

    Labels are independent given the attributes, which are independent.

    Args:
        kind: "tail" or "dense"; with " utilities" after it, each example has one of its own.
        n: number of examples.
        seed: of everything drawn.
    """
    draw = np.random.default_rng(seed)
    attributes = (draw.random((n, ATTRIBUTES), np.float32) < MEN).astype(np.uint8)
    chance = label_chances(FREQUENCIES[kind.split()[0]])
    group = attributes @ [1, 2]
    labels = np.empty((n, LABELS), np.uint8)
    for r in range(LABELS):
        labels[:, r] = draw.random(n, np.float32) < chance[group, r].astype(np.float32)
    found = {"attributes": attributes, "labels": labels}
    if kind.endswith(UTILITIES):
        found["utility"] = draw.lognormal(-0.5 * SPREAD**2, SPREAD, n)
    return found


def label_chances(frequencies: np.ndarray) -> np.ndarray:
    """Returns P(label | attributes) `[4, c]`; bit k of the row number is attribute k."""
    # How a label leans is part of the instance, not of the seed: all sizes ask the same question.
    lean = np.random.default_rng(0).uniform(-LEAN, LEAN, (len(frequencies), ATTRIBUTES))
    bits = np.arange(2**ATTRIBUTES)[:, None] >> np.arange(ATTRIBUTES) & 1
    return frequencies * np.exp((bits - np.array(MEN)) @ lean.T)

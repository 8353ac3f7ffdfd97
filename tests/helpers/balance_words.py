"""Random problems in words."""

import numpy as np

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

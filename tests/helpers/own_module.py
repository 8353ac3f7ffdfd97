"""A module of a user's own: an objective, one that is none, and a constraint."""

import sys
from pathlib import Path

TEXT = """
import jax.numpy as jnp
from m4jax import balance

MINE = balance.Objective(
    "mine",
    cost=lambda q, b: (q - b) ** 2 / (2 * b),
    weight=lambda t, b: jnp.clip(b * (1 - t), 0.0, 1.0),
    curvature=lambda t, b: jnp.where((b * (1 - t) > 0) & (b * (1 - t) < 1), b, 0.0),
)
WRONG = balance.Objective("wrong", MINE.cost, MINE.weight, lambda t, b: 0 * t - b)
WORD = balance.share("man", between=(0.3, 0.35))
"""


def write(folder: Path, text: str = TEXT, name: str = "own_words") -> Path:
    """Writes the module, which is imported anew from then on; returns its file."""
    sys.modules.pop(name, None)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path

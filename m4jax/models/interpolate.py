"""Between two models: the weights of one, of the other, or of a point on the line between them."""

import math
from typing import Any

import jax
import numpy as np

from m4jax.errors import InputError


def interpolate(first: Any, second: Any, alpha: float) -> Any:
    """Returns (1 − α) θ₁ + α θ₂, leaf by leaf, computed in float64.

    α = 0 and 1 return the first and the second parameters bit for bit. Between a model and what
    became of it by fine-tuning the line is a dial: each α is a model of its own.

    Args:
        first: parameters of a model.
        second: of the same model, trained further.
        alpha: from 0 to 1.

    Raises:
        InputError: if α lies outside, or the parameters are of different models.

    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", equation 1.
    """
    if not (math.isfinite(alpha) and 0 <= alpha <= 1):
        raise InputError(f"alpha: expected from 0 (the first) to 1 (the second), got {alpha}")
    shapes = [
        {jax.tree_util.keystr(p): np.shape(x) for p, x in jax.tree_util.tree_leaves_with_path(tree)}
        for tree in (first, second)
    ]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        a, b = (found.get(name, "nothing") for found in shapes)
        if a != b:
            raise InputError(
                f"the first model has {a} at {name}, the second {b}: only weights of one model, "
                "before and after fine-tuning, have points between them"
            )
    return jax.tree.map(lambda a, b: _between(a, b, alpha), first, second)


def _between(a: Any, b: Any, alpha: float) -> np.ndarray:
    if alpha in (0, 1):
        return np.asarray(b if alpha else a)
    wide = (1 - alpha) * np.asarray(a, np.float64) + alpha * np.asarray(b, np.float64)
    return wide.astype(np.asarray(a).dtype)

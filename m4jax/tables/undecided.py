"""Labels that the data can't decide: whose examples are dropped, if that is what is wanted.

Where all cooks are men no weights make half of them women: the best is to leave none.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from m4jax import balance
from m4jax.balance.judging.tallies import attribute_and_part

Pair = tuple[int, int]  # attribute k, and part r of the features: 0 is all, 1 + label


def pairs(problem: balance.Problem) -> tuple[Pair, ...]:
    """Returns attribute and label of each share that is asked for and that the data can't decide.

    A share among all examples is not among them: nothing would be left.
    """
    moments = problem.moments
    asked = (moments.lower > 0) | (moments.upper < 1)
    k, r = attribute_and_part(moments)
    chosen = ~moments.imposed & asked & (k >= 0) & (r >= 1) & (r <= len(problem.label_names))
    return tuple(zip(k[chosen].tolist(), r[chosen].tolist(), strict=True))


def members(found: Iterable[Pair], attributes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns whether examples are of any of the pairs `[n]`: with the label, the attribute known.

    Args:
        found: (k, 1 + label).
        attributes: `[n, m]`, NaN where unknown.
        labels: `[n, c]`, may be sparse.
    """
    total = np.zeros(len(attributes), bool)
    for k, r in found:
        column = labels[:, [r - 1]]
        column = column.toarray() if sparse.issparse(column) else np.asarray(column)
        total |= (column.ravel() > 0) & ~np.isnan(attributes[:, k].astype(float))
    return total

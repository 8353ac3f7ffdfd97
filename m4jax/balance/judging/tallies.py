"""What ratios are estimated from: sums over the examples, numbers of examples, effective numbers.

All constraints at once: what is linear in the features takes one pass over the examples; where
values are not 0 or 1, squares and numbers of examples take two more, and what is neither one
feature over one feature nor made of 0 and 1 is evaluated example by example.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.bias import divide
from m4jax.balance.constraints.features import Recipe
from m4jax.balance.constraints.means import changed
from m4jax.balance.constraints.moments import Moments
from m4jax.balance.problem import Problem

CHUNK = 1 << 19  # numbers at a time
Change = Callable[[Any], Any]
PROPORTIONS = ("share", "rate")  # units of ratios with 0 ≤ part ≤ whole


@dataclasses.dataclass(frozen=True, eq=False)
class Tally:
    """Sums over the examples i, with counts c and weights q; fields `[2, K]`: before and after.

    Before, every q is 1.

    Attributes:
        part: Σ c q part.
        whole: Σ c q whole; Σ c where a mean is bounded.
        effective: (Σ c q whole)² / Σ c q² whole², Kish's; of q alone where a mean is bounded.
        spread: Σ c (q part − value · q whole)² of the value part / whole, without the second q
            where a mean is bounded; NaN where the unit is a proportion (see `intervals.wilson`).
        n: `[3, K]` examples with whole > 0, of these with part > 0 and with part < whole; NaN for
            the last two unless the unit is a proportion.
        kept: E[q].
    """

    part: np.ndarray
    whole: np.ndarray
    effective: np.ndarray
    spread: np.ndarray
    n: np.ndarray
    kept: float


def tally(problem: Problem, weights: np.ndarray, moments: Moments) -> Tally:
    """Returns the sums of all moments with weights `[n]` and without."""
    counts, features = problem.counts, moments.recipe
    q = np.stack([np.ones(len(counts)), weights])
    linear = sums(problem, features, counts * np.concatenate([q, weights[None] ** 2]))
    bits = _bits(problem, features)
    proportion = np.isin(moments.units, PROPORTIONS) & moments.relative
    plain = bits[moments.part.indices], bits[moments.whole.indices]
    plain = _all(plain[0], moments.part.indptr) & _all(plain[1], moments.whole.indptr)
    plain &= proportion | (np.array(moments.units) == "examples")
    result = _of_bits(moments, linear, proportion)
    rest = np.flatnonzero(~plain)
    if rest.size:
        single = rest[_is_share(moments, rest) & proportion[rest]]
        _of_shares(result, problem, moments, counts * q**2, single)
        _one_by_one(result, problem, moments, q, np.setdiff1d(rest, single), proportion)
    return result


def sums(
    problem: Problem,
    features: Recipe,
    factors: np.ndarray,
    change: tuple[Change, Change] | None = None,
) -> np.ndarray:
    """Returns Σ factor φ over the examples, for several factors.

    Args:
        problem: whose examples.
        features: φ.
        factors: `[v, n]`.
        change: what is done to sides and to parts first, 0 staying 0.

    Returns:
        `[v, F]`.
    """
    attributes, n, m = problem.attributes, len(problem.counts), len(features.names.attributes)
    known = attributes.dtype.kind != "f" or not np.isnan(attributes).any()
    width = 1 + m if known else features.sides  # where all is known, κ are ones
    step = n if sparse.issparse(problem.labels) else max(256, CHUNK // features.parts)
    total = np.zeros((len(factors) * width, features.parts))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        sides = _transposed(attributes[rows], width)
        columns = {name: x[rows] for name, x in problem.columns.items()}
        parts = features.part_values(attributes[rows], problem.labels[rows], columns)
        parts = parts if sparse.issparse(parts) else parts.astype(float, copy=False)
        if change is not None:
            sides, parts = change[0](sides), changed(parts, change[1])
        mass = (factors[:, None, rows] * sides).reshape(len(total), -1)
        total += (parts.T @ mass.T).T if sparse.issparse(parts) else mass @ parts
    total = total.reshape(len(factors), width, features.parts)
    if known:
        total = np.concatenate([total, np.repeat(total[:, :1], m, axis=1)], axis=1)
    return total.reshape(len(factors), -1)


def _transposed(attributes: np.ndarray, width: int) -> np.ndarray:
    """Returns the sides 1, s and, if there is room, κ, with examples along the last axis."""
    n, m = attributes.shape
    sides = np.ones((width, n))
    sides[1 : 1 + m] = attributes.T
    if width > 1 + m:
        sides[1 + m :] = ~np.isnan(sides[1 : 1 + m])
        sides[1 : 1 + m][sides[1 + m :] == 0] = 0.0
    return sides


def places(matrix: sparse.csr_array) -> np.ndarray:
    """Returns the feature `[K]` of each row that has one, with coefficient 1; −1 for others."""
    found = np.full(matrix.shape[0], -1)
    one = np.flatnonzero(np.diff(matrix.indptr) == 1)
    entry = matrix.indptr[one]
    unit = matrix.data[entry] == 1
    found[one[unit]] = matrix.indices[entry[unit]]
    return found


def attribute_and_part(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Returns k and r `[K]` of shares E[q s_k y_r] / E[q κ_k y_r]; −1 for other moments."""
    features = moments.recipe
    m = len(features.names.attributes)
    part, whole = places(moments.part), places(moments.whole)
    g, r = np.divmod(part, features.parts)
    share = (part >= 0) & (g >= 1) & (g <= m) & (whole == part + m * features.parts)
    return np.where(share, g - 1, -1), np.where(share, r, -1)


def _bits(problem: Problem, features: Recipe) -> np.ndarray:
    """Returns whether every value of each feature `[F]` is 0 or 1."""
    m = len(features.names.attributes)
    sides, parts = np.ones(features.sides, bool), np.ones(features.parts, bool)
    if problem.attributes.dtype.kind == "f":
        s = problem.attributes
        sides[1 : 1 + m] = ((s == 0) | (s == 1) | np.isnan(s)).all(axis=0)
    c = len(features.names.labels)
    if problem.labels.dtype.kind == "f":
        values = problem.labels
        if sparse.issparse(values):
            wrong = sparse.csc_array(values)
            wrong.data = np.asarray(wrong.data != 1, float)
            parts[1 : 1 + c] = wrong.sum(axis=0) == 0
        else:
            parts[1 : 1 + c] = ((values == 0) | (values == 1)).all(axis=0)
    names = features.names
    is_bit = dict(zip(names.labels, parts[1:], strict=False))
    is_bit |= dict(zip(names.attributes, sides[1:], strict=False))
    is_bit |= {name: x.dtype == np.uint8 for name, x in problem.columns.items()}
    parts[1 + c : 1 + c + len(names.columns)] = [is_bit[name] for name in names.columns]
    for r, atoms in enumerate(features.products, 1 + c + len(names.columns)):
        parts[r] = all(is_bit[name] for _, name in atoms)
    return (sides[:, None] & parts).ravel()


def _all(values: np.ndarray, indptr: np.ndarray) -> np.ndarray:
    """Returns whether all values of each row `[K]` are true."""
    return np.diff(np.append(0, np.cumsum(~values))[indptr]) == 0


def _of_bits(moments: Moments, linear: np.ndarray, proportion: np.ndarray) -> Tally:
    """Returns the sums where parts and wholes are 0 or 1, or examples are counted."""
    part, whole = (moments.part @ linear.T).T, (moments.whole @ linear.T).T
    absolute, (n, kept, squares) = ~moments.relative, linear[:, 0]
    effective = divide(whole[:2] ** 2, whole[[0, 2]])
    whole[:, absolute] = n
    effective[:, absolute] = [[n], [kept**2 / squares if squares > 0 else np.nan]]
    spread = np.full((2, len(moments)), np.nan)
    spread[:, absolute] = (part[[0, 2]] - part[:2] ** 2 / n)[:, absolute]
    nothing = np.where(proportion, 0.0, np.nan)
    numbers = [whole[0], part[0] + nothing, whole[0] - part[0] + nothing]
    return Tally(part[:2].copy(), whole[:2].copy(), effective, spread, np.stack(numbers), kept / n)


def _is_share(moments: Moments, chosen: np.ndarray) -> np.ndarray:
    return attribute_and_part(moments)[0][chosen] >= 0


def _of_shares(
    result: Tally, problem: Problem, moments: Moments, factors: np.ndarray, chosen: np.ndarray
) -> None:
    """Fills in squares and numbers of soft shares of one attribute within one label."""
    if not chosen.size:
        return
    features, counts = moments.recipe, problem.counts[None]
    whole = places(moments.whole)[chosen]
    squares = sums(problem, features, factors, (np.square, np.square))[:, whole]
    result.effective[:, chosen] = divide(result.whole[:, chosen] ** 2, squares)
    inside = places(moments.part)[chosen]
    support = sums(problem, features, counts, (np.sign, np.sign))[0]
    full = sums(problem, features, counts, (np.floor, np.sign))[0]  # those with s = 1
    result.n[:, chosen] = [support[whole], support[inside], support[whole] - full[inside]]


def _one_by_one(
    result: Tally,
    problem: Problem,
    moments: Moments,
    q: np.ndarray,
    chosen: np.ndarray,
    proportion: np.ndarray,
) -> None:
    """Fills in what needs the value of each example: the columns `chosen`."""
    if not chosen.size:
        return
    features, counts, n = moments.recipe, problem.counts, len(problem.counts)
    part, whole = moments.part[chosen], moments.whole[chosen]
    used = np.unique(np.concatenate([part.indices, whole.indices]))
    part, whole = part[:, used], whole[:, used]
    side, r = np.divmod(used, features.parts)
    relative, share = moments.relative[chosen], proportion[chosen]
    value = np.nan_to_num(divide(result.part[:, chosen], result.whole[:, chosen]))
    squares, spread = np.zeros((2, len(chosen))), np.zeros((2, len(chosen)))
    numbers = np.zeros((3, len(chosen)))
    step = max(64, CHUNK // (len(chosen) + len(used)))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        columns = {name: x[rows] for name, x in problem.columns.items()}
        parts = features.part_values(problem.attributes[rows], problem.labels[rows], columns)[:, r]
        parts = parts.toarray() if sparse.issparse(parts) else parts
        values = features.side_values(problem.attributes[rows])[:, side] * parts
        above = np.asarray(values @ part.T)
        below = np.where(relative, np.asarray(values @ whole.T), 1.0)
        c = counts[rows]
        for when in (0, 1):
            squares[when] += (c * q[when, rows] ** 2) @ below**2
            # A mean over all examples is of q part; a ratio's weights are its whole's.
            off = q[when, rows, None] * above
            off -= value[when] * np.where(relative, q[when, rows, None] * below, 1.0)
            spread[when] += c @ off**2
        numbers += [c @ (below > 0), c @ (above > 1e-12), c @ (below - above > 1e-12)]
    kept = divide(result.whole[:, chosen] ** 2, squares)
    result.effective[:, chosen] = np.where(relative, kept, result.effective[:, chosen])
    result.spread[:, chosen] = np.where(share, np.nan, spread)
    numbers[1:] += np.where(share, 0.0, np.nan)
    result.n[:, chosen] = numbers

"""Linear moments with bounds: what constraints are, whatever words they were asked for in.

A constraint bounds a ratio, lower ≤ E[q part] / E[q whole] ≤ upper, or a mean, lower ≤ E[q part]
≤ upper. Either is linear in the weights q: E[q (part − upper · whole)] ≤ 0 and so on.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.features import Expression, Names, Recipe, recipe


@dataclasses.dataclass(frozen=True)
class Ratio:
    """One constraint, in people's units.

    Attributes:
        name: in words, as in "share of man within nurse".
        part: the numerator.
        whole: the denominator, at least 0; None: E[q part] itself is bounded.
        lower: bound, or −infinity.
        upper: bound, or infinity.
        unit: "share", "rate", or what the numbers of `part` are.
        penalty: V of the lower and of the upper bound; None: the problem's.
        scale: what E[q part] is multiplied by to be shown: the number of examples, for totals.
        imposed: False: no weights are asked to meet it, verdicts alone speak of it.
    """

    name: str
    part: Expression
    whole: Expression | None
    lower: float
    upper: float
    unit: str = "share"
    penalty: tuple[float, float] | None = None
    scale: float = 1.0
    imposed: bool = True

    def __post_init__(self):
        if not self.lower <= self.upper or (np.isinf(self.lower) and np.isinf(self.upper)):
            raise ProblemError(
                f"{self.name}: expected bounds, the lower one not above the upper one, got "
                f"{self.lower} and {self.upper}"
            )
        if self.whole is not None and not any(self.whole.terms.values()):
            raise ProblemError(f"{self.name}: no example can be what it speaks of")


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Constraints on ratios and means, by the features that they are linear in.

    Attributes:
        recipe: the features.
        names: `[K]`.
        units: `[K]`.
        part: `[K, F]` coefficients of the numerators.
        whole: `[K, F]` of the denominators; rows without entries: the mean itself is bounded.
        lower: `[K]` in the unit of the ratio, or of the mean E[q part]; −infinity: no bound.
        upper: `[K]`.
        penalty: `[2, K]` V of the lower and of the upper bounds; NaN: the problem's.
        scale: `[K]` what the mean is multiplied by to be shown.
        imposed: `[K]` whether weights have to meet it; if not it has no row in the `System`.
    """

    recipe: Recipe
    names: tuple[str, ...]
    units: tuple[str, ...]
    part: sparse.csr_array
    whole: sparse.csr_array
    lower: np.ndarray
    upper: np.ndarray
    penalty: np.ndarray
    scale: np.ndarray
    imposed: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: Any) -> bool:
        kind = (self.names, self.recipe)
        if not isinstance(other, Moments) or kind != (other.names, other.recipe):
            return False
        pairs = zip(fields(self).values(), fields(other).values(), strict=True)
        return all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)

    __hash__ = None

    @property
    def relative(self) -> np.ndarray:
        """`[K]` whether a ratio is bounded, and not the mean."""
        return np.diff(self.whole.indptr) > 0


def gather(names: Names, items: Sequence[Ratio | Moments]) -> Moments:
    """Returns the moments of ratios and of blocks of moments, in their order."""
    ratios = [x for x in items if isinstance(x, Ratio)]
    expressions = [y for x in ratios for y in (x.part, x.whole) if y is not None]
    products = {y for x in items if isinstance(x, Moments) for y in x.recipe.products}
    features = Recipe(names, tuple(sorted(products.union(recipe(names, expressions).products))))
    pieces = [_from_ratios(features, [])]
    for blocks, group in itertools.groupby(items, lambda x: isinstance(x, Moments)):
        run = list(group)
        pieces += [moved(x, features) for x in run] if blocks else [_from_ratios(features, run)]
    return joined(pieces) if len(pieces) > 1 else pieces[0]


def joined(pieces: Sequence[Moments]) -> Moments:
    """Returns moments of the same features one after the other."""
    alike = {
        name: np.concatenate([getattr(x, name) for x in pieces], axis=-1)
        for name in ("lower", "upper", "penalty", "scale", "imposed")
    }
    return Moments(
        recipe=pieces[0].recipe,
        names=tuple(itertools.chain.from_iterable(x.names for x in pieces)),
        units=tuple(itertools.chain.from_iterable(x.units for x in pieces)),
        part=sparse.csr_array(sparse.vstack([x.part for x in pieces], format="csr")),
        whole=sparse.csr_array(sparse.vstack([x.whole for x in pieces], format="csr")),
        **alike,
    )


def moved(moments: Moments, features: Recipe) -> Moments:
    """Returns the same moments by the places of features that hold all of theirs."""
    old = moments.recipe
    if old == features:
        return moments
    if old.names != features.names:
        raise ProblemError("moments of other attributes, labels or columns; give words instead")
    plain = old.parts - len(old.products)
    place = [features.part_place(x) for x in old.products]
    part = np.concatenate([np.arange(plain), np.array(place, np.int64)])

    def move(rows: sparse.csr_array) -> sparse.csr_array:
        side, r = np.divmod(rows.indices.astype(np.int64), old.parts)
        indices = side * features.parts + part[r]
        return sparse.csr_array(
            (rows.data, indices, rows.indptr), shape=(rows.shape[0], features.size)
        )

    return dataclasses.replace(
        moments, recipe=features, part=move(moments.part), whole=move(moments.whole)
    )


def _from_ratios(features: Recipe, ratios: Sequence[Ratio]) -> Moments:
    none, free = Expression({}), (np.nan, np.nan)
    return Moments(
        recipe=features,
        names=tuple(x.name for x in ratios),
        units=tuple(x.unit for x in ratios),
        part=features.rows(x.part for x in ratios),
        whole=features.rows(none if x.whole is None else x.whole for x in ratios),
        lower=np.array([x.lower for x in ratios], float),
        upper=np.array([x.upper for x in ratios], float),
        penalty=np.array([x.penalty or free for x in ratios], float).reshape(-1, 2).T,
        scale=np.array([x.scale for x in ratios], float),
        imposed=np.array([x.imposed for x in ratios], bool),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class System:
    """All constraints of a problem: lower ≤ E[q a] ≤ upper, for J linear a = L φ of features φ.

    Those on targets come first (see `problem.Spec`), then those of `Moments`: where a ratio has
    two bounds that differ, they are two rows, the upper one first.

    Attributes:
        recipe: the features.
        rows: `[J, F]` L.
        lower: `[J]`, −infinity where there is no such bound.
        upper: `[J]`.
        penalty: `[2, J]` V ≥ 0 of the lower and of the upper bound, infinite where hard, 0 where
            there is no such bound: w lies in [−V_lower, V_upper].
        target: `[J]` the flat index of the constraint on targets `[m, c+1]`, −1 for others.
        moment: `[J]` the index among the `Moments`, −1 for others.
    """

    recipe: Recipe
    rows: sparse.csr_array
    lower: np.ndarray
    upper: np.ndarray
    penalty: np.ndarray
    target: np.ndarray
    moment: np.ndarray

    def chosen(self, rows: np.ndarray) -> "System":
        """Returns the system of some rows."""
        return System(
            self.recipe,
            self.rows[rows],
            self.lower[rows],
            self.upper[rows],
            self.penalty[:, rows],
            self.target[rows],
            self.moment[rows],
        )

    def __len__(self) -> int:
        return len(self.lower)


def make_system(moments: Moments, target: np.ndarray, eps: np.ndarray, penalty: float) -> System:
    """Returns all constraints as one system.

    Bounds ε ≥ 1 are none, since |E[q (s − π) y]| never exceeds 1.

    Args:
        moments: the constraints in words.
        target: `[m, c+1]` π.
        eps: `[m, c+1]` ε.
        penalty: V.
    """
    place = np.flatnonzero(eps < 1)
    bound = eps.ravel()[place]
    two = _two_sided(moments)
    single = np.flatnonzero(two & moments.imposed)
    pairs = np.flatnonzero(~two & moments.imposed)
    high = pairs[np.isfinite(moments.upper[pairs])]
    low = pairs[np.isfinite(moments.lower[pairs])]
    # The bounds of ratios go into the rows, E[q (part − bound · whole)]; those of means stay.
    relative = moments.relative
    center = np.where(relative[single], moments.upper[single], 0.0)
    rows = [
        _target_rows(moments.recipe, target, place),
        _shifted(moments, single, center),
        _shifted(moments, high, np.where(relative[high], moments.upper[high], 0.0)),
        _shifted(moments, low, np.where(relative[low], moments.lower[low], 0.0)),
    ]
    own = np.where(np.isnan(moments.penalty), penalty, moments.penalty)
    fill = np.full(len(place), penalty)
    zeros = {name: np.zeros(len(x)) for name, x in (("high", high), ("low", low))}
    absolute = ~relative
    lower = [
        -bound,
        np.where(absolute[single], moments.lower[single], 0.0),
        np.full(len(high), -np.inf),
        np.where(absolute[low], moments.lower[low], 0.0),
    ]
    upper = [
        bound,
        np.where(absolute[single], moments.upper[single], 0.0),
        np.where(absolute[high], moments.upper[high], 0.0),
        np.full(len(low), np.inf),
    ]
    below = [fill, own[0, single], zeros["high"], own[0, low]]
    above = [fill, own[1, single], own[1, high], zeros["low"]]
    none = [np.full(len(x), -1) for x in (place, single, high, low)]
    return System(
        recipe=moments.recipe,
        rows=sparse.csr_array(sparse.vstack(rows, format="csr")),
        lower=np.concatenate(lower),
        upper=np.concatenate(upper),
        penalty=np.stack([np.concatenate(below), np.concatenate(above)]),
        target=np.concatenate([place, *none[1:]]),
        moment=np.concatenate([none[0], single, high, low]),
    )


def _two_sided(moments: Moments) -> np.ndarray:
    """Returns whether both bounds of each constraint fit in one row."""
    both = np.isfinite(moments.lower) & np.isfinite(moments.upper)
    return both & (~moments.relative | (moments.lower == moments.upper))


def _shifted(moments: Moments, chosen: np.ndarray, bound: np.ndarray) -> sparse.csr_array:
    """Returns part − bound · whole for the chosen constraints."""
    return moments.part[chosen] - sparse.diags_array(bound) @ moments.whole[chosen]


def _target_rows(features: Recipe, target: np.ndarray, place: np.ndarray) -> sparse.csr_array:
    """Returns (s_k − π_kr κ_k) y_r for the flat places k (c+1) + r."""
    m, width = target.shape
    k, r = np.divmod(place, width)
    inside, known = (1 + k) * features.parts + r, (1 + m + k) * features.parts + r
    indices = np.stack([inside, known], axis=1).ravel()
    values = np.stack([np.ones(len(place)), -target.ravel()[place]], axis=1).ravel()
    indptr = np.arange(0, 2 * len(place) + 1, 2)
    return sparse.csr_array((values, indices, indptr), shape=(len(place), features.size))


def fields(moments: Moments) -> dict[str, Any]:
    """Returns what a hash of a problem has to know of its moments, as arrays by name."""
    part, whole = moments.part.tocoo(), moments.whole.tocoo()
    return {
        **{f"part_{name}": getattr(part, name) for name in ("row", "col", "data")},
        **{f"whole_{name}": getattr(whole, name) for name in ("row", "col", "data")},
        "lower": moments.lower,
        "upper": moments.upper,
        "moment_penalty": moments.penalty,
        "imposed": moments.imposed,
    }

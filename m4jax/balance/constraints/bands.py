"""Bounds on every attribute within every label at once, and other blocks of moments."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.features import Names, Recipe
from m4jax.balance.constraints.means import Means
from m4jax.balance.constraints.moments import Moments
from m4jax.errors import nearest

LEAST = 5  # examples of either group, below which the data can't decide what a share should be
POINTS = 0.05  # how far a share may be from its target


@dataclasses.dataclass(frozen=True)
class Band:
    """What `band` returns."""

    points: float
    target: Any
    attributes: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    least: int
    penalty: tuple[float, float] | None

    def ratios(self, names: Names, mean: Means | None) -> list[Moments]:
        """Returns the bounds on all shares as one block."""
        chosen = _chosen("attribute", self.attributes, names.attributes)
        labels = _chosen("label", self.labels, names.labels)
        k = np.repeat(chosen, 1 + len(labels))
        r = np.tile(np.concatenate([[0], 1 + labels]), len(chosen))
        target = self._targets(names)[k]
        lower = target - self.points
        upper = target + self.points
        decided = np.ones(len(k), bool)
        if mean is not None:
            decided = (mean.group_numbers()[:, k, r] >= self.least).all(axis=0)
        # The bounds that every share meets are none; a band as wide as that asks nothing.
        nothing = (lower <= 0) & (upper >= 1)
        lower = np.where(nothing, 0.0, np.where(lower <= 0, -np.inf, lower))
        upper = np.where(nothing, 1.0, np.where(upper >= 1, np.inf, upper))
        return [
            shares(
                names, k, r, lower=lower, upper=upper, penalty=self.penalty,
                imposed=decided & ~nothing,
            )
        ]  # fmt: skip

    def _targets(self, names: Names) -> np.ndarray:
        """Returns the target of each attribute `[m]`."""
        if not isinstance(self.target, Mapping):
            return np.full(len(names.attributes), self.target, float)
        _chosen("attribute", tuple(self.target), names.attributes)
        asked = names.attributes if self.attributes is None else self.attributes
        for name in asked:
            if name not in self.target:
                raise ProblemError(f"band: target has nothing for {name!r}; expected one for each")
        return np.array([self.target.get(name, np.nan) for name in names.attributes], float)


def band(
    points: float = POINTS,
    *,
    target: Any = 0.5,
    attributes: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    least: int = LEAST,
    penalty: Any = None,
) -> Band:
    """Bounds the share of every attribute, among all and within every label: target ± points.

    Where either group has fewer than `least` examples with a label, the data can't decide: nothing
    is asked there, and the verdict says so.

    Args:
        points: in [0, 1], 0.05 are 5 points; 0 asks for the target itself.
        target: of all attributes, or a mapping from names.
        attributes: names; None: all.
        labels: names; None: all; (): the shares among all examples alone.
        least: number of examples.
        penalty: V, or (V of the lower, V of the upper bounds).

    Raises:
        ProblemError: if a value is not as above.
    """
    values = list(target.values()) if isinstance(target, Mapping) else [target]
    for name, some in (("points", [points]), ("target", values)):
        for value in some:
            if not (isinstance(value, int | float | np.number) and 0 <= value <= 1):
                raise ProblemError(f"band: {name} is {value!r}; expected within [0, 1]")
    if isinstance(least, bool) or not isinstance(least, int | float | np.number) or least < 0:
        raise ProblemError(f"band: least is {least!r}; expected a number of at least 0")
    both = ((x,) if isinstance(x, str) else x for x in (attributes, labels))
    named = [None if x is None else tuple(x) for x in both]
    return Band(points, target, *named, least, pair(penalty))


def shares(names: Names, k: np.ndarray, r: np.ndarray, **settings: Any) -> Moments:
    """Returns bounds on the shares of attributes k `[K]` within the parts r `[K]`, 0: all.

    Args:
        names: of the columns.
        k: which attributes.
        r: 0, or 1 + which label.
        settings: as for `block`.
    """
    called = [
        f"share of {names.attributes[i]} within {names.labels[j - 1]}"
        if j
        else f"prevalence of {names.attributes[i]}"
        for i, j in zip(k.tolist(), r.tolist(), strict=True)
    ]
    m = len(names.attributes)
    return block(names, called, np.stack([1 + k, r]), np.stack([1 + m + k, r]), **settings)


def block(
    names: Names,
    called: Sequence[str],
    part: np.ndarray,
    whole: np.ndarray | None,
    *,
    lower: Any,
    upper: Any,
    unit: str = "share",
    penalty: tuple[float, float] | None = None,
    scale: float = 1.0,
    imposed: Any = True,
) -> Moments:
    """Returns K moments of one feature over one other at once; hundreds of thousands if need be.

    Args:
        names: of the columns.
        called: `[K]` names of the moments.
        part: `[2, K]` side g and part r of the numerators' features.
        whole: `[2, K]` of the denominators; None: means are bounded.
        lower: a number or `[K]`.
        upper: a number or `[K]`.
        unit: as in `Ratio`.
        penalty: as in `Ratio`.
        scale: as in `Ratio`.
        imposed: whether, or `[K]`.
    """
    features, size = Recipe(names), len(called)

    def rows(places: np.ndarray | None) -> sparse.csr_array:
        if places is None:
            return sparse.csr_array((size, features.size))
        indices = np.asarray(places[0], np.int64) * features.parts + places[1]
        shape = (size, features.size)
        return sparse.csr_array((np.ones(size), indices, np.arange(size + 1)), shape=shape)

    def filled(value: Any, kind: Any = float) -> np.ndarray:
        return np.array(np.broadcast_to(np.asarray(value, kind), (size,)))

    return Moments(
        recipe=features,
        names=tuple(called),
        units=(unit,) * size,
        part=rows(part),
        whole=rows(whole),
        lower=filled(lower),
        upper=filled(upper),
        penalty=np.repeat(np.array([penalty or (np.nan, np.nan)], float).T, size, axis=1),
        scale=filled(scale),
        imposed=filled(imposed, bool),
    )


def limits(lower: float, upper: float) -> tuple[float, float, bool]:
    """Returns bounds on a share without those that every share meets, and whether one is left."""
    if lower <= 0 and upper >= 1:
        return 0.0, 1.0, False
    return (-math.inf if lower <= 0 else lower), (math.inf if upper >= 1 else upper), True


def pair(penalty: Any) -> tuple[float, float] | None:
    """Returns V of the lower and of the upper bound; None: the problem's."""
    if penalty is None:
        return None
    both = penalty if isinstance(penalty, tuple | list) else (penalty, penalty)
    if len(both) != 2 or not all(map(_is_price, both)):
        raise ProblemError(
            f"penalty is {penalty!r}; expected a number above 0, or two: of the lower and the "
            "upper bound (infinity: hard)"
        )
    return float(both[0]), float(both[1])


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and value > 0


def numbered(names: Names, labels: Any) -> np.ndarray:
    """Returns the indices of labels: of one name, of a sequence of names, or of all (None)."""
    return _chosen("label", (labels,) if isinstance(labels, str) else labels, names.labels)


def _chosen(kind: str, asked: Any, known: Sequence[str]) -> np.ndarray:
    if asked is None:
        return np.arange(len(known))
    place = {name: i for i, name in enumerate(known)}
    for name in asked:
        if name not in place:
            hint = nearest(str(name), known) if known else f"there are no {kind}s"
            raise ProblemError(f"{name!r} is no {kind}; {hint}")
    return np.array([place[name] for name in asked], np.int64)

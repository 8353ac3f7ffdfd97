"""What is known of an example, as features that moments are linear in.

A feature is a product of a side (1, an attribute s, or κ: whether it is known) and a part (1, a
label y, a column of one's own, or a product of several): S `[n, G]` and Y `[n, R]` hold them, and
feature (g, r) of example i is S_ig Y_ir. It is never formed for all of them.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from m4jax.balance.checks import ProblemError
from m4jax.errors import nearest

IS, KNOWN = "is", "known"
Atom = tuple[str, str]  # (IS or KNOWN, name)
Monomial = frozenset[Atom]


@dataclasses.dataclass(frozen=True)
class Expression:
    """A sum of products of what is known of an example: coefficients by product.

    A product holds each factor once: of values of 0 and 1 a square is no more.
    """

    terms: Mapping[Monomial, float]

    def __mul__(self, other: "Expression | float") -> "Expression":
        if not isinstance(other, Expression):
            return Expression({key: other * value for key, value in self.terms.items()})
        total: dict[Monomial, float] = {}
        for one, a in self.terms.items():
            for two, b in other.terms.items():
                key = _simple(one | two)
                total[key] = total.get(key, 0.0) + a * b
        return Expression(total)

    __rmul__ = __mul__

    def __add__(self, other: "Expression") -> "Expression":
        total = dict(self.terms)
        for key, value in other.terms.items():
            total[key] = total.get(key, 0.0) + value
        return Expression(total)

    def __sub__(self, other: "Expression") -> "Expression":
        return self + other * -1.0


def _simple(product: Monomial) -> Monomial:
    """Returns the product without κ of what is there itself, since s κ = s."""
    return frozenset(a for a in product if a[0] == IS or (IS, a[1]) not in product)


ONE = Expression({frozenset(): 1.0})


@dataclasses.dataclass(frozen=True)
class Names:
    """The names that constraints can speak of.

    Attributes:
        attributes: `[m]`.
        labels: `[c]`.
        columns: names of further columns of numbers.
    """

    attributes: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def value(self, name: str) -> Expression:
        """Returns what is in the column of that name, 0 where an attribute is unknown.

        Raises:
            ProblemError: if there is no such name, or it is an attribute's and a label's.
        """
        kinds = [kind for kind in (self.attributes, self.labels, self.columns) if name in kind]
        if not kinds:
            known = (*self.attributes, *self.labels, *self.columns)
            raise ProblemError(f"{name!r} is no attribute, label or column; {nearest(name, known)}")
        if len(kinds) > 1:
            raise ProblemError(f"{name!r} names several columns; give them different names")
        return Expression({frozenset([(IS, name)]): 1.0})

    def known(self, name: str) -> Expression:
        """Returns κ of an attribute; 1 for labels and columns, which are always known."""
        self.value(name)
        return Expression({frozenset([(KNOWN, name)]): 1.0}) if name in self.attributes else ONE


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Which features there are, and where.

    Attributes:
        names: see `Names`.
        products: further parts: products of several factors.
    """

    names: Names
    products: tuple[tuple[Atom, ...], ...] = ()

    @property
    def sides(self) -> int:
        """G: 1, then s of each attribute, then κ of each."""
        return 1 + 2 * len(self.names.attributes)

    @property
    def parts(self) -> int:
        """R: 1, then labels, columns and products."""
        return 1 + len(self.names.labels) + len(self.names.columns) + len(self.products)

    @property
    def size(self) -> int:
        """F = G R, the number of features."""
        return self.sides * self.parts

    @functools.cached_property
    def _place(self) -> dict[Any, int]:
        m = len(self.names.attributes)
        place: dict[Any, int] = {}
        for k, name in enumerate(self.names.attributes):
            place[(IS, name)], place[(KNOWN, name)] = 1 + k, 1 + m + k
        parts = [(IS, name) for name in (*self.names.labels, *self.names.columns)]
        for r, part in enumerate((*((part,) for part in parts), *self.products)):
            place[part] = 1 + r
        return place

    def place(self, product: Monomial) -> int:
        """Returns the flat index g R + r of a product; see `split`."""
        side, part = split(product, self.names)
        g = self._place[side] if side else 0
        return g * self.parts + self.part_place(part)

    def part_place(self, part: tuple[Atom, ...]) -> int:
        """Returns the index r of a part."""
        return self._place[part] if part else 0

    def row(self, expression: Expression) -> tuple[np.ndarray, np.ndarray]:
        """Returns the places of an expression's products among the features, and coefficients."""
        terms = [(self.place(key), value) for key, value in expression.terms.items() if value]
        return np.array([t[0] for t in terms], np.int64), np.array([t[1] for t in terms], float)

    def rows(self, expressions: Iterable[Expression]) -> sparse.csr_array:
        """Returns the coefficients `[K, F]` of expressions."""
        found = [self.row(x) for x in expressions]
        indptr = np.concatenate([[0], np.cumsum([len(x[0]) for x in found], dtype=np.int64)])
        indices = np.concatenate([x[0] for x in found]) if found else np.zeros(0, np.int64)
        values = np.concatenate([x[1] for x in found]) if found else np.zeros(0)
        return sparse.csr_array((values, indices, indptr), shape=(len(found), self.size))

    def side_values(self, attributes: np.ndarray) -> np.ndarray:
        """Returns S `[n, G]` float64 of attributes `[n, m]`, NaN where unknown."""
        known = ~np.isnan(attributes)
        one = np.ones((len(attributes), 1))
        return np.concatenate([one, np.where(known, attributes, 0.0), known], axis=1)

    def part_values(self, attributes: np.ndarray, labels: Any, columns: Mapping[str, Any]) -> Any:
        """Returns Y `[n, R]`: uint8 if all is 0 or 1, else float64; CSR if labels are sparse."""
        n = attributes.shape[0]
        more = [np.asarray(columns[name]) for name in self.names.columns]
        more += [self._product(x, attributes, labels, columns) for x in self.products]
        if sparse.issparse(labels):
            blocks = [sparse.csr_array(np.ones((n, 1))), sparse.csr_array(labels)]
            blocks += [sparse.csr_array(x[:, None]) for x in more]
            return sparse.hstack(blocks, format="csr")
        bits = labels.dtype == np.uint8 and all(x.dtype == np.uint8 for x in more)
        values = np.empty((n, self.parts), np.uint8 if bits else float)
        values[:, 0], values[:, 1 : 1 + labels.shape[1]] = 1, labels
        for r, column in enumerate(more):
            values[:, 1 + labels.shape[1] + r] = column
        return values

    def _product(
        self, atoms: tuple[Atom, ...], attributes: np.ndarray, labels: Any, columns: Mapping
    ) -> np.ndarray:
        one = Expression({frozenset(atoms): 1.0})
        result = evaluate(one, self.names, attributes, labels, columns)
        return result.astype(np.uint8) if np.isin(result, (0, 1)).all() else result


def evaluate(
    expression: Expression, names: Names, attributes: np.ndarray, labels: Any, columns: Mapping
) -> np.ndarray:
    """Returns the values `[n]` of an expression, 0 where an attribute that it needs is unknown.

    Args:
        expression: what is asked for.
        names: of the columns.
        attributes: `[n, m]`, NaN where unknown.
        labels: `[n, c]`, may be sparse.
        columns: `[n]` by name.
    """
    total = np.zeros(attributes.shape[0])
    for product, factor in expression.terms.items():
        values = np.full(len(total), factor)
        for kind, name in product:
            if name in names.attributes:
                column = attributes[:, names.attributes.index(name)].astype(float)
                known = ~np.isnan(column)
                values *= known if kind == KNOWN else np.where(known, column, 0.0)
            elif name in names.labels:
                column = labels[:, [names.labels.index(name)]]
                column = column.toarray() if sparse.issparse(column) else column
                values *= np.asarray(column, float).ravel()
            else:
                values *= columns[name]
        total += values
    return total


def split(product: Monomial, names: Names) -> tuple[Atom | None, tuple[Atom, ...]]:
    """Returns the one factor that is a side, and the others, which make a part; both sorted."""
    ordered = sorted(product, key=lambda atom: (atom[1], atom[0]))
    sides = [atom for atom in ordered if atom[1] in names.attributes]
    rest = [atom for atom in ordered if atom[1] not in names.attributes]
    return (sides[0] if sides else None), tuple(sides[1:] + rest)


def recipe(names: Names, expressions: Iterable[Expression]) -> Recipe:
    """Returns the features that the expressions are made of."""
    single = {((IS, name),) for name in (*names.labels, *names.columns)} | {()}
    parts = {split(key, names)[1] for x in expressions for key in x.terms}
    return Recipe(names, tuple(sorted(parts - single)))

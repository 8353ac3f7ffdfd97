"""What is to be balanced: examples, targets, bounds; validated, immutable."""

import dataclasses
from typing import Any

import numpy as np

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError
from m4jax.balance.spec import Spec, find_parts, intersect


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """Which examples to keep, so that attributes meet their targets and labels ignore them.

    Find keep-probabilities q in [0, 1] with E[q] = η:

        minimise ½ E[(q − ηu)²] + V Σ_k [|E[q (s_k − π_k)]| − ε_k]₊
                                + V Σ_kr [|E[q (s_k − π_kr) y_r]| − ε_kr]₊

    E is the mean over the examples, weighted by `counts`. The fields of the finished problem are
    read-only copies with the shapes given below. Attributes are kept as bytes if all are known
    and 0 or 1, labels if all are 0 or 1; both are float64 otherwise. An intersection becomes one
    more attribute, so that m counts it and `intersections` is empty in the end.
    Source: "CLIP the Bias", M4; the quadratic term is derived.

    Args:
        attributes: `[n, m]` s, 0 or 1, or soft in [0, 1]. NaN: unknown or not applicable; the
            example then takes no part in the constraints of that attribute.
        labels: `[n, c]` y, 0 or 1, or soft in [0, 1].
        target: π in [0, 1], a number or `[m]`, or `[m, c+1]` with the overall prevalence in
            column 0 and one column per label; or a mapping from each attribute name to a number
            or `[c+1]`. Intersections may be left out: the product of their parts' targets then
            stands in. Kept as `[m, c+1]`.
        utility: `[n]` u > 0, used as given; ones by default.
        counts: `[n]` multiplicity of each row, at least 0; ones by default.
        keep_rate: η in (0, 1], the share of the data that is kept.
        eps_representation: bound on |E[q (s_k − π_k)]|, a number or `[m]`.
        eps_association: bound on |E[q (s_k − π_kr) y_r]|, a number or `[m, c]`.
        penalty: V > 0, the level of enforcement; infinity makes the constraints hard.
        attribute_names: distinct names of the columns of `attributes`; "attribute 0" and so on by
            default.
        label_names: distinct names of the columns of `labels`; "label 0" and so on by default.
        intersections: tuples of attribute names, as in (("man", "dark skin"),): each adds the
            product of its parts, named "man × dark skin". It is 0 where a part is 0, and
            otherwise unknown where a part is.

    Raises:
        ProblemError: if a name, a shape or a value is not as above, or if an attribute has no
            known example, none with s > 0, or none with s < 1.
    """

    attributes: Any
    labels: Any
    _: dataclasses.KW_ONLY
    target: Any
    utility: Any = None
    counts: Any = None
    keep_rate: float = 0.9
    eps_representation: Any = 1e-3
    eps_association: Any = 1e-3
    penalty: float = 10.0
    attribute_names: Any = None
    label_names: Any = None
    intersections: Any = ()

    def __post_init__(self):
        attributes = checks.matrix("attributes", self.attributes)
        labels = checks.matrix("labels", self.labels)
        n, m = attributes.shape
        if n == 0 or m == 0:
            raise ProblemError(f"attributes is {n} × {m}; expected at least one row and one column")
        if len(labels) != n:
            raise ProblemError(
                f"attributes has {n} rows and labels has {len(labels)}; expected one row each per "
                "example, in the same order"
            )
        own, intersections = _names("attribute", self.attribute_names, m), tuple(self.intersections)
        spec = Spec(
            attributes=own,
            labels=_names("label", self.label_names, labels.shape[1]),
            intersections=intersections,
            target=self.target,
            keep_rate=self.keep_rate,
            eps_representation=self.eps_representation,
            eps_association=self.eps_association,
            penalty=self.penalty,
        )
        attributes = checks.unit_interval("attributes", attributes, names=own, unknown=True)
        checked = {
            "attributes": intersect(attributes, find_parts(intersections, own)),
            "labels": checks.unit_interval("labels", labels, names=spec.label_names),
            "target": spec.target,
            "utility": checks.positive_vector("utility", self.utility, n),
            "counts": checks.nonnegative_vector("counts", self.counts, n),
            "keep_rate": spec.keep_rate,
            "eps_representation": spec.eps[:, 0].copy(),
            "eps_association": spec.eps[:, 1:].copy(),
            "penalty": spec.penalty,
            "attribute_names": spec.attribute_names,
            "label_names": spec.label_names,
            "intersections": (),
        }
        present = None if self.counts is None else checked["counts"] > 0
        _check_groups(checked["attributes"], present, spec.attribute_names)
        for name, value in checked.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def spec(self) -> Spec:
        """The problem without its examples."""
        return Spec(
            attributes=self.attribute_names,
            labels=self.label_names,
            target=self.target,
            keep_rate=self.keep_rate,
            eps_representation=self.eps_representation,
            eps_association=self.eps_association,
            penalty=self.penalty,
        )


def _names(kind: str, given: Any, columns: int) -> tuple[str, ...]:
    """Returns a name for each column."""
    names = checks.names(kind, columns if given is None else given)
    if len(names) != columns:
        raise ProblemError(
            f"{kind}_names has {len(names)} names for {columns} columns; expected one per column"
        )
    return names


def _check_groups(
    attributes: np.ndarray, present: np.ndarray | None, names: tuple[str, ...]
) -> None:
    """Raises if an attribute has no known example or lacks one of its two groups."""
    for k, name in enumerate(names):
        column = attributes[:, k] if present is None else attributes[present, k]
        if attributes.dtype.kind == "f":
            column = column[~np.isnan(column)]
        if not column.size:
            what = "no known example (all are NaN)"
        elif not column.max() > 0:
            what = "no example with s > 0"
        elif not column.min() < 1:
            what = "no example with s < 1"
        else:
            continue
        raise ProblemError(
            f"attributes column {k} ({name!r}) has {what} among the rows with counts > 0; "
            "no weights can balance it: drop the column or add examples"
        )

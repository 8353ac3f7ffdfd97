"""What is to be balanced (`Spec`, `Problem`), and what a solver hands back (`Solution`)."""

import dataclasses
import enum
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError
from m4jax.balance.intersections import find_parts, intersect


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Spec:
    """A problem without its examples, for solvers that see them one batch at a time.

    Source: "CLIP the Bias", M4.

    Attributes:
        attribute_names: `[m]` those of intersections last.
        label_names: `[c]`.
        target: `[m, c+1]` π, column 0 for representation, then one per label.
        keep_rate: η, the share of the data that is kept.
        eps: `[m, c+1]` ε, the bounds on |E[q (s_k − π_k)]| and |E[q (s_k − π_kr) y_r]|;
            `eps_representation` `[m]` and `eps_association` `[m, c]` are its two parts.
        penalty: V, the level of enforcement; infinity makes the constraints hard.
    """

    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]
    target: np.ndarray
    keep_rate: float
    eps: np.ndarray
    penalty: float

    eps_representation = property(lambda self: self.eps[:, 0])
    eps_association = property(lambda self: self.eps[:, 1:])

    def __init__(
        self,
        *,
        attributes: int | Iterable[str],
        labels: int | Iterable[str],
        target: Any,
        intersections: Iterable[Sequence[str]] = (),
        keep_rate: float = 0.9,
        eps_representation: Any = 1e-3,
        eps_association: Any = 1e-3,
        penalty: float = 10.0,
    ):
        """Checks what is asked for.

        Args:
            attributes: distinct names of the attributes, or their number: "attribute 0" and so on.
            labels: distinct names of the labels, or their number.
            target: π in [0, 1], a number or `[m]`, or `[m, c+1]` with the overall prevalence in
                column 0 and one column per label; or a mapping from each attribute name to a
                number or `[c+1]`. Intersections may be left out: the product of their parts'
                targets then stands in.
            intersections: tuples of attribute names, as in (("man", "dark skin"),): each is one
                more attribute, named "man × dark skin". Examples come with that column too.
            keep_rate: η in (0, 1].
            eps_representation: ε ≥ 0 of representation, a number or `[m]`.
            eps_association: ε ≥ 0 of association, a number or `[m, c]`.
            penalty: V > 0, or infinity.

        Raises:
            ProblemError: if a name, a shape or a value is not as above.
        """
        own, labels = checks.names("attribute", attributes), checks.names("label", labels)
        if not own:
            raise ProblemError("attributes is empty; expected at least one attribute")
        parts = find_parts(intersections, own)
        products = tuple(" × ".join(own[k] for k in columns) for columns in parts)
        names = checks.names("attribute", own + products)
        eps = [
            checks.bound("eps_representation", eps_representation, (names,))[:, None],
            checks.bound("eps_association", eps_association, (names, labels)),
        ]
        _set_fields(
            self,
            attribute_names=names,
            label_names=labels,
            target=checks.target(target, names, labels, parts),
            keep_rate=checks.number("keep_rate", keep_rate, "in (0, 1]", lambda x: 0 < x <= 1),
            eps=np.concatenate(eps, axis=1),
            penalty=checks.number("penalty", penalty, "> 0, or infinity", lambda x: x > 0),
        )


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class Problem:
    """Which examples to keep, so that attributes meet their targets and labels ignore them.

    Find keep-probabilities q in [0, 1] with E[q] = η:

        minimise ½ E[(q − ηu)²] + V Σ_k [|E[q (s_k − π_k)]| − ε_k]₊
                                + V Σ_kr [|E[q (s_k − π_kr) y_r]| − ε_kr]₊

    E is the mean over the examples, weighted by `counts`. The arrays are read-only copies: bytes
    where every value is 0 or 1, otherwise float64. What is in `spec` can be read here too.
    Source: "CLIP the Bias", M4; the quadratic term is derived.

    Attributes:
        attributes: `[n, m]` s, 0 or 1, or soft in [0, 1]. NaN: unknown or not applicable; the
            example then takes no part in the constraints of that attribute.
        labels: `[n, c]` y, 0 or 1, or soft in [0, 1].
        utility: `[n]` u > 0, used as given.
        counts: `[n]` multiplicity of each row, at least 0.
        spec: names, targets, bounds, keep rate and penalty.
    """

    attributes: np.ndarray
    labels: np.ndarray
    utility: np.ndarray
    counts: np.ndarray
    spec: Spec

    target = property(attrgetter("spec.target"))
    keep_rate = property(attrgetter("spec.keep_rate"))
    penalty = property(attrgetter("spec.penalty"))
    attribute_names = property(attrgetter("spec.attribute_names"))
    label_names = property(attrgetter("spec.label_names"))
    eps_representation = property(attrgetter("spec.eps_representation"))
    eps_association = property(attrgetter("spec.eps_association"))

    def __init__(
        self,
        attributes: Any,
        labels: Any,
        *,
        target: Any = None,
        utility: Any = None,
        counts: Any = None,
        keep_rate: float | None = None,
        eps_representation: Any = None,
        eps_association: Any = None,
        penalty: float | None = None,
        attribute_names: Iterable[str] | None = None,
        label_names: Iterable[str] | None = None,
        intersections: Iterable[Sequence[str]] = (),
        spec: Spec | None = None,
    ):
        """Checks the examples and what is asked of them.

        Args:
            attributes: `[n, m]` as above, without the columns of `intersections`.
            labels: `[n, c]` as above.
            target: π, see `Spec`; always needed.
            utility: `[n]` as above; ones by default.
            counts: `[n]` as above; ones by default.
            keep_rate: η; 0.9 by default, as in the paper.
            eps_representation: see `Spec`; 1e-3 by default.
            eps_association: see `Spec`; 1e-3 by default.
            penalty: V; 10 by default.
            attribute_names: of the columns of `attributes`; "attribute 0" and so on by default.
            label_names: of the columns of `labels`; "label 0" and so on by default.
            intersections: see `Spec`; each adds a column, see `intersect`.
            spec: what no other argument says; `dataclasses.replace` uses it.

        Raises:
            ProblemError: if a value is not as above, or an attribute has no s > 0 or no s < 1.
        """
        attributes, labels = checks.examples(attributes, labels)
        (n, m), c = attributes.shape, labels.shape[1]
        names = ("target", "keep_rate", "eps_representation", "eps_association", "penalty")
        given = (target, keep_rate, eps_representation, eps_association, penalty)
        settings = {k: x for k, x in zip(names, given, strict=True) if x is not None}
        if spec is not None:
            settings = {name: getattr(spec, name) for name in names} | settings
            attribute_names = spec.attribute_names if attribute_names is None else attribute_names
            label_names = spec.label_names if label_names is None else label_names
        own = checks.names("attribute", m if attribute_names is None else attribute_names, m)
        label_names = checks.names("label", c if label_names is None else label_names, c)
        intersections = tuple(intersections)
        settings = {"target": None, "intersections": intersections} | settings
        spec = Spec(attributes=own, labels=label_names, **settings)
        attributes = checks.unit_interval("attributes", attributes, names=own, unknown=True)
        attributes = intersect(attributes, own, intersections)
        labels = checks.unit_interval("labels", labels, names=label_names)
        utility = checks.positive_vector("utility", utility, n)
        counts = checks.nonnegative_vector("counts", counts, n)
        checks.groups(attributes, None if counts.all() else counts > 0, spec.attribute_names)
        _set_fields(
            self, attributes=attributes, labels=labels, utility=utility, counts=counts, spec=spec
        )


def _set_fields(record: Spec | Problem, **fields: Any) -> None:
    """Fills a frozen record, and makes its arrays read-only."""
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(record, name, value)


class Status(enum.Enum):
    """Why the solver stopped; the value says it in words."""

    CONVERGED = "the duality gap is within the tolerance"
    MAX_STEPS = "the step limit was reached before the duality gap was within the tolerance"
    INFEASIBLE = "no weights meet the hard constraints at this keep rate"
    NON_FINITE = "a value overflowed or lost all its digits: rescale the utility"


@dataclasses.dataclass(frozen=True, eq=False)
class Certificate:
    """How good weights are, proven by dual variables. Check `status` before using the weights.

    Attributes:
        status: why the solver stopped.
        objective: the value of the problem at q, penalties included.
        duality_gap: by how much `objective` can exceed the optimum, at most. With hard
            constraints it holds up to the violations.
        violation: `[m, c+1]` [|E[q (s_k − π_k)]| − ε_k]₊ in column 0, then
            [|E[q (s_k − π_kr) y_r]| − ε_kr]₊.
        effective_sample_size: (Σ q)² / Σ q², each example counted as often as `counts` says.
        steps: Newton steps, or passes over the examples.
        multipliers: `[m, c+1]` the dual variables w of the constraints, the paper's v⁺ − v⁻.
        offset: the dual variable μ of E[q] = η.
    """

    status: Status
    objective: float
    duality_gap: float
    violation: np.ndarray
    effective_sample_size: float
    steps: int
    multipliers: np.ndarray
    offset: float


class Certified:
    """What has a `certificate`: its fields can be read from the record itself."""

    status = property(attrgetter("certificate.status"))
    objective = property(attrgetter("certificate.objective"))
    duality_gap = property(attrgetter("certificate.duality_gap"))
    violation = property(attrgetter("certificate.violation"))
    representation_violation = property(lambda self: self.violation[:, 0])
    association_violation = property(lambda self: self.violation[:, 1:])
    effective_sample_size = property(attrgetter("certificate.effective_sample_size"))
    steps = property(attrgetter("certificate.steps"))
    multipliers = property(attrgetter("certificate.multipliers"))
    offset = property(attrgetter("certificate.offset"))


@dataclasses.dataclass(frozen=True, eq=False)
class Solution(Certified):
    """Weights with their certificate.

    Attributes:
        weights: `[n]` q in [0, 1].
        certificate: see `Certificate`.
    """

    weights: np.ndarray
    certificate: Certificate

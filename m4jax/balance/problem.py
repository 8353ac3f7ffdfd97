"""What is to be balanced: `Spec`, and `Problem` with its examples."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from m4jax.balance import checks, inputs, sparse_labels
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.features import Names
from m4jax.balance.constraints.intersections import find_parts, intersect
from m4jax.balance.constraints.means import Means
from m4jax.balance.constraints.moments import Moments, Ratio, System, gather, make_system

UNASKED = 0.5  # stands for targets where there are none


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
        moments: constraints in words: `[K]` ratios and means with bounds of their own.
    """

    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]
    target: np.ndarray
    keep_rate: float
    eps: np.ndarray
    penalty: float
    moments: Moments

    eps_representation = property(lambda self: self.eps[:, 0])
    eps_association = property(lambda self: self.eps[:, 1:])

    def __init__(
        self,
        *,
        attributes: int | Iterable[str],
        labels: int | Iterable[str],
        target: Any = None,
        intersections: Iterable[Sequence[str]] = (),
        keep_rate: float = 0.9,
        eps_representation: Any = None,
        eps_association: Any = None,
        penalty: float = 10.0,
        constraints: Iterable[Any] = (),
        columns: Iterable[str] = (),
        moments: Moments | None = None,
        mean: Callable[[Names], Means] | None = None,
    ):
        """Checks what is asked for.

        Args:
            attributes: distinct names of the attributes, or their number: "attribute 0" and so on.
            labels: distinct names of the labels, or their number.
            target: π in [0, 1], a number or `[m]`, or `[m, c+1]` with the overall prevalence in
                column 0 and one column per label; or a mapping from each attribute name to a
                number or `[c+1]`. Intersections may be left out: the product of their parts'
                targets then stands in. Needed unless there are constraints in words: without it
                nothing is asked of the moments with targets.
            intersections: tuples of attribute names, as in (("man", "dark skin"),): each is one
                more attribute, named "man × dark skin". Examples come with that column too.
            keep_rate: η in (0, 1].
            eps_representation: ε ≥ 0 of representation, a number or `[m]`; 1e-3 by default.
            eps_association: ε ≥ 0 of association, a number or `[m, c]`; 1e-3 by default.
            penalty: V > 0, or infinity.
            constraints: in words, such as `share`; or `Ratio` records.
            columns: distinct names of further columns of numbers that constraints speak of.
            moments: constraints that were read before, in place of `constraints`.
            mean: names -> `Means` of the data, for bounds that are taken from it.

        Raises:
            ProblemError: if a name, a shape or a value is not as above.
        """
        own, labels = checks.names("attribute", attributes), checks.names("label", labels)
        if not own:
            raise ProblemError("attributes is empty; expected at least one attribute")
        parts = find_parts(intersections, own)
        products = tuple(" × ".join(own[k] for k in columns) for columns in parts)
        names = checks.names("attribute", own + products)
        if moments is None:
            known = Names(names, labels, checks.names("column", columns))
            moments = _read(constraints, known, mean)
        asked = 1e-3 if target is not None or not len(moments) else np.inf  # nothing without target
        if target is None and len(moments):
            target = UNASKED
        eps_representation = asked if eps_representation is None else eps_representation
        eps_association = asked if eps_association is None else eps_association
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
            moments=moments,
        )

    @functools.cached_property
    def system(self) -> System:
        """All constraints as rows with bounds: those on targets, then those in words."""
        return make_system(self.moments, self.target, self.eps, self.penalty)


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
        labels: `[n, c]` y, 0 or 1, or soft in [0, 1]; sparse ones of scipy's stay so, as CSR.
        utility: `[n]` u > 0, used as given.
        counts: `[n]` multiplicity of each row, at least 0.
        columns: further columns of numbers `[n]` by name, of those that constraints speak of.
        spec: names, targets, bounds, keep rate and penalty.
    """

    attributes: np.ndarray
    labels: Any
    utility: np.ndarray
    counts: np.ndarray
    columns: Mapping[str, np.ndarray]
    spec: Spec

    target = property(attrgetter("spec.target"))
    keep_rate = property(attrgetter("spec.keep_rate"))
    penalty = property(attrgetter("spec.penalty"))
    attribute_names = property(attrgetter("spec.attribute_names"))
    label_names = property(attrgetter("spec.label_names"))
    moments = property(attrgetter("spec.moments"))
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
        constraints: Iterable[Any] | None = None,
        columns: Mapping[str, Any] | None = None,
        spec: Spec | None = None,
    ):
        """Checks the examples and what is asked of them.

        Args:
            attributes: `[n, m]` as above, without the columns of `intersections`; arrays, frames
                or series of any library. In a frame a column of text or categories becomes one
                attribute for each value, "race=White" say, unknown where it is missing.
            labels: `[n, c]` as above, likewise but for text; scipy's sparse matrices stay sparse.
            target: π, see `Spec`; needed unless there are constraints in words.
            utility: `[n]` as above; ones by default.
            counts: `[n]` as above; ones by default.
            keep_rate: η; 0.9 by default, as in the paper.
            eps_representation: see `Spec`; 1e-3 by default.
            eps_association: see `Spec`; 1e-3 by default.
            penalty: V; 10 by default.
            attribute_names: of the columns of `attributes`; those of a frame by default, else
                "attribute 0" and so on.
            label_names: of the columns of `labels`; likewise.
            intersections: see `Spec`; each adds a column, see `intersect`.
            constraints: in words: `share`, `prevalence`, `gap`, `ratio`, `cap`, `floor`, `budget`,
                `equalized_odds`; mixed freely, instead of or beside `target`. Those of another
                problem, its `moments`, may stand among them: [problem.moments, share(…)].
            columns: further columns of finite numbers `[n]` by name, tokens or prices say.
            spec: what no other argument says; `dataclasses.replace` uses it.

        Raises:
            ProblemError: if a value is not as above, or an attribute has no s > 0 or no s < 1.
        """
        attributes, given_attributes = inputs.table("attributes", attributes, text=True)
        labels, given_labels = inputs.table("labels", labels)
        attributes, labels = sparse_labels.examples(attributes, labels)
        (n, m), c = attributes.shape, labels.shape[1]
        names = ("target", "keep_rate", "eps_representation", "eps_association", "penalty")
        given = (target, keep_rate, eps_representation, eps_association, penalty)
        settings = {k: x for k, x in zip(names, given, strict=True) if x is not None}
        if spec is not None:
            kept = (*names, "moments") if constraints is None else names
            settings = {name: getattr(spec, name) for name in kept} | settings
            attribute_names = spec.attribute_names if attribute_names is None else attribute_names
            label_names = spec.label_names if label_names is None else label_names
        own = inputs.first(attribute_names, given_attributes, m)
        label_names = inputs.first(label_names, given_labels, c)
        own, label_names = checks.names("attribute", own, m), checks.names("label", label_names, c)
        intersections = tuple(intersections)
        settings = {"intersections": intersections} | settings
        attributes = checks.unit_interval("attributes", attributes, names=own, unknown=True)
        attributes = intersect(attributes, own, intersections)
        labels = sparse_labels.unit_interval("labels", labels, names=label_names)
        utility = checks.positive_vector("utility", utility, n)
        counts = checks.nonnegative_vector("counts", counts, n)
        columns = {k: checks.column(k, x, n) for k, x in inputs.items(columns)}
        _set_fields(
            self,
            attributes=attributes,
            labels=labels,
            utility=utility,
            counts=counts,
            columns=columns,
        )
        spec = Spec(
            attributes=own,
            labels=label_names,
            constraints=constraints or (),
            columns=columns,
            mean=self._mean,
            **settings,
        )
        checks.groups(attributes, None if counts.all() else counts > 0, spec.attribute_names)
        _set_fields(self, spec=spec)

    def _mean(self, names: Names) -> Means:
        """Returns what words may ask of the examples."""
        return Means(names, self.attributes, self.labels, self.columns, self.counts)


def _read(
    constraints: Iterable[Any], names: Names, mean: Callable[[Names], Means] | None
) -> Moments:
    """Returns the moments of constraints in words, or of `Ratio` records."""
    found = None if mean is None else mean(names)
    ratios: list[Ratio | Moments] = []
    if isinstance(constraints, str) or not isinstance(constraints, Iterable):
        raise ProblemError(
            f"constraints is {constraints!r}; expected a list of words, as in [balance.band()], "
            "or of balance.parse(text)"
        )
    for word in constraints:
        ready = isinstance(word, Ratio | Moments)
        if not ready and not hasattr(word, "ratios"):
            raise ProblemError(
                f"constraints has {word!r}; expected words such as balance.share(...), or "
                "balance.parse(text)"
            )
        ratios += [word] if ready else _asked(word, names, found)
    return gather(names, ratios)


def _asked(word: Any, names: Names, mean: Means | None) -> list[Ratio | Moments]:
    """Returns the ratios of a word, which may be of one's own."""
    found = word.ratios(names, mean)
    if not isinstance(found, list | tuple) or not all(
        isinstance(x, Ratio | Moments) for x in found
    ):
        raise ProblemError(
            f"constraint {word!r}: ratios(names, mean) returned {found!r}; expected a list of "
            "balance.Ratio"
        )
    return list(found)


def _set_fields(record: Spec | Problem, **fields: Any) -> None:
    """Fills a frozen record, and makes its arrays read-only."""
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(record, name, value)

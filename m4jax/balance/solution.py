"""What a solver hands back: weights with the certificate that proves them."""

import dataclasses
import enum
from operator import attrgetter

import numpy as np


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
        moment_violation: `[K]` of the constraints in words: by how much E[q (part − bound · whole)]
            or E[q part] is beyond its bound.
        moment_multipliers: `[2, K]` ≥ 0, of their lower and of their upper bounds.
    """

    status: Status
    objective: float
    duality_gap: float
    violation: np.ndarray
    effective_sample_size: float
    steps: int
    multipliers: np.ndarray
    offset: float
    moment_violation: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    moment_multipliers: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((2, 0)))


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
    moment_violation = property(attrgetter("certificate.moment_violation"))
    moment_multipliers = property(attrgetter("certificate.moment_multipliers"))


@dataclasses.dataclass(frozen=True, eq=False)
class Solution(Certified):
    """Weights with their certificate.

    Attributes:
        weights: `[n]` q in [0, 1].
        certificate: see `Certificate`.
    """

    weights: np.ndarray
    certificate: Certificate

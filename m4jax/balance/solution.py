"""What a solver hands back: weights with the certificate that proves them."""

import dataclasses
import enum
import functools
import warnings
from operator import attrgetter

import numpy as np

from m4jax.balance.checks import ProblemError
from m4jax.balance.judging.judgement import Judgement, judge
from m4jax.balance.judging.phrases import SAID_BALANCED, summary
from m4jax.balance.problem import Problem
from m4jax.balance.verdicts import Verdict, told


class BalanceWarning(UserWarning):
    """The weights are what was asked for, and the data are not balanced by them."""


class Status(enum.Enum):
    """Why the solver stopped; the value says it in words."""

    CONVERGED = "the duality gap is within the tolerance"
    MAX_STEPS = "the step limit was reached before the duality gap was within the tolerance"
    INFEASIBLE = "no weights meet the hard constraints at this keep rate"
    NON_FINITE = "a value overflowed or lost all its digits: rescale the utility"


FAILED = (Status.INFEASIBLE, Status.NON_FINITE)  # whose weights are for nothing


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


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Solution(Certified):
    """Weights with their certificate, and with the problem they are for.

    A certificate says that no other weights cost less, `verdicts` whether the data are balanced.

    Attributes:
        weights: `[n]` q in [0, 1].
        certificate: see `Certificate`.
        problem: what was solved; without it there are no verdicts.
        cells: the distinct examples with their weights, if they are known: verdicts on them are
            the same, and sooner there. What is made of a solution by `dataclasses.replace` has
            none, lest they be of other weights.
    """

    weights: np.ndarray
    certificate: Certificate
    problem: Problem | None = None
    cells: tuple[Problem, np.ndarray] | None = dataclasses.field(init=False, default=None)

    @functools.cached_property
    def verdicts(self) -> list[Verdict]:
        """What became of each constraint; see `verdicts.verdicts`."""
        return told(*self._known(), self._judged)

    @property
    def balanced(self) -> bool:
        """Whether every constraint is met, and none is vacuous or beyond what the data can tell.

        Never where the solver found that there are no weights, or only numbers that overflow.
        """
        return self.status not in FAILED and self.summary.startswith(SAID_BALANCED)

    @functools.cached_property
    def summary(self) -> str:
        """What all constraints have come to, in one line."""
        return summary(self._judged)

    @functools.cached_property
    def _judged(self) -> Judgement:
        return judge(*self._known())

    def _known(self) -> tuple[Problem, np.ndarray]:
        if self.problem is None:
            raise ProblemError(
                "the solution has no problem; call balance.verdicts.verdicts(problem, weights)"
            )
        return self.cells or (self.problem, self.weights)

    def __repr__(self) -> str:
        said = "" if self.problem is None or self.status in FAILED else self.summary + "\n"
        return (
            f"{said}Solution of {len(self.weights):,} weights: {self.status.name} ("
            f"{self.status.value}), gap {self.duality_gap:.3g}, effective sample size "
            f"{self.effective_sample_size:,.1f}, {self.steps} steps"
        )


def unfolded(
    problem: Problem, folded: Problem, inverse: np.ndarray, weights: np.ndarray, proof: Certificate
) -> Solution:
    """Returns the solution of a problem from the weights of its distinct examples.

    Args:
        problem: what was solved.
        folded: its distinct examples.
        inverse: `[n]` which of these each example is.
        weights: of the distinct examples.
        proof: the certificate.
    """
    solution = Solution(weights[inverse], proof, problem)
    object.__setattr__(solution, "cells", (folded, weights))
    return solution


def warn_of(solution: Solution) -> Solution:
    """Warns unless a solution balances the data; returns it."""
    if not solution.balanced:
        failed = solution.status in FAILED
        text = solution.status.value if failed else f"{solution.summary}. See solution.verdicts"
        text = f"not balanced: {text}" if failed else text
        warnings.warn(text, BalanceWarning, stacklevel=3)
    return solution

"""What a solver hands back: the weights, and what is known about them."""

import dataclasses
import enum

import numpy as np


class Status(enum.Enum):
    """Why the solver stopped; the value says it in words."""

    CONVERGED = "the duality gap is within the tolerance"
    MAX_STEPS = "the step limit was reached before the duality gap was within the tolerance"
    INFEASIBLE = "no weights meet the hard constraints at this keep rate"
    NON_FINITE = "a value overflowed or lost all its digits: rescale the utility"


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """Weights with their certificate. Check `status` before using them.

    Args:
        weights: `[n]` q in [0, 1].
        status: why the solver stopped.
        objective: the value of the problem at q, penalties included.
        duality_gap: by how much `objective` can exceed the optimum, at most. With hard
            constraints it holds up to the violations.
        representation_violation: `[m]` [|E[q (s_k − π_k)]| − ε_k]₊.
        association_violation: `[m, c]` [|E[q (s_k − π_kr) y_r]| − ε_kr]₊.
        effective_sample_size: (Σ q)² / Σ q², each example counted as often as `counts` says.
        steps: Newton steps taken.
        multipliers: `[m, c+1]` the dual variables w of the constraints, column 0 for
            representation.
        offset: the dual variable μ of E[q] = η.
    """

    weights: np.ndarray
    status: Status
    objective: float
    duality_gap: float
    representation_violation: np.ndarray
    association_violation: np.ndarray
    effective_sample_size: float
    steps: int
    multipliers: np.ndarray
    offset: float

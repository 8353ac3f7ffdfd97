"""From the J rows of a system to its targets and its constraints in words, and back."""

from typing import Any

import numpy as np

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.moments import System
from m4jax.balance.problem import Spec


def to_rows(system: System, multipliers: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Returns w `[J]` of the multipliers of targets and of those of constraints in words.

    Args:
        system: the rows.
        multipliers: `[m, c+1]` w of the constraints on targets.
        own: `[2, K]` ≥ 0 of the lower and of the upper bounds.
    """
    w = np.zeros(len(system))
    on_target, words = system.target >= 0, system.moment >= 0
    w[on_target] = multipliers.ravel()[system.target[on_target]]
    below, above = own[:, system.moment[words]]
    sides = np.isfinite(system.lower[words]), np.isfinite(system.upper[words])
    w[words] = np.where(sides[1], above, 0.0) - np.where(sides[0], below, 0.0)
    return w


def from_rows(spec: Spec, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `to_rows` takes: `[m, c+1]` and `[2, K]`."""
    system, own = spec.system, np.zeros((2, len(spec.moments)))
    words = system.moment >= 0
    np.add.at(own[0], system.moment[words], np.maximum(-w[words], 0.0))
    np.add.at(own[1], system.moment[words], np.maximum(w[words], 0.0))
    return _on_targets(spec, w), own


def violations(spec: Spec, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns by how much E[q a] `[J]` is beyond its bounds: `[m, c+1]` and `[K]`."""
    system = spec.system
    beyond = np.maximum(np.maximum(moments - system.upper, system.lower - moments), 0.0)
    own, words = np.zeros(len(spec.moments)), system.moment >= 0
    np.maximum.at(own, system.moment[words], beyond[words])
    return _on_targets(spec, beyond), own


def start(spec: Spec, record: Any, *, whole: bool = False) -> tuple[np.ndarray, np.float64]:
    """Returns w `[J]` and μ of a record of dual variables; zeros if it is None.

    Args:
        spec: the constraints.
        record: with `multipliers` `[m, c+1]`, `offset`, and `moment_multipliers` `[2, k]` if it
            has constraints in words: the first k of those in `spec`. The others begin at 0.
        whole: whether none may be missing.
    """
    if record is None:
        return np.zeros(len(spec.system)), np.float64(0)
    shape, k = spec.target.shape, len(spec.moments)
    if record.multipliers.shape != shape:
        raise ProblemError(
            f"start has multipliers {record.multipliers.shape}; expected {shape}, those of a "
            "problem with as many attributes and labels"
        )
    own = np.asarray(getattr(record, "moment_multipliers", np.zeros((2, 0))), float)
    if own.shape[1] > k or (whole and own.shape[1] < k):
        raise ProblemError(
            f"the solution has multipliers of {own.shape[1]} constraints in words; expected "
            f"{'' if whole else 'at most '}{k}, those of the problem in the same order"
        )
    own = np.pad(own, [(0, 0), (0, k - own.shape[1])])
    return to_rows(spec.system, np.asarray(record.multipliers), own), np.float64(record.offset)


def _on_targets(spec: Spec, values: np.ndarray) -> np.ndarray:
    """Returns the values of the rows of targets `[m, c+1]`, 0 where nothing is asked."""
    total, rows = np.zeros(spec.target.size), spec.system.target >= 0
    total[spec.system.target[rows]] = values[rows]
    return total.reshape(spec.target.shape)

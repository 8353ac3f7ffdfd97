"""What is known of weights before any is computed: constraints that leave no choice, or can't bind.

Where all cooks are men, a band on the share of men among cooks holds only if no cook is kept. No
weights are then strictly inside of all bounds, which interior point methods live on. Such weights
are fixed first; it is known afterwards which multipliers prove them.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import sparse

from m4jax.balance.host.entries import Entries

Array = np.ndarray

EQUAL = 1e-12  # difference of sums over the examples that is rounding, relative to their sizes


class Forced(NamedTuple):
    """Weights that one bound leaves no choice."""

    row: Array  # [J] by what the rows that force them were added up: the signs of their bounds
    dropped: Array  # [·] examples of weight 0
    kept: Array  # [·] examples of weight 1


@dataclasses.dataclass(frozen=True, eq=False)
class Reduced:
    """What is left to be decided.

    Attributes:
        rows: the examples and constraints that are left; shares sum to 1 or less.
        examples: `[p']` their indices.
        constraints: `[J']` their indices.
        weights: `[p]` 0 or 1 where they are forced.
        forced: in the order in which they were found.
        possible: False: no weights meet the constraints.
    """

    rows: Entries
    examples: Array
    constraints: Array
    weights: Array
    forced: tuple[Forced, ...]
    possible: bool


def reduce(rows: Entries) -> Reduced:
    """Returns what hard constraints leave to be decided of a problem whose bounds are all hard.

    An upper bound below the least possible E[q a] can't hold; one that is equal to it fixes all
    weights with a ≠ 0; one at least as large as the largest possible can't bind. Lower bounds
    likewise. Source: derived; "forcing" and "redundant" constraints in Andersen and Andersen,
    "Presolving in linear programming" (1995).
    """
    state = _State(rows)
    while (found := state.next_forced()) is not None:
        state.fix(found)
    return state.reduced()


class _State:
    """The examples that are undecided, and the range of each E[q a] over their weights."""

    def __init__(self, rows: Entries):
        self.rows = rows
        matrix, system = rows.matrix, rows.system
        self.open = rows.share > 0
        self.weights = np.zeros(len(rows))
        self.lower, self.upper = system.lower.copy(), system.upper.copy()
        self.columns = sparse.csc_array(matrix)
        self.size = np.maximum(abs(self.columns).T @ rows.share, 1e-300)
        self.forced: list[Forced] = []
        self.possible = True
        self._measure()

    def _measure(self) -> None:
        """Finds the least and the largest E[q a] over the undecided weights."""
        mass = self.rows.share * self.open
        self.least = _part(self.columns, -1).T @ mass
        self.most = _part(self.columns, 1).T @ mass

    def next_forced(self) -> Forced | None:
        """Returns the next weights that have no choice; None if there are none or none exist."""
        room = EQUAL * self.size
        if (self.upper < self.least - room).any() or (self.lower > self.most + room).any():
            self.possible = False
            return None
        live = (self.least < 0) | (self.most > 0)
        high = live & (self.upper <= self.least + room)
        low = live & (self.lower >= self.most - room)
        for bounds, least, sign in ((high, self.least, 1.0), (low, self.most, -1.0)):
            if not bounds.any():
                continue
            # Rows that only drop examples can all be taken at once: they don't contradict.
            easy = bounds & (least == 0)
            chosen = easy if easy.any() else np.arange(len(bounds)) == bounds.argmax()
            row = sign * chosen / self.size
            score = np.where(self.open, self.columns @ row, 0.0)
            return Forced(row, np.flatnonzero(score > 0), np.flatnonzero(score < 0))
        return None

    def fix(self, found: Forced) -> None:
        """Fixes the weights."""
        self.forced.append(found)
        self.weights[found.kept] = 1.0
        self.open[found.dropped] = self.open[found.kept] = False
        if len(found.kept):
            kept = np.zeros(len(self.open))
            kept[found.kept] = self.rows.share[found.kept]
            moved = self.columns.T @ kept
            self.lower, self.upper = self.lower - moved, self.upper - moved
        self._measure()

    def reduced(self) -> Reduced:
        """Returns what is left."""
        binds = (self.most > self.upper) | (self.least < self.lower)
        examples, constraints = np.flatnonzero(self.open), np.flatnonzero(binds)
        # A bound that can't bind is none.
        system = dataclasses.replace(
            self.rows.system,
            lower=np.where(self.least < self.lower, self.lower, -np.inf),
            upper=np.where(self.most > self.upper, self.upper, np.inf),
        )
        rows = dataclasses.replace(self.rows, system=system)
        return Reduced(
            rows=rows.part(examples, constraints),
            examples=examples,
            constraints=constraints,
            weights=self.weights,
            forced=tuple(self.forced),
            possible=self.possible,
        )


def prove(rows: Entries, forced: tuple[Forced, ...], multipliers: Array, score: Array) -> Array:
    """Returns w `[J]`, raised where that proves that weights are forced.

    Afterwards a·w is at least `score` where weights of 0 are forced, and at most `score` where
    weights of 1 are.

    Args:
        rows: all of them.
        forced: in the order in which they were found.
        multipliers: `[J]` w.
        score: `[p]` the scores beyond which the objective takes weights to 0 or to 1.
    """
    w = multipliers.copy()
    # A row reaches no example that was undecided after it: the last ones come first.
    for each in reversed(forced):
        away = np.concatenate([each.dropped, each.kept])
        push = rows.matrix[away] @ each.row
        short = (score[away] - rows.matrix[away] @ w) / push
        w += max(short.max(initial=0.0), 0.0) * each.row
    return w


def _part(matrix: sparse.csc_array, sign: int) -> sparse.csc_array:
    """Returns the entries of that sign."""
    values = np.minimum(matrix.data, 0.0) if sign < 0 else np.maximum(matrix.data, 0.0)
    return sparse.csc_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)

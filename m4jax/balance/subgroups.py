"""Groups that nobody named: an auditor finds where balance fails, adds it, solves again.

Weights that balance an attribute within each label can leave it one-sided where two labels meet.
Multicalibration (Hébert-Johnson et al., 2018) asks the same of predictors: no group that can be
described briefly, and is large enough to tell, may be off. Here it is asked of data.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy import sparse, special

from m4jax.balance import checks
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.conditions import Condition, no
from m4jax.balance.constraints.words import share
from m4jax.balance.feasibility import MARGIN, max_keep_rate
from m4jax.balance.problem import Problem
from m4jax.balance.solution import Solution, Status
from m4jax.balance.solver import solve

CHUNK = 8192  # rows at a time of products of conditions
Bands = Mapping[str, tuple[float, float]]  # of each attribute


@dataclasses.dataclass(frozen=True)
class Finding:
    """A group in which an attribute's share is off.

    Attributes:
        attribute: whose share it is.
        within: the names that describe the group, `no(name)` where an attribute is 0.
        examples: in the group, with the attribute known.
        effective: their effective number under the weights at which the group was found.
        before: the share without weights.
        found: the share under the weights at which it was found.
        p: that chance alone is to blame, one-sided against the nearer end of the band, multiplied
            by the number of all groups that were looked at (Bonferroni), at most 1.
        round: in which it was found, from 1.
        after: the share under the last weights; NaN before the end, or if all were dropped.
    """

    attribute: str
    within: tuple[Condition, ...]
    examples: float
    effective: float
    before: float
    found: float
    p: float
    round: int
    after: float = float("nan")


@dataclasses.dataclass(frozen=True, eq=False)
class Audit:
    """What `audit` returns.

    Attributes:
        findings: in the order in which they were found; each became a constraint.
        left: what is off under the last weights, found as the others were; empty if none is left.
        looked_at: number of groups with enough examples, in each round.
        problem: with the constraints that were added.
        solution: its weights.
    """

    findings: tuple[Finding, ...]
    left: tuple[Finding, ...]
    looked_at: int
    problem: Problem
    solution: Solution


def audit(
    problem: Problem,
    *,
    attributes: tuple[str, ...] | None = None,
    depth: int = 3,
    points: float = 0.05,
    target: float | Mapping[str, float] = 0.5,
    least: float = 30,
    alpha: float = 0.05,
    rounds: int = 20,
    each: int = 5,
    keep_rate: float | str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Audit:
    """Solves, looks for groups that are off, adds those that are worst, and solves again.

    A group is where one or two other names hold at once: labels, attributes, or attributes that are
    known not to hold. In each, the weighted share of an attribute is compared with target ± points,
    by a one-sided z test with Kish's effective number, corrected by Bonferroni for all groups of
    all attributes and for all rounds. Groups whose count is that of one of their parts are left
    out, as are those with fewer than `least` examples with or without the attribute. Derived.

    Args:
        problem: what to balance, with the constraints that it has already.
        attributes: whose shares are looked at; all by default.
        depth: names in a conjunction, the attribute included: 2 or 3.
        points: half the width of the band, as a share.
        target: its middle, of all attributes or by name.
        least: examples of either kind that a group needs to be looked at.
        alpha: level of the corrected tests.
        rounds: of solving and looking, at most.
        each: groups that are added in a round, at most.
        keep_rate: η of each round; "max": 1% below the largest; None: the problem's.
        progress: called with the round and the number of findings so far.
        settings: of `solve`.

    Raises:
        ProblemError: if an argument is not as above, or no weights meet all constraints.
    """
    if depth not in (2, 3):
        raise ProblemError(f"depth is {depth}; expected 2 or 3")
    chosen = problem.attribute_names if attributes is None else tuple(attributes)
    for name in chosen:
        checks.attribute("attributes", name, problem.attribute_names)
    middle = target if isinstance(target, Mapping) else dict.fromkeys(chosen, target)
    bands = {name: (middle[name] - points, middle[name] + points) for name in chosen}
    search = _Search(problem, bands, depth, least, rounds)
    findings: list[Finding] = []
    solution, left = None, ()
    for turn in range(1, rounds + 1):
        problem, solution = _solved(problem, solution, keep_rate, settings)
        known = {(x.attribute, frozenset(x.within)) for x in findings}
        left = [x for x in search.found(solution.weights, turn) if x.p <= alpha]
        new = [x for x in left if (x.attribute, frozenset(x.within)) not in known][:each]
        if progress is not None:
            progress(turn, len(findings) + len(new))
        if not new or turn == rounds:
            break
        findings += new
        problem = _with(problem, new, bands)
    told = tuple(search.after(findings, solution.weights))
    return Audit(told, tuple(left), search.looked_at, problem, solution)


def _with(problem: Problem, findings: list[Finding], bands: Bands) -> Problem:
    words = [share(x.attribute, within=x.within, between=bands[x.attribute]) for x in findings]
    return dataclasses.replace(problem, constraints=[problem.moments, *words])


def _solved(
    problem: Problem, start: Solution | None, keep_rate: float | str | None, settings: dict
) -> tuple[Problem, Solution]:
    if keep_rate == "max":
        rate = max_keep_rate(problem).keep_rate * (1 - MARGIN)
        if rate <= 0:
            raise ProblemError("no weights at all meet the constraints; widen points")
        problem = dataclasses.replace(problem, keep_rate=rate)
    elif keep_rate is not None:
        problem = dataclasses.replace(problem, keep_rate=keep_rate)
    settings = {"warn": False} | settings  # the verdicts of rounds in between are nobody's
    solution = solve(problem, start=start, **settings)
    if solution.status in (Status.INFEASIBLE, Status.NON_FINITE):
        raise ProblemError(
            f"{solution.status.value}, with the groups that were found so far; set keep_rate to "
            "'max', widen points, or make the penalty finite"
        )
    return problem, solution


class _Search:
    """The groups of a problem's examples, and the sums over each."""

    def __init__(
        self,
        problem: Problem,
        bands: Bands,
        depth: int,
        least: float,
        rounds: int,
    ):
        self.problem, self.bands, self.depth = problem, bands, depth
        self.least, self.rounds = least, rounds
        self.values = problem.attributes.astype(float)
        self.known = ~np.isnan(self.values)
        self.conditions, self.matrix = self._conditions()
        ones = np.ones(len(problem.counts))
        self.plain = {name: self._of(name, ones) for name in bands}
        self.allowed = {name: self._allowed(name) for name in bands}
        self.looked_at = sum(int(mask.sum()) for mask in self.allowed.values())

    def _conditions(self) -> tuple[list[Condition], Any]:
        """Returns the names and, as columns `[n, d]`, where they hold."""
        one = np.where(self.known, self.values, 0.0)
        zero = np.where(self.known, 1 - self.values, 0.0)
        names = self.problem.attribute_names
        conditions = [*names, *map(no, names), *self.problem.label_names]
        labels = self.problem.labels
        if sparse.issparse(labels):
            return conditions, sparse.hstack(
                [sparse.csr_array(np.hstack([one, zero])), labels], "csr"
            )
        return conditions, np.concatenate([one, zero, labels], axis=1)

    def _sums(self, mass: np.ndarray) -> np.ndarray:
        """Returns Σ mass x xᵀ `[d, d]` over the conditions x; of single ones on the diagonal."""
        if sparse.issparse(self.matrix):
            weighted = sparse.diags_array(mass) @ self.matrix
            return np.asarray((self.matrix.T @ weighted).todense())
        total = np.zeros((self.matrix.shape[1],) * 2)
        for start in range(0, len(mass), CHUNK):
            x = self.matrix[start : start + CHUNK]
            total += x.T @ (mass[start : start + CHUNK, None] * x)
        return total

    def _mass(self, name: str, weights: np.ndarray) -> np.ndarray:
        """Returns q κ `[n]` of an attribute, counts included."""
        k = self.problem.attribute_names.index(name)
        return np.where(self.known[:, k], self.problem.counts * weights, 0.0)

    def _of(self, name: str, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns Σ q s and Σ q κ `[d, d]` of an attribute in each group."""
        k, mass = self.problem.attribute_names.index(name), self._mass(name, weights)
        inside = np.where(self.known[:, k], mass * self.values[:, k], 0.0)
        return self._sums(inside), self._sums(mass)

    def _allowed(self, name: str) -> np.ndarray:
        """Returns which groups are looked at `[d, d]`, each once."""
        inside, known = self.plain[name]
        enough = (inside >= self.least) & (known - inside >= self.least)
        d, m = len(known), len(self.problem.attribute_names)
        shape = np.tri(d, dtype=bool).T if self.depth == 3 else np.eye(d, dtype=bool)
        k = self.problem.attribute_names.index(name)
        own = np.isin(np.arange(d), (k, m + k))
        single = np.diagonal(known)
        part = np.minimum(single[:, None], single) <= known  # the group is all of one of its parts
        return enough & shape & ~(own[:, None] | own) & (~part | np.eye(d, dtype=bool))

    def found(self, weights: np.ndarray, turn: int) -> list[Finding]:
        """Returns all groups that are outside of the band, the farthest first."""
        found = [x for name in self.bands for x in self._found(name, weights, turn)]

        def room(one: Finding) -> float:
            low, high = self.bands[one.attribute]
            return min(one.found - low, high - one.found)

        return sorted(found, key=room)

    def _found(self, name: str, weights: np.ndarray, turn: int) -> Iterator[Finding]:
        inside, mass = self._of(name, weights)
        squares = self._sums(self._mass(name, weights**2))
        plain_inside, plain = self.plain[name]
        live = self.allowed[name] & (mass > 0)
        for i, j in np.argwhere(live):
            value, effective = inside[i, j] / mass[i, j], mass[i, j] ** 2 / squares[i, j]
            low, high = self.bands[name]
            if low <= value <= high:
                continue
            end = low if value < low else high
            z = abs(value - end) / np.sqrt(max(end * (1 - end), 1e-12) / effective)
            p = min(1.0, float(special.ndtr(-z)) * self.looked_at * self.rounds)
            within = tuple(self.conditions[x] for x in sorted({int(i), int(j)}))
            before = float(plain_inside[i, j] / plain[i, j])
            yield Finding(
                name, within, float(plain[i, j]), float(effective), before, float(value), p, turn
            )

    def after(self, findings: list[Finding], weights: np.ndarray) -> list[Finding]:
        """Returns the findings with the shares under the last weights, NaN if none are left."""
        sums = {name: self._of(name, weights) for name in {x.attribute for x in findings}}
        told = []
        for one in findings:
            at = [self.conditions.index(x) for x in one.within]
            inside, mass = (x[at[0], at[-1]] for x in sums[one.attribute])
            value = float(inside / mass) if mass > 0 else float("nan")
            told.append(dataclasses.replace(one, after=value))
        return told

"""The certificate's numbers, found again from the weights that were written.

Another library reads the examples here (pyarrow, block by block) than folds and joins them
(DuckDB), so that the two have to see the same table.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax.balance import Spec
from m4jax.balance.constraints import places
from m4jax.errors import DamagedError
from m4jax.files import parquet
from m4jax.tables import outcome, shares, solving, undecided
from m4jax.tables.job import Job
from m4jax.tables.table import Rows

ROUNDING = 1e-6  # of shares and violations: sums in another order, or in single precision
OF_PATTERNS = ("kept", "effective_sample_size", "weight_min", "weight_max", "weight_zero_share",
               "weight_one_share")  # fmt: skip


def verified(
    job: Job, certificate: Mapping[str, Any], path: Path, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Returns numbers of the certificate, as the written weights have them.

    They are keep rate, effective sample size, least and largest weight, the shares of weights at 0
    and 1, every constraint's violation, and what verdicts say: the share of each attribute among
    all and within each label, and the value of each constraint in words.

    Args:
        job: what was balanced.
        certificate: of the solution.
        path: of the weights, in the order of the examples.
        progress: called with (rows done, rows in all).

    Raises:
        DamagedError: if uids differ, or a number is further than rounding from the certificate's.
    """
    solution = solving.read(job)
    tally = Tally(solving.solved(job, solution).spec)
    for done in tallied(job, tally, job.table.blocks(), path, solution.dropped):
        progress(done, len(job.table))
    return compared(job, tally, certificate, path)


def tallied(
    job: Job,
    tally: "Tally",
    blocks: Iterable[Rows],
    path: Path,
    dropped: Sequence[undecided.Pair] = (),
) -> Iterator[int]:
    """Adds blocks of examples to a tally, with the weights at `path`; yields how many there were.

    Raises:
        DamagedError: if uids differ, or examples that are dropped have weights.
    """
    stored = _Stored(path)
    for rows in blocks:
        block, written = job.block(rows, dropped), stored.take(len(rows.uid))
        if not written["uid"].combine_chunks().equals(rows.uid.cast(written["uid"].type)):
            raise DamagedError(f"{path}: its uids are not those of the examples; run again")
        counts = np.ones(len(rows.uid)) if block.counts is None else block.counts
        weight = written["weight"].to_numpy()
        if weight[counts == 0].any() and dropped:
            raise DamagedError(f"{path}: examples that are dropped have weights; run again")
        tally.add(block.attributes, block.labels, counts, weight, rows.numbers)
        yield tally.rows


def compared(
    job: Job, tally: "Tally", certificate: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """Returns the numbers of a tally; raises `DamagedError` where a certificate has other ones."""
    found = tally.facts()
    # By levels of utility, these are of the patterns' mean utilities until now.
    skipped = (*OF_PATTERNS, *outcome.NUMBERS) if job.columns.utility_levels else ()
    _compare({name: x for name, x in found.items() if name not in skipped}, certificate, path)
    return found


_COMBINE = {"_least": np.minimum, "_largest": np.maximum}  # all else is added up


@dataclasses.dataclass
class Tally:
    """Sums over examples with their weights.

    Attributes:
        spec: of the problem.
        rows: number of examples so far.
    """

    spec: Spec
    rows: int = 0

    def __post_init__(self):
        recipe = self.spec.moments.recipe
        self._sums = np.zeros((recipe.sides, recipe.parts))
        self._examples = self._kept = self._squares = self._zeros = self._ones = 0.0
        self._least, self._largest = math.inf, -math.inf

    def add(
        self,
        attributes: np.ndarray,
        labels: np.ndarray,
        counts: np.ndarray,
        weights: np.ndarray,
        columns: Mapping[str, np.ndarray],
    ) -> None:
        """Adds examples: attributes [b, m], labels [b, c], counts, weights and columns [b]."""
        self.rows += len(weights)
        recipe = self.spec.moments.recipe
        self._sums += shares.sums(recipe, attributes, labels, columns, counts * weights)
        self._examples += counts.sum()
        self._kept += counts @ weights
        self._squares += counts @ weights**2
        self._zeros += counts @ (weights == 0)
        self._ones += counts @ (weights >= 1)
        counted = weights[counts > 0]
        self._least = np.minimum(self._least, counted.min(initial=math.inf))  # NaN stays NaN
        self._largest = np.maximum(self._largest, counted.max(initial=-math.inf))

    def state(self) -> dict[str, Any]:
        """Returns the sums as plain values."""
        return {x: np.asarray(y).tolist() for x, y in vars(self).items() if x != "spec"}

    def merge(self, state: Mapping[str, Any]) -> None:
        """Adds the sums of other examples."""
        for name, value in state.items():
            combine = _COMBINE.get(name, np.add)
            setattr(self, name, combine(getattr(self, name), np.asarray(value)))

    def facts(self) -> dict[str, Any]:
        """Returns the numbers, by the names that they have in a certificate."""
        system = self.spec.system
        moments = system.rows @ (self._sums.ravel() / self._examples)
        beyond, own = places.violations(self.spec, moments)
        return {
            "kept": float(self._kept / self._examples),
            "effective_sample_size": float(self._kept**2 / self._squares),
            "weight_min": float(self._least),
            "weight_max": float(self._largest),
            "weight_zero_share": float(self._zeros / self._examples),
            "weight_one_share": float(self._ones / self._examples),
            "violation_max": max(float(beyond.max()), float(own.max(initial=0.0))),
            "representation_violation": beyond[:, 0].tolist(),
            "association_violation": beyond[:, 1:].tolist(),
            "moment_violation": own.tolist(),
            **outcome.numbers(self.spec, self._sums, self._examples),
        }


def _compare(found: Mapping[str, Any], certificate: Mapping[str, Any], path: Path) -> None:
    """Raises `DamagedError` where a number is further than rounding from the certificate's."""
    for name, value in found.items():
        told, value = (np.asarray(x, float) for x in (certificate[name], value))
        away = np.where(np.isnan(told) & np.isnan(value), 0.0, np.abs(value - told))
        size = np.maximum(1.0, np.nan_to_num(np.abs(told)))
        if not (away <= ROUNDING * size).all():
            raise DamagedError(
                f"{path.parent}: by the weights that were written, {name} is {value}, but "
                f"{certificate[name]} by their certificate; the weights are not those that were "
                "solved for: delete folds and solutions, and run again"
            )


class _Stored:
    """Written weights, read in pieces of any size.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path):
        self._batches, self._left = parquet.batches(path, 1 << 18), []

    def take(self, rows: int) -> pa.Table:
        """Returns the next so many rows, fewer at the end."""
        while sum(map(len, self._left)) < rows:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._left.append(batch)
        table = pa.Table.from_batches(self._left)
        self._left = table.slice(rows).to_batches()
        return table.slice(0, rows)

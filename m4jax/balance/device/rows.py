"""How the rows of `dual` are made of examples: which sides, which parts, how they are mixed."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import sparse

from m4jax.balance import memory
from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.moments import System
from m4jax.balance.device.dual import Rows
from m4jax.balance.folding import pad
from m4jax.balance.problem import Problem

MATRICES = 6  # of rows by rows, that a Newton step holds at once


class Layout(NamedTuple):
    """Row j is Σ_t (S · mix_tj) Y_part(t,j): all that it has of one part is one product.

    Attributes:
        sides: `[G]` places of the sides that occur.
        parts: `[R]` places of the parts that occur.
        mix: `[T, G, J]` coefficients; T is the largest number of parts of a row.
        part: `[T, J]` indices among `parts`.
    """

    sides: np.ndarray
    parts: np.ndarray
    mix: np.ndarray
    part: np.ndarray


def make_layout(rows: sparse.csr_array, width: int) -> Layout:
    """Returns how rows are made.

    Args:
        rows: `[J, F]` coefficients L of the features g R + r.
        width: R, the number of all parts.
    """
    terms, j_size = rows.tocoo(), rows.shape[0]
    side, part = np.divmod(terms.col, width)
    sides, g = np.unique(side, return_inverse=True)
    parts, r = np.unique(part, return_inverse=True)
    if not len(sides):
        sides = parts = np.zeros(1, np.int64)
    pieces, piece = np.unique(terms.row.astype(np.int64) * len(parts) + r, return_inverse=True)
    owner, own = np.divmod(pieces, len(parts))
    t = np.arange(len(pieces)) - np.searchsorted(owner, owner)
    depth = t.max(initial=0) + 1
    mix = np.zeros((depth, len(sides), j_size))
    np.add.at(mix, (t[piece], g, terms.row), terms.data)
    chosen = np.zeros((depth, j_size), np.int32)
    chosen[t, owner] = own
    return Layout(sides, parts, mix, chosen)


def make_rows(
    system: System,
    attributes: np.ndarray,
    labels: Any,
    columns: Mapping[str, Any],
    share: np.ndarray,
    size: int,
    axis: str | None = None,
) -> Rows:
    """Returns the rows of examples in the precision of `share`; all scales are 1.

    Args:
        system: the constraints.
        attributes: `[n, m]` s, NaN where unknown.
        labels: `[n, c]` y, may be sparse.
        columns: `[n]` by name.
        share: `[n]`.
        size: number of rows p ≥ n; those of padding have share 0.
        axis: see `Rows`.
    """
    recipe, layout = system.recipe, _layout(system)
    sides = recipe.side_values(attributes)[:, layout.sides]
    parts = recipe.part_values(attributes, labels, columns)[:, layout.parts]
    if sparse.issparse(parts):
        bits = np.isin(parts.data, (0, 1)).all()
        parts = (parts.astype(np.uint8) if bits else parts).toarray()
    return Rows(
        sides=pad(sides.astype(share.dtype), size),
        parts=pad(parts if parts.dtype == np.uint8 else parts.astype(share.dtype), size),
        share=pad(share, size),
        mix=layout.mix,
        part=layout.part,
        scale=np.ones(len(system)),
        axis=axis,
    )


def check_size(system: System, devices: Sequence[jax.Device] | None = None) -> None:
    """Raises `ProblemError` if matrices of rows by rows are more than fits on a device."""
    own = [x for x in devices or () if x.process_index == jax.process_index()]
    device, size = (own or jax.local_devices())[0], len(system) + 1
    needed = MATRICES * 8.0 * size**2
    there = (device.memory_stats() or {}).get("bytes_limit")
    there = there or memory.available()
    if needed > there:
        raise ProblemError(
            f"{size - 1:,} rows of constraints need {needed / 1e9:,.0f} GB on each device for "
            f"matrices of rows by rows, and there are {there / 1e9:,.0f} GB; leave out labels or "
            "constraints, or solve on the host, with the default devices and precision"
        )


def of_problem(problem: Problem, share: np.ndarray, size: int, axis: str | None = None) -> Rows:
    """Returns the rows of a problem's examples, see `make_rows`."""
    examples = (problem.attributes, problem.labels, problem.columns)
    return make_rows(problem.spec.system, *examples, share, size, axis)


@functools.lru_cache(maxsize=8)  # a stream asks for every block
def _layout(system: System) -> Layout:
    return make_layout(system.rows, system.recipe.parts)

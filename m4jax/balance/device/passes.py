"""What one pass over blocks of examples sums, for `stream`."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance.blocks import NOTHING, Block, rows_of
from m4jax.balance.checks import ProblemError
from m4jax.balance.device import dual, subproblems
from m4jax.balance.device.dual import Rows
from m4jax.balance.objectives import Objective, added_cost
from m4jax.balance.problem import Spec

Array = jax.Array

RATE_ACCURACY = 1e-9  # of E[q] = η


class Sums(NamedTuple):
    """Sums over examples at one w and μ, later means."""

    examples: Array  # Σ counts
    kept: Array  # E[q]
    squares: Array  # E[q²]
    cost: Array  # E[ψ(q)]
    change: Array  # E[ψ(q) − ψ(q⁰)], q⁰ being the weights at w = 0 and `origin`
    before: Array  # E[q⁰]
    slope: Array  # E[−dq⁰/dt]
    moments: Array  # [J] E[q a]
    second: Array  # [J] E[a²]
    gram: Array  # [J+1, J+1] E[−dq/dt [1, a] [1, a]ᵀ]


def sums(
    spec: Spec, blocks: Iterable[Block], place: np.ndarray, origin: float, objective: Objective
) -> Sums:
    """Returns the means over all examples at `place` `[J+1]`, μ and w.

    Raises:
        ProblemError: if there are no examples.
    """
    width = len(place)
    total = Sums(*[0.0] * 7, np.zeros(width - 1), np.zeros(width - 1), np.zeros((width, width)))
    total = jax.device_put(total)
    for block in blocks:
        rows, base, _ = rows_of(spec, block)
        total = _add(total, rows, base, place, origin, objective=objective)
    total = jax.device_get(total)
    if not total.examples > 0:
        raise ProblemError(NOTHING)
    return Sums(total.examples, *(x / total.examples for x in total[1:]))


@functools.partial(jax.jit, static_argnames="objective")
def _add(
    total: Sums, rows: Rows, base: Array, place: Array, origin: Array, *, objective: Objective
) -> Sums:
    """Returns the sums with those of a block added, whose `share` holds the counts."""
    score = dual.scores(rows, place[1:]) + place[0]
    q = objective.weight(score, base)
    start = jnp.full_like(base, origin)
    before = objective.weight(start, base)
    curvature = rows.share * objective.curvature(score, base)
    part = Sums(
        examples=jnp.sum(rows.share),
        kept=dual.mean(rows, q),
        squares=dual.mean(rows, q**2),
        cost=dual.mean(rows, objective.cost(q, base)),
        change=dual.mean(rows, added_cost(objective, q, before, base)),
        before=dual.mean(rows, before),
        slope=dual.mean(rows, objective.curvature(start, base)),
        moments=dual.moments(rows, q),
        second=dual.second_moments(rows),
        gram=dual.add_gram(rows, jnp.zeros_like(total.gram), curvature),
    )
    return jax.tree.map(jnp.add, total, part)


def origin(spec: Spec, blocks: Iterable[Block], objective: Objective) -> float:
    """Returns the μ at which the first block's weights have the mean η without constraints."""
    for block in blocks:
        rows, base, _ = rows_of(spec, block)
        if rows.share.any():
            return float(_root(rows.share, base, spec.keep_rate, objective=objective))
    return 0.0


@functools.partial(jax.jit, static_argnames="objective")
def _root(share: Array, base: Array, keep_rate: Array, *, objective: Objective) -> Array:
    share = share / share.sum()

    def excess(offset: Array) -> tuple[Array, Array]:
        score = jnp.full_like(base, offset)
        kept = jnp.sum(share * objective.weight(score, base))
        return kept - keep_rate, -jnp.sum(share * objective.curvature(score, base))

    return subproblems.root(excess, jnp.zeros(()), accuracy=RATE_ACCURACY)

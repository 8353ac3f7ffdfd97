"""What the online solver knows, as a record of arrays, and its rows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from m4jax.balance.bounds import Bounds, make_bounds
from m4jax.balance.constraints.features import KNOWN, Recipe
from m4jax.balance.constraints.moments import System, make_system
from m4jax.balance.device.dual import Rows
from m4jax.balance.device.rows import make_layout
from m4jax.balance.folding import pad
from m4jax.balance.problem import Spec

Array = jax.Array


class State(NamedTuple):
    """All that the online solver knows: a record of small arrays, to be saved as it is.

    Attributes:
        multipliers: `[m, c+1]` w, the paper's v⁺ − v⁻.
        offset: μ.
        mean_multipliers: `[m, c+1]` the average of w over the steps, the later ones weighing more.
        mean_offset: the same of μ.
        second_moments: `[m, c+1]` mean of a² over the batches.
        steps: batches seen.
        target: `[m, c+1]` π.
        eps: `[m, c+1]` ε.
        penalty: V.
        keep_rate: η.
        step_size: τ of the first step.
        scaled: whether the step of each constraint is divided by its second moment.
        row_multipliers: `[J]` w of the rows of constraints in words, see `moments.System`.
        mean_row_multipliers: `[J]` their average over the steps.
        row_second_moments: `[J]` mean of a² over the batches.
        row_bounds: `[4, J]` lower and upper bounds, V of either; V is 0 where there is no bound.
        mix: `[T, G, m(c+1) + J]` of all rows, see `dual.Rows`.
        part: `[T, m(c+1) + J]`.
        products: `[P, 1 + 2m + c + d]` which of 1, s, κ, labels and columns make each further part.
    """

    multipliers: Array
    offset: Array
    mean_multipliers: Array
    mean_offset: Array
    second_moments: Array
    steps: Array
    target: Array
    eps: Array
    penalty: Array
    keep_rate: Array
    step_size: Array
    scaled: Array
    row_multipliers: Array
    mean_row_multipliers: Array
    row_second_moments: Array
    row_bounds: Array
    mix: Array
    part: Array
    products: Array


class Flat(NamedTuple):
    """What a state has of all rows, `[m(c+1) + J]` each: of targets first, then of words."""

    multipliers: Array
    mean_multipliers: Array
    second_moments: Array


def of_rows(spec: Spec) -> dict[str, np.ndarray]:
    """Returns the fields of `State` that come from constraints in words, before the first batch."""
    # Nothing is left out: a target without a bound is a row whose w stays 0.
    every = make_system(spec.moments, spec.target, np.zeros(spec.eps.shape), spec.penalty)
    recipe, words = every.recipe, every.moment >= 0
    layout = make_layout(every.rows, recipe.parts)
    mix = np.zeros((len(layout.mix), recipe.sides, len(every)))
    mix[:, layout.sides] = layout.mix
    bounds = make_bounds(every.lower[words], every.upper[words], every.penalty[:, words])
    none = np.zeros(words.sum())
    return {
        "row_multipliers": none,
        "mean_row_multipliers": none,
        "row_second_moments": none,
        "row_bounds": np.concatenate([[bounds.lower, bounds.upper], bounds.penalty]),
        "mix": mix,
        "part": layout.parts[layout.part].astype(np.int32),
        "products": _products(recipe),
    }


def _products(recipe: Recipe) -> np.ndarray:
    """Returns which columns make each product, see `State`."""
    names = recipe.names
    m, others = len(names.attributes), (*names.labels, *names.columns)
    chosen = np.zeros((len(recipe.products), 1 + 2 * m + len(others)), bool)
    for row, product in zip(chosen, recipe.products, strict=True):
        for kind, name in product:
            if name in names.attributes:
                row[1 + names.attributes.index(name) + (m if kind == KNOWN else 0)] = True
            else:
                row[1 + 2 * m + others.index(name)] = True
    return chosen


def flat(state: State) -> Flat:
    """Returns what is known of all rows."""
    pairs = (
        (state.multipliers, state.row_multipliers),
        (state.mean_multipliers, state.mean_row_multipliers),
        (state.second_moments, state.row_second_moments),
    )
    return Flat(*(jnp.concatenate([x.ravel(), y]) for x, y in pairs))


def replaced(state: State, new: Flat) -> State:
    """Returns the state with what is known of all rows."""
    shape, size = state.target.shape, state.target.size
    targets, words = (Flat(*(x[part] for x in new)) for part in (slice(size), slice(size, None)))
    return state._replace(
        **{name: x.reshape(shape) for name, x in targets._asdict().items()},
        row_multipliers=words.multipliers,
        mean_row_multipliers=words.mean_multipliers,
        row_second_moments=words.second_moments,
    )


def bounds(state: State) -> Bounds:
    """Returns the bounds of all rows."""
    eps, own = state.eps.ravel(), state.row_bounds
    penalty = jnp.full((2, eps.size), state.penalty)
    return Bounds(
        lower=jnp.concatenate([-eps, own[0]]),
        upper=jnp.concatenate([eps, own[1]]),
        penalty=jnp.concatenate([penalty, own[2:]], axis=1),
    )


def batch(state: State, attributes: Array, labels: Array, columns: Array | None, size: int) -> Rows:
    """Returns the rows of a batch, padded to `size` with rows of share 0."""
    n, dtype = len(labels), state.multipliers.dtype
    known = ~jnp.isnan(attributes)
    one = jnp.ones((n, 1), dtype)
    columns = jnp.zeros((n, 0)) if columns is None else columns
    sides = jnp.concatenate([one, jnp.where(known, attributes, 0), known], axis=1)
    others = jnp.concatenate([labels, columns], axis=1)
    factors = jnp.concatenate([sides, others], axis=1)[:, None, :]
    more = jnp.prod(jnp.where(state.products, factors, 1.0), axis=2)
    parts = jnp.concatenate([one, others, more], axis=1)
    return Rows(
        sides=pad(sides.astype(dtype), size),
        parts=pad(parts.astype(dtype), size),
        share=pad(jnp.full(n, 1 / n, dtype), size),
        mix=state.mix,
        part=state.part,
        scale=jnp.ones(state.mix.shape[2], dtype),
    )


def mean_of_system(state: State, system: System) -> np.ndarray:
    """Returns the averaged w `[J]` of the rows of a system of the same constraints."""
    targets = np.asarray(state.mean_multipliers, float).ravel()
    chosen = targets[system.target[system.target >= 0]]
    return np.concatenate([chosen, np.asarray(state.mean_row_multipliers, float)])

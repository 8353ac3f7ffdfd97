"""The compiled programs, on one device or with the patterns spread over many."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from m4jax.balance import interior, newton
from m4jax.balance.newton import Dual, State
from m4jax.balance.objectives import Objective
from m4jax.balance.operator import Operator
from m4jax.balance.patterns import Patterns
from m4jax.balance.problem import Problem

Array = jax.Array

AXIS = "patterns"
PER_PATTERN = {"attributes", "known", "labels", "share", "base"}  # of the problem
PER_PATTERN |= {"score", "weights", "curvature", "below", "above"}  # of the methods' states
# |E[q (s − π) y]| is at most 1, so that a wider bound is none; infinity would meet 0 in products.
WIDEST = 2.0


def mesh_of(devices: Sequence[jax.Device] | None) -> Mesh | None:
    """Returns a mesh that spreads the patterns over the devices; None for one device or none."""
    if devices is None or len(devices) < 2:
        return None
    return Mesh(np.array(devices), (AXIS,))


def place(
    problem: Problem, folded: Patterns, tolerance: float, *, mesh: Mesh | None, precision: str
) -> Dual:
    """Returns the problem on the device or devices of the mesh, with columns of unit size."""
    eps = np.concatenate([problem.eps_representation[:, None], problem.eps_association], axis=1)
    labels = folded.labels if folded.labels.dtype == np.uint8 else folded.labels.astype(precision)
    rows = Operator(
        attributes=folded.attributes.astype(precision),
        known=folded.known.astype(precision),
        labels=labels,
        share=folded.share.astype(precision),
        target=problem.target,
        scale=np.ones_like(problem.target),
        axis=None if mesh is None else AXIS,
    )
    dual = Dual(
        rows=rows,
        base=(problem.keep_rate * folded.utility).astype(precision),
        keep_rate=np.float64(problem.keep_rate),
        eps=np.minimum(eps.ravel(), WIDEST),
        bound=np.full(eps.size, problem.penalty),
        tolerance=np.float64(tolerance),
    )
    return _scaled(put(dual, mesh), mesh=mesh)


def put(tree: Any, mesh: Mesh | None) -> Any:
    """Returns the arrays on the device, or spread over the mesh as `_layout` says."""
    if mesh is None:
        return jax.device_put(tree)
    return jax.tree.map(
        lambda x, spec: jax.device_put(x, NamedSharding(mesh, spec)), tree, _layout(tree)
    )


@functools.partial(jax.jit, static_argnames=("mesh",))
def _scaled(dual: Dual, *, mesh: Mesh | None) -> Dual:
    return _over(mesh, newton.scaled, (dual,), _layout(dual))


@functools.partial(jax.jit, static_argnames=("objective", "mesh"))
def begin(
    dual: Dual,
    multipliers: Array,
    offset: Array,
    steps: Array,
    stop: Array,
    *,
    objective: Objective,
    mesh: Mesh | None,
) -> State:
    """Takes Newton steps like `advance` from w `[K]`, given in the scale of the original columns.

    `steps` were taken before.
    """

    def program(dual: Dual, multipliers: Array, offset: Array, steps: Array, stop: Array) -> State:
        start = multipliers * dual.rows.scale.reshape(-1)
        state = newton.init(dual, start, offset, steps, objective=objective)
        return newton.advance(dual, state, stop, objective=objective)

    return _over(mesh, program, (dual, multipliers, offset, steps, stop), _layout_of(State))


@functools.partial(jax.jit, static_argnames=("objective", "mesh"))
def advance(
    dual: Dual, state: State, stop: Array, *, objective: Objective, mesh: Mesh | None
) -> State:
    """Takes Newton steps until there is a reason to stop, or until `stop` steps are taken."""
    program = functools.partial(newton.advance, objective=objective)
    return _over(mesh, program, (dual, state, stop), _layout_of(State))


@functools.partial(jax.jit, static_argnames=("cost", "fixed_rate", "decide", "mesh"))
def interior_point(
    dual: Dual, *, cost: Callable, fixed_rate: bool, mesh: Mesh | None, decide: bool = False
) -> interior.State:
    """Runs the interior point method to its end, see `interior.minimise`."""
    program = functools.partial(interior.minimise, cost=cost, fixed_rate=fixed_rate, decide=decide)
    alone = PartitionSpec()
    layout = interior.State(
        _layout_of(interior.Point), *[alone] * (len(interior.State._fields) - 1)
    )
    return _over(mesh, program, (dual,), layout)


@functools.partial(jax.jit, static_argnames=("mesh",))
def bound_without_cost(dual: Dual, point: interior.Point, *, mesh: Mesh | None) -> Array:
    """Returns a proven lower bound of Σ V [|E[q z]| − ε]₊ over all q in [0, 1] with E[q] = η."""
    return _over(mesh, interior.bound_without_cost, (dual, point), PartitionSpec())


def fetch(values: Any, mesh: Mesh | None) -> Any:
    """Returns the arrays as NumPy arrays, complete on every process."""
    if mesh is not None:
        values = _gathered(values, mesh=mesh)
    return jax.device_get(values)


@functools.partial(jax.jit, static_argnames=("mesh",))
def _gathered(values: Any, *, mesh: Mesh) -> Any:
    return jax.lax.with_sharding_constraint(values, NamedSharding(mesh, PartitionSpec()))


def _over(mesh: Mesh | None, program: Callable, arguments: tuple, layout: Any) -> Any:
    """Runs a program on every device of the mesh, with its part of the patterns."""
    if mesh is None:
        return program(*arguments)
    return jax.shard_map(
        program,
        mesh=mesh,
        in_specs=tuple(_layout(x) for x in arguments),
        out_specs=layout,
        check_vma=False,
    )(*arguments)


def _layout(tree: Any) -> Any:
    """Returns where the leaves belong: those of one row per pattern are spread, others copied."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: _spec(getattr(path[-1], "name", "") if path else ""), tree
    )


def _layout_of(record: type) -> Any:
    return record(*map(_spec, record._fields))


def _spec(field: str) -> PartitionSpec:
    return PartitionSpec(AXIS) if field in PER_PATTERN else PartitionSpec()

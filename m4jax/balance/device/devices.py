"""Where arrays are: how the solver's records are laid out over several devices, and programs run.

A record is a NamedTuple or a dataclass of arrays. Each field says by its type where it belongs:
`PerRow` is spread over the devices, `Shared` is whole on each.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Array = jax.Array

AXIS = "rows"
PerRow = Annotated[Array, PartitionSpec(AXIS)]
Shared = Annotated[Array, PartitionSpec()]
Axis = Annotated[str | None, AXIS]  # of a record's rows: the mesh axis that they are spread over


def make_mesh(devices: Sequence[jax.Device] | None) -> Mesh | None:
    """Returns a mesh that spreads rows over the devices; None for one device or none."""
    return None if devices is None or len(devices) < 2 else Mesh(np.array(devices), (AXIS,))


def layout(kind: Any, name: str = "") -> Any:
    """Returns where a record belongs: a record like it, of what its fields' types say.

    Raises:
        TypeError: if a field says nothing.
    """
    if typing.get_origin(kind) is Annotated:
        return kind.__metadata__[0]
    if not _is_record(kind):
        raise TypeError(f"{name} is declared as {kind}; expected PerRow, Shared or a record")
    fields = typing.get_type_hints(kind, include_extras=True).items()
    return kind(**{field: layout(hint, f"{kind.__name__}.{field}") for field, hint in fields})


def put(value: Any, mesh: Mesh | None) -> Any:
    """Returns a record or an array on the device, or laid out over the mesh."""
    if mesh is None:
        return jax.device_put(value)
    return jax.tree.map(
        lambda x, spec: jax.device_put(x, NamedSharding(mesh, spec)), value, _layout_of(value)
    )


def fetch(values: Any, mesh: Mesh | None) -> Any:
    """Returns arrays as NumPy arrays, complete on every process."""
    return jax.device_get(values if mesh is None else _gathered(values, mesh=mesh))


def run(
    function: Callable, mesh: Mesh | None, *arguments: Any, result: Any = Shared, **options: Any
) -> Any:
    """Runs a function compiled, on every device of the mesh with its part of the rows.

    Args:
        function: of `arguments` and `options`.
        mesh: None: one device.
        arguments: records, laid out as they say, and arrays, whole on every device.
        result: the type of what is returned.
        options: whatever the program depends on, hashable.
    """
    return _run(function, mesh, result, tuple(options.items()), *arguments)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _run(
    function: Callable, mesh: Mesh | None, result: Any, options: tuple, *arguments: Any
) -> Any:
    program = functools.partial(function, **dict(options))
    if mesh is None:
        return program(*arguments)
    return jax.shard_map(
        program,
        mesh=mesh,
        in_specs=tuple(map(_layout_of, arguments)),
        out_specs=layout(result),
        check_vma=False,
    )(*arguments)


@functools.partial(jax.jit, static_argnames=("mesh",))
def _gathered(values: Any, *, mesh: Mesh) -> Any:
    return lax.with_sharding_constraint(values, NamedSharding(mesh, PartitionSpec()))


def _layout_of(value: Any) -> Any:
    return layout(type(value) if _is_record(type(value)) else Shared)


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")

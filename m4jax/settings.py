"""Settings: from nested mappings to frozen records, with every field checked."""

import contextlib
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from m4jax.errors import InputError, nearest


def record(
    kind: type, values: Mapping[str, Any], path: str, example: str = "configs/base.py"
) -> Any:
    """Builds a dataclass from a mapping that must have exactly its fields.

    Args:
        kind: the dataclass; its fields are plain types, tuples, or unions of these.
        values: field -> value.
        path: what to call the mapping in an error.
        example: a file that has all the fields.

    Raises:
        InputError: for an unknown field (naming the nearest known one), a missing one, or a value
            of the wrong type.
    """
    fields = typing.get_type_hints(kind)
    check_keys(values, fields, path, example)
    return kind(
        **{name: convert(of, values[name], f"{path}.{name}") for name, of in fields.items()}
    )


def check_keys(
    values: Mapping[str, Any], known, path: str, example: str = "configs/base.py"
) -> None:
    """Raises unless the mapping has exactly the fields that are `known`; see `record`."""
    for name in values:
        if name not in known:
            raise InputError(f"unknown field {path}.{name}: {nearest(name, known)}")
    for name in known:
        if name not in values:
            raise InputError(f"missing field {path}.{name}: {example} has all of them")


def convert(kind: Any, value: Any, path: str) -> Any:
    """Returns the value if it is of the type; ints pass for floats, lists for tuples."""
    if typing.get_origin(kind) is types.UnionType:
        for option in typing.get_args(kind):
            with contextlib.suppress(InputError):
                return convert(option, value, path)
    elif typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if isinstance(value, list | tuple):
            return tuple(convert(item, x, f"{path}[{i}]") for i, x in enumerate(value))
    elif dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return record(kind, value, path)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise InputError(f"{path}: expected {getattr(kind, '__name__', kind)}, got {value!r}")

"""Settings: from frozen records to configurations and back, with every field checked.

A field stands once, in its dataclass, as `name: type = default  # what it means`. `fields` makes a
configuration of it, `record` a record of a configuration, and `comments` tells what it means.
"""

import contextlib
import dataclasses
import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Collection, Container, Mapping
from pathlib import Path
from typing import Any

import ml_collections
from ml_collections import config_dict

from m4jax.errors import InputError, nearest

_PLAIN = (str, int, bool)  # float is not: it may be infinite


def fields(kind: type, *without: str, **changes: Any) -> ml_collections.ConfigDict:
    """Returns the fields of a dataclass with their defaults, as a configuration.

    A field of several types can be set to any of them by a flag.

    Args:
        kind: the dataclass; all its fields have defaults.
        without: names of fields that are left out.
        changes: other defaults, and fields that the dataclass does not have.
    """
    hints = types_of(kind)
    defaults = {x.name: _default(x) for x in dataclasses.fields(kind) if x.name not in without}
    config = ml_collections.ConfigDict()
    for name, value in (defaults | changes).items():
        union = typing.get_origin(hints.get(name)) is types.UnionType
        options = typing.get_args(hints[name]) if union else ()
        if types.NoneType in options:
            (of,) = (option for option in options if option is not types.NoneType)
            config[name] = config_dict.placeholder(typing.get_origin(of) or of)
        elif union:
            config[name] = config_dict.placeholder(object)
        if dataclasses.is_dataclass(value):
            config[name] = fields(type(value), **vars(value))
        elif value is not None:
            config[name] = value
    return config


def _default(field: dataclasses.Field) -> Any:
    made = field.default_factory is not dataclasses.MISSING
    return field.default_factory() if made else field.default


def comments(source: str, names: Container[str], prefix: str = "") -> dict[str, str]:
    """Returns what fields mean, by name: the comment on a field's line, or else directly above.

    Args:
        source: code in which a field stands as `name: type = …` or `name = …` on a line.
        names: of the fields.
        prefix: what stands before a name, "config.train." say.
    """
    result: dict[str, str] = {}
    above: list[str] = []
    for line in source.split("\n"):
        field = re.match(rf"    {re.escape(prefix)}(\w+)(?:: [^#=]+)? = [^#]*(?:# (.*))?$", line)
        if field and field[1] in names:
            result[field[1]] = field[2] or " ".join(above)
        above = [*above, line.strip()[2:]] if line.startswith("    # ") else []
    return result


def listing(config: ml_collections.ConfigDict, kinds: Mapping[str, type], file: str = "") -> str:
    """Returns a line for every field of a configuration: its name, its default, what it means.

    Args:
        config: as `get_config` returns it.
        kinds: section -> its dataclass; "" is the configuration itself.
        file: the configuration's own, for fields that are of no dataclass.
    """
    own = Path(file).read_text(encoding="utf-8") if file else ""
    lines = []
    for name, kind in kinds.items():
        section = config[name] if name else config
        bases = [base for base in reversed(kind.__mro__) if dataclasses.is_dataclass(base)]
        meaning = comments("".join(map(inspect.getsource, bases)), section)
        meaning |= comments(own, section, f"config.{name and name + '.'}")
        order = [*dict.fromkeys([*meaning, *section])]
        lines += [
            f"{name and name + '.'}{field} = {section[field]!r}  # {meaning.get(field, '')}"
            for field in order
            if not isinstance(section[field], ml_collections.ConfigDict)
        ]
    return "\n".join(lines)


def record(
    kind: type, values: Mapping[str, Any], path: str, example: str = "configs/base.py"
) -> Any:
    """Builds a dataclass from a mapping that must have exactly its fields.

    Fields that may be None can be left out: they are None then. Numbers are finite, but where the
    class variable `infinite` of the dataclass names the field.

    Args:
        kind: the dataclass; its fields are plain types, tuples, or unions of these.
        values: field -> value.
        path: what to call the mapping in an error.
        example: a file that has all the fields.

    Raises:
        InputError: for an unknown field (naming the nearest known one), a missing one, or a value
            of the wrong type.
    """
    hints = types_of(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    optional = [name for name in names if types.NoneType in typing.get_args(hints[name])]
    values = dict.fromkeys(optional) | dict(values)
    check_keys(values, names, path, example)
    infinite = getattr(kind, "infinite", ())
    fields = {}
    for name in names:
        value = values[name]
        endless = name in infinite and isinstance(value, float) and math.isinf(value)
        fields[name] = value if endless else convert(hints[name], value, f"{path}.{name}")
    return kind(**fields)


@functools.cache
def types_of(kind: type) -> Mapping[str, Any]:
    """Returns the types of a dataclass' fields by name; found once, as a grid has many records."""
    return types.MappingProxyType(typing.get_type_hints(kind))


def check_keys(
    values: Mapping[str, Any], names: Collection[str], path: str, example: str = "configs/base.py"
) -> None:
    """Raises unless the mapping has exactly the fields `names`; see `record`."""
    for name in values:
        if name not in names:
            raise InputError(f"unknown field {path}.{name}: {nearest(name, names)}")
    for name in names:
        if name not in values:
            raise InputError(f"missing field {path}.{name}: {example} has all of them")


def convert(kind: Any, value: Any, path: str) -> Any:
    """Returns the value if it is of the type; ints pass for floats, lists for tuples."""
    if kind in _PLAIN and type(value) is kind:  # most are: what follows takes ten times as long
        return value
    if typing.get_origin(kind) is types.UnionType:
        for option in typing.get_args(kind):
            with contextlib.suppress(InputError):
                return convert(option, value, path)
    elif typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if isinstance(value, list | tuple):
            return tuple(convert(item, x, f"{path}[{i}]") for i, x in enumerate(value))
    elif typing.get_origin(kind) is typing.Literal:
        if value in typing.get_args(kind):
            return value
        kind = " or ".join(map(repr, typing.get_args(kind)))
        raise InputError(f"{path}: expected {kind}, got {value!r}")
    elif dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return record(kind, value, path)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise InputError(f"{path}: expected a finite number, got {value}")
        return float(value)
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    expected = "True or False" if kind is bool else getattr(kind, "__name__", kind)
    if typing.get_origin(kind) is tuple:
        if path.endswith("]"):
            expected = "a tuple of tuples, as ((…, …),) with its last comma"
        else:
            expected = f"a tuple, as ({value!r},) with its comma"
    raise InputError(f"{path}: expected {expected}, got {value!r}")

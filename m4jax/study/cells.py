"""The grid: which runs a study consists of."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.study.config import RunConfig, run_config


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a study: its data version, its seed, and the resolved configuration."""

    version: str
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """For people: version and seed."""
        return f"{self.version}, seed {self.seed}"


def expand(config: Mapping[str, Any]) -> list[Cell]:
    """Returns the cells of a grid: every data version with every seed, versions first.

    Args:
      config: the fields of a run, and `versions` (pairs of a name and the fields
        that differ; the first is what the others are compared with) and `seeds`.

    Raises:
      InputError: for an unknown field, no versions or seeds, or two cells that are the same run.
    """
    base = dict(config)
    versions, seeds = dict(base.pop("versions", ())), base.pop("seeds", ())
    if not versions or not seeds:
        raise InputError("config: a grid needs `versions` and `seeds`; see configs/quickstart.py")
    cells = [
        Cell(version, seed, run_config(merge(base, changes) | {"seed": seed}))
        for seed in seeds
        for version, changes in versions.items()
    ]
    first = {}
    for cell in cells:
        other = first.setdefault(cell.config.id, cell)
        if other is not cell:
            raise InputError(f"the cells ({other.name}) and ({cell.name}) are the same run")
    return cells


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], path: str = "config") -> dict:
    """Returns `base` with the nested `changes` applied; a change of no known field is refused."""
    merged = dict(base)
    for name, value in changes.items():
        if name not in base:
            raise InputError(f"unknown field {path}.{name}: {nearest(name, base)}")
        nested = isinstance(base[name], Mapping)
        merged[name] = merge(base[name], value, f"{path}.{name}") if nested else value
    return merged

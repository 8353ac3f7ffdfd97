"""The grid: which runs a study consists of, as products and unions of factors."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.grid.factors import ALL, EXCLUDE, GRID, SEED, VERSION, Factors, checked
from m4jax.run.config import RunConfig, run_config


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        factors: factor -> level; the data version is always one of them.
        seed: of the run.
        config: resolved.
        studies: the names of those that it belongs to.
        told: its levels that are not the default ones, for people.
    """

    factors: Mapping[str, str]
    seed: int
    config: RunConfig
    studies: tuple[str, ...]
    told: tuple[str, ...]

    @property
    def version(self) -> str:
        """Of the data."""
        return self.factors[VERSION]

    @property
    def name(self) -> str:
        """For people: version, what else is not the default, and seed."""
        return ", ".join([self.version, *self.told, f"seed {self.seed}"])


def expand(config: Mapping[str, Any]) -> list[Cell]:
    """Returns the cells of a grid, in the order of its studies, by seed first.

    A study is a union of products. A product maps factors to the levels that it takes, "*" to all;
    factors that it does not name stay at their first level, the default. `seed` is a factor of
    every product; its default is all of `seeds`. `exclude` lists partial assignments that are left
    out. A run that several studies ask for is one cell.

    Args:
        config: the fields of a run; `factors`, pairs of a name and of its levels, which are pairs
            of a name and of the fields that differ from the base (`version` must be there; the
            versions are compared with the first one); `seeds`; and `studies`, pairs of a name and
            of products.

    Raises:
        InputError: for an unknown field, factor or level, cells that differ in name alone, or none.
    """
    base = dict(config)
    levels, seeds, studies = checked(*(base.pop(name, ()) for name in GRID))
    found: dict[tuple, Cell] = {}
    for study, products in studies:
        for assignment in itertools.chain(*(_product(p, levels, seeds) for p in products)):
            key = tuple(assignment.items())
            cell = found.get(key) or _cell(assignment, levels, base)
            found[key] = dataclasses.replace(
                cell, studies=tuple(dict.fromkeys((*cell.studies, study)))
            )
    cells = list(found.values())
    if not cells:
        raise InputError("config.studies: they hold no runs at all")
    _check_distinct(cells)
    order = list(dict.fromkeys([*seeds, *(cell.seed for cell in cells)]))
    return sorted(cells, key=lambda cell: order.index(cell.seed))


def levels(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the factors of a grid and their levels, the default first; the version leads."""
    of = checked(*(config.get(name, ()) for name in GRID))[0]
    found = {name: list(of[name]) for name in of}
    return {VERSION: found.pop(VERSION)} | found


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], path: str = "config") -> dict:
    """Returns `base` with the nested `changes` applied; a change of no known field is refused."""
    merged = dict(base)
    for name, value in changes.items():
        if name not in base:
            raise InputError(f"unknown field {path}.{name}: {nearest(name, base)}")
        nested = isinstance(base[name], Mapping)
        if nested and not isinstance(value, Mapping):
            raise InputError(f"{path}.{name}: expected fields, got {value!r}")
        merged[name] = merge(base[name], value, f"{path}.{name}") if nested else value
    return merged


def _product(
    product: Mapping[str, Any], factors: Factors, seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Yields the assignments factor -> level (and seed) of one product, without its exclusions."""
    product = dict(product)
    excluded = product.pop(EXCLUDE, ())
    chosen = {SEED: product.get(SEED, seeds)}
    for name, levels in factors.items():
        wanted = product.get(name, (next(iter(levels)),))
        chosen[name] = tuple(levels) if wanted == ALL else wanted
    for values in itertools.product(*chosen.values()):
        assignment = dict(zip(chosen, values, strict=True))
        if not any(_matches(assignment, part) for part in excluded):
            yield assignment


def _matches(assignment: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return all(chosen == ALL or assignment[name] in chosen for name, chosen in part.items())


def _cell(assignment: Mapping[str, Any], factors: Factors, base: Mapping[str, Any]) -> Cell:
    fields, told = dict(base), []
    for name, levels in factors.items():
        level = assignment[name]
        fields = merge(fields, levels[level])
        if name != VERSION and level != next(iter(levels)):
            told.append(level)
    config = run_config(fields | {SEED: assignment[SEED]})
    chosen = {name: assignment[name] for name in factors}
    return Cell(chosen, assignment[SEED], config, (), tuple(told))


def _check_distinct(cells: Sequence[Cell]) -> None:
    first: dict[str, Cell] = {}
    names: dict[str, Cell] = {}
    for cell in cells:
        if names.setdefault(cell.name, cell) is not cell:
            raise InputError(
                f"two cells are called ({cell.name}): give levels of different factors different "
                "names"
            )
        other = first.setdefault(cell.config.id, cell)
        if other is not cell:
            raise InputError(f"the cells ({other.name}) and ({cell.name}) are the same run")

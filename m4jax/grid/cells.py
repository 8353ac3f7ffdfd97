"""The grid: which runs a study consists of, as products and unions of factors."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m4jax.data.sources import SOURCES
from m4jax.errors import InputError, nearest
from m4jax.report.results import SCHEMA
from m4jax.run.config import RunConfig, run_config

VERSION, SEED, ALL, EXCLUDE = "version", "seed", "*", "exclude"
GRID = ("factors", "seeds", "studies")  # what a grid has beyond the fields of a run
Factors = dict[str, dict[str, Mapping[str, Any]]]  # factor -> level -> fields that differ


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        factors: factor -> level; the data version is always one of them.
        seed: of the run.
        config: resolved.
        studies: the names of those that it belongs to.
        changes: its levels that are not the default ones, but for the version.
    """

    factors: Mapping[str, str]
    seed: int
    config: RunConfig
    studies: tuple[str, ...]
    changes: tuple[str, ...]

    @property
    def version(self) -> str:
        """Of the data."""
        return self.factors[VERSION]

    @property
    def name(self) -> str:
        """For people: version, what else is not the default, and seed."""
        return ", ".join([self.version, *self.changes, f"seed {self.seed}"])


def expand(config: Mapping[str, Any]) -> list[Cell]:
    """Returns the cells of a grid, in the order of its studies, by seed first.

    A study is a union of products. A product maps factors to the levels that it takes, "*" to all;
    factors that it does not name stay at their first level, the default. `seed` is a factor of
    every product; its default is all of `seeds`. `exclude` lists partial assignments that are left
    out. A run that several studies ask for is one cell.

    Args:
        config: the fields of a run; `factors`, pairs of a name and of its levels, which are pairs
            of a name and of the fields that differ from the base (`version` must be there; the
            versions are compared with the first one); `seeds`; `studies`, pairs of a name and of
            products; and `claims`, if it is told by others than the default (`report.studies`).

    Raises:
        InputError: for an unknown field, factor or level, cells that differ in name alone, or none.
    """
    base = dict(config)
    base.pop("claims", None)  # how the study is told is no part of any run
    factors, seeds, studies = _checked(*(base.pop(name, ()) for name in GRID))
    by_assignment: dict[tuple, Cell] = {}
    for study, products in studies:
        for assignment in itertools.chain(*(_product(p, factors, seeds) for p in products)):
            key = tuple(assignment.items())
            cell = by_assignment.get(key) or _cell(assignment, factors, base)
            by_assignment[key] = dataclasses.replace(
                cell, studies=tuple(dict.fromkeys((*cell.studies, study)))
            )
    cells = list(by_assignment.values())
    if not cells:
        raise InputError("config.studies: they hold no runs at all")
    _check_distinct(cells)
    order = list(dict.fromkeys([*seeds, *(cell.seed for cell in cells)]))
    return sorted(cells, key=lambda cell: order.index(cell.seed))


def levels(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the factors of a grid and their levels, the default first; the version leads."""
    factors = _checked(*(config.get(name, ()) for name in GRID))[0]
    names = {factor: list(factors[factor]) for factor in factors}
    return {VERSION: names.pop(VERSION)} | names


def merge(base: Mapping[str, Any], changes: Mapping[str, Any], path: str = "config") -> dict:
    """Returns `base` with the nested `changes` applied; a change of no known field is refused."""
    merged = dict(base)
    for name, value in changes.items():
        if name not in base:
            source = path.rpartition(".")[2]
            switch = name == "enabled" and source in SOURCES
            hint = f"set config.source to {source!r}" if switch else nearest(name, base)
            raise InputError(f"unknown field {path}.{name}: {hint}")
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
        selection = product.get(name, (next(iter(levels)),))
        chosen[name] = tuple(levels) if selection == ALL else selection
    for values in itertools.product(*chosen.values()):
        assignment = dict(zip(chosen, values, strict=True))
        if not any(_matches(assignment, part) for part in excluded):
            yield assignment


def _matches(assignment: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return all(chosen == ALL or assignment[name] in chosen for name, chosen in part.items())


def _cell(assignment: Mapping[str, Any], factors: Factors, base: Mapping[str, Any]) -> Cell:
    fields, changes = dict(base), []
    for name, levels in factors.items():
        level = assignment[name]
        fields = merge(fields, levels[level])
        if name != VERSION and level != next(iter(levels)):
            changes.append(level)
    config = run_config(fields | {SEED: assignment[SEED]})
    chosen = {name: assignment[name] for name in factors}
    return Cell(chosen, assignment[SEED], config, (), tuple(changes))


def _check_distinct(cells: Sequence[Cell]) -> None:
    ids: dict[str, Cell] = {}
    names: dict[str, Cell] = {}
    for cell in cells:
        if names.setdefault(cell.name, cell) is not cell:
            raise InputError(
                f"two cells are called ({cell.name}): give levels of different factors different "
                "names"
            )
        other = ids.setdefault(cell.config.id, cell)
        if other is not cell:
            raise InputError(f"the cells ({other.name}) and ({cell.name}) are the same run")


def _checked(factors: Any, seeds: Any, studies: Any) -> tuple[Factors, tuple, tuple]:
    """Returns factors, seeds and studies of a grid as `expand` takes them, their form checked.

    Raises:
        InputError: if they are of another form, or name what doesn't exist.
    """
    levels = {name: _pairs(pairs, f"config.factors: {name}") for name, pairs in
              _pairs(factors, "config.factors").items()}  # fmt: skip
    products = _pairs(studies, "config.studies")
    if VERSION not in levels or not seeds or not products:
        raise InputError(
            "config: a grid needs `factors` (`version` among them), `seeds` and `studies`; see "
            "configs/quickstart.py"
        )
    for name in levels:
        _check_factor(name, levels[name])
    _check_seeds(seeds, "config.seeds")
    for study, parts in products.items():
        if not isinstance(parts, list | tuple):
            raise InputError(
                f"config.studies: {study}: expected a tuple of products, got {parts!r}"
            )
        for product in parts:
            _check_product(product, levels, f"config.studies: {study}")
    return levels, tuple(seeds), tuple(products.items())


def _pairs(value: Any, where: str) -> dict[str, Any]:
    """Returns pairs of a name and something as a mapping."""
    try:
        pairs = [(name, content) for name, content in value]
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected pairs of a name and its content, got {value!r}") from (
            None
        )
    for name, _ in pairs:
        if not isinstance(name, str):
            raise InputError(f"{where}: expected a name in quotes, got {name!r}")
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: {twice!r} stands there twice")
    return dict(pairs)


def _check_factor(name: str, levels: Mapping[str, Any]) -> None:
    if name in SCHEMA.names and name != VERSION:
        raise InputError(f"config.factors: {name!r} is a column of every table of results")
    if not levels:
        raise InputError(f"config.factors: {name} has no levels")
    for level, changes in levels.items():
        if not isinstance(changes, Mapping):
            raise InputError(
                f"config.factors: {name}: {level}: expected the fields that differ, got {changes!r}"
            )


def _check_product(product: Any, factors: Factors, where: str) -> None:
    if not isinstance(product, Mapping):
        raise InputError(f"{where}: expected products, mappings from factors, got {product!r}")
    excluded = product.get(EXCLUDE, ())
    if not isinstance(excluded, list | tuple):
        raise InputError(f"{where}: {EXCLUDE}: expected a tuple of mappings, got {excluded!r}")
    _check_levels({k: v for k, v in product.items() if k != EXCLUDE}, factors, where)
    for part in excluded:
        if not isinstance(part, Mapping) or not part:
            raise InputError(f"{where}: {EXCLUDE}: expected mappings from factors, got {part!r}")
        _check_levels(part, factors, where)


def _check_levels(part: Mapping[str, Any], factors: Factors, where: str) -> None:
    for name, chosen in part.items():
        if name == SEED:
            _check_seeds(chosen, f"{where}: seed")
            continue
        if name not in factors:
            raise InputError(f"{where}: unknown factor {name!r}; {nearest(name, factors)}")
        if isinstance(chosen, str) and chosen == ALL:
            continue
        if not isinstance(chosen, list | tuple):
            raise InputError(f"{where}: {name}: expected a tuple of levels, got {chosen!r}")
        for level in chosen:
            if level not in factors[name]:
                hint = nearest(str(level), factors[name])
                raise InputError(f"{where}: {name} has no level {level!r}; {hint}")


def _check_seeds(seeds: Any, where: str) -> None:
    whole = isinstance(seeds, list | tuple) and all(type(seed) is int for seed in seeds)
    if not whole or len(set(seeds)) < len(seeds):
        raise InputError(f"{where}: expected a tuple of different whole numbers, got {seeds!r}")

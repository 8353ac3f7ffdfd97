"""The form of a grid: factors, their levels, and products of them."""

from collections.abc import Mapping
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.report.results import SCHEMA

VERSION, SEED, ALL, EXCLUDE = "version", "seed", "*", "exclude"
GRID = ("factors", "seeds", "studies")  # what a grid has beyond the fields of a run
Factors = dict[str, dict[str, Mapping[str, Any]]]  # factor -> level -> fields that differ


def checked(factors: Any, seeds: Any, studies: Any) -> tuple[Factors, tuple, tuple]:
    """Returns factors, seeds and studies of a grid, after checking their form.

    Args:
        factors: pairs of a name and of levels, which are pairs of a name and of a mapping.
        seeds: whole numbers.
        studies: pairs of a name and of products, mappings from factors to levels; see
            `cells.expand`.

    Raises:
        InputError: if they are of another form, or name what doesn't exist.
    """
    levels = {name: _pairs(of, f"config.factors: {name}") for name, of in
              _pairs(factors, "config.factors").items()}  # fmt: skip
    products = _pairs(studies, "config.studies")
    if VERSION not in levels or not seeds or not products:
        raise InputError(
            "config: a grid needs `factors` (`version` among them), `seeds` and `studies`; see "
            "configs/quickstart.py"
        )
    for name, of in levels.items():
        if name in SCHEMA.names and name != VERSION:
            raise InputError(f"config.factors: {name!r} is a column of every table of results")
        if not of:
            raise InputError(f"config.factors: {name} has no levels")
        for level, changes in of.items():
            if not isinstance(changes, Mapping):
                raise InputError(
                    f"config.factors: {name}: {level}: expected the fields that differ, got "
                    f"{changes!r}"
                )
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
        found = [(name, of) for name, of in value]
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected pairs of a name and its content, got {value!r}") from (
            None
        )
    for name, _ in found:
        if not isinstance(name, str):
            raise InputError(f"{where}: expected a name in quotes, got {name!r}")
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: {twice!r} stands there twice")
    return dict(found)


def _check_product(product: Any, factors: Factors, where: str) -> None:
    if not isinstance(product, Mapping):
        raise InputError(f"{where}: expected products, mappings from factors, got {product!r}")
    excluded = product.get(EXCLUDE, ())
    if not isinstance(excluded, list | tuple):
        raise InputError(f"{where}: {EXCLUDE}: expected a tuple of mappings, got {excluded!r}")
    _check_names({k: v for k, v in product.items() if k != EXCLUDE}, factors, where)
    for part in excluded:
        if not isinstance(part, Mapping) or not part:
            raise InputError(f"{where}: {EXCLUDE}: expected mappings from factors, got {part!r}")
        _check_names(part, factors, where)


def _check_names(part: Mapping[str, Any], factors: Factors, where: str) -> None:
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

"""What a study's directory was made by: a cell that is in it must be the same run again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from m4jax import files
from m4jax.errors import InputError
from m4jax.grid.cells import Cell
from m4jax.run.config import RunConfig, looked_at_of
from m4jax.run.state import Layout

ID = "id"  # beside the fields of a cell's run: its name, a hash by contents
SHOWN = 5  # differences


def described(cells: Sequence[Cell]) -> dict[str, Any]:
    """Returns the resolved grid as JSON values: the fields and the id of each cell's run."""
    whole = {cell.name: cell.config.to_json() | {ID: cell.config.id} for cell in cells}
    return json.loads(json.dumps(whole))


def enter(cells: Sequence[Cell], layout: Layout) -> int:
    """Notes the cells in the directory; returns how many others it has already.

    Raises:
        InputError: as `check`.
    """
    with files.locked(layout.root / "locks" / "config"):
        check(cells, layout)
        old = files.read_sealed(layout.config) if layout.config.exists() else {}
        new = described(cells)
        files.write_sealed(layout.config, old | new)
    return len(old.keys() - new.keys())


def check(cells: Sequence[Cell], layout: Layout) -> None:
    """Raises `InputError` if the directory has a cell as another run, naming the differences.

    Runs of one id are the same, wherever the model lies that they start from. How they are
    evaluated may change: they are then evaluated again.
    """
    if not layout.config.exists():
        return
    old, new = files.read_sealed(layout.config), described(cells)
    differing = [
        line
        for cell in cells
        if cell.name in old
        for line in _differing(cell.config, cell.name, old[cell.name], new[cell.name])
    ]
    if differing:
        lines = "".join(f"\n  {line}" for line in differing[:SHOWN])
        more = f"\n  and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        raise InputError(
            f"{layout.root} was made by another configuration; choose another --workdir, or "
            f"delete it.{lines}{more}"
        )


def _differing(
    config: RunConfig, name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """Returns in which fields a cell was another run; without old ids, by fields alone."""
    if old.get(ID) == new[ID]:
        return []
    before, now = _what_it_is(config, old), _what_it_is(config, new)
    lines = [
        f"/{name}{key}: {before.get(key)!r} there, {now.get(key)!r} here"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]
    if not lines and ID in old:
        start = f" or {config.init_from}" if config.init_from else ""
        lines = [f"/{name}: the data{start} had other contents"]
    return lines


def _what_it_is(config: RunConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the leaves, by their path, of what determines a run: see `RunConfig.id`."""
    skipped = {ID, "evaluate", "in_memory_gb"}
    kept = {key: value for key, value in fields.items() if key not in skipped}
    kind = config.source.kind
    if isinstance(kept.get(kind), Mapping):
        looked_at = looked_at_of(config.source)
        kept[kind] = {key: value for key, value in kept[kind].items() if key not in looked_at}
    return _flat(kept)


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Returns the leaves of nested mappings by their path."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {k: v for name in value for k, v in _flat(value[name], f"{path}/{name}").items()}

"""The configuration of balancing tables of any size."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from m4jax import balance
from m4jax.data.annotate import LABEL_SETS
from m4jax.data.world import World
from m4jax.errors import InputError, nearest
from m4jax.settings import record
from m4jax.tables.table import Columns

EXAMPLE = "configs/balance.py"
LARGEST = "max"


@dataclasses.dataclass(frozen=True)
class WeighConfig:
    """What is balanced and how; `configs/balance.py` describes every field."""

    files: tuple[str, ...]
    uid: str
    attributes: tuple[str, ...]
    labels: tuple[str, ...]
    packed: str
    counts: str
    utility: str
    utility_levels: int
    world: World
    world_labels: tuple[str, ...]
    intersections: tuple[tuple[str, ...], ...]
    target: float | tuple[tuple, ...]
    keep_rate: float | str
    eps_representation: float
    eps_association: float
    penalty: float
    objective: str
    tolerance: float
    precision: str
    allow_violations: bool
    selection_seed: int | None
    frontier: tuple[float, ...]
    check_uids: bool
    memory_limit: str
    threads: int
    shards: int
    shard: int | None

    def __post_init__(self):
        if self.files and not self.attributes:
            raise InputError("config.attributes: expected names of columns of the files")
        if not self.files and (self.attributes or self.labels):
            raise InputError("config.attributes, config.labels: name columns, but no files are set")
        for name in self.world_labels:
            if name not in LABEL_SETS:
                hint = nearest(name, LABEL_SETS)
                raise InputError(f"config.world_labels: unknown {name!r}; {hint}")
        if isinstance(self.keep_rate, str) and self.keep_rate != LARGEST:
            raise InputError(
                f"config.keep_rate: expected a number or {LARGEST!r}, got {self.keep_rate!r}"
            )
        if self.objective not in balance.OBJECTIVES:
            hint = nearest(self.objective, balance.OBJECTIVES)
            raise InputError(f"config.objective: unknown {self.objective!r}; {hint}")
        if self.shards < 1 or self.threads < 0:
            raise InputError(
                f"config.shards, config.threads: expected at least 1 and 0, got {self.shards} and "
                f"{self.threads}"
            )
        if self.shard is not None and not 0 <= self.shard < self.shards:
            raise InputError(f"config.shard: expected 0 to {self.shards - 1}, got {self.shard}")
        _check_target(self.target)

    @property
    def columns(self) -> Columns:
        """What the columns of the files mean."""
        return Columns(
            uid=self.uid,
            attributes=self.attributes,
            labels=self.labels,
            packed=self.packed,
            counts=self.counts,
            utility=self.utility,
            utility_levels=self.utility_levels,
        )

    @property
    def targets(self) -> float | dict[str, float]:
        """The targets as `balance.Problem` takes them."""
        return dict(self.target) if isinstance(self.target, tuple) else self.target

    @property
    def asked(self) -> dict[str, Any]:
        """What the solution depends on, apart from the data, as values that JSON can hold."""
        names = ("intersections", "target", "keep_rate", "eps_representation", "eps_association",
                 "objective", "tolerance", "precision", "allow_violations")  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"penalty": str(self.penalty)}


def weigh_config(config: Mapping[str, Any]) -> WeighConfig:
    """Returns the checked, frozen configuration.

    Args:
        config: nested, with the fields of `configs/balance.py`.

    Raises:
        InputError: for an unknown field (naming the nearest known one), a missing one, or a value
            of the wrong type or range.
    """
    config = dict(config)
    if isinstance(config.get("world"), Mapping):
        config["world"] = record(World, config["world"], "config.world", EXAMPLE)
    return record(WeighConfig, config, "config", EXAMPLE)


def _check_target(target: float | tuple[tuple, ...]) -> None:
    pairs = target if isinstance(target, tuple) else (("", target),)
    for pair in pairs:
        named = len(pair) == 2 and isinstance(pair[0], str)
        if not named or isinstance(pair[1], bool) or not isinstance(pair[1], int | float):
            raise InputError(
                f"config.target: expected a number, or pairs as in (('man', 0.5),), got {target!r}"
            )

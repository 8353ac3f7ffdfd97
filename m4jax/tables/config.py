"""The configuration of balancing tables of any size."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from m4jax.data.annotation import LABEL_SETS
from m4jax.data.testbed.world import World
from m4jax.errors import InputError, nearest
from m4jax.settings import record
from m4jax.tables import selection
from m4jax.tables.columns import Columns
from m4jax.tables.request import LARGEST, MARGIN, Request

EXAMPLE = "configs/balance.py"
PRECISIONS = ("float32", "float64")


@dataclasses.dataclass(frozen=True)
class TableConfig(Request):
    """What is balanced and how."""

    # The table: parquet files with one row an example.
    files: tuple[str, ...] = ()  # paths or patterns, as in ("data/*.parquet",); (): the testbed
    uid: str = "uid"  # column of text or whole numbers, unique to each example
    attributes: tuple[str, ...] = ()  # columns of 0 and 1, or between; NULL: unknown
    labels: tuple[str, ...] = ()  # the same, never NULL; proxies are further labels
    packed: str = ""  # or the one column whose bit j is the j-th of attributes and labels
    columns: tuple[str, ...] = ()  # further columns of numbers that constraints speak of: tokens
    counts: str = ""  # column that says how often each row counts; "": once
    utility: str = ""  # column with the utility u > 0 of each example; "": 1
    # Where utilities hardly repeat, fold them rounded to this many levels an octave; passes over
    # the examples then make the weights exact. 0: only equal utilities share a pattern.
    utility_levels: int = 0
    full_fingerprints: bool = False  # whether ids hash files beyond 64 MiB in full, not in samples
    check_uids: bool = True  # whether to refuse uids that are NULL or come twice

    # The testbed, for files = ().
    world: World = dataclasses.field(default_factory=World)  # its knobs
    world_labels: tuple[str, ...] = ("occupations", "any_thing")  # label sets; "things": proxies

    # What is asked of the weights, besides the fields of `Request`.
    intersections: tuple[tuple[str, ...], ...] = ()  # as in (("man", "dark skin"),)
    target: float | tuple[tuple, ...] = 0.5  # prevalence, or (("man", 0.5), …)
    precision: str = "float64"  # "float32": passes in single precision, for accelerators
    allow_violations: bool = False  # True: write weights even if bounds don't hold

    # What is written besides the weights.
    selection_seed: int | None = None  # a seed: also who is kept, by uid
    frontier: tuple[float, ...] = tuple(i / 10 for i in range(1, 11))  # keep rates; (): none

    # Resources.
    memory_limit: str = "2GB"  # of reading the tables; what is beyond it goes to the disk
    threads: int = 0  # 0: as many as there are cores
    shards: int = 1  # parts in which the files are folded; each is done but once
    shard: int | None = None  # fold this part alone: one process for each

    def __post_init__(self):
        super().__post_init__()
        if self.files and not self.attributes:
            raise InputError("config.attributes: expected names of columns of the files")
        if not self.files and (self.attributes or self.labels or self.columns):
            raise InputError(
                "config.attributes, config.labels, config.columns: name columns, but no files are "
                "set"
            )
        for name in self.world_labels:
            if name not in LABEL_SETS:
                hint = nearest(name, LABEL_SETS)
                raise InputError(f"config.world_labels: unknown {name!r}; {hint}")
        if self.shards < 1 or self.threads < 0:
            raise InputError(
                f"config.shards, config.threads: expected at least 1 and 0, got {self.shards} and "
                f"{self.threads}"
            )
        if self.shard is not None and not 0 <= self.shard < self.shards:
            raise InputError(f"config.shard: expected 0 to {self.shards - 1}, got {self.shard}")
        if self.precision not in PRECISIONS:
            hint = nearest(self.precision, PRECISIONS)
            raise InputError(f"config.precision: unknown {self.precision!r}; {hint}")
        if self.selection_seed is not None:
            selection.check_seed(self.selection_seed, "config.selection_seed")
        _check_target(self.target)

    @property
    def meaning(self) -> Columns:
        """What the columns of the files mean."""
        return Columns(
            uid=self.uid,
            attributes=self.attributes,
            labels=self.labels,
            packed=self.packed,
            counts=self.counts,
            utility=self.utility,
            utility_levels=self.utility_levels,
            numbers=self.columns,
        )

    @property
    def targets(self) -> float | dict[str, float]:
        """The targets as `balance.Problem` takes them."""
        return dict(self.target) if isinstance(self.target, tuple) else self.target

    @property
    def identity(self) -> dict[str, Any]:
        """What the solution depends on, apart from the data, as values that JSON can hold."""
        names = ("intersections", "target", "keep_rate", "eps_representation", "eps_association",
                 "objective", "tolerance", "precision", "allow_violations")  # fmt: skip
        margin = {"margin": MARGIN} if self.keep_rate == LARGEST else {}
        return (
            {name: getattr(self, name) for name in names} | {"penalty": str(self.penalty)} | margin
        )


def table_config(config: Mapping[str, Any]) -> TableConfig:
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
    return record(TableConfig, config, "config", EXAMPLE)


def _check_target(target: float | tuple[tuple, ...]) -> None:
    pairs = target if isinstance(target, tuple) else (("", target),)
    for pair in pairs:
        named = len(pair) == 2 and isinstance(pair[0], str)
        if not named or isinstance(pair[1], bool) or not isinstance(pair[1], int | float):
            raise InputError(
                f"config.target: expected a number, or pairs as in (('man', 0.5),), got {target!r}"
            )
    names = [pair[0] for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"config.target: {name!r} comes twice in {target!r}")

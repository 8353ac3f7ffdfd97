"""The configuration of balancing tables of any size."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from m4jax import balance
from m4jax.balance import own
from m4jax.balance.feasibility import MARGIN
from m4jax.data.annotation import LABEL_SETS
from m4jax.data.testbed.world import World
from m4jax.errors import InputError, nearest
from m4jax.settings import record
from m4jax.tables import selection
from m4jax.tables.columns import Columns
from m4jax.tables.request import LARGEST, Request, contents

EXAMPLE = "configs/balance.py"
PRECISIONS = ("float32", "float64")
BAND = 0.05  # points by which a share may miss its target, where nothing else is asked for
SOFT = 10.0  # the penalty where weights are wanted whatever they violate
# What is done with labels that the data can't decide: of which one group has too few examples.
TELL, KEEP, DROP = ONE_SIDED = ("tell", "keep", "drop")
DUCKDB, BEAM = ENGINES = ("duckdb", "beam")


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

    # What is asked of the weights, besides the other fields of `Request`.
    target: float | tuple[tuple, ...] = 0.5  # the share that is aimed at, or (("man", 0.5), …)
    # By how much the share of an attribute, among all and within each label, may miss its target:
    # 0.05 are 5 points. None: 0.05, or no band where eps_* or constraints are set.
    band: float | None = None
    least: int = 5  # examples of either group with a label, below which the data can't decide
    # What is done with labels that the data can't decide. "tell": left as they are, exit code 3;
    # "keep": left as they are, exit code 0; "drop": examples with them get weight 0
    one_sided: str = TELL
    # In words: texts or mappings, as in ("cap all at most 2%", "budget tokens at most 1e9",
    # {"share": "man", "within": "nurse", "between": (0.4, 0.6)}); see
    # m4jax/balance/constraints/grammar.py
    constraints: tuple[str | Mapping, ...] = ()
    # Groups that nobody named: where shares are looked at as well, and balanced where they are off.
    # 2: attributes within each label or other attribute, 3: within any two of these; 0: nowhere
    subgroups: int = 0
    intersections: tuple[tuple[str, ...], ...] = ()  # as in (("man", "dark skin"),)
    keep_rate: float | str = LARGEST  # η, the share that is kept; "max": all that can be, less 1%
    eps_representation: float | None = None  # the paper's bound on |E[q (s - target)]|; None: none
    eps_association: float | None = None  # on |E[q (s - target) y]|, for each label; None: none
    # V, the level of enforcement; inf: the bounds must hold. None: inf, 10 with allow_violations
    penalty: float | None = None
    precision: str = "float64"  # "float32": passes in single precision, for accelerators
    allow_violations: bool = False  # True: write weights even if bounds don't hold

    # What is written besides the weights.
    selection_seed: int | None = None  # a seed: also who is kept, by uid
    frontier: tuple[float, ...] = tuple(i / 10 for i in range(1, 11))  # keep rates; (): none

    # Resources.
    memory_limit: str = "2GB"  # of reading the tables; what is beyond it goes to the disk
    threads: int = 0  # 0: as many as there are cores
    # What reads the examples: "duckdb", on this machine, or "beam", on many (Apache Beam: Dataflow,
    # Flink, Spark, or this machine); see m4jax/tables/beam/README.md.
    engine: str = "duckdb"
    beam_options: tuple[str, ...] = ()  # of Beam, as in ("--runner=FlinkRunner",); (): this machine
    beam_folder: str = ""  # where Beam's workers write, as in "gs://bucket/x"; "": the workdir

    def __post_init__(self):
        super().__post_init__()
        if self.files and not self.attributes:
            raise InputError(
                "config.attributes: expected names of columns of the files, as in ('man',), got ()"
            )
        if not self.files and (self.attributes or self.labels or self.columns):
            raise InputError(
                "config.attributes, config.labels, config.columns: name columns, but no files are "
                "set"
            )
        for name in self.world_labels:
            if name not in LABEL_SETS:
                hint = nearest(name, LABEL_SETS)
                raise InputError(f"config.world_labels: unknown {name!r}; {hint}")
        if self.threads < 0:
            raise InputError(f"config.threads: expected at least 0, got {self.threads}")
        _check_engine(self.engine, self.beam_options, self.beam_folder)
        if self.precision not in PRECISIONS:
            hint = nearest(self.precision, PRECISIONS)
            raise InputError(f"config.precision: unknown {self.precision!r}; {hint}")
        if self.one_sided not in ONE_SIDED:
            hint = nearest(self.one_sided, ONE_SIDED)
            raise InputError(f"config.one_sided: unknown {self.one_sided!r}; {hint}")
        if self.band is not None and not 0 <= self.band <= 1:
            raise InputError(f"config.band: expected 0 to 1, 0.05 for 5 points, got {self.band}")
        if self.subgroups not in (0, 2, 3):
            raise InputError(f"config.subgroups: expected 0, 2 or 3, got {self.subgroups}")
        if self.subgroups and self.utility_levels:
            raise InputError("config.subgroups: not with config.utility_levels")
        if self.least < 1:
            raise InputError(f"config.least: expected at least 1, got {self.least}")
        self.words  # noqa: B018 (raises on what can't be read)
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
    def points(self) -> float | None:
        """The band that is asked for, or None."""
        absolute = self.eps_representation is not None or self.eps_association is not None
        default = None if absolute or self.constraints else BAND
        return default if self.band is None else self.band

    @property
    def enforcement(self) -> float:
        """V: what `penalty` is or stands for."""
        default = SOFT if self.allow_violations else math.inf
        return default if self.penalty is None else self.penalty

    @functools.cached_property
    def words(self) -> tuple[Any, ...]:
        """The constraints in words, without the band."""
        found = []
        for number, item in enumerate(self.constraints):
            try:
                found.append(balance.from_config(item))
            except balance.ProblemError as error:
                raise InputError(f"config.constraints[{number}]: {error}") from None
        return tuple(found)

    @property
    def identity(self) -> dict[str, Any]:
        """What the solution depends on, apart from the data, as values that JSON can hold."""
        names = ("intersections", "target", "keep_rate", "eps_representation", "eps_association",
                 "objective", "tolerance", "precision", "allow_violations", "least")  # fmt: skip
        facts = {name: getattr(self, name) for name in names}
        given = zip(self.constraints, self.words, strict=True)
        facts |= {"constraints": [x if own.is_path(x) else repr(word) for x, word in given]}
        files = contents(self)
        facts |= {"own": files} if files else {}
        facts |= {"band": self.points, "drop": self.one_sided == DROP}
        facts |= {"subgroups": self.subgroups} if self.subgroups else {}
        margin = {"margin": MARGIN} if self.keep_rate == LARGEST else {}
        return facts | {"penalty": str(self.enforcement)} | margin


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


def _check_engine(engine: str, options: tuple[str, ...], folder: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"config.engine: unknown {engine!r}; {nearest(engine, ENGINES)}")
    if engine != BEAM and (options or folder):
        raise InputError(f"config.beam_options, config.beam_folder: for config.engine={BEAM}")


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

"""What determines a run: its records, with their defaults, and how a configuration gives them."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from m4jax import files, models
from m4jax.balance.own import is_path
from m4jax.data.examples import Source
from m4jax.data.sources import SOURCES
from m4jax.data.testbed.world import World
from m4jax.errors import InputError, nearest
from m4jax.evaluation.prompts import load as load_prompts
from m4jax.run import start, streams
from m4jax.run.data_version import OWN, BalanceConfig, FilterConfig, filter_of_run, of_run
from m4jax.settings import check_keys, convert, record
from m4jax.training import TrainConfig


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which model is trained; see `models.Variant`."""

    variant: str = "emoji-S/8"  # a name of the variant table; 32 pixels, patches of 8, 3 layers
    context_length: int = 12  # tokens of a caption, the end token included
    embed: int = 0  # size of the embeddings; 0: the variant's
    dtype: str = "float32"  # of the computation: "float32" or "bfloat16"
    remat: str = "none"  # what is computed again to save memory: "none", "dots" or "full"

    def __post_init__(self):
        if self.variant not in models.names():
            hint = nearest(self.variant, models.names())
            raise InputError(f"model.variant: unknown {self.variant!r}; {hint}")
        if self.embed < 0:
            raise InputError(f"model.embed: expected at least 0, got {self.embed}")
        models.create(self.variant, dtype=self.dtype, remat=self.remat)  # raises on a bad value


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """How a model is evaluated."""

    prompts: str = "emoji_scenes_v3"  # a versioned file of prompts, or a .json file
    resamples: int = 1_000  # of the bootstrap

    def __post_init__(self):
        load_prompts(self.prompts)  # raises if there are none of this name
        if self.resamples < 100:
            raise InputError(f"evaluate.resamples: expected at least 100, got {self.resamples}")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """All that determines a run."""

    # Where the training pairs come from, how they are chosen and weighted, and what is trained how.
    source: Source = dataclasses.field(default_factory=World)
    filter: FilterConfig | None = None  # which of them are left out
    balance: BalanceConfig | None = None  # how they are weighted
    # Shares of the steps between which the weights act; before and after, all examples weigh the
    # same. () without weights.
    during: tuple[float, ...] = ()
    # To start from: a run's directory, an exported model, or another library's folder or npz file,
    # which then tells the model (of the section only dtype and remat count); "": random.
    init_from: str = ""
    in_memory_gb: float = 8.0  # training pictures that take more, decoded, stay encoded on disk
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    track: bool = False  # whether bias is also measured at every checkpoint
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)

    def __post_init__(self):
        during = (*self.during, 0, 0)
        if self.balance and not (len(during) == 4 and 0 <= during[0] < during[1] <= 1):
            expected = "two shares of the steps, 0 <= from < to <= 1"
            raise InputError(f"balance.during: expected {expected}, got {self.during}")
        if self.balance and not self.balanced_steps:
            raise InputError(
                f"balance.during: none of the {self.train.steps} steps lies in {self.during}, "
                "rounded to whole steps; the weights would never act"
            )
        if self.filter and self.filter.draws and self.filter.seed is None:
            raise InputError(f"filter.seed: expected a seed for {self.filter.kind!r}, got None")
        if len(self._drawn_by) > 1:
            raise InputError(
                "filter.balance.streams: expected that of balance.streams, got versions "
                f"{sorted(self._drawn_by)}"
            )
        if not 0 <= self.in_memory_gb < math.inf:
            raise InputError(
                f"in_memory_gb: expected a finite number from 0 on, got {self.in_memory_gb}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the fields, nested, as JSON values; the source stands under its kind."""
        # None is left out: a new optional field leaves the names of old runs alone.
        fields = dataclasses.asdict(self)
        return _without_none({self.source.kind: fields.pop("source")} | fields)

    @functools.cached_property
    def id(self) -> str:
        """The run's name: a hash of all that determines its parameters, by contents.

        How it is looked at is not part of it (the evaluation, the source's fields `looked_at`):
        another evaluation needs no other training.
        """
        fields = {k: v for k, v in self._named.items() if k not in ("evaluate", "in_memory_gb")}
        fields |= {self.source.kind: self.data, "init_from": start.identity(self.init_from)}
        fields["model"] = start.read_of(fields["model"], self.init_from)
        fields["train"].pop("share_at", None)
        return files.digest(fields | ({"streams": self._streams} if self._streams else {}))

    @property
    def balanced_steps(self) -> range:
        """The steps, counted from 0, in which a balanced run's weights act."""
        return range(*(round(share * self.train.steps) for share in self.during))

    @property
    def data(self) -> dict[str, Any]:
        """What determines the training pairs, as JSON.

        It is the source's `facts`, where contents count that its fields only name, with the id that
        follows from them; or else its fields.
        """
        if hasattr(self.source, "facts"):
            return self.source.facts | {"id": self.source.id}
        fields, looked_at = self.to_json()[self.source.kind], looked_at_of(self.source)
        return {k: v for k, v in fields.items() if k not in looked_at}

    @property
    def weighted(self) -> bool:
        """Whether the examples are filtered or balanced."""
        return self.filter is not None or self.balance is not None

    @property
    def _named(self) -> dict[str, Any]:
        """The fields as names have them: the version of the streams counts where it is used."""
        fields = self.to_json()
        for balance in (fields.get("balance", {}), fields.get("filter", {}).get("balance", {})):
            balance.pop("streams", None)
            _by_contents(balance)
        return fields

    @property
    def _drawn_by(self) -> set[int]:
        """Versions of the streams from which its balancing, or its scorer's, draws anything."""
        balances = (self.balance, self.filter and self.filter.balance)
        return {x.drawn_by for x in balances if x and x.draws}

    @property
    def _streams(self) -> int | None:
        """The version of the streams in names; None: nothing is drawn, or from the first."""
        return max(self._drawn_by - {streams.FIRST}, default=None)

    @functools.cached_property
    def weights_id(self) -> str | None:
        """The name of the run's weights: a hash of all that they follow from."""
        if not self.weighted:
            return None
        fields = self._named
        parts = [self.data, fields.get("balance")]
        if self.filter:
            parts += [fields["filter"]] + ([self.scorer.id] if self.scorer else [])
        return files.digest(parts + ([self._streams] if self._streams else []))

    @property
    def scorer(self) -> "RunConfig | None":
        """The run whose model scores the pairs for a filter that needs it: CLIP without one."""
        if self.filter is None or not self.filter.scored:
            return None
        balance = self.filter.balance
        train = dataclasses.replace(self.train, loss="softmax", seed=self.filter.scorer_seed)
        model = dataclasses.replace(self.model, variant=self.filter.scorer)
        data = {"filter": None, "balance": balance, "during": (0.0, 1.0) if balance else ()}
        return dataclasses.replace(self, model=model, train=train, **data)


def looked_at_of(source: Source) -> tuple[str, ...]:
    """Returns the names of a source's fields that are for evaluation alone."""
    return getattr(source, "looked_at", ())


def run_config(config: Mapping[str, Any]) -> RunConfig:
    """Returns the checked, frozen configuration of one run.

    Args:
        config: nested, with the fields of `configs/base.py`.

    Raises:
        InputError: for an unknown field (naming the nearest known one), a missing one, or a value
            of the wrong type or range.
    """
    config = {key: dict(v) if isinstance(v, Mapping) else v for key, v in config.items()}
    parts = (*SOURCES, "filter", "balance", "model", "train", "evaluate")
    plain = ("seed", "source", "init_from", "in_memory_gb", "track")
    check_keys(config, (*plain, *parts), "config")
    for name in parts:
        if not isinstance(config[name], dict):
            raise InputError(f"config.{name}: expected fields, got {config[name]!r}")
    filtered, balanced = (_take(config, f"{name}.enabled", bool) for name in ("filter", "balance"))
    scorer_balanced = _take(config, "filter.scorer_balanced", bool)
    during = _take(config, "balance.during", tuple[float, ...])
    seed = convert(int, config["seed"], "config.seed")
    balance = record(BalanceConfig, config["balance"], "config.balance")
    of_scorer = of_run(dataclasses.replace(balance, control="none"), seed)
    chosen = config["filter"] | {"balance": of_scorer if scorer_balanced else None}
    chosen = filter_of_run(record(FilterConfig, chosen, "config.filter"), seed)
    if "seed" in config["train"]:
        raise InputError("unknown field config.train.seed: set config.seed")
    fields = {name: config[name] for name in ("init_from", "in_memory_gb", "track", "evaluate")}
    fields |= {
        "source": _source(config, seed),
        "filter": chosen if filtered else None,
        "balance": of_run(balance, seed) if balanced else None,
        "during": during if balanced else (),
        "model": config["model"],
        "train": config["train"] | {"seed": seed},
    }
    return record(RunConfig, fields, "config")


def _source(config: Mapping[str, Any], seed: int) -> Source:
    """Returns the source that is named, drawn by the run's seed if its own is `OWN`."""
    for name, kind in SOURCES.items():
        if "enabled" in config[name]:
            raise InputError(f"unknown field config.{name}.enabled: set config.source to {name!r}")
        check_keys(config[name], [x.name for x in dataclasses.fields(kind)], f"config.{name}")
    name = config["source"]
    if not isinstance(name, str) or name not in SOURCES:
        raise InputError(f"config.source: unknown {name!r}; {nearest(str(name), SOURCES)}")
    own = {"seed": seed} if config[name].get("seed") == OWN else {}
    return record(SOURCES[name], config[name] | own, f"config.{name}")


def from_json(value: Mapping[str, Any]) -> RunConfig:
    """Returns the run configuration of which `value` is `RunConfig.to_json()`."""
    kinds = [kind for kind in SOURCES if value.get(kind) is not None]
    if len(kinds) != 1:
        raise InputError(f"config: expected one of {', '.join(SOURCES)}, got {sorted(value)}")
    source = record(SOURCES[kinds[0]], value[kinds[0]], f"config.{kinds[0]}")
    fields = {name: x for name, x in value.items() if name not in SOURCES}
    return record(RunConfig, fields | {"source": source}, "config")


def _by_contents(balance: dict[str, Any]) -> None:
    """Leaves the names of import paths' modules out: their contents, `own_files`, count."""
    if "own_files" in balance:
        words = [x.rpartition(":")[2] if is_path(x) else x for x in balance.get("constraints", ())]
        balance["objective"] = balance["objective"].rpartition(":")[2]
        balance |= {"constraints": words}


def _without_none(value: Any) -> Any:
    """Returns nested mappings without the fields that are None."""
    if not isinstance(value, Mapping):
        return value
    return {k: _without_none(v) for k, v in value.items() if v is not None}


def _take(config: dict[str, Any], path: str, kind: Any) -> Any:
    """Takes a field out of a part of the configuration, and returns its value."""
    part, name = path.split(".")
    if name not in config[part]:
        raise InputError(f"missing field config.{path}: configs/base.py has all of them")
    return convert(kind, config[part].pop(name), f"config.{path}")

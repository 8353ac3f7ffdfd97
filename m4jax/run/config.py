"""Configurations: from a nested mapping to frozen records, with every field checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from m4jax import files, models
from m4jax.balance import OBJECTIVES
from m4jax.data.annotate import LABEL_SETS
from m4jax.data.pairs import Pairs
from m4jax.data.world import World
from m4jax.errors import InputError, nearest
from m4jax.evaluation.prompts import load as load_prompts
from m4jax.settings import check_keys, convert, record
from m4jax.training import TrainConfig

CENSUS = "census"  # a target: the census' shares instead of a number for all labels
LARGEST = "max"  # a keep rate: the largest at which all constraints hold
CONTROLS = ("none", "subsample", "shuffle")
OWN = -1  # a seed: that of the run, so that what is drawn differs from run to run


@dataclasses.dataclass(frozen=True)
class BalanceConfig:
    """How the training data are balanced; see `balance.Problem` and `balance.solve`.

    Attributes not of the problem itself:
      target: prevalence of men, for all labels, or "census": the census' shares.
      keep_rate: η, or "max": the largest at which all constraints hold.
      attribute_noise: share of the known attributes that is flipped before balancing.
      control: "none"; "subsample": in place of the weights q, equal weights of round(Σq) examples
        drawn at random; "shuffle": the weights q, permuted at random over the examples.
      seed: of the noise and the control; 0 where nothing is drawn.
    """

    labels: tuple[str, ...]
    target: float | str
    keep_rate: float | str
    eps_representation: float
    eps_association: float
    penalty: float
    objective: str
    tolerance: float
    attribute_noise: float
    control: str
    seed: int

    def __post_init__(self):
        for name in self.labels:
            if name not in LABEL_SETS:
                raise InputError(f"balance.labels: unknown {name!r}; {nearest(name, LABEL_SETS)}")
        if self.keep_rate != LARGEST and not _within(self.keep_rate, 0, 1, open_low=True):
            raise InputError(
                f"balance.keep_rate: expected in (0, 1], or {LARGEST!r}, got {self.keep_rate!r}"
            )
        if self.target != CENSUS and not _within(self.target, 0, 1):
            raise InputError(f"balance.target: expected 0 to 1, or {CENSUS!r}, got {self.target!r}")
        if not 0 <= self.attribute_noise < 0.5:
            raise InputError(
                f"balance.attribute_noise: expected in [0, 0.5), got {self.attribute_noise}"
            )
        if self.control not in CONTROLS:
            hint = nearest(self.control, CONTROLS)
            raise InputError(f"balance.control: unknown {self.control!r}; {hint}")
        for name in ("eps_representation", "eps_association"):
            if getattr(self, name) < 0:
                raise InputError(f"balance.{name}: expected at least 0, got {getattr(self, name)}")
        if self.objective not in OBJECTIVES:
            hint = nearest(self.objective, OBJECTIVES)
            raise InputError(f"balance.objective: unknown {self.objective!r}; {hint}")


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Which training pairs are left out for their low image–text similarity.

    Attributes:
        drop: share of the pairs that is left out, those of the lowest cosine.
        scorer: variant of the model that scores, trained with the softmax loss without a filter.
        scorer_seed: of that model.
        balance: how the pairs are weighted that the scorer is trained on; None: all alike.
    """

    drop: float
    scorer: str
    scorer_seed: int
    balance: BalanceConfig | None

    def __post_init__(self):
        if not 0 <= self.drop < 1:
            raise InputError(f"filter.drop: expected in [0, 1), got {self.drop}")
        if self.scorer not in models.names():
            hint = nearest(self.scorer, models.names())
            raise InputError(f"filter.scorer: unknown {self.scorer!r}; {hint}")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which model is trained; see `models.Variant`. An `embed` of 0 is that of the variant."""

    variant: str
    context_length: int
    embed: int
    dtype: str
    remat: str

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

    prompts: str
    resamples: int

    def __post_init__(self):
        load_prompts(self.prompts)  # raises if there are none of this name
        if self.resamples < 100:
            raise InputError(f"evaluate.resamples: expected at least 100, got {self.resamples}")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """All that determines a run.

    Attributes:
        world: of the training pictures; None: they come from `pairs`.
        pairs: of a TFDS dataset, or None: the testbed.
        filter: which of them are left out, or None.
        balance: how they are weighted, or None.
        during: shares of the steps, from 0 to 1, between which the weights act; before and after,
            all examples weigh the same. () without weights.
        init_from: a run's directory or an exported model; "": random parameters.
        in_memory_gb: gigabytes; training pictures that take more, decoded, stay encoded on disk.
        model: that is trained.
        train: how.
        track: whether bias is also measured at every checkpoint.
        evaluate: how the result is evaluated.
    """

    world: World | None
    pairs: Pairs | None
    filter: FilterConfig | None
    balance: BalanceConfig | None
    during: tuple[float, ...]
    init_from: str
    in_memory_gb: float
    model: ModelConfig
    train: TrainConfig
    track: bool
    evaluate: EvaluateConfig

    def __post_init__(self):
        if self.balance is None:
            return
        if len(self.during) != 2 or not 0 <= self.during[0] < self.during[1] <= 1:
            raise InputError(
                "balance.during: expected two shares of the steps, 0 <= from < to <= 1, got "
                f"{self.during}"
            )

    @property
    def id(self) -> str:
        """The run's name: a hash of all that determines its parameters.

        How it is evaluated is not part of it: another evaluation needs no other training.
        """
        return files.digest(_described(self, "evaluate", "in_memory_gb"))

    @property
    def weighted(self) -> bool:
        """Whether the examples are filtered or balanced."""
        return self.filter is not None or self.balance is not None

    @property
    def weights_id(self) -> str | None:
        """The name of the run's weights: a hash of all that they follow from."""
        if not self.weighted:
            return None
        parts = [_described(self.world or self.pairs), self.balance and _described(self.balance)]
        if self.filter:
            parts += [_described(self.filter), self.scorer.id]
        return files.digest(parts)

    @property
    def scorer(self) -> "RunConfig | None":
        """The run whose model scores the pairs for the filter: CLIP without one.

        In a grid that has this run as a cell, nothing is trained for the filter alone.
        """
        if self.filter is None:
            return None
        balance = self.filter.balance
        train = dataclasses.replace(self.train, loss="softmax", seed=self.filter.scorer_seed)
        model = dataclasses.replace(self.model, variant=self.filter.scorer)
        data = {"filter": None, "balance": balance, "during": (0.0, 1.0) if balance else ()}
        return dataclasses.replace(self, model=model, train=train, **data)


def run_config(config: Mapping[str, Any]) -> RunConfig:
    """Returns the checked, frozen configuration of one run.

    Args:
        config: nested, with the fields of `configs/base.py`.

    Raises:
        InputError: for an unknown field (naming the nearest known one), a missing one, or a value
            of the wrong type or range.
    """
    config = {key: dict(v) if isinstance(v, Mapping) else v for key, v in config.items()}
    parts = ("world", "pairs", "filter", "balance", "model", "train", "evaluate")
    check_keys(config, ("seed", "init_from", "in_memory_gb", "track", *parts), "config")
    for name in parts:
        if not isinstance(config[name], dict):
            raise InputError(f"config.{name}: expected fields, got {config[name]!r}")
    foreign, filtered, balanced = (
        _take(config[name], name, "enabled") for name in ("pairs", "filter", "balance")
    )
    if "during" not in config["balance"]:
        raise InputError("missing field config.balance.during: configs/base.py has all of them")
    during = convert(tuple[float, ...], config["balance"].pop("during"), "config.balance.during")
    seed = convert(int, config["seed"], "config.seed")
    balance = record(BalanceConfig, config["balance"], "config.balance")
    fair = _take(config["filter"], "filter", "scorer_balanced")
    of_scorer = dataclasses.replace(balance, control="none")
    of_scorer = _with_own_seed(of_scorer, seed) if fair else None
    balance = _with_own_seed(balance, seed)
    chosen = record(FilterConfig, config["filter"] | {"balance": of_scorer}, "config.filter")
    if chosen.scorer_seed == OWN:
        chosen = dataclasses.replace(chosen, scorer_seed=seed)
    if "seed" in config["train"]:
        raise InputError("unknown field config.train.seed: set config.seed")
    world = record(World, config["world"], "config.world")
    pairs = record(Pairs, config["pairs"], "config.pairs") if foreign else None
    return RunConfig(
        world=None if foreign else world,
        pairs=pairs,
        filter=chosen if filtered else None,
        balance=balance if balanced else None,
        during=during if balanced else (),
        init_from=convert(str, config["init_from"], "config.init_from"),
        in_memory_gb=convert(float, config["in_memory_gb"], "config.in_memory_gb"),
        model=record(ModelConfig, config["model"], "config.model"),
        train=record(TrainConfig, config["train"] | {"seed": seed}, "config.train"),
        track=convert(bool, config["track"], "config.track"),
        evaluate=record(EvaluateConfig, config["evaluate"], "config.evaluate"),
    )


def _with_own_seed(balance: BalanceConfig, seed: int) -> BalanceConfig:
    """Returns the settings with the seed of what is drawn; 0 if nothing is.

    Runs whose weights need no chance thus share them, whatever their seed.
    """
    if balance.control == "none" and not balance.attribute_noise:
        return dataclasses.replace(balance, seed=0)
    return dataclasses.replace(balance, seed=seed) if balance.seed == OWN else balance


def from_json(value: Mapping[str, Any]) -> RunConfig:
    """Returns the run configuration that `dataclasses.asdict` turned into JSON."""
    return record(RunConfig, value, "config")


def _described(value: Any, *without: str) -> dict[str, Any]:
    """Returns the fields of a record, nested, as JSON values; those that are None are left out.

    A new optional field thus leaves the names of old runs as they are.
    """
    fields = dataclasses.asdict(value)
    return _known({k: v for k, v in fields.items() if k not in without})


def _known(value: Any) -> Any:
    """Returns nested mappings without the fields that are None."""
    if not isinstance(value, Mapping):
        return value
    return {k: _known(v) for k, v in value.items() if v is not None}


def _take(fields: dict[str, Any], name: str, switch: str) -> bool:
    """Takes a switch out of the fields of a part of the configuration."""
    value = fields.pop(switch, None)
    if not isinstance(value, bool):
        raise InputError(f"config.{name}.{switch}: expected True or False, got {value!r}")
    return value


def _within(value: float | str, low: float, high: float, *, open_low: bool = False) -> bool:
    if isinstance(value, str):
        return False
    return (low < value if open_low else low <= value) and value <= high

"""A run's data version: which training pairs are left out, and how the others are weighted."""

import dataclasses
import math

from m4jax import models
from m4jax.balance import ProblemError, own, parse
from m4jax.data.annotation import LABEL_SETS
from m4jax.errors import InputError, nearest
from m4jax.run import streams
from m4jax.tables import request
from m4jax.tables.request import Request

CENSUS = "census"  # a target: the census' shares instead of a number for all labels
CONTROLS = ("none", "subsample", "shuffle")
CAPS = ALONE, PARITY = ("alone", "parity")
# Kinds of filters besides that by a scorer's cosines.
KINDS = PERFECT, RANDOM, SHUFFLED = ("perfect", "random", "shuffled")
OWN = -1  # a seed: that of the run, so that what is drawn differs from run to run


@dataclasses.dataclass(frozen=True)
class BalanceConfig(Request):
    """How the training data are balanced."""

    target: float | str = 0.5  # prevalence of men that is aimed at; "census": each label's own
    labels: tuple[str, ...] = ("occupations", "any_thing")  # label sets; "things" are the proxies
    attribute_noise: float = 0.0  # share of the known attributes that is flipped before balancing
    # True: the weights see the flipped attributes, but know their share, and bound what the true
    # ones are likely to be
    error_known: bool | None = None
    # MetaCLIP's caps on concepts (occupations and things). "alone": its probabilities in place of
    # weights, with which as many examples are kept as balancing keeps; "parity": balanced, and no
    # concept is kept more often than the cap of "alone"
    caps: str | None = None
    # Further constraints in words, of "man" and of names of labels, as in ("share man within nurse
    # between 45% and 55%",); or of your own by import path, as in ("my_module:MY_CONSTRAINT",)
    constraints: tuple[str, ...] | None = None
    # SHA-256 of the files of the import paths among objective and constraints: found by themselves
    own_files: tuple[str, ...] | None = None
    # "none"; "subsample": in place of the weights q, equal weights of round(Σq) examples drawn at
    # random; "shuffle": the weights q, permuted at random over the examples
    control: str = "none"
    seed: int = OWN  # of the noise and the control; -1: the run's own; 0 where nothing is drawn
    # Version of the random streams that both are drawn from. 1: of before these were independent of
    # the world's, for results published by it. None: the newest, 2
    streams: int | None = None

    def __post_init__(self):
        try:
            super().__post_init__()
        except InputError as error:
            raise InputError(f"balance.{error}") from None
        for name in self.labels:
            if name not in LABEL_SETS:
                raise InputError(f"balance.labels: unknown {name!r}; {nearest(name, LABEL_SETS)}")
        for number, text in enumerate(self.constraints or ()):
            _check_words(text, f"balance.constraints[{number}]")
        target = self.target
        if target != CENSUS and (isinstance(target, str) or not 0 <= target <= 1):
            raise InputError(f"balance.target: expected 0 to 1, or {CENSUS!r}, got {target!r}")
        for name in ("penalty", "eps_representation", "eps_association"):
            if math.isinf(getattr(self, name)):
                raise InputError(f"balance.{name}: expected a finite number in a run; 1e6 say")
        if not 0 <= self.attribute_noise < 0.5:
            raise InputError(
                f"balance.attribute_noise: expected in [0, 0.5), got {self.attribute_noise}"
            )
        if self.error_known and not self.attribute_noise:
            raise InputError(
                "balance.error_known: there are no errors to know of; set balance.attribute_noise, "
                "or leave it out"
            )
        if self.control not in CONTROLS:
            hint = nearest(self.control, CONTROLS)
            raise InputError(f"balance.control: unknown {self.control!r}; {hint}")
        if self.caps is not None and self.caps not in CAPS:
            raise InputError(f"balance.caps: unknown {self.caps!r}; {nearest(self.caps, CAPS)}")
        if self.streams is not None and self.streams not in streams.VERSIONS:
            expected = " or ".join(map(str, streams.VERSIONS))
            raise InputError(f"balance.streams: expected {expected}, or None, got {self.streams}")

    @property
    def draws(self) -> bool:
        """Whether anything is drawn by the seed."""
        return self.control != "none" or self.attribute_noise > 0

    @property
    def drawn_by(self) -> int | None:
        """The version of the streams that anything is drawn from; None: nothing is drawn."""
        return (self.streams or streams.NEWEST) if self.draws else None


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Which training pairs are left out for their low image–text similarity."""

    drop: float = 0.3  # share of the pairs that is left out, those of the lowest cosine
    scorer: str = "emoji-S/8"  # variant of the model that scores, trained with the softmax loss
    scorer_seed: int = OWN  # of that model; -1: the run's own
    balance: BalanceConfig | None = None  # of the pairs that the scorer is trained on; None: not
    # What it is compared with. "perfect": exactly the pairs with wrong captions are left out,
    # whatever `drop`; "random": so many pairs at random; "shuffled": the scorer's, permuted among
    # pairs of the same attributes and labels (those of `balance.labels`). None: the scorer's own
    kind: str | None = None
    seed: int | None = None  # of what "random" and "shuffled" draw; None: the run's own

    def __post_init__(self):
        if not 0 <= self.drop < 1:
            raise InputError(f"filter.drop: expected in [0, 1), got {self.drop}")
        if self.scorer not in models.names():
            hint = nearest(self.scorer, models.names())
            raise InputError(f"filter.scorer: unknown {self.scorer!r}; {hint}")
        if self.kind is not None and self.kind not in KINDS:
            raise InputError(f"filter.kind: unknown {self.kind!r}; {nearest(self.kind, KINDS)}")
        if self.seed is not None and self.seed < 0:
            raise InputError(f"filter.seed: expected at least 0, or None, got {self.seed}")

    @property
    def scored(self) -> bool:
        """Whether a scorer's cosines are needed."""
        return self.kind in (None, SHUFFLED)

    @property
    def draws(self) -> bool:
        """Whether anything is drawn by the seed, but for the scorer."""
        return self.kind in (RANDOM, SHUFFLED)


def of_run(balance: BalanceConfig, seed: int) -> BalanceConfig:
    """Returns the settings with the seed of what is drawn; 0 if nothing is, and then no streams.

    Runs whose weights need no chance thus share them, whatever their seed.
    """
    known = {"error_known": balance.error_known or None}
    known |= {"constraints": balance.constraints or None}
    known |= {"own_files": request.contents(balance) or None}
    balance = dataclasses.replace(balance, **known)
    if not balance.draws:
        return dataclasses.replace(balance, seed=0, streams=None)
    return dataclasses.replace(balance, seed=seed) if balance.seed == OWN else balance


def _check_words(text: str, where: str) -> None:
    """Raises `InputError` unless a constraint can be read; what is imported is not run for it."""
    if own.is_path(text):
        return
    try:
        parse(text)
    except ProblemError as error:
        raise InputError(f"{where}: {error}") from None


def filter_of_run(chosen: FilterConfig, seed: int) -> FilterConfig:
    """Returns the filter with its seeds; settings that its kind does not read are the defaults."""
    if not chosen.scored:
        drop = {"drop": chosen.drop} if chosen.kind == RANDOM else {}
        chosen = FilterConfig(kind=chosen.kind, seed=chosen.seed, scorer_seed=0, **drop)
    elif chosen.scorer_seed == OWN:
        chosen = dataclasses.replace(chosen, scorer_seed=seed)
    if not chosen.draws:
        return dataclasses.replace(chosen, seed=None)
    return chosen if chosen.seed is not None else dataclasses.replace(chosen, seed=seed)

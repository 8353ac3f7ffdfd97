"""What a run is made of: settings and data, checked where they come in."""

import dataclasses
import itertools
from typing import NamedTuple

import flax.linen as nn
import numpy as np
import optax
from jax.sharding import Mesh

from m4jax.data.encoded import EncodedPictures
from m4jax.errors import InputError, nearest
from m4jax.models import check_tokens
from m4jax.settings import convert, types_of
from m4jax.training.losses import LOSSES
from m4jax.training.mesh import DATA
from m4jax.training.rates import SCHEDULES, restarted

WEIGHTINGS = ("sample", "loss")
TOWERS = ("image", "text")  # a model's two; the scale of the similarities belongs to neither


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run."""

    seed: int = 0  # of initial parameters, batches and augmentation
    loss: str = "softmax"  # "softmax" (CLIP) or "sigmoid" (SigLIP)
    # How the weights of the data act: "sample" draws examples in proportion to them, "loss" draws
    # all alike and weighs the terms of the loss, see `losses`.
    weighting: str = "sample"
    batch_size: int = 64  # B, pairs a step
    # k: the batch is embedded in k parts, of which only one's activations are kept. The loss is
    # that of the whole batch (each part is embedded again for the gradient).
    microbatches: int = 1
    steps: int = 2_000  # 128,000 examples seen
    learning_rate: float = 1.5e-3  # the peak
    warmup_steps: int = 50  # linear, fewer than `steps`
    schedule: str = "cosine"  # after the warm-up: "cosine" to zero, or "rsqrt", see `rates`
    cooldown_steps: int = 0  # of "rsqrt": the last steps, linearly to zero
    weight_decay: float = 1e-4  # decoupled, on matrices only
    # Of fine-tuning. None leaves a field out of the run's name, so that old names stay what they
    # were; "" and 1.0 are taken for None.
    freeze: str | None = None  # "image" or "text": the tower that stays as it is; None: neither
    image_rate: float | None = None  # factor of the image tower's learning rate; None: 1
    text_rate: float | None = None  # factor of the text tower's learning rate; None: 1
    # From this step on the learning rate warms up anew over a tenth of the steps that are left, to
    # `restart_peak`, and falls linearly to zero, see `rates.restarted`; None: it does not.
    restart_at: int | None = None
    restart_peak: float | None = None  # None: `learning_rate`
    # The model is the mean of the parameters after each of so many last steps; None: the last ones.
    average: int | None = None
    b1: float = 0.9  # decay of AdamW's first moment
    b2: float = 0.98  # decay of AdamW's second moment
    clip_norm: float = 1.0  # the gradient's norm is clipped to this
    shift_pixels: int = 1  # up to which pictures are moved, fewer than they have; 0: not
    flip: bool = False  # whether half of the pictures are mirrored
    jitter: float = 0.0  # strength of random brightness and contrast, up to 1; 0: none
    input_workers: int = 0  # processes that decode pictures on disk; 0: threads
    log_every: int = 50  # steps between two records of `metrics.jsonl`
    checkpoint_every: int = 500  # steps between two checkpoints
    # Steps at which the state is left for runs with the same first steps, which then begin there,
    # see `forks`; None: it is not. No part of a run's name, and without effect on what comes of it.
    share_at: tuple[int, ...] | None = None

    def __post_init__(self):
        for field, kind in types_of(type(self)).items():
            value = getattr(self, field)
            value = value.item() if isinstance(value, np.generic) else value
            object.__setattr__(self, field, convert(kind, value, field))
        self._check_towers()
        self._check_late()
        for field in ("batch_size", "steps", "microbatches", "log_every", "checkpoint_every"):
            if getattr(self, field) < 1:
                raise InputError(f"{field} must be at least 1, got {getattr(self, field)}")
        for field in ("learning_rate", "clip_norm"):
            if not getattr(self, field) > 0:
                raise InputError(f"{field} must be positive, got {getattr(self, field)}")
        for field in ("seed", "input_workers", "shift_pixels", "jitter", "weight_decay"):
            if getattr(self, field) < 0:
                raise InputError(f"{field} must be at least 0, got {getattr(self, field)}")
        if self.jitter > 1:
            raise InputError(
                f"jitter: expected 0 to 1, got {self.jitter}: more makes negatives of pictures"
            )
        if self.seed >= 2**32:
            raise InputError(f"seed must be less than 2**32, got {self.seed}")
        for field in ("b1", "b2"):
            if not 0 <= getattr(self, field) < 1:
                raise InputError(f"{field} must lie in [0, 1), got {getattr(self, field)}")
        for field, names in (
            ("schedule", SCHEDULES),
            ("loss", LOSSES),
            ("weighting", WEIGHTINGS),
        ):
            name = getattr(self, field)
            if name not in names:
                raise InputError(f"unknown {field} {name!r}; {nearest(name, names)}")
        if not 0 <= self.warmup_steps < self.steps:
            raise InputError(
                f"warmup_steps must lie in [0, steps), got {self.warmup_steps} of {self.steps}"
            )
        most = self.steps - self.warmup_steps if self.schedule == "rsqrt" else 0
        if not 0 <= self.cooldown_steps <= most:
            raise InputError(
                "cooldown_steps must lie between 0 and steps − warmup_steps, and be 0 with a "
                f"cosine, got {self.cooldown_steps}"
            )
        if self.batch_size % self.microbatches:
            raise InputError(
                f"microbatches must divide batch_size, got {self.microbatches} and "
                f"{self.batch_size}"
            )

    def _check_late(self) -> None:
        """Checks the settings of what acts late in a run."""
        if self.average is not None and not 1 <= self.average <= self.steps:
            raise InputError(f"average: expected 1 to steps ({self.steps}), got {self.average}")
        # What is left has at least two steps: the rate of the first is 0.
        most = min(self.steps - 2, self.steps - self.cooldown_steps)
        if self.restart_at is not None and not 1 <= self.restart_at <= most:
            raise InputError(
                f"restart_at: expected 1 to {most}, got {self.restart_at}: two of the {self.steps} "
                f"steps must be left, and a cooldown ({self.cooldown_steps} steps) not have begun"
            )
        if self.restart_peak is not None and not self.restart_peak > 0:
            raise InputError(f"restart_peak must be positive, got {self.restart_peak}")
        if self.restart_peak is not None and self.restart_at is None:
            raise InputError("restart_peak is set, but restart_at is not: say where to restart")
        shared = tuple(sorted(set(self.share_at or ())))
        if not all(1 <= step < self.steps for step in shared):
            raise InputError(
                f"share_at: expected steps from 1 to {self.steps - 1}, got {self.share_at}"
            )
        object.__setattr__(self, "share_at", shared or None)

    def _check_towers(self) -> None:
        """Checks the settings of single towers; what changes nothing becomes None."""
        if self.freeze not in (None, "", *TOWERS):
            hint = nearest(self.freeze, TOWERS)
            raise InputError(f"freeze: expected 'image', 'text' or '', got {self.freeze!r}; {hint}")
        for tower in TOWERS:
            field = f"{tower}_rate"
            rate = getattr(self, field)
            if rate is not None and not rate > 0:
                raise InputError(
                    f"{field} must be positive, got {rate}: freeze={tower!r} leaves it as it is"
                )
            if rate not in (None, 1.0) and self.freeze == tower:
                raise InputError(f"{field} is {rate}, but the {tower} tower is frozen")
            if rate == 1.0:
                object.__setattr__(self, field, None)
        object.__setattr__(self, "freeze", self.freeze or None)


def schedule(config: TrainConfig) -> optax.Schedule:
    """Returns the learning rate of a run, step ↦ rate; `restarted` takes over at `restart_at`."""
    rate = SCHEDULES[config.schedule](
        config.learning_rate,
        steps=config.steps,
        warmup=config.warmup_steps,
        cooldown=config.cooldown_steps,
    )
    if config.restart_at is None:
        return rate
    peak = config.restart_peak or config.learning_rate
    return restarted(rate, peak, start=config.restart_at, steps=config.steps)


class Stage(NamedTuple):
    """A part of a run, from the step `start` (0 for the first) to where the next one starts.

    Attributes:
        start: number of steps taken before it.
        weights: [n] of the examples, or None for equal ones.
    """

    start: int
    weights: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class TrainData:
    """The examples of a run; row i of every array is example i.

    Attributes:
        images: uint8 [n, h, w, 3]; may be a read-only memory map, or pictures on disk.
        tokens: int32 [n, L], 0 where padded.
        caption_id: [n], equal for equal captions.
        attributes: [n, m] 0/1, NaN where unknown.
        labels: [n, c].
        target: [m], the prevalence that representation bias is measured against.
        stages: which data version is drawn from which step on; by default all examples alike.
    """

    images: np.ndarray | EncodedPictures
    tokens: np.ndarray
    caption_id: np.ndarray
    attributes: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    stages: tuple[Stage, ...] = (Stage(0),)

    def __post_init__(self):
        n = len(self.images)
        for field in ("tokens", "caption_id", "attributes", "labels"):
            rows = len(getattr(self, field))
            if rows != n:
                raise InputError(f"{field} has {rows} rows for {n} pictures; expected {n}")
        captions = self.caption_id
        if captions.ndim != 1 or not np.issubdtype(captions.dtype, np.integer):
            raise InputError(
                f"caption_id: expected integers [n], got {captions.dtype} {list(captions.shape)}"
            )
        for stage in self.stages:
            if stage.weights is not None:
                check_weights(np.asarray(stage.weights), n)
        starts = [stage.start for stage in self.stages]
        if starts[:1] != [0] or any(a >= b for a, b in itertools.pairwise(starts)):
            raise InputError(f"stages must start at 0 and then at ever later steps, got {starts}")
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise InputError(
                f"images: expected uint8 [n, h, w, 3], got {self.images.dtype} {self.images.shape}"
            )


def check_weights(weights: np.ndarray, n: int) -> None:
    """Raises `InputError` unless `weights` can be drawn by: [n] ≥ 0, with a positive sum."""
    if weights.shape != (n,):
        raise InputError(f"weights: expected shape [{n}] (examples), got {weights.shape}")
    with np.errstate(over="ignore"):
        right = np.isfinite(weights).all() and (weights >= 0).all() and 0 < weights.sum() < np.inf
    if not right:
        raise InputError("weights: expected finite, non-negative numbers with a positive sum")


def trim(tokens: np.ndarray) -> np.ndarray:
    """Drops the columns that are padding in every text [n, L]: nobody has to compute them."""
    used = np.flatnonzero((tokens != 0).any(axis=0))
    return tokens[:, : max(used[-1] + 1 if used.size else 1, 1)]


def tokens_for_model(data: TrainData, trimmed: bool = True) -> np.ndarray:
    """Returns the tokens that a model is given, int32 [n, L]."""
    return np.ascontiguousarray(trim(data.tokens) if trimmed else data.tokens, np.int32)


def check_fit(config: TrainConfig, data: TrainData, model: nn.Module, mesh: Mesh) -> None:
    """Raises `InputError` if model, data, loss and mesh don't fit together."""
    variant = model.variant
    size = (variant.image_size, variant.image_size, 3)
    if data.images.shape[1:] != size:
        raise InputError(f"the model wants pictures {size}, the data has {data.images.shape[1:]}")
    if config.shift_pixels >= variant.image_size:
        raise InputError(
            f"shift_pixels: expected 0 to {variant.image_size - 1} for pictures of "
            f"{variant.image_size} pixels, got {config.shift_pixels}: nothing of them would be left"
        )
    last = data.stages[-1].start
    if last >= config.steps:
        raise InputError(
            f"stages: one starts after {last} steps, but there are {config.steps}: it would never "
            "be drawn from"
        )
    length = trim(data.tokens).shape[1]
    if variant.text_mask == "none" and data.tokens.shape[1] != variant.context:
        raise InputError(
            f"the model takes texts of exactly {variant.context} tokens, the data has "
            f"{data.tokens.shape[1]}; pad them with its tokenizer"
        )
    if length > variant.context:
        raise InputError(
            f"captions of {length} tokens exceed the model's context {variant.context}"
        )
    check_tokens(data.tokens, variant)
    if ("logit_bias" in LOSSES[config.loss].model) != (variant.logit_bias is not None):
        fields = {name: loss.model or "without a bias" for name, loss in LOSSES.items()}
        raise InputError(
            f"loss {config.loss!r} does not go with logit_bias={variant.logit_bias}; create the "
            f"model with {fields}"
        )
    parts = mesh.shape[DATA] * config.microbatches
    if config.batch_size % parts:
        raise InputError(
            f"batch_size {config.batch_size} can't be split evenly over {mesh.shape[DATA]} devices "
            f"and {config.microbatches} microbatches; choose a multiple of {parts}, or a mesh of "
            "fewer devices"
        )

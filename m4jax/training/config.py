"""What a run is made of: settings and data, checked where they come in."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from m4jax.data.encoded import EncodedPictures
from m4jax.errors import InputError, nearest
from m4jax.training.losses import LOSSES
from m4jax.training.optimizer import SCHEDULES

WEIGHTINGS = ("sample", "loss")


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
    schedule: str = "cosine"  # after the warm-up: "cosine" to zero, or "rsqrt"
    cooldown_steps: int = 0  # of "rsqrt": the last steps, linearly to zero
    weight_decay: float = 1e-4  # decoupled, on matrices only
    b1: float = 0.9  # decay of AdamW's first moment
    b2: float = 0.98  # decay of AdamW's second moment
    clip_norm: float = 1.0  # the gradient's norm is clipped to this
    shift_pixels: int = 1  # pictures are moved by up to this many pixels; 0: not
    flip: bool = False  # whether half of the pictures are mirrored
    jitter: float = 0.0  # strength of random brightness and contrast; 0: none
    input_workers: int = 0  # processes that decode pictures on disk; 0: threads
    log_every: int = 50  # steps between two records of `metrics.jsonl`
    checkpoint_every: int = 500  # steps between two checkpoints

    def __post_init__(self):
        for field in ("batch_size", "steps", "microbatches", "log_every", "checkpoint_every"):
            if getattr(self, field) < 1:
                raise InputError(f"{field} must be at least 1, got {getattr(self, field)}")
        for field in ("learning_rate", "clip_norm"):
            if not getattr(self, field) > 0:
                raise InputError(f"{field} must be positive, got {getattr(self, field)}")
        for field in ("seed", "input_workers", "shift_pixels", "jitter", "weight_decay"):
            if getattr(self, field) < 0:
                raise InputError(f"{field} must be at least 0, got {getattr(self, field)}")
        if self.seed >= 2**32:
            raise InputError(f"seed must be less than 2**32, got {self.seed}")
        for field in ("b1", "b2"):
            if not 0 <= getattr(self, field) < 1:
                raise InputError(f"{field} must lie in [0, 1), got {getattr(self, field)}")
        if not 0 <= self.warmup_steps < self.steps:
            raise InputError(
                f"warmup_steps must lie in [0, steps), got {self.warmup_steps} of {self.steps}"
            )
        if self.schedule not in SCHEDULES:
            hint = nearest(self.schedule, SCHEDULES)
            raise InputError(f"unknown schedule {self.schedule!r}; {hint}")
        most = self.steps - self.warmup_steps if self.schedule == "rsqrt" else 0
        if not 0 <= self.cooldown_steps <= most:
            raise InputError(
                "cooldown_steps must lie between 0 and steps − warmup_steps, and be 0 with a "
                f"cosine, got {self.cooldown_steps}"
            )
        if self.loss not in LOSSES:
            raise InputError(f"unknown loss {self.loss!r}; {nearest(self.loss, LOSSES)}")
        if self.weighting not in WEIGHTINGS:
            hint = nearest(self.weighting, WEIGHTINGS)
            raise InputError(f"unknown weighting {self.weighting!r}; {hint}")
        if self.batch_size % self.microbatches:
            raise InputError(
                f"microbatches must divide batch_size, got {self.microbatches} and "
                f"{self.batch_size}"
            )


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
        starts = [stage.start for stage in self.stages]
        if starts[:1] != [0] or any(a >= b for a, b in itertools.pairwise(starts)):
            raise InputError(f"stages must start at 0 and then at ever later steps, got {starts}")
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise InputError(
                f"images: expected uint8 [n, h, w, 3], got {self.images.dtype} {self.images.shape}"
            )

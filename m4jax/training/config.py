"""What a run is made of: settings and data, checked where they come in."""

import dataclasses

import numpy as np

from m4jax.errors import InputError, nearest
from m4jax.training.losses import LOSSES


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run.

    Attributes:
      seed: of initial parameters, batches and augmentation.
      batch_size: B, pairs a step.
      steps: number of steps.
      learning_rate: the peak.
      warmup_steps: steps of linear warm-up, fewer than `steps`.
      weight_decay: decoupled, on matrices only.
      b1: decay of AdamW's first moment.
      b2: decay of AdamW's second moment.
      clip_norm: the gradient's norm is clipped to this.
      loss: "softmax" or "sigmoid".
      shift_pixels: pictures are moved by up to this many pixels; 0: not.
      flip: whether half of the pictures are mirrored.
      jitter: strength of random brightness and contrast; 0: none.
      log_every: steps between two records of `metrics.jsonl`.
      checkpoint_every: steps between two checkpoints.
    """

    seed: int
    batch_size: int
    steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 0
    weight_decay: float = 1e-4
    b1: float = 0.9
    b2: float = 0.98
    clip_norm: float = 1.0
    loss: str = "softmax"
    shift_pixels: int = 2
    flip: bool = False
    jitter: float = 0.1
    log_every: int = 50
    checkpoint_every: int = 500

    def __post_init__(self):
        for field in ("batch_size", "steps", "log_every", "checkpoint_every"):
            if getattr(self, field) < 1:
                raise InputError(f"{field} must be at least 1, got {getattr(self, field)}")
        for field in ("learning_rate", "clip_norm"):
            if not getattr(self, field) > 0:
                raise InputError(f"{field} must be positive, got {getattr(self, field)}")
        for field in ("seed", "shift_pixels", "jitter", "weight_decay"):
            if getattr(self, field) < 0:
                raise InputError(f"{field} must be at least 0, got {getattr(self, field)}")
        for field in ("b1", "b2"):
            if not 0 <= getattr(self, field) < 1:
                raise InputError(f"{field} must lie in [0, 1), got {getattr(self, field)}")
        if not 0 <= self.warmup_steps < self.steps:
            raise InputError(
                f"warmup_steps must lie in [0, steps), got {self.warmup_steps} of {self.steps}"
            )
        if self.loss not in LOSSES:
            raise InputError(f"unknown loss {self.loss!r}; {nearest(self.loss, LOSSES)}")


@dataclasses.dataclass(frozen=True)
class TrainData:
    """The examples of a run; row i of every array is example i.

    Attributes:
      images: uint8 [n, h, w, 3]; may be a read-only memory map.
      tokens: int32 [n, L], 0 where padded.
      caption_id: [n], equal for equal captions.
      probability: [n] sampling weights, or None for equal ones.
      attributes: [n, m] 0/1, NaN where unknown.
      labels: [n, c].
      target: [m], the prevalence that representation bias is measured against.
    """

    images: np.ndarray
    tokens: np.ndarray
    caption_id: np.ndarray
    probability: np.ndarray | None
    attributes: np.ndarray
    labels: np.ndarray
    target: np.ndarray

    def __post_init__(self):
        n = len(self.images)
        for field in ("tokens", "caption_id", "probability", "attributes", "labels"):
            value = getattr(self, field)
            if value is not None and len(value) != n:
                raise InputError(f"{field} has {len(value)} rows for {n} pictures; expected {n}")
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise InputError(
                f"images: expected uint8 [n, h, w, 3], got {self.images.dtype} {self.images.shape}"
            )

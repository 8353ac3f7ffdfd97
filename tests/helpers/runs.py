"""A tiny world for the tests of training: eight kinds of pictures, each with its caption."""

import dataclasses

import numpy as np

from m4jax import files, models
from m4jax.training import TrainConfig, TrainData

KINDS = 8
# Roundings one after another in a step of the tiny model, see `tolerance.rounding`: sums of 48
# terms (a patch), of 8 (the width, eight times a layer), of 32 (the MLP) and of 4 (tokens), forward
# in both towers and back, and those over the batch.
TERMS = 400
TIMINGS = ("examples_per_second", "wait_share")
CONFIG = TrainConfig(
    seed=3,
    batch_size=8,
    steps=10,
    learning_rate=1e-2,
    warmup_steps=2,
    shift_pixels=1,
    jitter=0.1,
    log_every=3,  # no divisor of 5: a resume falls between two records
    checkpoint_every=5,
)

# Equal captions in a batch keep the loss from 0: with it, use one picture of each kind.
LONG = dataclasses.replace(
    CONFIG, steps=300, jitter=0.0, shift_pixels=0, log_every=20, checkpoint_every=100
)


def tiny_model(**overrides):
    """Returns a model that compiles fast."""
    sizes = {"image_size": 8, "patch_size": 4, "width": 8, "heads": 1, "depth": 1, "embed": 8}
    sizes |= {"text_width": 8, "text_heads": 1, "vocab_size": KINDS + 1, "context": 3}
    return models.create("emoji-S/8", **(sizes | overrides))


def tiny_data(n=32, **replaced):
    """Returns n pictures, pictures of one kind being noisy copies of one another."""
    generator = np.random.default_rng(0)
    kind = np.arange(n) % KINDS
    prototypes = generator.integers(0, 220, (KINDS, 8, 8, 3))
    noise = generator.integers(0, 30, (n, 8, 8, 3))
    data = TrainData(
        images=(prototypes[kind] + noise).astype(np.uint8),
        tokens=np.stack([kind + 1, kind * 0 + 1, kind * 0], axis=1).astype(np.int32),
        caption_id=kind,
        attributes=generator.integers(0, 2, (n, 1)).astype(float),
        labels=generator.integers(0, 2, (n, 3)).astype(float),
        target=np.array([0.5]),
    )
    return dataclasses.replace(data, **replaced)


def metrics(run_dir):
    """Returns the records of a run without the timings."""
    records = files.read_jsonl(run_dir / "metrics.jsonl")
    return [{k: v for k, v in record.items() if k not in TIMINGS} for record in records]

"""Jobs: fleets beside single runs, pictures fed, and the use that a step makes of a device."""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark import towers
from m4jax import files, models, training
from m4jax.data.testbed.world import World
from m4jax.training import mesh
from m4jax.training.batches import Draw, batches
from m4jax.training.step import Batch, init_state, make_optimizer, make_train_step

RECORDS = 4  # of each run; the first holds the compilation and is left out


def fleet(members: int, steps: int, model: dict[str, Any]) -> dict[str, Any]:
    """Compares a fleet with its members one after another, in this process, with all its threads.

    Times are those of the steps after the first record of `metrics.jsonl`: without compilation.
    """
    net = models.create(model["variant"], **model["overrides"])
    images, tokens = towers.examples(model, net.variant)
    data = towers.train_data(images, tokens)
    every = max(steps // RECORDS, 1)
    config = training.TrainConfig(
        batch_size=model["batch_size"],
        steps=every * RECORDS,
        **towers.AUGMENTED,
        log_every=every,
        checkpoint_every=every * RECORDS,
    )
    with tempfile.TemporaryDirectory() as folder:
        alone, together = Path(folder) / "alone", Path(folder) / "together"
        training.train(config, data, alone, model=net)
        crew = [
            training.Member(dataclasses.replace(config, seed=k), data, together / str(k))
            for k in range(members)
        ]
        training.train_fleet(crew, model=net)
        single = _rate(alone)
        fleet_rate = members * _rate(together / "0")
    return {
        "pairs_per_second_alone": single,
        "pairs_per_second_in_fleet": fleet_rate,
        "ratio": fleet_rate / single,
    }


def _rate(run_dir: Path) -> float:
    """Returns the pairs a second of one run, the first record left out."""
    records = files.read_jsonl(run_dir / "metrics.jsonl")[1:]
    return statistics.harmonic_mean(r["examples_per_second"] for r in records)


def feed(
    data_dir: str, examples: int, batch_size: int, duration: float, workers: int | None
) -> dict[str, Any]:
    """Counts the pictures a second that reach the device as batches.

    Args:
        data_dir: where the testbed is prepared, or was.
        examples: of its training split.
        batch_size: B.
        duration: of measuring, in seconds.
        workers: processes that decode, 0 for threads; None: pictures in memory.
    """
    world = World(examples=examples)
    world.prepare(data_dir)
    gigabytes = float("inf") if workers is None else 0.0
    split = world.load_split("train", data_dir, in_memory_gb=gigabytes)
    data = towers.train_data(split.images, np.ones((examples, 12), np.int32))
    config = training.TrainConfig(batch_size=batch_size, steps=10**6, **towers.AUGMENTED)
    stream = batches(
        data,
        Draw(config, data),
        training.make_mesh(jax.devices()[:1]),
        start=0,
        stop=config.steps,
        workers=workers or 0,
    )
    steps = _count(lambda: jax.block_until_ready(next(stream).batch.images), duration, warm=20)
    return {"pictures_per_second": batch_size * steps[0] / steps[1]}


def utilisation(
    variant: str, overrides: dict[str, Any], batch_size: int, duration: float
) -> dict[str, Any]:
    """Compares the rate of a training step with the device's rate of multiplying matrices.

    The operations of a step are three times `models.forward_flops`; those that remat or the
    optimiser add don't count.
    """
    net = models.create(variant, **overrides)
    v = net.variant
    config = training.TrainConfig(batch_size=batch_size, steps=10**6, **towers.AUGMENTED)
    config = dataclasses.replace(config, loss="sigmoid" if v.logit_bias else "softmax")
    optimizer = make_optimizer(config, config.learning_rate)
    step = jax.jit(make_train_step(config, net, optimizer), donate_argnums=0)
    state = jax.jit(lambda: init_state(net, optimizer, seed=0))()
    images = np.zeros((batch_size, v.image_size, v.image_size, 3), np.uint8)
    tokens = np.ones((batch_size, v.context), np.int32)
    batch = jax.device_put(Batch(images, tokens), mesh.replicated(training.make_mesh()))

    def take_step() -> None:
        nonlocal state
        state, metrics = step(state, batch)
        jax.block_until_ready(metrics["loss"])

    taken, spent = _count(take_step, duration, warm=2)
    flops = 3 * models.forward_flops(v) * batch_size * taken / spent
    limit = _matrix_rate(v.dtype)
    return {
        "device": jax.devices()[0].device_kind,
        "pictures_per_second": batch_size * taken / spent,
        "tokens_per_second": batch_size * taken / spent * (_tokens(v)),
        "teraflops": flops / 1e12,
        "matrix_teraflops": limit / 1e12,
        "utilisation": flops / limit,
    }


def _tokens(v: models.Variant) -> int:
    return (v.image_size // v.patch_size) ** 2 + (v.pooling == "class") + v.context


def _matrix_rate(dtype: str) -> float:
    """Returns the operations a second of multiplying large square matrices."""
    size = 2_048 if jax.default_backend() == "cpu" else 8_192
    a = jax.random.normal(jax.random.key(0), (size, size), jnp.dtype(dtype))
    multiply = jax.jit(lambda a: a @ a)
    done, spent = _count(lambda: jax.block_until_ready(multiply(a)), 3.0, warm=2)
    return 2 * size**3 * done / spent


def _count(work: Callable[[], Any], seconds: float, *, warm: int) -> tuple[int, float]:
    """Returns how often `work` was done and the time that took, after some rounds to warm up."""
    for _ in range(warm):
        work()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        work()
        done += 1
    return done, time.perf_counter() - begin

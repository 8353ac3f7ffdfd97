"""Jobs: training steps of two-tower models, ours and open_clip's, on the same shapes."""

import contextlib
import multiprocessing
import os
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SIDES = ("m4jax", "open_clip")
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
AUGMENTED = {"warmup_steps": 0, "shift_pixels": 2, "jitter": 0.1}  # settings of what is measured
START_SECONDS = 1_200  # that every worker has to import and compile


def train_steps(
    side: str, workers: int, threads: int, duration: float, model: dict[str, Any], repeat: int
) -> dict[str, Any]:
    """Measures how many pairs a second `workers` processes of `threads` threads train on together.

    All begin at once when each has taken its first steps, and each goes on for `duration`; a step
    under way at the end is finished, and its time counts.

    Args:
        side: of `SIDES`.
        workers: number of processes, each training a model of its own.
        threads: of each; one thread is pinned to a core.
        duration: of measuring, in seconds.
        model: see `examples`; "variant" is a name of `models.names()`, "overrides" its changes.
        repeat: tells one measurement from the next.
    """
    del repeat
    with _environment(threads):
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(workers, timeout=START_SECONDS), context.Queue()
        settings = {"side": side, "threads": threads, "duration": duration, "model": model}
        crew = [
            context.Process(target=_work, args=(index, barrier, results), kwargs=settings)
            for index in range(workers)
        ]
        for process in crew:
            process.start()
        parts = [results.get(timeout=START_SECONDS + 10 * duration) for _ in crew]
        for process in crew:
            process.join()
    return {
        "pairs_per_second": sum(x["steps"] * model["batch_size"] / x["seconds"] for x in parts),
        "steps": sum(x["steps"] for x in parts),
        "first_seconds": max(x["first_seconds"] for x in parts),
        "step_seconds": statistics.median(x["seconds"] / x["steps"] for x in parts),
    }


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = f"{ONE_THREAD} {before.get('XLA_FLAGS', '')}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _work(index, barrier, results, *, side, threads, duration, model) -> None:
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[index % len(cores)]})
    begin = time.perf_counter()
    take_step = {"m4jax": ours, "open_clip": open_clip}[side](model, threads)
    for _ in range(2):
        take_step()
    first = time.perf_counter() - begin
    barrier.wait()
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < duration:
        take_step()
        steps += 1
    spent = time.perf_counter() - begin
    results.put({"steps": steps, "seconds": spent, "first_seconds": first})


def examples(model: dict[str, Any], variant: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns pictures [n, h, w, 3] and tokens [n, context] of captions of natural length.

    A caption has about `model["words"]` tokens, a quarter more or less (normal, at least 3, at most
    twice as many), and ends in the largest id; the rest is padding.
    """
    generator = np.random.default_rng(0)
    n, words = model["examples"], model["words"]
    side = variant.image_size
    images = generator.integers(0, 256, (n, side, side, 3), np.uint8)
    lengths = np.rint(generator.normal(words, words / 4, n)).astype(int)
    lengths = np.clip(lengths, 3, min(2 * words, variant.context))
    tokens = generator.integers(1, variant.vocab_size - 1, (n, variant.context))
    position = np.arange(variant.context)
    tokens[position == lengths[:, None] - 1] = variant.vocab_size - 1
    tokens[position >= lengths[:, None]] = 0
    return images, tokens.astype(np.int32)


def train_data(images: Any, tokens: np.ndarray) -> Any:
    """Returns the examples of a run, without attributes or labels."""
    from m4jax.training import TrainData

    n = len(images)
    none = np.zeros((n, 1))
    return TrainData(images, tokens, np.arange(n), none, none, target=np.array([0.5]))


def ours(model: dict[str, Any], threads: int) -> Callable[[], None]:
    """Returns a function that takes the next step of a run as `training.train` does."""
    del threads  # set by the environment
    import jax

    from m4jax import models, training
    from m4jax.training import batches, mesh
    from m4jax.training.step import init_state, make_optimizer, make_train_step

    net = models.create(model["variant"], **model["overrides"])
    images, tokens = examples(model, net.variant)
    data = train_data(images, tokens)
    config = training.TrainConfig(batch_size=model["batch_size"], steps=10**6, **AUGMENTED)
    devices = training.make_mesh(jax.devices()[:1])
    optimizer = make_optimizer(config, config.learning_rate)
    step = jax.jit(
        make_train_step(config, net, optimizer, devices),
        donate_argnums=0,
        in_shardings=(mesh.replicated(devices), mesh.split_rows(devices)),
        out_shardings=mesh.replicated(devices),
    )
    state = jax.jit(lambda: init_state(net, optimizer, seed=0))()
    draw = batches.Draw(config, data)
    stream = batches.batches(data, draw, devices, start=0, stop=config.steps)

    def take_step() -> None:
        nonlocal state
        state, metrics = step(state, next(stream).batch)
        jax.block_until_ready(metrics["loss"])

    return take_step


def open_clip(model: dict[str, Any], threads: int) -> Callable[[], None]:
    """Returns a function that takes the next step of open_clip's model, in float32, eagerly."""
    import torch

    torch.set_num_threads(threads)
    # Some builds of torchvision can't register their operators with a PyTorch for CPU only.
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))
    import open_clip as peer

    from m4jax import models

    v = models.create(model["variant"], **model["overrides"]).variant
    net = peer.CLIP(
        v.embed,
        {
            "image_size": v.image_size,
            "patch_size": v.patch_size,
            "layers": v.depth,
            "width": v.width,
            "head_width": v.width // v.heads,
        },
        {
            "context_length": v.context,
            "vocab_size": v.vocab_size,
            "width": v.text_width,
            "heads": v.text_heads,
            "layers": v.text_depth,
        },
        quick_gelu=v.activation == "quick_gelu",
    ).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-4)
    loss, generator = peer.ClipLoss(), np.random.default_rng(0)
    images, tokens = examples(model, v)
    tokens = torch.from_numpy(tokens.astype(np.int64))

    def take_step() -> None:
        rows = generator.integers(0, len(images), model["batch_size"])
        pixels = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).contiguous()
        optimizer.zero_grad(set_to_none=True)
        image, text, scale = net(pixels.float() / 127.5 - 1, tokens[rows])[:3]
        loss(image, text, scale).backward()
        optimizer.step()

    return take_step

"""How far the runs of a study are, as it is on disk."""

import dataclasses

from m4jax import evaluation, files
from m4jax.errors import InputError
from m4jax.study import lease
from m4jax.study.config import RunConfig
from m4jax.study.layout import Layout

OUTPUTS = ("DONE", "eval.jsonl", "predictions.npz")
FAILED = "FAILED.json"


def evaluation_id(config: RunConfig) -> str:
    """Returns the name of how a run is evaluated; another one asks for another evaluation."""
    return files.digest([dataclasses.asdict(config.evaluate), evaluation.VERSION])


def is_done(config: RunConfig, layout: Layout) -> bool:
    """Tells whether a run is trained and evaluated as its configuration says."""
    folder = layout.run(config)
    # A file that was deleted, because it was damaged say, is made again.
    if not all((folder / name).exists() for name in OUTPUTS):
        return False
    try:
        return files.read_json(folder / "DONE").get("evaluation") == evaluation_id(config)
    except InputError:  # torn by a full disk, say: the run is finished again
        return False


def state(config: RunConfig, layout: Layout) -> str:
    """Returns how far a run is: done, failed, running (now), started (and left) or pending."""
    if is_done(config, layout):
        return "done"
    folder = layout.run(config)
    if (folder / FAILED).exists():
        return "failed"
    if lease.read(layout.leases, config.id):
        return "running"
    return "started" if (folder / "config.json").exists() else "pending"

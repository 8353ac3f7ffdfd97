"""How far the runs of a study are, as it is on disk."""

import dataclasses
from pathlib import Path
from typing import Any

from m4jax import evaluation, files
from m4jax.errors import InputError
from m4jax.run import lease
from m4jax.run.config import RunConfig
from m4jax.run.layout import Layout

DONE, FAILED = "DONE", "FAILED.json"
OUTPUTS = ("eval.jsonl", "predictions.npz")


def evaluation_id(config: RunConfig) -> str:
    """Returns the name of how a run is evaluated; another one asks for another evaluation."""
    return files.digest([dataclasses.asdict(config.evaluate), evaluation.VERSION])


def mark_done(config: RunConfig, layout: Layout, **told: float) -> None:
    """Writes `DONE`, with the checksums of all that the results are collected from."""
    folder = layout.run(config)
    names = [*OUTPUTS, *(str(x.relative_to(folder)) for x in sorted(folder.glob("along/*.jsonl")))]
    sums = {name: files.sha256(folder / name) for name in names}
    done = {"id": config.id, "evaluation": evaluation_id(config), "files": sums}
    files.write_json(folder / DONE, done | told)


def damaged(config: RunConfig, layout: Layout) -> list[str]:
    """Returns the files of a finished run that are missing or not what they were."""
    folder = layout.run(config)
    sums = _read(folder).get("files", {})
    return [name for name, known in sums.items() if files.sha256(folder / name) != known]


def is_done(config: RunConfig, layout: Layout) -> bool:
    """Tells whether a run is trained and evaluated as its configuration says.

    What is missing or damaged is made again.
    """
    if _read(layout.run(config)).get("evaluation") != evaluation_id(config):
        return False
    return not damaged(config, layout)


def _read(folder: Path) -> dict[str, Any]:
    """Returns the content of `DONE`, {} if there is none or it was torn by a full disk, say."""
    try:
        found = files.read_json(folder / DONE)
    except InputError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


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

"""A study on disk: where everything lies, and the marks that say how far its runs are."""

import dataclasses
from pathlib import Path
from typing import Any

from m4jax import evaluation, files
from m4jax.errors import InputError
from m4jax.evaluation.prompts import load as load_prompts
from m4jax.run import lease
from m4jax.run.config import RunConfig, looked_at_of
from m4jax.training import latest_step
from m4jax.training.fleet import FAILED

DONE, LOG = "DONE", "metrics.jsonl"
MEASURED = "evaluation"  # field of what is measured along training: how, an `evaluation_id`
RESULTS, PREDICTIONS = "eval.jsonl", "predictions.npz"  # what evaluating a run writes


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where everything of a study lies: paths below its directory `root`."""

    root: Path

    @property
    def config(self) -> Path:
        """The grid's resolved configuration."""
        return self.root / "config.json"

    @property
    def data(self) -> Path:
        """What the sources prepared."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """What the workers print."""
        return self.root / "logs"

    @property
    def leases(self) -> Path:
        """Who is at work on what."""
        return self.root / "leases"

    @property
    def results(self) -> Path:
        """The table from which everything that is shown is made."""
        return self.root / "results.parquet"

    @property
    def forks(self) -> Path:
        """States of first steps that runs share."""
        return self.root / "forks"

    def weights(self, config: RunConfig) -> Path:
        """The directory of a balanced run's weights."""
        return self.root / "weights" / config.weights_id

    def scores(self, scorer: RunConfig) -> Path:
        """The similarity of every training pair, as the model of a run sees it."""
        return self.root / "scores" / f"{scorer.id}.parquet"

    def run(self, config: RunConfig) -> Path:
        """The directory of a run."""
        return self.root / "runs" / config.id


def evaluation_id(config: RunConfig) -> str:
    """Returns the name of how a run is evaluated; another one asks for another evaluation.

    It is a hash of all that the configuration says of it (see `evaluation_settings`) and of the
    version of the metrics.
    """
    return files.digest([*_how(config), evaluation.VERSION])


def evaluation_settings(config: RunConfig) -> str:
    """Returns the name of what a configuration says of evaluation, whatever the metrics' version.

    It is a hash of the settings, of the prompts' content, and of the evaluation sets, as the
    source's fields `looked_at` and its `looked_at_id` tell them.
    """
    return files.digest(_how(config))


def _how(config: RunConfig) -> list[dict[str, Any]]:
    source, prompts = config.source, load_prompts(config.evaluate.prompts)
    sets = {name: getattr(source, name) for name in looked_at_of(source)}
    sets["id"] = getattr(source, "looked_at_id", "")
    evaluate = dataclasses.asdict(config.evaluate) | {"prompts": prompts.digest}
    return [evaluate, sets]


def mark_done(config: RunConfig, layout: Layout, **times: float) -> None:
    """Writes `DONE`, with the checksums of all that the results are collected from."""
    folder = layout.run(config)
    along = [str(path.relative_to(folder)) for path in sorted(folder.glob("along/*.jsonl"))]
    sums = {name: files.sha256(folder / name) for name in (RESULTS, PREDICTIONS, *along)}
    done = {"id": config.id, "evaluation": evaluation_id(config), "files": sums}
    files.write_sealed(folder / DONE, done | times)


def mark_failed(config: RunConfig, layout: Layout, *, message: str, trace: str) -> None:
    """Writes `FAILED.json`: why a run is not to be tried again before `clear_failed`."""
    files.write_sealed(layout.run(config) / FAILED, {"message": message, "trace": trace})


def clear_failed(config: RunConfig, layout: Layout) -> None:
    """Makes a failed run pending again."""
    (layout.run(config) / FAILED).unlink(missing_ok=True)


def damaged(config: RunConfig, layout: Layout) -> list[str]:
    """Returns the files of a finished run that are missing or not what they were."""
    folder, sums = layout.run(config), _done(config, layout).get("files", {})
    return [name for name, sum_ in sums.items() if files.sha256(folder / name) != sum_]


def is_done(config: RunConfig, layout: Layout) -> bool:
    """Tells whether a run is trained and evaluated as its configuration says.

    What is missing or damaged is made again.
    """
    if _done(config, layout).get("evaluation") != evaluation_id(config):
        return False
    return not damaged(config, layout)


def state(config: RunConfig, layout: Layout) -> str:
    """Returns how far a run is: done, failed, running (now), trained, started (and left), pending.

    "trained": to the end, but not evaluated, or otherwise than its configuration says.
    """
    if is_done(config, layout):
        return "done"
    folder = layout.run(config)
    if (folder / FAILED).exists():
        return "failed"
    if lease.read(layout.leases, config.id):
        return "running"
    if not (folder / "config.json").exists():
        return "pending"
    return "trained" if latest_step(folder) >= config.train.steps else "started"


def unreadable(config: RunConfig, layout: Layout) -> list[str]:
    """Returns the files of a run, finished or not, that are not what was written.

    The same command makes them again; a log begins anew where training goes on.
    """
    folder = layout.run(config)
    sealed = dict.fromkeys(("config.json", FAILED, DONE), files.read_sealed)
    lines = dict.fromkeys((LOG, RESULTS), files.read_jsonl)
    found = damaged(config, layout)
    for name, read in (sealed | lines).items():
        try:
            if (folder / name).exists():
                read(folder / name)
        except InputError:
            found.append(name)
    return list(dict.fromkeys(found))


def _done(config: RunConfig, layout: Layout) -> dict[str, Any]:
    """Returns the content of `DONE`, {} if there is none or it was torn by a full disk, say."""
    try:
        content = files.read_sealed(layout.run(config) / DONE)
    except InputError:
        return {}
    whole = isinstance(content, dict) and isinstance(content.get("files"), dict)
    return content if whole else {}

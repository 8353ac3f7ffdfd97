"""A grid of four short runs, and the command that works on it; run with a directory as argument."""

import sys

from configs import quickstart
from m4jax import files, stopping, terminal
from m4jax.grid import study
from m4jax.grid.cells import merge

SMALL = {
    "model": {"variant": "emoji-XS/16"},
    "world": {"examples": 400},
    "train": {"steps": 12, "warmup_steps": 1, "batch_size": 16, "log_every": 3,
              "checkpoint_every": 3},
    "evaluate": {"resamples": 100},
    "balance": {"keep_rate": "max", "eps_association": 1e-2},
}  # fmt: skip
TIMINGS = ("examples_per_second", "wait_share")
CELLS = ("original, seed 0", "balanced, seed 0", "original, seed 1", "balanced, seed 1")


def config(**changes):
    """Returns the grid: two versions, two seeds."""
    whole = merge(quickstart.get_config().to_dict(), SMALL | {"seeds": (0, 1), "track": True})
    versions = (("original", {}), ("balanced", {"balance": {"enabled": True}}))
    return whole | {"factors": (("version", versions),)} | changes


def content(workdir):
    """Returns all that a study left behind, but for timings."""
    left = {}
    for run in sorted((workdir / "runs").iterdir()):
        metrics = files.read_jsonl(run / "metrics.jsonl")
        left[f"{run.name}/metrics"] = [
            {name: value for name, value in record.items() if name not in TIMINGS}
            for record in metrics
        ]
        for path in [run / "eval.jsonl", *sorted(run.glob("along/*.jsonl"))]:
            left[f"{run.name}/{path.name}"] = files.read_jsonl(path)
    for path in sorted((workdir / "weights").rglob("weights.json")):
        left[path.parent.name] = files.read_json(path)
    for path in [workdir / "results.parquet", *sorted((workdir / "figures").iterdir()),
                 *sorted((workdir / "tables").iterdir())]:  # fmt: skip
        left[path.name] = path.read_bytes()
    return left


if __name__ == "__main__":
    with stopping.on_sigterm():
        sys.exit(
            study.main(config(), workdir=sys.argv[1], action="run",
                       workers=int(sys.argv[2]) if sys.argv[2:] else 2,
                       console=terminal.console())
        )  # fmt: skip

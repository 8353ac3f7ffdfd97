"""Measurements, each in a fresh process with limits; those that are done are not done again."""

import importlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from m4jax import files

# job -> the module and function that does it; a function returns what JSON can hold
JOBS = {
    "ours": "experiments.benchmark.solvers:ours",
    "peer": "experiments.benchmark.solvers:peer",
    "cold": "experiments.benchmark.cold:cold",
    "online": "experiments.benchmark.solvers:online",
    "bias": "experiments.benchmark.sums:bias",
    "read": "experiments.benchmark.scale:read",
    "group_by": "experiments.benchmark.scale:group_by",
    "fold_and_solve": "experiments.benchmark.scale:fold_and_solve",
    "caps": "experiments.benchmark.wide:caps",
    "attributes_by_labels": "experiments.benchmark.wide:attributes_by_labels",
    "train_steps": "experiments.benchmark.towers:train_steps",
    "fleet": "experiments.benchmark.runs:fleet",
    "feed": "experiments.benchmark.runs:feed",
    "read_collection": "experiments.benchmark.reading:read_collection",
    "read_at_random": "experiments.benchmark.reading:read_at_random",
    "go_over": "experiments.benchmark.reading:go_over",
    "utilisation": "experiments.benchmark.runs:utilisation",
}
NEVER = 86_400.0  # seconds


def measure(
    folder: Path,
    job: str,
    *,
    seconds: float = NEVER,
    gigabytes: float | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Returns what a job of `JOBS` found, run in a process of its own.

    Args:
        folder: holds the results; one that is there is returned as it is.
        job: its name.
        seconds: limit on its time.
        gigabytes: limit on its memory, if any.
        settings: its keyword arguments; they and the limits tell one result from another.

    Returns:
        What the job returned, with "ended": "done", "too slow" or "failed" (then with "error"),
        and "peak_bytes", the largest resident memory of its process.
    """
    asked = {"job": job, "seconds": seconds, "gigabytes": gigabytes, "settings": settings}
    path = folder / f"{job}-{files.digest(asked)}.json"
    if not path.exists():
        found = _run(path.with_suffix(".asked"), asked)
        if found["ended"] == "failed":
            return found
        files.write_json(path, found | {"asked": asked})
    return files.read_json(path)


def _run(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    files.write_json(path, asked)
    command = [sys.executable, "-m", "experiments.benchmark.measure", str(path)]
    try:
        ended = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=asked["seconds"], check=False
        )
    except subprocess.TimeoutExpired:
        return {"ended": "too slow"}
    finally:
        path.unlink()
    if ended.returncode != 0:
        told = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        return {"ended": "failed", "error": told[-1]}
    return {"ended": "done"} | json.loads(ended.stdout.splitlines()[-1])


def peak_bytes() -> int:
    """Returns the largest resident memory of this process so far."""
    try:
        # Unlike getrusage this knows nothing of the process that started this one.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except FileNotFoundError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size << 10


def main(path: str) -> None:
    """Does the job that a file describes, and prints what it found as the last line."""
    asked = files.read_json(path)
    if asked["gigabytes"] is not None:
        limit = int(asked["gigabytes"] * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    module, name = JOBS[asked["job"]].split(":")
    found = getattr(importlib.import_module(module), name)(**asked["settings"])
    print(json.dumps(found | {"peak_bytes": peak_bytes()}, allow_nan=False))


if __name__ == "__main__":
    main(sys.argv[1])

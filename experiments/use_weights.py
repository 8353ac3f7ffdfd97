"""Keeps what weights say, in the form that other training code reads.

    python -m experiments.use_weights --config=configs/use_weights.py --workdir=runs/kept \
        --config.data='shards/*.tar' --config.weights=runs/balanced

Data are what `experiments.audit` reads: tar shards, a folder of pictures, a folder of Hugging
Face's `datasets`, parquet, a list with addresses. Weights are what `experiments.balance` left, or a
parquet file of one's own (uid, weight). They are joined by uid: the coverage is printed, and what
does not fit is refused (exit code 2). Each example is kept with its probability, by a hash of seed
and uid: the same on every machine. Interrupted, the same command goes on.
"""

from rich.console import Console

from experiments import command
from m4jax import files, progress, settings
from m4jax.tables.elsewhere import UseConfig, Used, use


def main(console: Console) -> int:
    """Writes what is kept; prints the coverage, where it lies, and how to read it."""
    config = settings.record(UseConfig, command.config(), "config", "configs/use_weights.py")
    folder, done = command.workdir(), list[Used]()
    with files.locked(folder / "lock", wait=False):
        files.sweep(folder, deep=False)
        work = {"use weights": lambda tell: done.append(use(config, folder, tell))}
        progress.run_stages(console, work)
    (used,) = done
    what = "lines" if used.format == "open_clip" else "examples"
    for line in (
        f"{used.coverage}.",
        f"Written, as {used.format}: {used.written:,} {what}: {used.path}",
        f"To be read by: {used.hint}",
    ):
        console.print(line, soft_wrap=True)
    return 0


if __name__ == "__main__":
    command.run(main)

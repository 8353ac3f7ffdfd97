"""Trains one model, or goes on with it.

    python -m experiments.train --config=configs/base.py --workdir=runs/train

Interrupted at any point, the same command goes on. `--init_from=DIR` starts from the parameters of
another run or of an exported model, or from a Hugging Face folder (whatever `models.open_folder`
takes), which then brings its model and its tokenizer along; `--config.train.freeze=image` leaves
that tower as it is, `--config.train.text_rate=0.1` lets the other one learn slowly.

`--distributed` joins the processes of a cluster (Slurm and the like are recognised; otherwise
JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID are read).
"""

import functools
import os
from collections.abc import Callable

import jax
from absl import flags
from jax.experimental import multihost_utils
from rich.console import Console

from experiments import command, single
from m4jax import progress
from m4jax.run.train import train_run, train_scorer
from m4jax.run.weights import check_own, weigh

_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes of a run.")


def main(console: Console) -> int:
    """Prepares the world, balances it if the configuration says so, and trains."""
    if _DISTRIBUTED.value:
        _join()
    config, layout = single.run_and_layout()
    stages = {"world": functools.partial(config.source.prepare, layout.data)}
    if config.filter:
        stages["scorer"] = functools.partial(train_scorer, config, layout)
    if config.weighted:
        check_own([config])
        stages["weights"] = functools.partial(weigh, config, layout)
    stages["train"] = functools.partial(train_run, config, layout)
    if jax.process_count() == 1:
        progress.run_stages(console, stages)
    else:
        _train_together(console, stages)
    if jax.process_index() == 0:
        console.print(f"Run: {layout.run(config)}")
    return 0


def _train_together(
    console: Console, stages: dict[str, Callable[[progress.Progress], None]]
) -> None:
    """Does what comes before in the first process, which alone shows progress, then trains."""
    train = {"train": stages.pop("train")}
    if jax.process_index():
        console = Console(quiet=True)
    else:
        progress.run_stages(console, stages)
    multihost_utils.sync_global_devices("the data are prepared")
    progress.run_stages(console, train)


def _join() -> None:
    """Connects to the other processes."""
    count, number = (os.environ.get(f"JAX_{x}") for x in ("NUM_PROCESSES", "PROCESS_ID"))
    jax.distributed.initialize(
        num_processes=count and int(count), process_id=number and int(number)
    )


if __name__ == "__main__":
    command.run(main)

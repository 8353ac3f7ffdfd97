"""What the commands of a single run share: which run it is."""

import os

from absl import flags

from experiments import command
from m4jax.run.config import RunConfig, run_config
from m4jax.run.state import Layout

_INIT_FROM = flags.DEFINE_string(
    "init_from",
    "",
    "Sets config.init_from: a run's directory, an exported model or a model's folder.",
)


def run_and_layout() -> tuple[RunConfig, Layout]:
    """Returns the run that the flags name, and where its files lie."""
    if _INIT_FROM.value:
        command.override("init_from", os.path.abspath(_INIT_FROM.value))
    return run_config(command.config()), Layout(command.workdir())

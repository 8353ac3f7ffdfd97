"""What reads the examples: DuckDB on this machine, or Apache Beam on many."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.tables.config import BEAM, TableConfig
from m4jax.tables.job import Job
from m4jax.tables.stages import STAGES


def job(
    config: TableConfig, folder: Path, tell: Callable[[str], None]
) -> tuple[Job, dict[str, Callable[[Job, Progress], None]]]:
    """Returns the balancing that is asked for and its stages, by the engine of `config.engine`.

    Raises:
        InputError: if the engine is not installed.
    """
    if config.engine != BEAM:
        return Job(config, folder, tell), STAGES
    check_installed()
    from m4jax.tables.beam import stages

    return stages.BeamJob(config, folder, tell), stages.STAGES


def annotator() -> Callable[..., Any]:
    """Returns what annotates captions on many machines: `beam.annotating.annotate`.

    Raises:
        InputError: if the engine is not installed.
    """
    check_installed()
    from m4jax.tables.beam.annotating import annotate

    return annotate


def check_installed() -> None:
    """Raises `InputError` unless Apache Beam can be imported."""
    if importlib.util.find_spec("apache_beam") is None:
        raise InputError(
            "config.engine: Apache Beam is not installed; pip install -c constraints-beam.txt "
            "'m4jax[beam]'"
        )

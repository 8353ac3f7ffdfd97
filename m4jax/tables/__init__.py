"""Balancing tables of any size: what the command `experiments.balance` does."""

from m4jax.tables.config import TableConfig, table_config
from m4jax.tables.engines import job
from m4jax.tables.job import Job
from m4jax.tables.stages import STAGES, stages
from m4jax.tables.weights import certificate, names

__all__ = [
    "STAGES",
    "Job",
    "TableConfig",
    "certificate",
    "job",
    "names",
    "stages",
    "table_config",
]

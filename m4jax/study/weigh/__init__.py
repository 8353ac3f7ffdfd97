"""Balancing tables of any size: what the command `experiments.balance` does."""

from m4jax.study.weigh.config import WeighConfig, weigh_config
from m4jax.study.weigh.job import Job
from m4jax.study.weigh.stages import STAGES, stages

__all__ = ["STAGES", "Job", "WeighConfig", "stages", "weigh_config"]

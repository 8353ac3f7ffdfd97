"""Training of two-tower models: losses, one pure step, checkpoints, and the loop around them."""

from m4jax.errors import NonFiniteError
from m4jax.training.checkpoint import CheckpointWarning
from m4jax.training.config import Stage, TrainConfig, TrainData
from m4jax.training.embed import Embedder
from m4jax.training.fleet import Member, train_fleet
from m4jax.training.loop import train
from m4jax.training.mesh import make_mesh
from m4jax.training.restore import describe, latest_step, load_params

__all__ = [
    "CheckpointWarning",
    "Embedder",
    "Member",
    "NonFiniteError",
    "Stage",
    "TrainConfig",
    "TrainData",
    "describe",
    "latest_step",
    "load_params",
    "make_mesh",
    "train",
    "train_fleet",
]
